"""StatefulSets from end to end: the real reconcilers on the real store, with hollow agents, in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest

from swarmlet.controllers.sets import controller_history
from swarmlet.controllers.sets.statefulset import StatefulSets
from swarmlet.controllers.work.drafts import creation
from swarmlet.model import conditions, defaults, kinds, objects, singletons
from swarmlet.model.apps_sets import (
    ControllerRevision,
    RollingUpdateStatefulSet,
    StatefulSet,
    StatefulSetOrdinals,
    StatefulSetSpec,
    StatefulSetUpdateStrategy,
)
from swarmlet.model.core import Namespace
from swarmlet.model.meta import LabelSelector, ObjectMeta
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Command, Key
from swarmlet.store.state import Store
from tests.controllers.world import BAD_IMAGE, World, new_template
from tests.virtual_time import EPOCH

STATEFUL_SET = kinds.STATEFUL_SET


@pytest.fixture
async def world():
    async with World() as world:
        yield world


def new_stateful_set(name: str = "db", replicas: int = 3, image: str = "db:1", **spec: object) -> StatefulSet:
    rolling = {key: spec.pop(key) for key in ("partition", "max_unavailable") if key in spec}
    strategy = StatefulSetUpdateStrategy(rolling_update=RollingUpdateStatefulSet(**rolling))
    given = {"template": new_template(name, image), "service_name": "peers", "update_strategy": strategy}
    whole = StatefulSet(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=StatefulSetSpec(replicas=replicas, selector=LabelSelector(match_labels={"app": name}), **given | spec),
    )
    return defaults.fill(whole)


async def deploy(world: World, seconds: float = 5, **spec: object) -> None:
    await world.create(STATEFUL_SET, new_stateful_set(**spec))
    await world.pass_time(seconds)


async def respec(world: World, **changes: object) -> None:
    def changed(value: StatefulSet) -> StatefulSet:
        return defaults.fill(msgspec.structs.replace(value, spec=msgspec.structs.replace(value.spec, **changes)))

    await world.change(STATEFUL_SET, "db", changed)


async def set_image(world: World, image: str) -> None:
    await respec(world, template=new_template("db", image))


async def set_partition(world: World, partition: int) -> None:
    rolling = RollingUpdateStatefulSet(partition=partition)
    await respec(world, update_strategy=StatefulSetUpdateStrategy(rolling_update=rolling))


def the_set(world: World) -> StatefulSet:
    return world.stored(STATEFUL_SET, "db").object


def images(world: World) -> dict[str, str]:
    return {pod.metadata.name: pod.spec.containers[0].image for pod in world.pods() if not objects.is_terminating(pod)}


def names(world: World) -> list[str]:
    return sorted(images(world))


def revisions(world: World) -> list[ControllerRevision]:
    found = [stored.object for stored in world.replica.view.list("controllerrevisions.apps")]
    return sorted(found, key=lambda each: each.revision)


def pod(world: World, name: str) -> Pod:
    return world.stored(kinds.POD, name).object


class Diary:
    """What became of Pods, in turn: "+db-0" made, "!db-0" ready, "-db-0" told to go, "xdb-0" gone."""

    def __init__(self, world: World) -> None:
        self.entries: list[str] = []
        self._end = world.replica.view.subscribe(self._hear)

    def _hear(self, changes) -> None:
        for change in changes:
            if change.key.resource != "pods":
                continue
            for sign, now in (("+", True), ("!", is_ready), ("-", objects.is_terminating), ("x", None)):
                if _turned(change, now):
                    self.entries.append(f"{sign}{change.key.name}")


def is_ready(value: Pod) -> bool:
    return conditions.is_true(value.status.conditions, "Ready")


def _turned(change, now: Callable | bool | None) -> bool:
    if now is None:
        return change.new is None
    if now is True:
        return change.old is None
    return change.new is not None and now(change.new.object) and not (change.old and now(change.old.object))


# Who they are.


async def test_pods_bear_their_ordinals_names(world: World) -> None:
    await deploy(world)
    assert names(world) == ["db-0", "db-1", "db-2"]
    first = pod(world, "db-0")
    assert (first.spec.hostname, first.spec.subdomain) == ("db-0", "peers")
    assert first.metadata.labels["statefulset.kubernetes.io/pod-name"] == "db-0"
    assert first.metadata.labels["apps.kubernetes.io/pod-index"] == "0"
    assert first.metadata.labels["controller-revision-hash"] == the_set(world).status.update_revision
    assert objects.controller_of(first).kind == "StatefulSet"
    assert singletons.must_be_single(first)


async def test_ordinals_may_start_elsewhere(world: World) -> None:
    await deploy(world, ordinals=StatefulSetOrdinals(start=5))
    assert names(world) == ["db-5", "db-6", "db-7"]
    await respec(world, ordinals=StatefulSetOrdinals(start=6))
    await world.pass_time(5)
    assert names(world) == ["db-6", "db-7", "db-8"]


async def test_a_lost_label_of_identity_is_put_back(world: World) -> None:
    await deploy(world)

    def stripped(value: Pod) -> Pod:
        labels = {key: text for key, text in value.metadata.labels.items() if "/" not in key}
        return objects.with_metadata(value, labels=labels)

    await world.change(kinds.POD, "db-1", stripped)
    await world.pass_time(1)
    assert pod(world, "db-1").metadata.labels["apps.kubernetes.io/pod-index"] == "1"


# In order.


async def test_ordered_pods_are_made_one_after_the_other(world: World) -> None:
    diary = Diary(world)
    await deploy(world)
    assert diary.entries == ["+db-0", "!db-0", "+db-1", "!db-1", "+db-2", "!db-2"]


async def test_parallel_pods_are_made_at_once(world: World) -> None:
    diary = Diary(world)
    await deploy(world, pod_management_policy="Parallel")
    assert diary.entries[:3] == ["+db-0", "+db-1", "+db-2"]


async def test_ordered_pods_go_one_after_the_other_from_the_last(world: World) -> None:
    await deploy(world)
    diary = Diary(world)
    await respec(world, replicas=1)
    await world.pass_time(5)
    assert diary.entries == ["-db-2", "xdb-2", "-db-1", "xdb-1"]
    assert the_set(world).status.replicas == 1


async def test_parallel_pods_go_at_once(world: World) -> None:
    await deploy(world, pod_management_policy="Parallel")
    diary = Diary(world)
    await respec(world, replicas=0)
    await world.pass_time(5)
    assert diary.entries[:3] == ["-db-2", "-db-1", "-db-0"]


async def test_ordered_pods_wait_for_one_that_does_not_get_ready(world: World) -> None:
    await deploy(world, image=BAD_IMAGE)
    assert names(world) == ["db-0"]


async def test_nothing_shrinks_while_one_that_stays_is_unwell(world: World) -> None:
    await deploy(world)
    await world.change(kinds.POD, "db-0", unwell)
    await respec(world, replicas=1)
    await world.pass_time(5)
    assert names(world) == ["db-0", "db-1", "db-2"]


async def test_an_unwell_pod_that_is_not_asked_for_goes(world: World) -> None:
    await deploy(world)
    for name in ("db-1", "db-2"):
        await world.change(kinds.POD, name, unwell)
    await world.pass_time(0.1)
    await respec(world, replicas=1)
    await world.pass_time(5)
    assert names(world) == ["db-0"]


async def test_min_ready_seconds_hold_the_next_one_back(world: World) -> None:
    await deploy(world, min_ready_seconds=10)
    assert names(world) == ["db-0"]
    assert (the_set(world).status.ready_replicas, the_set(world).status.available_replicas) == (1, 0)
    await world.pass_time(11)
    assert names(world) == ["db-0", "db-1"]
    await world.pass_time(30)
    assert the_set(world).status.available_replicas == 3


async def test_a_pod_that_was_deleted_comes_back_under_its_name(world: World) -> None:
    await deploy(world)
    before = pod(world, "db-1").metadata.uid
    await world.mark_deleted(kinds.POD, "db-1")
    await world.pass_time(5)
    assert names(world) == ["db-0", "db-1", "db-2"]
    assert pod(world, "db-1").metadata.uid != before


@pytest.mark.parametrize(
    ("phase", "reason"), [("Failed", "RecreatingFailedPod"), ("Succeeded", "RecreatingTerminatedPod")]
)
async def test_a_pod_that_has_ended_is_made_anew(world: World, phase: str, reason: str) -> None:
    await deploy(world)
    before = pod(world, "db-1").metadata.uid
    await world.change(kinds.POD, "db-1", lambda it: msgspec.structs.replace(it, status=ended(it, phase)))
    await world.pass_time(5)
    assert pod(world, "db-1").metadata.uid != before
    assert world.events(reason)


def ended(value: Pod, phase: str):
    return msgspec.structs.replace(unwell(value).status, phase=phase)


def unwell(value: Pod) -> Pod:
    told = tuple(
        msgspec.structs.replace(each, status="False") if each.type == "Ready" else each
        for each in value.status.conditions
    )
    return msgspec.structs.replace(value, status=msgspec.structs.replace(value.status, conditions=told))


# Names that are taken.


async def test_a_name_that_another_pod_has_is_waited_for(world: World) -> None:
    other = Pod(metadata=ObjectMeta(name="db-1", namespace="default"), spec=new_template("x").spec)
    await world.create(kinds.POD, other)
    await deploy(world)
    assert objects.controller_of(pod(world, "db-1")) is None
    assert "db-2" not in names(world)
    (event, *_) = world.events("FailedCreate")
    assert event.message.startswith("create Pod db-1 in StatefulSet db failed error")
    await world.delete(kinds.POD, "db-1")
    await world.pass_time(5)
    assert objects.controller_of(pod(world, "db-1")).name == "db"
    assert names(world) == ["db-0", "db-1", "db-2"]


async def test_an_orphan_of_a_former_set_is_adopted(world: World) -> None:
    await deploy(world)
    before = {each.metadata.name: each.metadata.uid for each in world.pods()}
    await world.mark_deleted(STATEFUL_SET, "db", "orphan")
    await world.pass_time(2)
    assert all(objects.controller_of(each) is None and singletons.must_be_single(each) for each in world.pods())
    await deploy(world)
    assert {each.metadata.name: each.metadata.uid for each in world.pods()} == before
    assert all(objects.controller_of(each).uid == the_set(world).metadata.uid for each in world.pods())
    assert len(revisions(world)) == 1


async def test_a_pod_that_no_node_fences_is_not_adopted(world: World) -> None:
    template = new_template("db")
    metadata = ObjectMeta(name="db-0", namespace="default", labels=template.metadata.labels)
    await world.create(kinds.POD, Pod(metadata=metadata, spec=template.spec))
    await deploy(world)
    assert objects.controller_of(pod(world, "db-0")) is None


# Updates.


async def test_an_update_goes_from_the_last_to_the_first(world: World) -> None:
    await deploy(world)
    diary = Diary(world)
    await set_image(world, "db:2")
    await world.pass_time(10)
    assert images(world) == dict.fromkeys(("db-0", "db-1", "db-2"), "db:2")
    each = ["-db-{}", "xdb-{}", "+db-{}", "!db-{}"]
    assert diary.entries == [entry.format(number) for number in (2, 1, 0) for entry in each]
    assert {labels(it) for it in world.pods()} == {the_set(world).status.update_revision}


def labels(value: Pod) -> str:
    return value.metadata.labels["controller-revision-hash"]


async def test_the_status_tells_how_far_an_update_is(world: World) -> None:
    await deploy(world, min_ready_seconds=10, seconds=60)
    first = the_set(world).status
    assert first.current_revision == first.update_revision == revisions(world)[0].metadata.name
    await set_image(world, "db:2")
    await world.pass_time(15)
    status = the_set(world).status
    assert status.current_revision == first.current_revision
    assert status.update_revision == revisions(world)[1].metadata.name
    assert status.updated_replicas + status.current_replicas == status.replicas == 3
    assert status.updated_replicas in (1, 2)
    await world.pass_time(60)
    done = the_set(world).status
    assert done.current_revision == done.update_revision == status.update_revision
    assert (done.current_replicas, done.updated_replicas, done.observed_generation) == (3, 3, 2)


async def test_the_status_counts_a_pod_until_it_is_gone(world: World) -> None:
    await deploy(world)
    counts: list[int] = []

    def count(changes) -> None:
        counts.extend(each.new.object.status.replicas for each in changes if each.key.resource == STATEFUL_SET.resource)

    world.replica.view.subscribe(count)
    await respec(world, replicas=0)
    await world.pass_time(10)
    assert counts == sorted(counts, reverse=True)
    assert set(counts) == {3, 2, 1, 0}


async def test_a_partition_holds_back_lower_ordinals(world: World) -> None:
    await deploy(world, partition=2)
    before = pod(world, "db-1").metadata.uid
    await set_image(world, "db:2")
    await world.pass_time(10)
    assert images(world) == {"db-0": "db:1", "db-1": "db:1", "db-2": "db:2"}
    assert pod(world, "db-1").metadata.uid == before
    assert the_set(world).status.current_revision != the_set(world).status.update_revision
    await set_partition(world, 0)
    await world.pass_time(10)
    assert set(images(world).values()) == {"db:2"}


async def test_a_pod_below_the_partition_comes_back_as_it_was(world: World) -> None:
    await deploy(world, partition=2, ordinals=StatefulSetOrdinals(start=4))
    await set_image(world, "db:2")
    await world.pass_time(10)
    await world.mark_deleted(kinds.POD, "db-5")
    await world.mark_deleted(kinds.POD, "db-6")
    await world.pass_time(10)
    assert images(world) == {"db-4": "db:1", "db-5": "db:1", "db-6": "db:2"}


async def test_on_delete_updates_what_the_user_deletes(world: World) -> None:
    await deploy(world, update_strategy=StatefulSetUpdateStrategy(type="OnDelete"))
    await set_image(world, "db:2")
    await world.pass_time(10)
    assert set(images(world).values()) == {"db:1"}
    await world.mark_deleted(kinds.POD, "db-1")
    await world.pass_time(5)
    assert images(world) == {"db-0": "db:1", "db-1": "db:2", "db-2": "db:1"}


async def test_parallel_updates_take_so_many_at_a_time(world: World) -> None:
    await deploy(world, replicas=5, pod_management_policy="Parallel", max_unavailable="40%")
    least = 5

    def count(_changes) -> None:
        nonlocal least
        least = min(least, len(world.serving()))

    world.replica.view.subscribe(count)
    await set_image(world, "db:2")
    await world.pass_time(10)
    assert set(images(world).values()) == {"db:2"}
    assert least == 3
    assert [event.count for event in world.events("SuccessfulDelete")] == [1] * 5


async def test_a_broken_update_of_ordered_pods_waits_for_its_broken_pod_to_be_deleted(world: World) -> None:
    """As in Kubernetes: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback."""
    await deploy(world)
    await set_image(world, BAD_IMAGE)
    await world.pass_time(10)
    assert images(world) == {"db-0": "db:1", "db-1": "db:1", "db-2": BAD_IMAGE}
    await set_image(world, "db:1")
    await world.pass_time(10)
    assert images(world)["db-2"] == BAD_IMAGE
    await world.mark_deleted(kinds.POD, "db-2")
    await world.pass_time(10)
    assert set(images(world).values()) == {"db:1"}
    assert world.serving() == world.pods()


async def test_a_broken_update_of_parallel_pods_is_left_by_going_back(world: World) -> None:
    await deploy(world, pod_management_policy="Parallel", max_unavailable=2)
    before = {each.metadata.name: each.metadata.uid for each in world.pods()}
    await set_image(world, BAD_IMAGE)
    await world.pass_time(10)
    assert images(world) == {"db-0": "db:1", "db-1": BAD_IMAGE, "db-2": BAD_IMAGE}
    await set_image(world, "db:1")
    await world.pass_time(10)
    assert set(images(world).values()) == {"db:1"}
    assert pod(world, "db-0").metadata.uid == before["db-0"]


# History.


async def test_each_template_is_a_revision_that_can_be_gone_back_to(world: World) -> None:
    await deploy(world)
    for image in ("db:2", "db:1"):
        await set_image(world, image)
        await world.pass_time(10)
    kept = [(each.revision, controller_history.template_of(each).spec.containers[0].image) for each in revisions(world)]
    assert kept == [(2, "db:2"), (3, "db:1")]
    assert revisions(world)[0].data["spec"]["template"]["$patch"] == "replace"


async def test_history_is_kept_up_to_its_limit(world: World) -> None:
    await deploy(world, revision_history_limit=2)
    for number in range(2, 7):
        await set_image(world, f"db:{number}")
        await world.pass_time(10)
    assert [each.revision for each in revisions(world)] == [4, 5, 6]


async def test_a_revision_whose_pods_run_is_not_dropped(world: World) -> None:
    await deploy(world, revision_history_limit=0, update_strategy=StatefulSetUpdateStrategy(type="OnDelete"))
    for number in range(2, 5):
        await set_image(world, f"db:{number}")
        if number == 3:
            await world.mark_deleted(kinds.POD, "db-1")
        await world.pass_time(10)
    assert [each.revision for each in revisions(world)] == [1, 3, 4]


async def test_a_revision_goes_with_its_set(world: World) -> None:
    await deploy(world)
    await world.delete(STATEFUL_SET, "db")
    await world.pass_time(10)
    assert revisions(world) == []
    assert world.pods() == []


# As a whole.


@pytest.mark.parametrize("ends", [False, True])
def test_nothing_is_made_in_a_namespace_that_ends(ends: bool) -> None:
    namespace = Namespace(metadata=ObjectMeta(name="default", uid="u", deletion_timestamp=EPOCH if ends else None))
    value = objects.with_metadata(new_stateful_set(), uid="v", generation=1)
    store = Store()
    there = ((kinds.NAMESPACE, namespace), (STATEFUL_SET, value))
    store.apply(Command(b"all " * 4, tuple(creation(kind, each) for kind, each in there)))
    key = Key(STATEFUL_SET.resource, "default", value.metadata.name)
    decided = StatefulSets(random.Random(1)).reconcile(store, key, EPOCH).operations
    assert any(each.key.resource == "pods" for each in decided) is not ends


async def test_nothing_is_written_while_nothing_changes(world: World) -> None:
    await deploy(world, seconds=10)
    count = len(world.replica.commands)
    await world.pass_time(60)
    assert world.commands_since(count) == []


async def test_a_new_leader_goes_on_where_the_last_one_was(world: World) -> None:
    await deploy(world)
    await set_image(world, "db:2")
    await world.pass_time(1)
    world.replica.lead(False)
    await world.pass_time(1)
    world.replica.lead(True)
    await world.pass_time(20)
    assert images(world) == dict.fromkeys(("db-0", "db-1", "db-2"), "db:2")
    assert len(revisions(world)) == 2


async def test_what_is_done_is_told_in_kubernetes_words(world: World) -> None:
    await deploy(world, replicas=1)
    await respec(world, replicas=0)
    await world.pass_time(5)
    assert [event.message for event in world.events("SuccessfulCreate")] == [
        "create Pod db-0 in StatefulSet db successful"
    ]
    assert [event.message for event in world.events("SuccessfulDelete")] == [
        "delete Pod db-0 in StatefulSet db successful"
    ]
