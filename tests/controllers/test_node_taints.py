"""What a node's conditions and its spec put on it as taints, and which Pods NoExecute taints drive away."""

from __future__ import annotations

import msgspec
import pytest

from swarmlet.model import conditions, kinds, objects, taints
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.core import Node, Taint
from swarmlet.model.pod import Toleration
from tests.controllers.world import World, new_deployment, new_template

MEMORY = ("MemoryPressure",)


@pytest.fixture
async def world():
    async with World() as world:
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=6))
        await world.pass_time(5)
        yield world


def taints_of(node: Node) -> set[tuple[str, str]]:
    return {(taint.key.rpartition("/")[2], taint.effect) for taint in node.spec.taints}


def told(node: Node, type_: str) -> tuple[str, str, str]:
    condition = conditions.get(node.status.conditions, type_)
    return (condition.status, condition.reason, condition.message) if condition else ("", "", "")


async def put_taint(world: World, name: str, *put: Taint) -> None:
    def tainted(node: Node) -> Node:
        return msgspec.structs.replace(node, spec=msgspec.structs.replace(node.spec, taints=(*node.spec.taints, *put)))

    await world.change(kinds.NODE, name, tainted)


async def cordon(world: World, name: str, *, cordoned: bool) -> None:
    def changed(node: Node) -> Node:
        return msgspec.structs.replace(node, spec=msgspec.structs.replace(node.spec, unschedulable=cordoned))

    await world.change(kinds.NODE, name, changed)
    await world.pass_time(1)


async def test_a_node_that_has_not_measured_tells_of_no_pressure_and_of_no_want_of_it(world: World) -> None:
    assert told(world.node("n1"), "MemoryPressure") == ("", "", "")


async def test_pressure_is_told_in_conditions_and_keeps_pods_off_by_taints(world: World) -> None:
    world.agents["n1"].pressures = ("MemoryPressure", "DiskPressure")
    await world.pass_time(2)
    node = world.node("n1")
    assert told(node, "MemoryPressure") == (
        "True",
        "KubeletHasInsufficientMemory",
        "kubelet has insufficient memory available",
    )
    assert told(node, "DiskPressure") == ("True", "KubeletHasDiskPressure", "kubelet has disk pressure")
    assert told(node, "PIDPressure")[:2] == ("False", "KubeletHasSufficientPID")
    assert taints_of(node) == {("memory-pressure", "NoSchedule"), ("disk-pressure", "NoSchedule")}
    assert {event.message for event in world.events("NodeHasInsufficientMemory")} == {
        "Node n1 status is now: NodeHasInsufficientMemory"
    }
    assert world.spread()["n1"] == 2, "nobody who runs there is driven away by it"


async def test_relief_takes_the_taint_off(world: World) -> None:
    world.agents["n1"].pressures = MEMORY
    await world.pass_time(2)
    world.agents["n1"].pressures = ()
    await world.pass_time(2)
    assert told(world.node("n1"), "MemoryPressure")[:2] == ("False", "KubeletHasSufficientMemory")
    assert taints_of(world.node("n1")) == set()


async def test_a_daemon_that_starts_anew_keeps_the_taint_until_it_has_measured(world: World) -> None:
    world.agents["n1"].pressures = MEMORY
    await world.pass_time(2)
    world.agents["n1"].pressures = None
    await world.pass_time(5)
    assert taints_of(world.node("n1")) == {("memory-pressure", "NoSchedule")}


async def test_what_a_silent_node_told_of_its_pressure_is_unknown(world: World) -> None:
    world.agents["n1"].pressures = MEMORY
    await world.pass_time(2)
    world.agents["n1"].alive = False
    await world.pass_time(7)
    assert told(world.node("n1"), "MemoryPressure")[:2] == ("Unknown", "NodeStatusUnknown")
    assert taints_of(world.node("n1")) == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}


async def test_memory_pressure_keeps_best_effort_pods_off_and_no_others(world: World) -> None:
    for agent in world.agents.values():
        agent.pressures = MEMORY
    await world.pass_time(2)
    template = new_template("asks")
    asking = msgspec.structs.replace(
        template,
        spec=msgspec.structs.replace(
            template.spec,
            containers=(
                Container(name="main", image="web:1", resources=ResourceRequirements(requests={"memory": "1Mi"})),
            ),
        ),
    )
    await world.create(kinds.DEPLOYMENT, new_deployment("asks", 3, template=asking))
    await world.create(kinds.DEPLOYMENT, new_deployment("best-effort", 3))
    await world.pass_time(3)
    assert [bool(pod.spec.node_name) for pod in world.pods(app="asks")] == [True] * 3
    assert [bool(pod.spec.node_name) for pod in world.pods(app="best-effort")] == [False] * 3


async def test_a_cordoned_node_bears_the_taint_while_it_is_cordoned(world: World) -> None:
    await cordon(world, "n1", cordoned=True)
    assert taints_of(world.node("n1")) == {("unschedulable", "NoSchedule")}
    assert len(world.events("NodeNotSchedulable")) == 1
    await cordon(world, "n1", cordoned=False)
    assert taints_of(world.node("n1")) == set()
    assert len(world.events("NodeSchedulable")) == 1


async def test_a_users_no_execute_taint_drives_away_those_who_do_not_tolerate_it(world: World) -> None:
    await put_taint(world, "n1", Taint(key="own", value="x", effect="NoExecute"))
    await world.pass_time(3)
    assert world.spread() == {"n2": 3, "n3": 3}
    assert taints_of(world.node("n1")) == {("own", "NoExecute")}
    assert len(world.events("TaintManagerEviction")) == 2


async def test_who_tolerates_a_users_taint_for_a_time_stays_so_long_and_a_new_leader_counts_on(world: World) -> None:
    tolerations = (Toleration(key="own", operator="Exists", effect="NoExecute", toleration_seconds=30),)
    await world.respec("web", template=new_template("web", tolerations=tolerations))
    await world.pass_time(20)
    await put_taint(world, "n1", Taint(key="own", effect="NoExecute"))
    await world.pass_time(20)
    world.replica.lead(False)
    world.replica.lead(True)
    await world.pass_time(8)
    assert world.spread()["n1"] == 2
    await world.pass_time(5)
    assert "n1" not in world.spread()


async def test_a_taint_taken_off_in_time_drives_nobody_away(world: World) -> None:
    tolerations = (Toleration(key="own", operator="Exists", toleration_seconds=10),)
    await world.respec("web", template=new_template("web", tolerations=tolerations))
    await world.pass_time(20)
    before = {pod.metadata.uid for pod in world.pods()}
    await put_taint(world, "n1", Taint(key="own", effect="NoExecute"))
    await world.pass_time(5)
    await world.change(
        kinds.NODE,
        "n1",
        lambda node: msgspec.structs.replace(node, spec=msgspec.structs.replace(node.spec, taints=())),
    )
    await world.pass_time(30)
    assert {pod.metadata.uid for pod in world.pods()} == before


async def test_a_no_schedule_taint_drives_nobody_away(world: World) -> None:
    await put_taint(world, "n1", Taint(key="own", effect="NoSchedule"))
    await world.pass_time(10)
    assert world.spread()["n1"] == 2


async def test_a_pod_that_tolerates_silence_for_less_goes_sooner(world: World) -> None:
    tolerations = (Toleration(key=taints.UNREACHABLE, operator="Exists", toleration_seconds=1),)
    await world.respec("web", template=new_template("web", tolerations=tolerations))
    await world.pass_time(20)
    world.agents["n1"].alive = False
    await world.pass_time(4.5)
    assert world.spread()["n1"] == 2
    await world.pass_time(3)
    assert "n1" not in world.spread(), "before the ten seconds that others get"


async def test_a_new_leader_drives_nobody_away_for_what_another_thought_of_a_node(world: World) -> None:
    world.agents["n1"].alive = False
    await world.pass_time(7)
    world.replica.lead(False)
    world.replica.lead(True)
    await world.pass_time(4.5)
    assert world.spread()["n1"] == 2
    world.agents["n1"].alive = True
    await world.pass_time(20)
    assert world.spread()["n1"] == 2


async def test_a_new_leader_counts_nobodys_time_before_it_has_judged_the_node_itself(world: World) -> None:
    tolerations = (Toleration(key=taints.UNREACHABLE, operator="Exists", toleration_seconds=3),)
    await world.respec("web", template=new_template("web", tolerations=tolerations))
    await world.pass_time(20)
    world.agents["n1"].alive = False
    await world.pass_time(6)
    world.replica.lead(False)
    world.replica.lead(True)
    await world.pass_time(4.5)
    assert world.spread()["n1"] == 2
    world.agents["n1"].alive = True
    await world.pass_time(20)
    assert world.spread()["n1"] == 2


async def test_the_first_of_several_taints_decides(world: World) -> None:
    tolerations = (
        Toleration(key="long", operator="Exists", toleration_seconds=1_000),
        Toleration(key="short", operator="Exists", toleration_seconds=5),
    )
    await world.respec("web", template=new_template("web", tolerations=tolerations))
    await world.pass_time(20)
    await put_taint(world, "n1", Taint(key="long", effect="NoExecute"), Taint(key="short", effect="NoExecute"))
    await world.pass_time(8)
    assert "n1" not in world.spread()


async def test_evicted_pods_are_marked_as_disrupted(world: World) -> None:
    name = next(pod.metadata.name for pod in world.pods() if pod.spec.node_name == "n1")
    world.agents["n1"].alive = False
    await put_taint(world, "n1", Taint(key="own", effect="NoExecute"))
    await world.pass_time(1)
    pod = world.stored(kinds.POD, name).object
    assert objects.is_terminating(pod)
    disrupted = conditions.get(pod.status.conditions, "DisruptionTarget")
    assert (disrupted.status, disrupted.reason) == ("True", "DeletionByTaintManager")
