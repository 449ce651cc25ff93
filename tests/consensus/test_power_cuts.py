"""The log on a disk that tears, loses and reorders what was not synced: every life finds all that was acknowledged.

And no life takes a torn last write for rot: what `wal` and the watermark notice must be true.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from swarmlet.consensus.disk import Batch
from swarmlet.consensus.snapshot_file import Header
from swarmlet.consensus.sqlite_log import SqliteLog
from swarmlet.errors import DiskError
from swarmlet.raft.messages import Entry, HardState, SnapshotMeta
from tests.simulation import vfs
from tests.simulation.files import Moment, Mount, Platter
from tests.simulation.process import Killed

LIVES = 5
BATCHES = 30
CALLS_MAX = 600


class Machine:
    """A machine whose daemon is cut off at a random disk call, life after life."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.platter = Platter(random.Random(seed))
        self.acknowledged = 0
        self.snapshot = 0

    def live(self) -> None:
        mount = Mount(self.platter, vfs.connect)
        log = SqliteLog(Path("/raft/raft.db"), mount)

        def cut() -> None:
            mount.dead = True

        self.platter.crash_in(self.rng.randrange(1, CALLS_MAX), self.rng.choice(list(Moment)), cut)
        try:
            self.work(log)
        except (Killed, DiskError):
            if not mount.dead:
                raise
        mount.release()
        self.platter.power_cut()

    def work(self, log: SqliteLog) -> None:
        contents = log.load()
        last = contents.entries[-1].index if contents.entries else contents.snapshot.meta.index
        assert last >= self.acknowledged
        self.acknowledged = last
        for _ in range(BATCHES):
            self.append(log)
            if self.rng.random() < 0.1 and self.acknowledged > self.snapshot + 3:
                self.snapshot = self.acknowledged - 2
                log.save_snapshot(Header(SnapshotMeta(self.snapshot, 1), {}))
                while log.trim(self.snapshot - 1):
                    pass

    def append(self, log: SqliteLog) -> None:
        first = self.acknowledged + 1
        indexes = range(first, first + self.rng.randrange(1, 6))
        entries = tuple(Entry(index, 1, self.rng.randbytes(self.rng.randrange(4_000))) for index in indexes)
        log.persist(Batch(entries=entries, hard_state=HardState(1, "n1", self.acknowledged)))
        self.acknowledged = indexes[-1]


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(0, 80, 40))
def test_every_life_finds_what_was_acknowledged_and_no_false_alarm(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 40):
        machine = Machine(seed)
        for _ in range(LIVES):
            machine.live()
        assert machine.acknowledged > 0, seed
