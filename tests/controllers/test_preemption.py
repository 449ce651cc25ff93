"""Preemption by a whole control plane: who is told what, and that a nomination outlives a leader."""

from __future__ import annotations

import msgspec

from swarmlet.api.tables.pods import cells
from swarmlet.model import conditions, kinds, objects
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.meta import LabelSelector, ObjectMeta
from swarmlet.model.pod import Pod
from swarmlet.model.policy import PodDisruptionBudget, PodDisruptionBudgetSpec
from swarmlet.model.scheduling import PriorityClass
from tests.controllers.world import World, new_deployment, new_template


def new_class(name: str, value: int, **fields: str) -> PriorityClass:
    return PriorityClass(metadata=ObjectMeta(name=name), value=value, **fields)


async def deploy(world: World, name: str, replicas: int, class_name: str, cpu: str = "4") -> None:
    template = new_template(name, priority_class_name=class_name)
    container = Container(name="main", image="web:1", resources=ResourceRequirements(requests={"cpu": cpu}))
    spec = msgspec.structs.replace(template.spec, containers=(container,))
    template = msgspec.structs.replace(template, spec=spec)
    await world.create(kinds.DEPLOYMENT, new_deployment(name, replicas, template=template))


async def full(world: World, **more: int) -> None:
    """Fill the nodes, of eight CPUs each, with Pods of low priority that ask for four."""
    for name, value in (("low", 1), ("high", 100)):
        await world.create(kinds.PRIORITY_CLASS, new_class(name, value))
    for name, replicas in more.items():
        await deploy(world, name, replicas, "low")
    await world.pass_time(5)
    assert len(world.serving()) == sum(more.values())


def running(world: World, name: str) -> list[Pod]:
    return [pod for pod in world.serving() if pod.metadata.labels["app"] == name]


async def test_a_pod_of_high_priority_gets_its_room_and_all_are_told() -> None:
    async with World(nodes=2) as world:
        await full(world, web=4)
        before = {pod.metadata.name: pod for pod in world.pods(app="web")}
        world.agents["n1"].alive = world.agents["n2"].alive = False  # so nothing ends for a moment
        await deploy(world, "shop", 1, "high")
        await world.pass_time(1)
        (shop,) = world.pods(app="shop")
        told = conditions.get(shop.status.conditions, "PodScheduled")
        assert told is not None
        assert "0/2 nodes are available: 2 lack CPU (need 4, best has 0 free)." in told.message
        node = shop.status.nominated_node_name
        assert told.message.endswith(f"It gets room on {node} when the Pods of lower priority there have ended.")
        assert cells(shop, world.clock.now())[-2] == node
        (victim,) = (pod for pod in world.pods(app="web") if objects.is_terminating(pod))
        disrupted = conditions.get(victim.status.conditions, "DisruptionTarget")
        assert disrupted is not None
        assert (disrupted.status, disrupted.reason) == ("True", "PreemptionByScheduler")
        assert disrupted.message == "default-scheduler: preempting to accommodate a higher priority pod"
        assert before[victim.metadata.name].spec.node_name == node

        for agent in world.agents.values():
            await agent.wake()
        await world.pass_time(3)
        (shop,) = running(world, "shop")
        assert (shop.spec.node_name, shop.status.nominated_node_name) == (node, "")
        assert len(running(world, "web")) == 3
        (event,) = world.events("Preempted")
        assert event.message == f"Preempted by pod {shop.metadata.uid} on node {node}"
        assert event.involved_object.name == victim.metadata.name
        count = len(world.replica.commands)
        await world.pass_time(60)
        assert world.commands_since(count) == []


async def test_a_new_leader_waits_for_those_who_are_leaving_already() -> None:
    async with World(nodes=2) as world:
        await full(world, web=4)
        for agent in world.agents.values():
            agent.alive = False
        await deploy(world, "shop", 2, "high")
        await world.pass_time(1)
        assert sum(map(objects.is_terminating, world.pods(app="web"))) == 2
        world.replica.lead(False)
        await world.pass_time(0.1)
        world.replica.lead(True)
        await world.pass_time(2)
        assert sum(map(objects.is_terminating, world.pods(app="web"))) == 2
        for agent in world.agents.values():
            await agent.wake()
        await world.pass_time(5)
        assert (len(running(world, "shop")), len(running(world, "web"))) == (2, 2)


async def test_the_pods_that_a_budget_guards_are_spared() -> None:
    async with World(nodes=2) as world:
        await full(world, guarded=2, spare=2)
        spec = PodDisruptionBudgetSpec(min_available=2, selector=LabelSelector(match_labels={"app": "guarded"}))
        budget = PodDisruptionBudget(metadata=ObjectMeta(name="b", namespace="default"), spec=spec)
        await world.create(kinds.POD_DISRUPTION_BUDGET, budget)
        await world.pass_time(2)
        await deploy(world, "shop", 2, "high")
        await world.pass_time(5)
        found = [len(running(world, name)) for name in ("shop", "guarded", "spare")]
        assert found == [2, 2, 0]
        assert {each.involved_object.name[:5] for each in world.events("Preempted")} == {"spare"}


async def test_pods_of_a_class_that_never_preempts_go_first_and_wait() -> None:
    async with World(nodes=1) as world:
        await full(world, web=2)
        await world.create(kinds.PRIORITY_CLASS, new_class("polite", 1000, preemption_policy="Never"))
        await deploy(world, "polite", 1, "polite")
        await world.pass_time(3)
        assert (len(running(world, "polite")), len(running(world, "web"))) == (0, 2)
        await world.respec("web", replicas=1)
        await world.pass_time(3)
        assert len(running(world, "polite")) == 1
        assert world.events("Preempted") == []


async def test_a_nomination_that_is_no_longer_good_is_taken_back() -> None:
    async with World(nodes=2) as world:
        await full(world, web=4)
        for agent in world.agents.values():
            agent.alive = False
        await deploy(world, "shop", 1, "high")
        await world.pass_time(1)
        (shop,) = world.pods(app="shop")

        def cordoned(node: object) -> object:
            return msgspec.structs.replace(node, spec=msgspec.structs.replace(node.spec, unschedulable=True))

        other = ({"n1", "n2"} - {shop.status.nominated_node_name}).pop()
        await world.change(kinds.NODE, shop.status.nominated_node_name, cordoned)
        await world.pass_time(1)
        (shop,) = world.pods(app="shop")
        assert shop.status.nominated_node_name == other
        await world.change(kinds.NODE, other, cordoned)
        await world.pass_time(1)
        (shop,) = world.pods(app="shop")
        assert shop.status.nominated_node_name == ""
