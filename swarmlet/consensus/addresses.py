"""Where each member listens, and why it has its role.

Carried by membership entries; an address is known from the moment such an entry is in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import msgspec

from swarmlet.consensus.snapshot_file import Header
from swarmlet.raft.messages import ChangeKind, Entry, EntryKind, MembershipChange, SnapshotMeta

_decoder = msgspec.msgpack.Decoder(MembershipChange)


def decode_change(entry: Entry) -> MembershipChange:
    """Return the change that a MEMBERSHIP entry carries."""
    return _decoder.decode(entry.data)


class AddressBook:
    """The addresses by the applied log, and the changes that are in the log but not applied.

    An added node is reachable as soon as its entry is appended; a removed one until its entry is applied. An entry that
    is truncated takes its address with it.

    Args:
        node_id: whose book this is.
        applied, reasons: the addresses, and why who has its role, as of the snapshot that the log begins with.
        seeds: the members that admitted this node. Until it has read of its own admission, the log may know only
            members that are gone since, and nobody to learn the rest from.
        publish: tells the peer links.
    """

    def __init__(
        self,
        node_id: str,
        *,
        applied: Mapping[str, str],
        seeds: Mapping[str, str],
        publish: Callable[[Mapping[str, str]], None],
        reasons: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._node_id = node_id
        self._applied = dict(applied)
        self._reasons = dict(reasons)
        self._seeds = dict(seeds)
        self._hints: dict[str, str] = {}
        self._hinted_index = 0
        self._appended: dict[int, MembershipChange] = {}
        self._publish = publish

    @property
    def applied(self) -> dict[str, str]:
        """The addresses as of the last applied entry: what a snapshot carries."""
        return dict(self._applied)

    @property
    def current(self) -> dict[str, str]:
        added = {change.node: change.context.decode() for change in self._appended.values() if change.context}
        seeds = {} if self._node_id in self._applied else self._seeds
        return seeds | self._applied | self._hints | added

    def reason(self, node: str) -> str:
        """Return why a member has its role, as the last change of it said; "" where that said nothing."""
        return self._reasons.get(node, "")

    def header(self, meta: SnapshotMeta) -> Header:
        """Return what stands before a snapshot of the applied state."""
        return Header(meta, self.applied, dict(self._reasons))

    def hint(self, addresses: Mapping[str, str], index: int) -> None:
        """Take what a peer knows that has applied the log up to `index`, which is ahead of ours.

        It holds until our own log says more: what we know may be nobody who is still there.
        """
        if index > self._hinted_index:
            self._hints, self._hinted_index = dict(addresses), index
            self.publish()

    def caught_up(self, index: int) -> None:
        """Take note that the log is applied up to `index`: it knows all that hints from before did."""
        if self._hints and index >= self._hinted_index:
            self._hints = {}
            self.publish()

    def append(self, entries: Iterable[Entry]) -> None:
        """Follow what is written to the log, conflicts cut off included."""
        for entry in entries:
            changed = entry.kind is EntryKind.MEMBERSHIP
            if self._appended or changed:
                self._appended = {index: change for index, change in self._appended.items() if index < entry.index}
            if changed:
                self._appended[entry.index] = decode_change(entry)
            if changed:
                self.publish()

    def apply(self, entry: Entry) -> MembershipChange:
        """Let a committed MEMBERSHIP entry take effect for good; return its change."""
        change = decode_change(entry)
        self._appended.pop(entry.index, None)
        if change.kind is ChangeKind.REMOVE:
            self._applied.pop(change.node, None)
            self._reasons.pop(change.node, None)
        else:
            self._explain(change)
        self.publish()
        return change

    def _explain(self, change: MembershipChange) -> None:
        if change.context:
            self._applied[change.node] = change.context.decode()
        self._reasons[change.node] = change.reason

    def restore(self, addresses: Mapping[str, str], reasons: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start anew from what a snapshot says."""
        self._applied = dict(addresses)
        self._reasons = dict(reasons)
        self._appended = {}
        self.publish()

    def publish(self) -> None:
        """Tell the peer links what is known now."""
        self._publish(self.current)
