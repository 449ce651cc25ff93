"""DaemonSets from end to end: the real reconcilers on the real store, with hollow agents, in virtual time."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest

from swarmlet.controllers.sets.daemonset import DaemonSets
from swarmlet.controllers.work.drafts import creation
from swarmlet.model import affinity, defaults, kinds, objects
from swarmlet.model.apps_sets import DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet
from swarmlet.model.core import Namespace, Node, Taint
from swarmlet.model.meta import LabelSelector, ObjectMeta
from swarmlet.model.pod import Pod, Toleration
from swarmlet.store.commands import Command, Key
from swarmlet.store.state import Store
from tests.controllers.world import BAD_IMAGE, World, new_node, new_template
from tests.virtual_time import EPOCH

DAEMON_SET = kinds.DAEMON_SET


@pytest.fixture
async def world():
    async with World() as world:
        yield world


def rolling(unavailable: int | str = 1, surge: int | str = 0) -> DaemonSetUpdateStrategy:
    bounds = RollingUpdateDaemonSet(max_unavailable=unavailable, max_surge=surge)
    return DaemonSetUpdateStrategy(type="RollingUpdate", rolling_update=bounds)


def new_daemon_set(image: str = "log:1", *, template: dict | None = None, **spec: object) -> DaemonSet:
    whole = DaemonSet(
        metadata=ObjectMeta(name="log", namespace="default"),
        spec=DaemonSetSpec(
            selector=LabelSelector(match_labels={"app": "log"}),
            template=new_template("log", image, **(template or {})),
            **spec,
        ),
    )
    return defaults.fill(whole)


async def deploy(world: World, image: str = "log:1", **spec: object) -> None:
    await world.create(DAEMON_SET, new_daemon_set(image, **spec))
    await world.pass_time(5)


async def respec(world: World, **changes: object) -> None:
    def changed(value: DaemonSet) -> DaemonSet:
        return defaults.fill(msgspec.structs.replace(value, spec=msgspec.structs.replace(value.spec, **changes)))

    await world.change(DAEMON_SET, "log", changed)


async def set_image(world: World, image: str) -> None:
    await respec(world, template=new_template("log", image))


async def change_node(world: World, name: str, **changes: object) -> None:
    def changed(value: Node) -> Node:
        labels = {**value.metadata.labels, **changes.pop("labels", {})}
        spec = msgspec.structs.replace(value.spec, **changes)
        return msgspec.structs.replace(objects.with_metadata(value, labels=labels), spec=spec)

    await world.change(kinds.NODE, name, changed)
    await world.pass_time(5)


def status(world: World):
    return world.stored(DAEMON_SET, "log").object.status


def places(world: World) -> dict[str, str]:
    return {pod.spec.node_name: pod.spec.containers[0].image for pod in world.pods() if not objects.is_terminating(pod)}


def pod_on(world: World, node: str) -> Pod:
    (found,) = (pod for pod in world.pods() if pod.spec.node_name == node)
    return found


# Which nodes.


async def test_each_node_gets_a_pod_through_the_scheduler(world: World) -> None:
    await deploy(world)
    assert world.spread() == {"n1": 1, "n2": 1, "n3": 1}
    assert len(world.events("Scheduled")) == 3
    assert {pod.spec.affinity for pod in world.pods()} == {affinity.on_node(name) for name in ("n1", "n2", "n3")}


async def test_the_status_counts_the_nodes(world: World) -> None:
    await deploy(world)
    found = status(world)
    counts = (found.desired_number_scheduled, found.current_number_scheduled, found.number_ready)
    assert counts == (3, 3, 3)
    assert (found.updated_number_scheduled, found.number_available, found.number_unavailable) == (3, 3, 0)
    assert (found.number_misscheduled, found.observed_generation) == (0, 1)


async def test_a_new_node_gets_its_pod_and_a_removed_one_loses_it(world: World) -> None:
    await deploy(world)
    await world.create(kinds.NODE, new_node("n4"))
    for _ in range(3):
        world.heartbeats.beat("n4", ready=True, message="")
        await world.pass_time(1)
    assert world.spread()["n4"] == 1
    await world.delete(kinds.NODE, "n4")
    await world.pass_time(2)
    assert world.spread() == {"n1": 1, "n2": 1, "n3": 1}
    assert status(world).desired_number_scheduled == 3


async def test_a_pod_that_waits_for_a_node_that_is_no_more_goes(world: World) -> None:
    await world.respec_nodes(cpu="0")
    template = new_template("log")
    asking = msgspec.structs.replace(template.spec.containers[0].resources, requests={"cpu": "1"})
    containers = (msgspec.structs.replace(template.spec.containers[0], resources=asking),)
    spec = msgspec.structs.replace(template.spec, containers=containers)
    await deploy(world)
    await respec(world, template=msgspec.structs.replace(template, spec=spec))
    await world.pass_time(5)
    waiting = [pod for pod in world.pods() if not pod.spec.node_name]
    assert waiting
    lost = affinity.names_asked_for(affinity.required_nodes(waiting[0].spec.affinity))
    await world.delete(kinds.NODE, min(lost))
    await world.pass_time(2)
    assert waiting[0].metadata.name not in {pod.metadata.name for pod in world.pods()}


async def test_a_node_selector_chooses_nodes(world: World) -> None:
    await deploy(world, template={"node_selector": {"disk": "ssd"}})
    assert places(world) == {}
    await change_node(world, "n2", labels={"disk": "ssd"})
    assert places(world) == {"n2": "log:1"}
    await change_node(world, "n2", labels={"disk": "hdd"})
    assert places(world) == {}


async def test_an_affinity_chooses_nodes(world: World) -> None:
    await deploy(world, template={"affinity": affinity.on_node("n3")})
    assert places(world) == {"n3": "log:1"}


async def test_a_cordoned_node_has_its_pod_all_the_same(world: World) -> None:
    await change_node(world, "n1", unschedulable=True)
    await deploy(world)
    assert set(places(world)) == {"n1", "n2", "n3"}


async def test_a_taint_keeps_new_pods_off_and_leaves_those_there(world: World) -> None:
    await deploy(world)
    await change_node(world, "n1", taints=(Taint(key="own", effect="NoSchedule"),))
    assert set(places(world)) == {"n1", "n2", "n3"}
    assert (status(world).desired_number_scheduled, status(world).number_misscheduled) == (2, 1)
    await world.mark_deleted(kinds.POD, pod_on(world, "n1").metadata.name)
    await world.pass_time(5)
    assert set(places(world)) == {"n2", "n3"}


async def test_an_evicting_taint_takes_the_pod_away(world: World) -> None:
    await deploy(world)
    await change_node(world, "n1", taints=(Taint(key="own", effect="NoExecute"),))
    assert set(places(world)) == {"n2", "n3"}


async def test_a_toleration_opens_a_tainted_node(world: World) -> None:
    await change_node(world, "n1", taints=(Taint(key="own", effect="NoExecute"),))
    await deploy(world, template={"tolerations": (Toleration(key="own", operator="Exists"),)})
    assert set(places(world)) == {"n1", "n2", "n3"}


async def test_pods_tolerate_what_kubernetes_lets_them(world: World) -> None:
    await deploy(world, template={"host_network": True})
    (tolerations,) = {pod.spec.tolerations for pod in world.pods()}
    assert {(each.key.removeprefix("node.kubernetes.io/"), each.effect) for each in tolerations} == {
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
        ("network-unavailable", "NoSchedule"),
    }


async def test_a_lost_node_keeps_its_pod_and_counts_no_more(world: World) -> None:
    await deploy(world)
    before = pod_on(world, "n3").metadata.uid
    world.agents["n3"].alive = False
    await world.pass_time(60)
    assert (pod_on(world, "n3").metadata.uid, objects.is_terminating(pod_on(world, "n3"))) == (before, False)
    assert (status(world).desired_number_scheduled, status(world).number_misscheduled) == (2, 1)
    await world.agents["n3"].wake()
    await world.pass_time(5)
    assert pod_on(world, "n3").metadata.uid == before
    assert status(world).desired_number_scheduled == 3


# Its Pods.


async def test_a_deleted_pod_is_replaced_once_it_is_gone(world: World) -> None:
    await deploy(world)
    world.agents["n1"].alive = False
    await world.mark_deleted(kinds.POD, pod_on(world, "n1").metadata.name)
    await world.pass_time(2)
    assert len(world.pods()) == 3
    await world.agents["n1"].wake()
    await world.pass_time(2)
    assert world.spread() == {"n1": 1, "n2": 1, "n3": 1}


async def test_of_two_pods_on_a_node_the_older_stays(world: World) -> None:
    await deploy(world)
    older = pod_on(world, "n1")
    await world.pass_time(2)
    twin = objects.with_metadata(older, name="log-twin", resource_version="", owner_references=())
    await world.create(kinds.POD, twin)
    await world.pass_time(5)
    assert pod_on(world, "n1").metadata.uid == older.metadata.uid


@pytest.mark.parametrize(("phase", "reason"), [("Failed", "FailedDaemonPod"), ("Succeeded", "SucceededDaemonPod")])
async def test_a_pod_that_ended_is_replaced_though_not_at_once(world: World, phase: str, reason: str) -> None:
    await deploy(world, BAD_IMAGE)
    before = pod_on(world, "n1").metadata

    def end(value: Pod) -> Pod:
        return msgspec.structs.replace(value, status=msgspec.structs.replace(value.status, phase=phase))

    await world.change(kinds.POD, before.name, end)
    await world.pass_time(2)
    assert pod_on(world, "n1").metadata.uid == before.uid
    await world.pass_time(5)
    assert pod_on(world, "n1").metadata.uid != before.uid
    assert world.events(reason)


async def test_a_matching_pod_of_nobody_is_adopted_and_one_that_no_longer_matches_let_go(world: World) -> None:
    await deploy(world)
    stray = pod_on(world, "n2")
    await world.change(kinds.POD, stray.metadata.name, lambda it: objects.with_metadata(it, labels={"app": "x"}))
    await world.pass_time(5)
    assert objects.controller_of(world.stored(kinds.POD, stray.metadata.name).object) is None
    assert Counter(pod.spec.node_name for pod in world.pods(app="log")) == {"n1": 1, "n2": 1, "n3": 1}


# Updates.


async def test_an_update_takes_one_node_after_the_other(world: World) -> None:
    await deploy(world)
    least = 3

    def count(_changes) -> None:
        nonlocal least
        least = min(least, len(world.serving()))

    world.replica.view.subscribe(count)
    await set_image(world, "log:2")
    await world.pass_time(10)
    assert set(places(world).values()) == {"log:2"}
    assert least == 2
    assert status(world).updated_number_scheduled == 3


async def test_an_update_may_take_a_share_of_the_nodes(world: World) -> None:
    await deploy(world, update_strategy=rolling("50%"))
    await set_image(world, BAD_IMAGE)
    await world.pass_time(10)
    assert Counter(places(world).values()) == {BAD_IMAGE: 2, "log:1": 1}


async def test_a_broken_update_stops_and_is_left_by_going_back(world: World) -> None:
    await deploy(world)
    await set_image(world, BAD_IMAGE)
    await world.pass_time(10)
    assert Counter(places(world).values()) == {BAD_IMAGE: 1, "log:1": 2}
    assert (status(world).updated_number_scheduled, status(world).number_unavailable) == (1, 1)
    await set_image(world, "log:1")
    await world.pass_time(10)
    assert set(places(world).values()) == {"log:1"}
    assert len(world.serving()) == 3


async def test_a_lost_node_does_not_hold_an_update_up(world: World) -> None:
    await deploy(world)
    world.agents["n3"].alive = False
    await world.pass_time(20)
    await set_image(world, "log:2")
    await world.pass_time(10)
    assert places(world) == {"n1": "log:2", "n2": "log:2", "n3": "log:1"}


async def test_a_surge_starts_the_new_pod_before_the_old_one_goes(world: World) -> None:
    await deploy(world, update_strategy=rolling(0, 1))
    least, most = 3, 3

    def count(_changes) -> None:
        nonlocal least, most
        least, most = min(least, len(world.serving())), max(most, len(world.pods()))

    world.replica.view.subscribe(count)
    await set_image(world, "log:2")
    await world.pass_time(20)
    assert set(places(world).values()) == {"log:2"}
    assert (least, most) == (3, 4)
    assert world.spread() == {"n1": 1, "n2": 1, "n3": 1}


async def test_min_ready_seconds_hold_the_next_node_back(world: World) -> None:
    await deploy(world, min_ready_seconds=10)
    assert (status(world).number_ready, status(world).number_available) == (3, 0)
    await world.pass_time(10)
    assert status(world).number_available == 3
    await set_image(world, "log:2")
    await world.pass_time(8)
    assert Counter(places(world).values()) == {"log:2": 1, "log:1": 2}
    await world.pass_time(40)
    assert set(places(world).values()) == {"log:2"}


async def test_on_delete_updates_what_the_user_deletes(world: World) -> None:
    await deploy(world, update_strategy=DaemonSetUpdateStrategy(type="OnDelete"))
    await set_image(world, "log:2")
    await world.pass_time(5)
    assert set(places(world).values()) == {"log:1"}
    await world.mark_deleted(kinds.POD, pod_on(world, "n2").metadata.name)
    await world.pass_time(5)
    assert places(world) == {"n1": "log:1", "n2": "log:2", "n3": "log:1"}


async def test_revisions_are_kept_up_to_their_limit_and_pods_bear_the_hash(world: World) -> None:
    await deploy(world, revision_history_limit=1)
    for number in (2, 3, 4):
        await set_image(world, f"log:{number}")
        await world.pass_time(10)
    found = sorted(
        (stored.object for stored in world.replica.view.list("controllerrevisions.apps")),
        key=lambda each: each.revision,
    )
    assert [each.revision for each in found] == [3, 4]
    hash_ = found[-1].metadata.labels["controller-revision-hash"]
    assert {pod.metadata.labels["controller-revision-hash"] for pod in world.pods()} == {hash_}


# As a whole.


async def test_a_revision_that_lost_its_hash_is_made_anew(world: World) -> None:
    await deploy(world)
    (stored,) = world.replica.view.list(kinds.CONTROLLER_REVISION.resource)
    name = stored.key.name
    await world.change(kinds.CONTROLLER_REVISION, name, lambda it: objects.with_metadata(it, labels={"app": "log"}))
    await set_image(world, "log:1")
    await world.pass_time(60)
    hashes = {pod.metadata.labels.get("controller-revision-hash") for pod in world.pods()}
    (made,) = (each for each in world.replica.view.list(kinds.CONTROLLER_REVISION.resource) if each.key.name != name)
    assert hashes == {made.object.metadata.labels["controller-revision-hash"]}


@pytest.mark.parametrize("ends", [False, True])
def test_nothing_is_made_in_a_namespace_that_ends(ends: bool) -> None:
    namespace = Namespace(metadata=ObjectMeta(name="default", uid="u", deletion_timestamp=EPOCH if ends else None))
    value = objects.with_metadata(new_daemon_set(), uid="v", generation=1)
    store = Store()
    there = ((kinds.NODE, new_node("n1")), (kinds.NAMESPACE, namespace), (DAEMON_SET, value))
    store.apply(Command(b"all " * 4, tuple(creation(kind, each) for kind, each in there)))
    key = Key(DAEMON_SET.resource, "default", value.metadata.name)
    decided = DaemonSets(random.Random(1)).reconcile(store, key, EPOCH).operations
    assert any(each.key.resource == "pods" for each in decided) is not ends


async def test_nothing_is_written_while_nothing_changes(world: World) -> None:
    await deploy(world)
    await world.pass_time(10)
    count = len(world.replica.commands)
    await world.pass_time(60)
    assert world.commands_since(count) == []


async def test_a_daemon_set_that_is_deleted_takes_its_pods_along(world: World) -> None:
    await deploy(world)
    await world.delete(DAEMON_SET, "log")
    await world.pass_time(5)
    assert world.pods() == []
    assert world.replica.view.list("controllerrevisions.apps") == []
