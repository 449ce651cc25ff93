"""The history of what is asked for: who changed what of which object, when and from where.

An entry keeps what turns the object's later desired state back into the earlier one. So from the present state the
history leads back, change by change (`history_reading`), and an object's state before its oldest entry is still known.

Bounded by number and bytes, alike on every machine: what goes first is the oldest of those that are not among the
newest `KEPT_MIN` of their object. What one controller changes again and again in the same fields becomes one entry
when it leaves those. docs/decisions/0025.
"""

from __future__ import annotations

import enum
import heapq
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import msgspec

from swarmlet.store import history_deltas, history_desired
from swarmlet.store.commands import Key, Origin
from swarmlet.store.history_desired import Desired
from swarmlet.store.replica import Change

ENTRIES_MAX = 20_000
BYTES_MAX = 16 * 1024 * 1024
"""Of all entries together, each with `ENTRY_BYTES` beside what it says."""
ENTRY_BYTES = 256
KEPT_MIN = 10
"""Of the newest entries of an object: as long as there are others, those go first."""
CONTROLLER = "system:controller:"
"""What the name of a single controller begins with."""


class Action(enum.IntEnum):
    CREATED = 0
    CHANGED = 1
    DELETED = 2


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One change of what is desired of one object.

    `revision` is the object's after the change. `before` makes the state before of the state after: nothing for a
    creation, the whole document for a deletion, else a delta. `previous` is the revision of the object's entry before
    this one; where that is forgotten, the object's state is known from that revision on. `change` is the first revision
    of those `size` entries that one atomic command made. An entry that stands for several (`joined`) begins with the
    revision `since`, made at `began`.
    """

    revision: int
    key: Key
    action: Action
    origin: Origin
    before: bytes
    previous: int
    change: int
    size: int = 1
    joined: int = 1
    since: int = 0
    began: datetime | None = None

    @property
    def first(self) -> int:
        """The first revision that it stands for."""
        return self.since or self.revision

    @property
    def weight(self) -> int:
        """What it counts towards `BYTES_MAX`."""
        key, origin = self.key, self.origin
        words = len(key.resource) + len(key.namespace) + len(key.name)
        words += len(origin.who) + len(origin.node) + len(origin.address) + len(origin.agent) + len(origin.verb)
        return ENTRY_BYTES + len(self.before) + words + len(origin.note)


class History:
    """The entries by revision. `floor`: what became of an object without entries is known from this revision on."""

    def __init__(self, floor: int = 0) -> None:
        self.floor = floor
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._newest: dict[Key, int] = {}
        self._surplus: list[int] = []
        """A heap of the revisions of the entries that are not among the newest `KEPT_MIN` of their object."""
        self._bytes = 0

    # Reading.

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """What counts towards `BYTES_MAX`."""
        return self._bytes

    def get(self, revision: int) -> Entry | None:
        """Return the entry whose change made `revision`."""
        return self._entries.get(revision)

    def newest_first(self) -> Iterator[Entry]:
        """Yield all entries."""
        return reversed(self._entries.values())

    def of(self, key: Key) -> Iterator[Entry]:
        """Yield the entries of one object, newest first."""
        entry = self._entries.get(self._newest.get(key, 0))
        while entry is not None:
            yield entry
            entry = self._entries.get(entry.previous)

    def keys_of(self, resource: str, namespace: str) -> set[Key]:
        """Return the objects of a collection, of one namespace or all (""), that have entries."""
        return {key for key in self._newest if key.resource == resource and namespace in ("", key.namespace)}

    def rows(self) -> list[Entry]:
        """Return all entries, oldest first."""
        return list(self._entries.values())

    # Writing.

    def record(self, changes: Sequence[Change], origin: Origin, *, atomic: bool) -> None:
        """Take in what one command has changed of what is desired, and forget what is over the bound."""
        found = [(change, states) for change in changes if (states := history_desired.differ(change)) is not None]
        for change, (before, after) in found:
            of_one = atomic and len(found) > 1
            entry = Entry(
                revision=change.revision,
                key=change.key,
                action=_action(before, after),
                origin=origin,
                before=_before(before, after),
                previous=self._newest.get(change.key, self.floor),
                change=found[0][0].revision if of_one else change.revision,
                size=len(found) if of_one else 1,
            )
            self._place(entry)
            if (eldest := self._eldest_kept(entry)) is not None and not self._join(eldest):
                heapq.heappush(self._surplus, eldest.revision)
        while len(self._entries) > ENTRIES_MAX or self._bytes > BYTES_MAX:
            self._forget(heapq.heappop(self._surplus) if self._surplus else next(iter(self._entries)))

    def restore(self, entries: Iterable[Entry]) -> None:
        """Add the next entries of a history that was written down by `rows`."""
        for entry in entries:
            self._place(entry)
            if (eldest := self._eldest_kept(entry)) is not None:
                heapq.heappush(self._surplus, eldest.revision)

    def validate(self) -> None:
        """Assert that the indexes and counts agree (for tests: it looks at everything)."""
        by_key: dict[Key, list[int]] = {}
        for entry in self._entries.values():
            by_key.setdefault(entry.key, []).append(entry.revision)
        assert list(self._entries) == sorted(self._entries)
        assert {key: revisions[-1] for key, revisions in by_key.items()} == self._newest
        assert all([each.revision for each in self.of(key)][::-1] == found for key, found in by_key.items())
        assert sorted(self._surplus) == sorted(each for found in by_key.values() for each in found[:-KEPT_MIN])
        assert self._bytes == sum(entry.weight for entry in self._entries.values())
        assert len(self) <= ENTRIES_MAX
        assert self._bytes <= BYTES_MAX

    def _place(self, entry: Entry) -> None:
        self._entries[entry.revision] = entry
        self._newest[entry.key] = entry.revision
        self._bytes += entry.weight

    def _eldest_kept(self, newest: Entry) -> Entry | None:
        """Return the entry of the same object that one more has pushed out of the newest `KEPT_MIN`."""
        entry: Entry | None = newest
        for _ in range(KEPT_MIN):
            if entry is None:
                break
            entry = self._entries.get(entry.previous)
        return entry

    def _join(self, entry: Entry) -> bool:
        """Make one of an entry and the next one of its object, where one controller made both in the same fields."""
        later = self._entries[self._next_of(entry)]
        if not _is_of_one_run(entry, later):
            return False
        del self._entries[entry.revision]
        joined = msgspec.structs.replace(
            later,
            before=entry.before,
            previous=entry.previous,
            joined=entry.joined + later.joined,
            since=entry.first,
            began=entry.began or entry.origin.at,
        )
        self._entries[later.revision] = joined
        self._bytes += joined.weight - later.weight - entry.weight
        return True

    def _next_of(self, entry: Entry) -> int:
        return next(each.revision for each in self.of(entry.key) if each.previous == entry.revision)

    def _forget(self, revision: int) -> None:
        entry = self._entries.pop(revision)
        self._bytes -= entry.weight
        if self._newest[entry.key] == revision:
            del self._newest[entry.key]
            self.floor = max(self.floor, revision)


def _action(before: Desired, after: Desired) -> Action:
    if before is None:
        return Action.CREATED
    return Action.DELETED if after is None else Action.CHANGED


def _before(before: Desired, after: Desired) -> bytes:
    if before is None:
        return b""
    if after is None:
        return history_desired.encode(before)
    return history_deltas.encode(history_deltas.between(after, before))


def _is_of_one_run(one: Entry, other: Entry) -> bool:
    if one.origin.who != other.origin.who or not one.origin.who.startswith(CONTROLLER):
        return False
    if (one.action, other.action) != (Action.CHANGED, Action.CHANGED):
        return False
    fields = [sorted(history_deltas.paths(history_deltas.decode(each.before))) for each in (one, other)]
    return fields[0] == fields[1]
