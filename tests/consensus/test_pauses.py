"""How long the event loop is held up by a large state: taking, sending and installing its snapshot.

What counts is the processor time of one callback on the loop's thread: other processes on a busy machine take nothing
of it, and a slow one at most a factor.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from swarmlet.consensus.settings import ConsensusConfig
from swarmlet.consensus.sqlite_disk import SqliteDisk
from tests.consensus.cluster import Cluster, Machine, cluster_of, config_map, eventually

OBJECTS = 30_000
BATCH = 200
PAUSE_SECONDS_MAX = 0.05
CONFIG = ConsensusConfig(snapshot_entries=15, tail_entries=5)


class Slices:
    """The longest callback of an event loop, in seconds of processor time."""

    def __init__(self) -> None:
        self.longest = 0.0


@contextmanager
def measured() -> Iterator[Slices]:
    """Time every callback of the loop; what others have left to the garbage collector is not looked at."""
    slices, run = Slices(), asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        start = time.thread_time()
        run(handle)
        slices.longest = max(slices.longest, time.thread_time() - start)

    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.Handle, "_run", timed)
        yield slices
    gc.unfreeze()


async def fill(machine: Machine) -> None:
    for first in range(0, OBJECTS, BATCH):
        puts = [config_map(f"a{number:06}", "x" * 200) for number in range(first, first + BATCH)]
        await machine.consensus.propose(puts, timeout_seconds=60)


@pytest.fixture
def threaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machines' disks work in threads, as a daemon's does."""
    monkeypatch.setattr(Machine, "disk", lambda machine: SqliteDisk(machine.folder))


async def caught_up(cluster: Cluster, behind: Machine) -> None:
    leader = await cluster.leader()
    await eventually(lambda: behind.consensus.applied >= leader.consensus.applied)


@pytest.mark.slow
@pytest.mark.usefixtures("threaded")
async def test_a_large_snapshot_is_taken_sent_and_installed_without_a_pause(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path, CONFIG) as cluster:
        leader, behind = await cluster.leader(), (await cluster.followers())[0]
        await behind.crash()
        term = leader.consensus.status().term
        with measured() as slices:
            await fill(leader)
            await eventually(lambda: leader.consensus.counters.snapshots_taken > 1)
            await behind.start()
            await caught_up(cluster, behind)
        assert behind.consensus.counters.snapshots_installed == 1
        assert leader.consensus.status().term == behind.consensus.status().term == term, "nobody was elected"
        assert behind.store.capture() == leader.store.capture()
        behind.store.validate()
        assert slices.longest < PAUSE_SECONDS_MAX


@pytest.mark.slow
@pytest.mark.usefixtures("threaded")
async def test_a_machine_that_joins_a_large_cluster_holds_nobody_up(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path, CONFIG) as cluster:
        leader = await cluster.leader()
        with measured() as slices:
            await fill(leader)
            newcomer = await cluster.join("n2", until="voter|standby|learner|spare")
            await caught_up(cluster, newcomer)
        assert newcomer.store.list("configmaps") == leader.store.list("configmaps")
        assert slices.longest < PAUSE_SECONDS_MAX
