"""The classes that every cluster has, and the priority of Pods that controllers make."""

from __future__ import annotations

from swarmlet.model import kinds
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.scheduling import PriorityClass
from tests.controllers.world import World, new_deployment, new_template


async def test_the_systems_classes_are_there_and_come_back() -> None:
    async with World(nodes=1) as world:
        critical = world.stored(kinds.PRIORITY_CLASS, "system-cluster-critical").object
        assert critical.value == 2_000_000_000
        assert world.stored(kinds.PRIORITY_CLASS, "system-node-critical").object.value == 2_000_001_000
        await world.delete(kinds.PRIORITY_CLASS, "system-cluster-critical")
        await world.pass_time(1)
        again = world.stored(kinds.PRIORITY_CLASS, "system-cluster-critical").object
        assert (again.value, again.metadata.uid != critical.metadata.uid) == (critical.value, True)


async def test_a_controllers_pods_get_the_priority_of_their_class() -> None:
    async with World(nodes=1) as world:
        await world.create(kinds.PRIORITY_CLASS, PriorityClass(metadata=ObjectMeta(name="high"), value=9))
        template = new_template("web", priority_class_name="high")
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1, template=template))
        await world.create(
            kinds.DEPLOYMENT, new_deployment("lost", 1, template=new_template("lost", priority_class_name="none"))
        )
        await world.pass_time(3)
        (pod,) = world.pods(app="web")
        assert (pod.spec.priority, pod.spec.preemption_policy) == (9, "PreemptLowerPriority")
        assert world.pods(app="lost") == []
        assert "no PriorityClass with name none was found" in world.events("FailedCreate")[0].message
