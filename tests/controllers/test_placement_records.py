"""What decided for a Pod's node is kept with it, and no longer than it."""

from __future__ import annotations

import json

import msgspec
import pytest

from swarmlet.cli import why
from swarmlet.controllers.placing import records as placement_records
from swarmlet.explain import explainers
from swarmlet.explain.case import Case
from swarmlet.model import conditions, kinds
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.core import Node
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.model.placements import PlacementRecord
from swarmlet.model.pod import Pod, PodSpec
from tests.controllers.world import World, new_deployment

RECORDS = kinds.PLACEMENT_RECORD.resource


def records(world: World) -> list[PlacementRecord]:
    return [stored.object for stored in world.replica.view.list(RECORDS)]


def told(world: World, name: str) -> list[str]:
    pod = world.stored(kinds.POD, name).object
    explained = explainers.explain(Case(world.replica.view, world.clock.now()), pod)
    return list(why.lines(json.loads(msgspec.json.encode(explained))))


def about(lines: list[str], words: str) -> str:
    return next((line for line in lines if words in line), f"nothing says {words}: {lines}")


def running(world: World) -> list[Pod]:
    return [pod for pod in world.pods() if pod.status.phase == "Running"]


def cordoned(node: Node) -> Node:
    return msgspec.structs.replace(node, spec=msgspec.structs.replace(node.spec, unschedulable=True))


def large(node: Node) -> Node:
    allocatable = node.status.allocatable | {"memory": "64Gi"}
    return msgspec.structs.replace(node, status=msgspec.structs.replace(node.status, allocatable=allocatable))


async def test_a_pod_knows_why_it_is_on_its_node_when_its_events_and_its_leader_are_gone() -> None:
    async with World(nodes=3) as world:
        await world.respec_nodes(memory="2Gi")
        await world.change(kinds.NODE, "n1", cordoned)
        await world.pass_time(1)
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1))
        await world.pass_time(2)
        world.replica.lead(False)
        await world.pass_time(1)
        world.replica.lead(True)
        await world.pass_time(2 * 3600)
        assert world.events("Scheduled") == []
        (pod,) = world.pods()
        lines = told(world, pod.metadata.name)
        node, other = pod.spec.node_name, ({"n2", "n3"} - {pod.spec.node_name}).pop()
        assert f"{node} was chosen of 3 nodes by lot: it and {other} were the best alike" in about(lines, "was chosen")
        assert about(lines, "cordoned").strip() == "- 1 cordoned (n1)"
        assert f"- {node} scored 1.00 (spread over nodes 1.00" in about(lines, "least allocated")
        assert f"- runner-up: {other} scored 1.00 (spread over nodes 1.00" in about(lines, "runner-up")


async def test_the_only_node_that_would_do_is_told_so_with_the_numbers_of_the_others() -> None:
    async with World(nodes=3) as world:
        await world.change(kinds.NODE, "n2", large)
        wants = ResourceRequirements(requests={"memory": "32Gi"})
        spec = PodSpec(containers=(Container(name="main", image="web:1", resources=wants),))
        await world.create(kinds.POD, Pod(metadata=ObjectMeta(name="large", namespace="default"), spec=spec))
        await world.pass_time(1)
        lines = told(world, "large")
        assert "n2 was chosen: the only one of 3 nodes that would do" in about(lines, "was chosen")
        assert "2 lack memory (need 32Gi, best has 16Gi free) (n1, n3)" in about(lines, "lack memory")


async def test_a_pod_says_which_one_it_followed_and_why_that_went() -> None:
    async with World(nodes=3) as world:
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1))
        await world.pass_time(2)
        (before,) = world.pods()
        lost = before.spec.node_name
        world.agents[lost].alive = False
        await world.pass_time(30)
        (after,) = world.serving()
        assert after.spec.node_name != lost
        assert about(told(world, after.metadata.name), "it came when").startswith(
            f"it came when Pod {before.metadata.name} left {lost}: Taint manager: deleting due to NoExecute taint "
            "(DeletionByTaintManager)"
        )


async def test_pods_bound_in_one_step_share_a_record_and_what_they_have_in_common() -> None:
    async with World(nodes=3) as world:
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=100))
        await world.pass_time(3)
        kept = records(world)
        assert sum(len(each.pods) for each in kept) == 100
        assert len(kept) <= 3
        assert all(len(each.considered) <= 2 for each in kept)
        stored = [len(each.json) for each in world.replica.view.list(RECORDS)]
        assert sum(stored) / 100 < 200  # bytes a Pod


async def test_a_record_goes_with_its_last_pod_and_shrinks_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement_records, "GONE_MIN", 1)
    async with World(nodes=3) as world:
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=10))
        await world.pass_time(3)
        (record,) = records(world)
        await world.respec("web", replicas=6)
        await world.pass_time(3)
        assert records(world) == [record]  # most of its Pods live
        await world.respec("web", replicas=2)
        await world.pass_time(3)
        (shrunk,) = records(world)
        assert {each.uid for each in shrunk.pods} == {pod.metadata.uid for pod in world.pods()}
        await world.delete(kinds.DEPLOYMENT, "web")
        await world.pass_time(3)
        assert (world.pods(), records(world)) == ([], [])


async def test_the_records_of_a_few_pods_wait_for_others_or_for_the_next_leader() -> None:
    async with World(nodes=3) as world:
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=10))
        await world.pass_time(3)
        await world.delete(kinds.DEPLOYMENT, "web")
        await world.pass_time(3)
        assert (world.pods(), len(records(world))) == ([], 1)
        written = len(world.replica.commands)
        await world.pass_time(300)
        assert world.commands_since(written) == []
        world.replica.lead(False)
        await world.pass_time(1)
        world.replica.lead(True)
        await world.pass_time(3)
        assert records(world) == []


async def test_a_hundred_pods_that_go_take_their_records_along() -> None:
    async with World(nodes=3) as world:
        await world.respec_nodes(pods="1000")
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=150))
        await world.pass_time(3)
        await world.delete(kinds.DEPLOYMENT, "web")
        await world.pass_time(5)
        assert (world.pods(), records(world)) == ([], [])


async def test_a_quiet_cluster_writes_no_records() -> None:
    async with World(nodes=3) as world:
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=3))
        await world.pass_time(200)
        written = len(world.replica.commands)
        await world.pass_time(600)
        assert world.commands_since(written) == []


async def test_a_pod_that_follows_one_lost_with_its_machine_says_so() -> None:
    async with World(nodes=3) as world:
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1))
        await world.pass_time(2)
        (before,) = world.pods()
        world.agents[before.spec.node_name].alive = False
        await world.delete(kinds.NODE, before.spec.node_name)
        await world.pass_time(5)
        (after,) = world.pods()
        said = about(told(world, after.metadata.name), "was lost")
        name, node = before.metadata.name, before.spec.node_name
        assert said.startswith(
            f"just before it was made, Pod {name} of the same owner was lost: PodGC: node no longer exists: {node}"
        )


async def test_a_pod_that_follows_one_given_up_by_its_node_says_so() -> None:
    def given_up(pod: Pod) -> Pod:
        why = "The node was low on resource: memory."
        evicted = Condition(type="DisruptionTarget", status="True", reason="TerminationByKubelet", message=why)
        told = conditions.put(pod.status.conditions, evicted, world.clock.now())
        return msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, phase="Failed", conditions=told))

    async with World(nodes=3) as world:
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1))
        await world.pass_time(2)
        (before,) = world.pods()
        await world.change(kinds.POD, before.metadata.name, given_up)
        await world.pass_time(2)
        (after,) = running(world)
        assert "The node was low on resource: memory. (TerminationByKubelet)" in about(
            told(world, after.metadata.name), f"when Pod {before.metadata.name} left"
        )
        await world.respec("web", replicas=2)  # who comes now has nothing to do with it
        await world.pass_time(3)
        assert sum(" left " in " ".join(told(world, pod.metadata.name)) for pod in running(world)) == 1
