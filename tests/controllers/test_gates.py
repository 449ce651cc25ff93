"""Pods with scheduling gates: they are left alone until the last gate is gone."""

from __future__ import annotations

import msgspec

from swarmlet.api.tables.pods import summarize
from swarmlet.model import conditions, kinds, objects
from swarmlet.model.pod import Pod
from swarmlet.model.scheduling import PodSchedulingGate
from tests.controllers.world import World, new_deployment, new_template


def ungated(pod: Pod) -> Pod:
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, scheduling_gates=()))


async def test_a_gated_pod_is_left_alone_until_its_gates_are_gone() -> None:
    gates = (PodSchedulingGate(name="example.com/wait"),)
    async with World(nodes=1) as world:
        template = new_template("web", scheduling_gates=gates)
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1, template=template))
        await world.pass_time(2)
        (pod,) = world.pods(app="web")
        told = conditions.get(pod.status.conditions, "PodScheduled")
        assert told is not None
        assert (pod.spec.node_name, told.reason) == ("", "SchedulingGated")
        assert summarize(pod).reason == "SchedulingGated"
        count = len(world.replica.commands)
        await world.pass_time(60)
        assert world.commands_since(count) == []
        assert world.events("FailedScheduling") == []

        await world.change(kinds.POD, pod.metadata.name, ungated)
        await world.pass_time(2)
        (pod,) = world.pods(app="web")
        assert pod.spec.node_name == "n1"
        assert conditions.is_true(pod.status.conditions, "PodScheduled")
        assert not objects.is_terminating(pod)
