"""What consensus nodes tell each other, and its bytes: core messages on a channel, the rest as calls."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from swarmlet.errors import InvalidError
from swarmlet.raft.messages import Entry, Message, SnapshotMeta
from swarmlet.store.commands import Outcome

RAFT = "raft"
"""The channel of core messages: a list of `Message`, any of which may be lost."""
PROPOSE = "propose"
"""Call: an encoded store command -> `Proposed`."""
ADD_MEMBER = "add_member"
REMOVE_MEMBER = "remove_member"
TRANSFER = "transfer"
"""Calls: `MemberRequest` -> nothing."""
SNAPSHOT = "snapshot"
"""Call: `SnapshotPiece` -> how many bytes of the file the receiver holds."""
MEMBERSHIP = "membership"
"""Call: `MembershipQuestion` -> `MembershipView`. A node that hears from no leader asks what became of it."""
ADDRESSES = "addresses"
"""Message: `Addresses`, sent when a link opens: who was away may know only members that are gone since."""
ALIVE = "alive"
"""Message: `Alive`, from a spare to the leader."""
FEED = "feed"
"""Call: `FeedRequest` -> `Fed`. How a spare follows: it asks, again and again, for what comes after what it has."""
FEED_STATE = "feed_state"
"""Call: `StateRequest` -> `StatePiece`. Where the log no longer reaches back to what a spare has."""

T = TypeVar("T")


class Proposed(msgspec.Struct, frozen=True, array_like=True):
    """The command is applied on the leader as the log's entry `index`."""

    index: int
    outcomes: tuple[Outcome, ...]


class MemberRequest(msgspec.Struct, frozen=True, array_like=True):
    """`node_id` "" in a transfer: the most up-to-date voter."""

    node_id: str
    address: str = ""


class SnapshotPiece(msgspec.Struct, frozen=True, array_like=True):
    """Bytes of a snapshot's file. `message` comes with the last: the receiver's core takes it once all is verified."""

    meta: SnapshotMeta
    offset: int
    piece: bytes
    message: Message | None = None


class MembershipQuestion(msgspec.Struct, frozen=True, array_like=True):
    """`linearized`: answer only once all that was committed before the question is applied."""

    linearized: bool = False


class MembershipView(msgspec.Struct, frozen=True, array_like=True):
    """Who belonged to the cluster, and to whom of them the log is replicated, as of the entry `applied`, of `term`."""

    applied: int
    term: int
    members: frozenset[str]
    replicated: frozenset[str]


class Addresses(msgspec.Struct, frozen=True, array_like=True):
    """Where the members listen, as of the log up to `applied`."""

    applied: int
    addresses: dict[str, str]


class Alive(msgspec.Struct, frozen=True, array_like=True):
    """How far a spare has applied the log."""

    applied: int


class FeedRequest(msgspec.Struct, frozen=True, array_like=True):
    """A spare has applied the log up to `after`, an entry of `after_term`; `leader` and `term` are what it was told."""

    after: int
    after_term: int
    leader: str
    term: int


class Fed(msgspec.Struct, frozen=True, array_like=True):
    """Committed entries that follow the one asked after, in order; or none, with the reason.

    `is_member`: whether the one who asks belongs to the cluster as of `applied`. `must_restore`: the log reaches back
    no more; fetch the state. `leader` is "" where the feeder has not heard of one lately: it may be cut off.
    """

    applied: int
    leader: str
    term: int
    entries: tuple[Entry, ...] = ()
    is_member: bool = True
    must_restore: bool = False


class StateRequest(msgspec.Struct, frozen=True, array_like=True):
    """From `offset` of the snapshot `meta`; without one, from the beginning of the current one."""

    meta: SnapshotMeta | None
    offset: int


class StatePiece(msgspec.Struct, frozen=True, array_like=True):
    """Bytes of a snapshot's file of `size_bytes`; where the one asked for is gone, the beginning of another."""

    meta: SnapshotMeta
    offset: int
    piece: bytes
    size_bytes: int


_encoder = msgspec.msgpack.Encoder()
_messages = msgspec.msgpack.Decoder(list[Message])


def encode(value: object) -> bytes:
    return _encoder.encode(value)


def decode_messages(payload: bytes) -> list[Message]:
    """Read a payload of the raft channel; raise `msgspec.MsgspecError` where it is none."""
    return _messages.decode(payload)


def decode(payload: bytes, kind: type[T]) -> T:
    """Read a call's payload or reply; raise `InvalidError` where it is none of `kind`."""
    try:
        return msgspec.msgpack.decode(payload, type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidError(f"unreadable {kind.__name__} from a peer: {error}; do all nodes run one version?") from error
