"""Deployments from end to end: the real reconcilers on the real store, with hollow agents, in virtual time."""

from __future__ import annotations

from swarmlet.model import kinds
from tests.controllers.world import BAD_IMAGE, World, new_deployment


async def test_a_deployment_gets_its_pods_spread_over_the_nodes() -> None:
    async with World() as world:
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=6))
        await world.pass_time(5)
        assert world.spread() == {"n1": 2, "n2": 2, "n3": 2}
        status = world.deployment("web").status
        assert (status.replicas, status.updated_replicas, status.available_replicas) == (6, 6, 6)
        assert status.unavailable_replicas == 0
