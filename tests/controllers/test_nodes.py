"""Nodes that fall silent, say they are unwell, stop on purpose, and come back."""

from __future__ import annotations

import msgspec
import pytest

from swarmlet.config import NodeLifecycle
from swarmlet.controllers.nodes.health import judge
from swarmlet.controllers.nodes.heartbeats import Pulse
from swarmlet.model import conditions, kinds, objects, pods, taints
from swarmlet.model.core import Node
from swarmlet.model.pod import Toleration
from tests.controllers.world import World, new_deployment, new_template


@pytest.fixture
async def world():
    async with World() as world:
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=6))
        await world.pass_time(5)
        yield world


def ready(node: Node) -> str:
    condition = conditions.get(node.status.conditions, "Ready")
    return condition.status if condition else ""


def taints_of(node: Node) -> set[tuple[str, str]]:
    return {(taint.key.rpartition("/")[2], taint.effect) for taint in node.spec.taints}


async def test_a_node_that_beats_is_ready_and_untainted(world: World) -> None:
    assert [ready(world.node(name)) for name in world.agents] == ["True"] * 3
    assert taints_of(world.node("n1")) == set()


async def test_a_silent_node_is_unknown_after_five_seconds_and_evicted_after_ten(world: World) -> None:
    world.agents["n1"].alive = False
    await world.pass_time(4)
    assert ready(world.node("n1")) == "True"
    await world.pass_time(2)
    node = world.node("n1")
    assert ready(node) == "Unknown"
    assert taints_of(node) == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}
    assert world.spread()["n1"] == 2
    await world.pass_time(5)
    assert world.spread() == {"n2": 3, "n3": 3}
    assert len(world.serving()) == 6


async def test_pods_of_a_silent_node_are_told_not_ready_until_it_is_heard_again(world: World) -> None:
    def told() -> dict[str, bool]:
        return {pod.metadata.name: pods.is_ready(pod) for pod in world.pods() if pod.spec.node_name == "n1"}

    world.agents["n1"].alive = False
    await world.pass_time(4)
    assert set(told().values()) == {True}
    await world.pass_time(2)
    assert set(told().values()) == {False}
    of_pods = [event for event in world.events("NodeNotReady") if event.involved_object.kind == "Pod"]
    assert [event.message for event in of_pods] == ["Node is not ready"] * 2
    await world.agents["n1"].wake()
    await world.pass_time(2)
    assert len(told()) == 2
    assert set(told().values()) == {True}


async def test_a_node_that_returns_finishes_what_was_replaced(world: World) -> None:
    world.agents["n1"].alive = False
    await world.pass_time(15)
    assert len(world.pods()) == 8
    await world.agents["n1"].wake()
    await world.pass_time(3)
    assert len(world.pods()) == 6 == len(world.serving())
    assert ready(world.node("n1")) == "True"
    assert taints_of(world.node("n1")) == set()


async def test_a_node_that_says_it_is_unwell_is_marked_at_once_and_evicted_in_time(world: World) -> None:
    world.agents["n1"].ready = False
    await world.pass_time(2)
    condition = conditions.get(world.node("n1").status.conditions, "Ready")
    assert (condition.status, condition.message) == ("False", "the Engine is down")
    assert condition.last_heartbeat_time is not None
    assert taints_of(world.node("n1")) == {("not-ready", "NoSchedule"), ("not-ready", "NoExecute")}
    await world.pass_time(55)
    assert world.spread()["n1"] == 2
    await world.pass_time(10)
    assert world.spread() == {"n2": 3, "n3": 3}


async def test_a_daemon_that_stops_on_purpose_keeps_its_pods_for_its_grace(world: World) -> None:
    world.agents["n1"].alive = False
    world.heartbeats.beat("n1", stop_grace_seconds=60)
    await world.pass_time(55)
    assert world.spread()["n1"] == 2
    assert conditions.get(world.node("n1").status.conditions, "Ready").reason == "DaemonStopping"
    assert taints_of(world.node("n1")) == {("not-ready", "NoSchedule")}
    await world.pass_time(10)
    assert "n1" not in world.spread()


async def test_a_pod_stays_as_long_as_it_tolerates(world: World) -> None:
    tolerations = (Toleration(key=taints.UNREACHABLE, operator="Exists", toleration_seconds=20),)
    await world.respec("web", template=new_template("web", tolerations=tolerations))
    await world.pass_time(20)
    world.agents["n1"].alive = False
    await world.pass_time(25)
    assert world.spread()["n1"] == 2
    await world.pass_time(10)
    assert "n1" not in world.spread()


async def test_a_pod_that_tolerates_for_ever_is_never_evicted(world: World) -> None:
    await world.respec("web", template=new_template("web", tolerations=(Toleration(operator="Exists"),)))
    await world.pass_time(20)
    world.agents["n1"].alive = False
    await world.pass_time(100)
    assert world.spread()["n1"] == 2


async def test_a_new_leader_gives_every_node_its_full_time(world: World) -> None:
    world.agents["n1"].alive = False
    await world.pass_time(4)
    world.replica.lead(False)
    await world.pass_time(1)
    world.replica.lead(True)
    await world.pass_time(4.5)
    assert ready(world.node("n1")) == "True"
    await world.pass_time(1)
    assert ready(world.node("n1")) == "Unknown"


async def test_a_new_leader_does_not_call_a_dead_node_ready(world: World) -> None:
    world.agents["n1"].alive = False
    await world.pass_time(20)
    world.replica.lead(False)
    world.replica.lead(True)
    await world.pass_time(3)
    assert ready(world.node("n1")) == "Unknown"


async def test_nothing_is_written_about_nodes_that_stay_as_they_are(world: World) -> None:
    world.agents["n1"].alive = False
    await world.pass_time(20)
    before = len(world.replica.commands)
    await world.pass_time(300)
    assert world.commands_since(before) == []


async def test_cordoned_nodes_keep_their_pods_and_get_no_new_ones(world: World) -> None:
    def cordon(node: Node) -> Node:
        return msgspec.structs.replace(node, spec=msgspec.structs.replace(node.spec, unschedulable=True))

    await world.change(kinds.NODE, "n1", cordon)
    await world.respec("web", replicas=10)
    await world.pass_time(3)
    assert world.spread() == {"n1": 2, "n2": 4, "n3": 4}


async def test_leases_tell_when_a_node_was_last_heard(world: World) -> None:
    leases = world.heartbeats.leases()
    assert [lease.metadata.name for lease in leases] == ["n1", "n2", "n3"]
    assert (world.clock.now() - leases[0].spec.renew_time).total_seconds() <= 1
    assert {lease.metadata.namespace for lease in leases} == {"kube-node-lease"}


async def test_pods_bound_to_a_node_as_it_is_evicted_go_too(world: World) -> None:
    world.agents["n1"].alive = False
    await world.pass_time(20)
    name = world.pods()[0].metadata.name
    pod = world.stored(kinds.POD, name).object
    late = objects.with_metadata(
        msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, node_name="n1")),
        name="late",
        owner_references=(),
        deletion_timestamp=None,
        resource_version="",
    )
    await world.create(kinds.POD, late)
    await world.pass_time(1)
    assert objects.is_terminating(world.stored(kinds.POD, "late").object)


@pytest.mark.parametrize(
    ("pulse", "status", "evicts"),
    [
        (Pulse(last_seen=98, heard=True), "True", False),
        (Pulse(last_seen=94, heard=True), "Unknown", False),
        (Pulse(last_seen=90, heard=True), "Unknown", True),
        (Pulse(last_seen=99, heard=True, unready_since=41), "False", False),
        (Pulse(last_seen=99, heard=True, unready_since=40), "False", True),
        (Pulse(last_seen=50, heard=True, grace_seconds=60), "False", False),
        (Pulse(last_seen=50, heard=True, grace_seconds=40), "Unknown", True),
        (Pulse(last_seen=94), "Unknown", False),
    ],
)
def test_health_is_judged_by_the_pulse(pulse: Pulse, status: str, evicts: bool) -> None:
    health = judge(pulse, 100.0, NodeLifecycle())
    assert (health.status, health.evicts) == (status, evicts)


def test_a_node_not_heard_yet_is_not_judged() -> None:
    assert judge(Pulse(last_seen=98), 100.0, NodeLifecycle()) is None
