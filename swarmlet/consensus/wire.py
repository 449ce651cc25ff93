"""What consensus nodes tell each other, and its bytes: core messages on a channel, the rest as calls."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from swarmlet.errors import InvalidError
from swarmlet.raft.messages import Message, SnapshotMeta
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
"""Call: nothing -> `MembershipView`. A node that hears from no leader asks whether it was removed."""

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


class MembershipView(msgspec.Struct, frozen=True, array_like=True):
    """Who belonged to the cluster when the answering node had applied the log up to `applied`."""

    applied: int
    members: frozenset[str]


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
