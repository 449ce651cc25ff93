"""What each node has been told is durable: what a later life must find, and what its messages may rest on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from swarmlet.consensus.disk import Batch, Contents
from swarmlet.consensus.snapshot_file import Header
from swarmlet.raft.messages import NO_NODE, Entry, HardState, Message, MessageKind
from tests.simulation.violations import Violation, require

LOST = "what was durable is there after a crash"
ONE_VOTE = "one vote a term"
EARLY = "nothing leaves that rests on what is not durable"

Position = tuple[int, int]
"""A term, and a digest of the entry."""


@dataclass
class Account:
    """One node's disk as its daemon knows it."""

    hard_state: HardState = field(default_factory=HardState)
    snapshot: int = 0
    entries: dict[int, Position] = field(default_factory=dict)

    def after(self, batch: Batch) -> Account:
        """Return what it is once a batch is durable."""
        snapshot, entries = self.snapshot, self.entries
        if batch.snapshot:
            snapshot, entries = batch.snapshot.meta.index, {}
        if batch.entries:
            first = batch.entries[0].index
            entries = {index: position for index, position in entries.items() if index < first}
            entries |= {entry.index: position_of(entry) for entry in batch.entries}
        return Account(batch.hard_state or self.hard_state, snapshot, entries)

    def shorten(self, snapshot: int) -> None:
        """A snapshot is durable; entries that it covers need not be."""
        self.snapshot = max(self.snapshot, snapshot)
        self.entries = {index: position for index, position in self.entries.items() if index > self.snapshot}

    def covers(self, index: int, term: int) -> bool:
        """Whether the entry of an index and term, or a snapshot of it, is there."""
        return index <= self.snapshot or (index in self.entries and self.entries[index][0] == term)

    def reaches(self, index: int) -> bool:
        return index <= self.snapshot or index in self.entries

    def found(self, contents: Contents) -> bool:
        """Whether what was loaded is this, the snapshot perhaps newer."""
        base = contents.snapshot.meta.index
        loaded = {entry.index: position_of(entry) for entry in contents.entries}
        mine = {index: position for index, position in self.entries.items() if index > base}
        return base >= self.snapshot and loaded == mine and contents.hard_state == self.hard_state

    def __str__(self) -> str:
        last = max(self.entries, default=self.snapshot)
        return f"{self.hard_state}, snapshot {self.snapshot}, log up to {last}"


def position_of(entry: Entry) -> Position:
    return entry.term, hash((entry.index, entry.term, entry.kind, entry.data))


class Ledger:
    """The accounts of all nodes, and the snapshots that they took."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self._under_way: dict[str, Account] = {}
        self._states: dict[int, str] = {}
        self._votes: dict[tuple[str, int], str] = {}

    def loaded(self, node: str, contents: Contents) -> None:
        """Check what a new life found: all that was durable, and of what was under way all or nothing."""
        account = self.accounts.get(node, Account())
        pending = self._under_way.pop(node, account)
        if contents.node_id:  # else it died before it had a name, and nobody knows of it
            require(
                account.found(contents) or pending.found(contents),
                LOST,
                f"{node} had {account} (or {pending}), and found {_summary(contents)}",
            )
        self.accounts[node] = Account(
            contents.hard_state,
            contents.snapshot.meta.index,
            {entry.index: position_of(entry) for entry in contents.entries},
        )

    def begun(self, node: str, batch: Batch) -> None:
        self._under_way[node] = self.accounts[node].after(batch)

    def done(self, node: str) -> None:
        self.accounts[node] = self._under_way.pop(node)

    def forget(self, node: str) -> None:
        """A node's disk is lost."""
        self.accounts.pop(node, None)
        self._under_way.pop(node, None)

    def took_snapshot(self, node: str, header: Header, chunks: Iterable[bytes]) -> list[bytes]:
        """Check that all who take a snapshot at one index take the same."""
        content = list(chunks)
        digest = hashlib.sha256(b"".join(content)).hexdigest()
        known = self._states.setdefault(header.meta.index, digest)
        require(known == digest, "one state an index", f"{node} at index {header.meta.index}")
        return content

    def sent(self, node: str, message: Message) -> None:
        """Check a message that leaves: term, vote and log that it speaks of are durable."""
        account = self.accounts[node]
        durable = account.hard_state
        # Of a term that the disk has left behind there will be no other vote, and what was held in it may be cut off:
        # such words are late, not early.
        is_current = durable.term == message.term
        early = message.term > durable.term and message.kind not in {MessageKind.PRE_VOTE, MessageKind.PRE_VOTE_REPLY}
        if message.kind is MessageKind.VOTE_REPLY and not message.reject:
            early = early or (is_current and durable.vote != message.to)
            vote = self._votes.setdefault((node, message.term), message.to)
            require(vote == message.to, ONE_VOTE, f"{node} in term {message.term}: {vote} and {message.to}")
        elif message.kind is MessageKind.APPEND_REPLY and not message.reject:
            early = early or (is_current and not account.reaches(message.log_index))
        if early:
            raise Violation(EARLY, f"{node} has {account} and sends {message}")

    def holders(self, index: int, term: int, nodes: Iterable[str]) -> list[str]:
        """Return which of the nodes durably hold an entry."""
        return [node for node in sorted(nodes) if node in self.accounts and self.accounts[node].covers(index, term)]


class WatchedDisk:
    """A `Disk` whose promises are written down."""

    def __init__(self, disk: Any, ledger: Ledger, node: str) -> None:
        self._disk = disk
        self._ledger = ledger
        self._node = node

    def __getattr__(self, name: str) -> Any:
        return getattr(self._disk, name)

    async def load(self) -> Contents:
        contents: Contents = await self._disk.load()
        self._ledger.loaded(self._node, contents)
        return contents

    async def persist(self, batch: Batch) -> None:
        self._ledger.begun(self._node, batch)
        await self._disk.persist(batch)
        self._ledger.done(self._node)

    async def save_snapshot(self, header: Header, chunks: Iterable[bytes], *, trim_to: int) -> None:
        content = self._ledger.took_snapshot(self._node, header, chunks)
        await self._disk.save_snapshot(header, content, trim_to=trim_to)
        self._ledger.accounts[self._node].shorten(header.meta.index)


def _summary(contents: Contents) -> str:
    last = contents.entries[-1].index if contents.entries else contents.snapshot.meta.index
    vote = contents.hard_state.vote or NO_NODE
    return f"{contents.hard_state} (vote {vote!r}), snapshot {contents.snapshot.meta.index}, log up to {last}"
