"""What consensus keeps on disk: the `Disk` protocol, the seam at which a simulator's disk takes the real one's place.

`persist` returns only when the batch survives a power cut. A disk that failed once is never asked again: after a failed
fsync nobody knows what it holds (every call raises `DiskError`, and the daemon ends).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from swarmlet.consensus.snapshot_file import Header
from swarmlet.raft.messages import Entry, HardState, SnapshotMeta

NO_SNAPSHOT = Header(meta=SnapshotMeta(), addresses={})


@dataclass(frozen=True, slots=True)
class Contents:
    """What was found at start: `entries` follow the snapshot without a gap. Ids are "" on a disk never used."""

    cluster_id: str = ""
    node_id: str = ""
    hard_state: HardState = field(default_factory=HardState)
    snapshot: Header = NO_SNAPSHOT
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """One durable commit. `entries` replace what stands at their indexes and after; `snapshot` was accepted before."""

    entries: tuple[Entry, ...] = ()
    hard_state: HardState | None = None
    snapshot: Header | None = None


class SnapshotReader(Protocol):
    """A snapshot that is being sent."""

    header: Header
    size: int

    async def read(self, offset: int, limit: int) -> bytes:
        """Return at most `limit` bytes of the file from `offset`."""

    def close(self) -> None:
        """Let the file go."""


class Disk(Protocol):
    """One daemon's log, hard state and snapshot."""

    async def load(self) -> Contents:
        """Lock the data folder, recover from a crash, return what is there.

        Raises `ConfigError` where another daemon has the folder, `DiskError` where it holds what we did not write.
        """

    async def claim(self, cluster_id: str, node_id: str) -> None:
        """Write whose disk this is."""

    async def persist(self, batch: Batch) -> None:
        """Make a batch durable: all of it or nothing."""

    async def save_snapshot(self, header: Header, chunks: Iterable[bytes], *, trim_to: int) -> None:
        """Write a snapshot of the local state, make it the current one, and drop the entries up to `trim_to`.

        `chunks` is consumed in a thread. Changes nothing where a newer snapshot was installed meanwhile.
        """

    async def read_state(self) -> Sequence[bytes]:
        """Return the chunks of the current snapshot; none where there is no snapshot or its state is empty."""

    async def open_snapshot(self) -> SnapshotReader:
        """Open the current snapshot's file for sending."""

    async def receive_piece(self, meta: SnapshotMeta, offset: int, piece: bytes) -> int:
        """Append to a snapshot that arrives, where `offset` is its size here; return that size."""

    async def accept_snapshot(self, meta: SnapshotMeta) -> Header:
        """Verify what arrived and make it durable; raise `InvalidError`, and forget it, where it is damaged."""

    async def until_failure(self) -> None:
        """Wait for the disk to fail, whoever asked it for what, and raise that `DiskError`."""

    def close(self) -> None:
        """End the threads and let the lock go."""
