"""A cluster's state put on the footing of one machine, while no daemon runs: beneath `restore` and `recover`.

Both end alike: a snapshot of the state with one voter. Nothing of the log is left behind it, so no entry of the
old membership can ever be replicated, and the revision leaps ahead: a client that has seen revisions which are lost
now is told to list anew, and none of them ever means something else (docs/decisions/0005).
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgspec

from swarmlet.consensus.addresses import AddressBook
from swarmlet.consensus.disk import Batch, Contents, Disk
from swarmlet.consensus.snapshot_file import Header
from swarmlet.errors import BugError
from swarmlet.model import kinds, names, objects, pods
from swarmlet.model.base import clock_time
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.pod import Pod
from swarmlet.model.pod_status import PodStatus
from swarmlet.raft.config import RaftConfig, RestoredState
from swarmlet.raft.core import Raft
from swarmlet.raft.messages import EntryKind, HardState, Membership, SnapshotMeta
from swarmlet.store.commands import Command, Delete, Operation, Put, Verdict
from swarmlet.store.replica import Stored
from swarmlet.store.snapshot import Capture
from swarmlet.store.state import Store

REVISION_LEAP = 1_000_000_000
"""How far the revision goes ahead: more changes than a cluster makes between a backup and its end (etcd's number)."""
FIRST_INDEX = 1
FIRST_TERM = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a stopped member's disk holds: `store` is the state with every entry of the log applied, committed or not.

    `membership` is the one in force at the log's end, `addresses` where its members listen.
    """

    contents: Contents
    store: Store
    membership: Membership
    addresses: dict[str, str]

    @property
    def last_index(self) -> int:
        entries = self.contents.entries
        return entries[-1].index if entries else self.contents.snapshot.meta.index

    @property
    def last_term(self) -> int:
        entries = self.contents.entries
        return entries[-1].term if entries else self.contents.snapshot.meta.term

    def names(self) -> dict[str, str]:
        """Return the nodes' names by their node ids."""
        nodes = [stored.object.metadata for stored in self.store.list(kinds.NODE.resource)]
        return {node.labels[NODE_ID_LABEL]: node.name for node in nodes if NODE_ID_LABEL in node.labels}


async def read(disk: Disk) -> Found:
    """Load a disk and replay its log.

    All of it: an entry that is not known to be committed may have been acknowledged all the same, since the commit
    index reaches the disk late; one that was not may only do what somebody asked for. etcd keeps them too.
    """
    contents = await disk.load()
    return replayed(contents, await disk.read_state())


def replayed(contents: Contents, chunks: Sequence[bytes]) -> Found:
    """Return what a log makes of its snapshot's state."""
    store = Store()
    if chunks:
        store.restore(chunks)
    for entry in contents.entries:
        if entry.kind is EntryKind.NORMAL and entry.data:
            store.apply_entry(entry.data)
    return Found(contents=contents, store=store, membership=_membership(contents), addresses=_addresses(contents))


def settled(
    store: Store, *, stay: Collection[str], newcomers: Sequence[Operation], rng: random.Random, now: datetime
) -> Capture:
    """Return the state in which of all nodes only those named in `stay` are left, and `newcomers` are written.

    What ran on the others is to run anew: Pods that a controller owns are deleted, for it makes others; a Pod of
    nobody's is born again, unbound, with another uid.
    """
    leavers = (*_without_nodes(store, stay), *_without_bindings(store, stay, rng, now))
    for operations in (leavers, newcomers):  # one after the other: a newcomer may bear a leaver's name
        outcomes = store.apply(Command(b"", tuple(operations), atomic=False))
        refused = [outcome.message for outcome in outcomes if outcome.verdict not in (Verdict.DONE, Verdict.UNCHANGED)]
        if refused:
            raise BugError(f"the state cannot be settled: {refused[0]}")
    capture = store.capture()
    return dataclasses.replace(capture, revision=capture.revision + REVISION_LEAP)


async def begin_alone(
    disk: Disk, capture: Capture, *, node_id: str, address: str, index: int = FIRST_INDEX, term: int = FIRST_TERM
) -> None:
    """Make a loaded disk hold `capture` at `index` of `term`, with one voter, and nothing else.

    It is not one transaction: whoever calls it marks the data folder until it is done.
    """
    membership = Membership(voters=frozenset({node_id}))
    header = Header(SnapshotMeta(index, term, membership), {node_id: address})
    await disk.save_snapshot(header, capture.encode_chunks(), trim_to=index)
    await disk.persist(Batch(hard_state=HardState(term=term, vote=node_id, commit=index)))


def _without_nodes(store: Store, stay: Collection[str]) -> Iterator[Operation]:
    for stored in store.list(kinds.NODE.resource):
        if stored.key.name not in stay:
            yield Delete(stored.key)


def _without_bindings(store: Store, stay: Collection[str], rng: random.Random, now: datetime) -> Iterator[Operation]:
    for stored in store.list(kinds.POD.resource):
        if stored.node_name and stored.node_name not in stay:
            yield _reborn(stored, rng, now) or Delete(stored.key)


def _reborn(stored: Stored, rng: random.Random, now: datetime) -> Put | None:
    """Return how a Pod that nobody else would make again is written; None for one that is made again, or was done."""
    pod = cast("Pod", stored.object)
    if objects.controller_of(pod) or objects.is_terminating(pod) or pods.is_finished(pod):
        return None
    pod = objects.with_metadata(pod, uid=names.new_uid(rng), creation_timestamp=clock_time(now), resource_version="")
    spec = msgspec.structs.replace(pod.spec, node_name="")
    return Put(stored.key, objects.to_json(msgspec.structs.replace(pod, spec=spec, status=PodStatus(phase="Pending"))))


def _membership(contents: Contents) -> Membership:
    """Return the membership in force: the core's own opinion of this log."""
    restored = RestoredState(
        hard_state=contents.hard_state,
        snapshot=contents.snapshot.meta,
        entries=contents.entries,
        applied=contents.snapshot.meta.index,
    )
    return Raft(
        node_id=contents.node_id,
        config=RaftConfig(),
        restored=restored,
        rng=random.Random(0),  # noqa: S311  it never ticks
    ).membership


def _addresses(contents: Contents) -> dict[str, str]:
    book = AddressBook(contents.node_id, applied=contents.snapshot.addresses, seeds={}, publish=lambda _: None)
    book.append(contents.entries)
    return book.current
