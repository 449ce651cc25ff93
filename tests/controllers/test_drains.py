"""Several drains at once on the real reconcilers: at no moment fewer Pods are healthy than their budget says."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence

import msgspec
import pytest

from swarmlet.api.reading.reads import Reader
from swarmlet.api.targets import Target
from swarmlet.api.writing.eviction import Evictions
from swarmlet.errors import DisruptionBudgetError, NotFoundError
from swarmlet.model import kinds, objects, pods
from swarmlet.model.meta import DeleteOptions, LabelSelector
from swarmlet.store.replica import Change
from tests.api.conftest import FakeLeases
from tests.controllers.test_disruption import BUDGET, new_budget
from tests.controllers.test_statefulsets import new_stateful_set
from tests.controllers.world import World, new_deployment

REPLICAS = 8
DRAINED = ("n1", "n2")


class Healthy:
    """The fewest Pods that were healthy at any moment."""

    def __init__(self, world: World, app: str = "web") -> None:
        self.fewest = REPLICAS
        self._world = world
        self._app = app
        world.replica.view.subscribe(self._look)

    def _look(self, changes: Sequence[Change]) -> None:
        healthy = [
            pod for pod in self._world.pods(app=self._app) if pods.is_ready(pod) and not objects.is_terminating(pod)
        ]
        self.fewest = min(self.fewest, len(healthy))


async def cordon(world: World, node: str) -> None:
    await world.change(
        kinds.NODE,
        node,
        lambda it: msgspec.structs.replace(it, spec=msgspec.structs.replace(it.spec, unschedulable=True)),
    )


async def drain(world: World, node: str, rng: random.Random) -> None:
    """Evict what is on a node, in any order, again and again until nothing is left."""
    reader = Reader(replica=world.replica, clock=world.clock, lease_source=FakeLeases())
    evictions = Evictions(replica=world.replica, reader=reader, clock=world.clock)
    while found := [stored.key.name for stored in world.replica.view.pods_on(node)]:
        rng.shuffle(found)
        for name in found:
            with contextlib.suppress(DisruptionBudgetError, NotFoundError):
                await evictions.evict(Target(kinds.POD, "default", name, "eviction"), DeleteOptions())
        await asyncio.sleep(rng.uniform(0, 0.05))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("budget", "least"), [({"min_available": 6}, 6), ({"max_unavailable": "13%"}, 6)])
async def test_drains_at_once_keep_the_budget_and_end(budget: dict, least: int, seed: int) -> None:
    rng = random.Random(seed)
    async with World(nodes=4) as world:
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=REPLICAS))
        await world.create(BUDGET, new_budget(**budget))
        await world.pass_time(5)
        healthy = Healthy(world)
        for node in DRAINED:
            await cordon(world, node)
        async with asyncio.timeout(60):
            await asyncio.gather(*(drain(world, node, rng) for node in DRAINED))
        await world.pass_time(5)
        assert healthy.fewest == least, "the budget is used, and never broken"
        assert world.spread().keys() == {"n3", "n4"}
        assert len(world.serving()) == REPLICAS


async def test_the_pods_of_a_stateful_set_move_one_by_one_and_keep_their_names() -> None:
    async with World(nodes=4) as world:
        await world.create(kinds.STATEFUL_SET, new_stateful_set(replicas=4, pod_management_policy="Parallel"))
        guarded = LabelSelector(match_labels={"app": "db"})
        await world.create(BUDGET, new_budget(selector=guarded, max_unavailable=1))
        await world.pass_time(5)
        healthy = Healthy(world, "db")
        for node in DRAINED:
            await cordon(world, node)
        async with asyncio.timeout(60):
            await asyncio.gather(*(drain(world, node, random.Random(node)) for node in DRAINED))
        await world.pass_time(5)
        assert healthy.fewest == 3
        assert sorted(pod.metadata.name for pod in world.serving()) == ["db-0", "db-1", "db-2", "db-3"]
        assert world.spread().keys() == {"n3", "n4"}
