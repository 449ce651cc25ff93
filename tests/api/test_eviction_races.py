"""Drains on every machine of a cluster at once, while its leader dies: no disruption is ever spent twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from swarmlet.api.reading.reads import Reader
from swarmlet.api.targets import Target
from swarmlet.api.writing.eviction import Evictions
from swarmlet.errors import DisruptionBudgetError, PeerError
from swarmlet.model import kinds, objects
from swarmlet.model.meta import Condition, DeleteOptions, LabelSelector, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import PodStatus
from swarmlet.model.policy import PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus
from swarmlet.store.commands import Key, Put
from swarmlet.store.replica import Change
from swarmlet.store.state import Store
from tests import virtual_time
from tests.api.conftest import FakeLeases
from tests.consensus.cluster import Cluster, Machine, cluster_of, eventually
from tests.virtual_time import VirtualClock

PODS = 12
ALLOWED = 4
BUDGET = Key(kinds.POD_DISRUPTION_BUDGET.resource, "default", "web")
TRIES = 12


def new_objects() -> list[Put]:
    labels = {"app": "web"}
    pods = [
        Pod(
            metadata=ObjectMeta(name=f"p{number}", namespace="default", uid=f"u{number}", labels=labels),
            spec=PodSpec(node_name="n1", termination_grace_period_seconds=30),
            status=PodStatus(phase="Running", conditions=(Condition(type="Ready", status="True"),)),
        )
        for number in range(PODS)
    ]
    budget = PodDisruptionBudget(
        metadata=ObjectMeta(name="web", namespace="default", uid="b"),
        spec=PodDisruptionBudgetSpec(max_unavailable=ALLOWED, selector=LabelSelector(match_labels=labels)),
        status=PodDisruptionBudgetStatus(
            disruptions_allowed=ALLOWED, current_healthy=PODS, desired_healthy=PODS - ALLOWED, expected_pods=PODS
        ),
    )
    puts = [Put(Key("pods", "default", each.metadata.name), objects.to_json(each)) for each in pods]
    return [*puts, Put(BUDGET, objects.to_json(budget))]


def going(store: Store) -> int:
    return sum(objects.is_terminating(stored.object) for stored in store.list("pods"))


def watch(store: Store) -> None:
    """Fail the machine at the first command after which the two do not agree."""

    def look(changes: Sequence[Change]) -> None:
        stored = store.get(BUDGET)
        if stored is not None:
            spent = ALLOWED - stored.object.status.disruptions_allowed
            assert spent == going(store) == len(stored.object.status.disrupted_pods)
            assert going(store) <= ALLOWED

    store.subscribe(look)


async def drain(machine: Machine, rng: random.Random, granted: list[str]) -> None:
    """Evict every Pod in an order of its own, as often as it takes, through this machine."""
    clock = VirtualClock()
    reader = Reader(replica=machine.consensus, clock=clock, lease_source=FakeLeases())
    evictions = Evictions(replica=machine.consensus, reader=reader, clock=clock)
    names = [f"p{number}" for number in range(PODS)] * TRIES
    rng.shuffle(names)
    for name in names:
        target = Target(kinds.POD, "default", name, "eviction")
        try:
            await evictions.evict(target, DeleteOptions())
            granted.append(name)
        except DisruptionBudgetError:
            pass
        except PeerError:
            await asyncio.sleep(0.2)


async def race(seed: int, folder: Path) -> None:
    rng = random.Random(seed)
    async with cluster_of(3, folder) as cluster:
        leader = await cluster.leader()
        await leader.consensus.propose(new_objects())
        await cluster.converged()
        for machine in cluster.machines.values():
            watch(machine.store)
        granted: list[str] = []
        drains = [asyncio.create_task(drain(m, rng, granted)) for m in await cluster.followers() for _ in range(2)]
        await asyncio.sleep(rng.uniform(0, 0.03))
        await leader.crash()
        await asyncio.gather(*drains)
        await settled(cluster)
        assert len(set(granted)) == ALLOWED


async def settled(cluster: Cluster) -> None:
    new = await cluster.leader()
    await eventually(lambda: going(new.store) == ALLOWED)
    await cluster.converged()
    for machine in cluster.machines.values():
        if machine.running:
            assert going(machine.store) == ALLOWED
            assert machine.store.get(BUDGET).object.status.disruptions_allowed == 0


@pytest.mark.parametrize("seed", range(6))
def test_no_disruption_is_spent_twice_though_the_leader_dies(seed: int, tmp_path: Path) -> None:
    virtual_time.run(race(seed, tmp_path))
