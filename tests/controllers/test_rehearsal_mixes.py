"""Rehearsals of random changes of several Deployments: where Pods are afterwards is where they were told to be."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest

from swarmlet.controllers.work.drafts import update
from swarmlet.model import kinds, objects
from swarmlet.model.plans import START, STOP, Rehearsed
from swarmlet.model.pod import PodTemplateSpec
from swarmlet.store.commands import Delete, Key, Operation
from tests.controllers.test_rehearsal import rehearse
from tests.controllers.test_rehearsal_kinds import made
from tests.controllers.world import World, new_deployment, new_template

CHANGES = 6
RIGHT_MIN = 0.95
Places = Counter[tuple[str, str]]
"""Pods by Deployment and node."""


def asking(name: str, image: str, cpu: str) -> PodTemplateSpec:
    template = new_template(name, image)
    [container] = template.spec.containers
    resources = msgspec.structs.replace(container.resources, requests={"cpu": cpu})
    containers = (msgspec.structs.replace(container, resources=resources),)
    return msgspec.structs.replace(template, spec=msgspec.structs.replace(template.spec, containers=containers))


def a_change(world: World, rng: random.Random, number: int, alive: set[str]) -> Operation:
    what = rng.choice(["new", "new", "change", "change", "delete"]) if alive else "new"
    if what == "new":
        name = f"d{number}"
        alive.add(name)
        template = asking(name, "a:1", rng.choice(["100m", "500m", "1"]))
        surge, unavailable = rng.choice([(1, 0), (1, 1), ("25%", "25%")])
        value = new_deployment(name, rng.randint(1, 12), surge=surge, unavailable=unavailable, template=template)
        return made(world, kinds.DEPLOYMENT, value)
    name = rng.choice(sorted(alive))
    if what == "delete":
        alive.remove(name)
        return Delete(Key("deployments.apps", "default", name))
    stored = world.stored(kinds.DEPLOYMENT, name)
    template = asking(name, f"a:{rng.randint(1, 3)}", rng.choice(["100m", "500m"]))
    spec = msgspec.structs.replace(stored.object.spec, replicas=rng.randint(1, 15), template=template)
    value = msgspec.structs.replace(stored.object, spec=spec)
    return update(stored, objects.with_metadata(value, generation=value.metadata.generation + 1))


def places(world: World) -> Places:
    return Counter((pod.metadata.labels["app"], pod.spec.node_name) for pod in world.pods())


def told(before: Places, outcome: Rehearsed) -> Places:
    after = Counter(before)
    for step in outcome.steps:
        for pods in step.pods:
            sign = {START: 1, STOP: -1}.get(step.does, 0) if pods.node else 0
            after[step.owner.partition("/")[2], pods.node] += sign * pods.count
    return +after


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
async def test_after_any_change_pods_are_where_they_were_told_to_be(seed):
    rng = random.Random(seed)
    right = total = 0
    async with World(nodes=rng.choice([3, 5, 8])) as world:
        alive: set[str] = set()
        for number in range(CHANGES):
            asked = a_change(world, rng, number, alive)
            expected = told(places(world), rehearse(world, asked))
            await world.replica.propose([asked])
            await world.pass_time(120)
            right += (expected & places(world)).total()
            total += max(expected.total(), places(world).total())
    assert right >= RIGHT_MIN * total
