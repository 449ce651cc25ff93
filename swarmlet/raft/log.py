"""The log since the snapshot, in memory, and how far it is on disk, committed and applied."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence

from swarmlet import errors
from swarmlet.raft.config import RestoredState
from swarmlet.raft.membership import MembershipHistory
from swarmlet.raft.messages import Entry, SnapshotMeta

ENTRY_OVERHEAD_BYTES = 16
"""What an entry costs beside its data; so that a million empty entries are no free ride."""


def size_bytes(data: bytes) -> int:
    """Return what an entry with this data counts against every limit in bytes."""
    return len(data) + ENTRY_OVERHEAD_BYTES


class Log:
    """Entries `base_index + 1 ... last_index`; each index is also a term's, found in constant time.

    `base_index` and `base_term` are those of the snapshot that the log follows. `stable` is the last index known to be
    on disk, `commit` the last that can never be undone, `applied` the last that the driver has applied.
    `pending_snapshot` is one that arrived and is not on disk yet. Sizes are kept as running totals, so that the bytes
    between two indexes are one subtraction.
    """

    __slots__ = (
        "_base_total",
        "_entries",
        "_totals",
        "applied",
        "base_index",
        "base_term",
        "commit",
        "memberships",
        "pending_snapshot",
        "stable",
    )

    def __init__(self, restored: RestoredState) -> None:
        snapshot = restored.snapshot
        self._reset(snapshot)
        self.pending_snapshot: SnapshotMeta | None = None
        self.applied = max(restored.applied, snapshot.index)
        self.extend(_after_snapshot(restored))
        self.stable = self.last_index
        self.commit = max(restored.hard_state.commit, self.applied)
        if self.commit > self.last_index:
            raise errors.DiskError(
                f"the log on disk ends at index {self.last_index}, but index {self.commit} was committed; "
                "its tail was lost"
            )

    def _reset(self, snapshot: SnapshotMeta) -> None:
        self.base_index = snapshot.index
        self.base_term = snapshot.term
        self.memberships = MembershipHistory(snapshot.index, snapshot.membership)
        self._entries: list[Entry] = []
        self._totals: list[int] = []
        self._base_total = 0

    # What is in it.

    @property
    def last_index(self) -> int:
        return self.base_index + len(self._entries)

    @property
    def last_term(self) -> int:
        return self._entries[-1].term if self._entries else self.base_term

    def term(self, index: int) -> int | None:
        """Return the term of an index; None where the log does not hold it, or no longer."""
        position = index - self.base_index
        if position == 0:
            return self.base_term
        return self._entries[position - 1].term if 0 < position <= len(self._entries) else None

    def may_follow(self, last_term: int, last_index: int) -> bool:
        """Whether a log that ends so holds all that ours may have helped to commit (Raft §5.4.1)."""
        return (self.last_term, self.last_index) <= (last_term, last_index)

    def slice(self, first: int, last: int, max_bytes: int) -> tuple[Entry, ...]:
        """Return entries `first ... last`, cut to `max_bytes` but never to nothing."""
        start, stop = first - self.base_index - 1, last - self.base_index
        if start >= stop:
            return ()
        allowed = self._total(first - 1) + max_bytes
        if self._totals[stop - 1] > allowed:
            stop = max(bisect.bisect_right(self._totals, allowed, start, stop), start + 1)
        return tuple(self._entries[start:stop])

    def bytes_after(self, index: int) -> int:
        """Return the bytes of all entries after `index`."""
        return self._total(self.last_index) - self._total(index)

    def _total(self, index: int) -> int:
        position = index - self.base_index
        return self._totals[position - 1] if position else self._base_total

    def tail_base(self, index: int, *, entries_max: int, bytes_max: int) -> int:
        """Return the lowest index behind which at most so many entries, of so many bytes, come until `index`."""
        allowed = self._total(index) - bytes_max
        by_bytes = self.base_index
        if self._base_total < allowed:
            by_bytes += bisect.bisect_left(self._totals, allowed) + 1
        return max(by_bytes, index - entries_max)

    def last_of_term(self, index: int, term: int) -> tuple[int, int]:
        """Return (index, term) of the last entry up to `index` whose term is at most `term`; below the log, (index, 0).

        Two logs can agree at no later place, given that one holds `term` at `index`: a whole term of conflicts costs
        one message instead of one an entry (Raft §5.3, at its end). Terms never fall along a log, so it is bisected.
        """
        stop = min(index, self.last_index) - self.base_index
        position = bisect.bisect_right(self._entries, term, 0, max(stop, 0), key=lambda entry: entry.term)
        if position:
            return self.base_index + position, self._entries[position - 1].term
        if stop < 0 or self.base_term > term:
            return min(index, self.base_index - 1), 0
        return self.base_index, self.base_term

    # How it grows, and is cut.

    def append(self, entry: Entry) -> None:
        """Append the leader's own entry."""
        self.extend((entry,))

    def extend(self, entries: Sequence[Entry]) -> None:
        """Append entries that follow the last one."""
        if not entries:
            return
        assert entries[0].index == self.last_index + 1, "entries must follow the log's end"
        totals = itertools.accumulate(
            (size_bytes(entry.data) for entry in entries), initial=self._total(self.last_index)
        )
        next(totals)  # where the log ended before
        self._totals.extend(totals)
        self._entries.extend(entries)
        self.memberships.record(entries)

    def merge(self, entries: Sequence[Entry]) -> None:
        """Append what is new of a leader's entries; cut only where the terms conflict (Raft §5.3).

        An old message, whose entries are all known, thus cuts nothing that came after them.
        """
        for position, entry in enumerate(entries):
            if self.term(entry.index) != entry.term:
                self._truncate(entry.index)
                self.extend(entries[position:])
                return

    def _truncate(self, first: int) -> None:
        if first > self.last_index:
            return
        if first <= self.commit:
            raise errors.BugError(
                f"index {first} is committed (up to {self.commit}) and must never be cut from the log"
            )
        kept = first - self.base_index - 1
        del self._entries[kept:], self._totals[kept:]
        self.stable = min(self.stable, first - 1)
        self.memberships.truncate(first)

    def restore(self, snapshot: SnapshotMeta) -> None:
        """Begin anew after a snapshot that the driver has received and has yet to install."""
        self._reset(snapshot)
        self.stable = self.commit = snapshot.index
        self.pending_snapshot = snapshot

    def compact(self, index: int) -> None:
        """Forget the entries up to `index`; a durable snapshot covers them."""
        if index <= self.base_index:
            return
        if index > min(self.applied, self.stable) or self.pending_snapshot:
            raise errors.BugError(f"the log is applied up to {self.applied} and cannot be compacted to {index}")
        term, total, dropped = (
            self._entries[index - self.base_index - 1].term,
            self._total(index),
            index - self.base_index,
        )
        del self._entries[:dropped], self._totals[:dropped]
        self.base_index, self.base_term, self._base_total = index, term, total
        self.memberships.compact(index)

    # What is done with it.

    @property
    def durable_index(self) -> int:
        """The last index that this node may count as its own acknowledgement."""
        return 0 if self.pending_snapshot else self.stable

    @property
    def applicable_index(self) -> int:
        """The last index that may be applied now: committed, and on this node's disk."""
        return self.applied if self.pending_snapshot else min(self.commit, self.stable)

    def commit_to(self, index: int) -> bool:
        """Move the commit index forward; return whether it moved."""
        if index <= self.commit:
            return False
        assert index <= self.last_index, "what is committed must be in the log"
        self.commit = index
        return True

    def persisted(self, entries: Sequence[Entry], snapshot: SnapshotMeta | None) -> None:
        """Take note of what is on disk now; what was cut meanwhile, or a snapshot will sweep away, does not count."""
        if snapshot:
            self.applied = max(self.applied, snapshot.index)
            if snapshot == self.pending_snapshot:
                self.pending_snapshot = None
        if self.pending_snapshot:
            return
        if entries and self.term(entries[-1].index) == entries[-1].term:
            self.stable = max(self.stable, entries[-1].index)

    def validate(self) -> None:
        """Assert what must hold between any two steps."""
        assert self.base_index <= self.commit <= self.last_index, "commit is within the log"
        assert self.base_index <= self.stable <= self.last_index, "stable is within the log"
        assert self.applied <= self.commit, "only what is committed is applied"
        assert self.pending_snapshot or self.applied >= self.base_index, "what the snapshot covers is applied"
        assert len(self._entries) == len(self._totals), "each entry has its running total"
        assert self.memberships.latest_index <= self.last_index, "no membership from beyond the log"


def _after_snapshot(restored: RestoredState) -> Sequence[Entry]:
    """Return the entries that follow the snapshot; a tail counts only where the snapshot's end matches its own."""
    snapshot, entries = restored.snapshot, restored.entries
    if not entries or entries[-1].index <= snapshot.index:
        return ()
    if entries[-1].index - entries[0].index != len(entries) - 1:
        raise errors.DiskError("the log on disk has gaps")
    position = snapshot.index + 1 - entries[0].index
    if position < 0:
        raise errors.DiskError(
            f"the snapshot on disk ends at index {snapshot.index}, the log begins at {entries[0].index}; "
            "entries between them were lost"
        )
    if position > 0 and entries[position - 1].term != snapshot.term:
        return ()
    return entries[position:]
