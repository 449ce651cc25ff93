"""What the log replicates: commands, their outcomes, and the wire form of both.

A command carries everything that is decided: uids, times, whole objects. `store.apply` invents nothing.
"""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec


class Key(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """The name of an object: `resource` as in `model.kinds.Kind.resource`, `namespace` "" for cluster-wide kinds."""

    resource: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.resource, self.namespace, self.name) if part)


class Put(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Write a whole object.

    `object` is its JSON without `metadata.resourceVersion`, which apply stamps. `expected_revision`: 0 the object must
    not exist, N it must be at that revision, None whatever. `expected_uid`: "" whatever, else the object must exist
    with this uid. An object equal to the stored one changes nothing and keeps its revision.
    """

    key: Key
    object: bytes
    expected_revision: int | None = None
    expected_uid: str = ""


class Delete(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Remove an object for good (finalizers and graceful deletion are settled before this is proposed)."""

    key: Key
    expected_revision: int | None = None
    expected_uid: str = ""


Operation = Put | Delete


class Origin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who asks for a change, when and from where, as the history is to tell it.

    `who` is the user's name, or "system:controller:NAME". `node` is the machine whose daemon took the request,
    `address` where it came from ("" for the daemon's own socket, and for controllers), `agent` the client program.
    `verb` is the API's ("patch"), `note` says more ("undo of 1234").
    """

    who: str
    at: datetime | None = None
    node: str = ""
    address: str = ""
    agent: str = ""
    verb: str = ""
    note: str = ""


NOBODY = Origin("")
"""Of a command that does not say: what the cluster does to its own bookkeeping, and what older versions wrote."""


class Command(msgspec.Struct, frozen=True, array_like=True):
    """One entry of the log.

    `request_id` (16 random bytes, stamped by who proposes) makes a retried proposal apply once: the second gets the
    first's outcomes. `atomic`: all operations or none; otherwise each stands for itself. A key may be named
    once. `origin` goes into the history of what users ask for.
    """

    request_id: bytes
    operations: tuple[Operation, ...]
    atomic: bool = True
    origin: Origin = NOBODY


class Verdict(enum.IntEnum):
    DONE = 0
    UNCHANGED = 1
    NOT_FOUND = 2
    ALREADY_EXISTS = 3
    CONFLICT = 4
    SKIPPED = 5  # another operation of the same atomic command failed
    INVALID = 6  # not a command, or not an object of its key; a bug of who proposed it


class Outcome(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What became of one operation. `revision` is the object's (DONE, UNCHANGED: its own; else the stored one or 0)."""

    verdict: Verdict
    revision: int = 0
    message: str = ""


COMMAND_BYTES_MAX = 4 * 1024 * 1024
OPERATIONS_MAX = 1_000

_encoder = msgspec.msgpack.Encoder()
_command_decoder = msgspec.msgpack.Decoder(Command)


def encode(command: Command) -> bytes:
    """Return the bytes that go into the log."""
    return _encoder.encode(command)


def decode(data: bytes) -> Command:
    """Return the command in `data`; raise `msgspec.DecodeError` where it is none."""
    return _command_decoder.decode(data)
