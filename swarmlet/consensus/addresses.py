"""Where each member listens: carried by membership entries, known from the moment such an entry is in the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from swarmlet.raft.messages import ChangeKind, Entry, EntryKind, MembershipChange

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
        applied: the addresses as of the snapshot that the log begins with.
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
    ) -> None:
        self._node_id = node_id
        self._applied = dict(applied)
        self._seeds = dict(seeds)
        self._appended: dict[int, MembershipChange] = {}
        self._publish = publish

    @property
    def applied(self) -> dict[str, str]:
        """The addresses as of the last applied entry: what a snapshot carries."""
        return dict(self._applied)

    @property
    def current(self) -> dict[str, str]:
        added = (change for change in self._appended.values() if change.kind is ChangeKind.ADD_LEARNER)
        seeds = {} if self._node_id in self._applied else self._seeds
        return seeds | self._applied | {change.node: change.context.decode() for change in added}

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
        if change.kind is ChangeKind.ADD_LEARNER:
            self._applied[change.node] = change.context.decode()
        elif change.kind is ChangeKind.REMOVE:
            self._applied.pop(change.node, None)
        self.publish()
        return change

    def restore(self, addresses: Mapping[str, str]) -> None:
        """Start anew from a snapshot's addresses."""
        self._applied = dict(addresses)
        self._appended = {}
        self.publish()

    def publish(self) -> None:
        """Tell the peer links what is known now."""
        self._publish(self.current)
