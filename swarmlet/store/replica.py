"""The two Protocols by which the rooms above meet in the store: `View` to read, `Replica` to change and to wait."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from swarmlet.model import custom, kinds, sharing
from swarmlet.model.meta import Object
from swarmlet.store.commands import NOBODY, Command, Key, Operation, Origin, Outcome

if TYPE_CHECKING:
    from swarmlet.store.history import History
    from swarmlet.store.snapshot import Capture  # which holds what this module defines


class _LabelledMeta(msgspec.Struct, frozen=True, gc=False):
    labels: dict[str, str] = {}


class _Labelled(msgspec.Struct, frozen=True, gc=False):
    metadata: _LabelledMeta


_labelled = msgspec.json.Decoder(_Labelled)


class Stored(msgspec.Struct, eq=False, gc=False):
    """One object at one revision. `json` is what a GET answers, resourceVersion included; `object` the same, typed.

    Immutable. `object` is decoded when it is first read and then kept: a machine that only serves lists and watches
    joins bytes and never pays for it. `owner_uids` and `node_name` are what the store indexes by. Nothing in it can
    refer back to it, so the garbage collector need not look at the many that there are.
    """

    key: Key
    revision: int
    json: bytes
    _object: Object | None = None
    owner_uids: tuple[str, ...] = ()
    node_name: str = ""

    @property
    def object(self) -> Object:
        if self._object is None:
            kind = kinds.BY_RESOURCE.get(self.key.resource, custom.ANY)
            self._object = sharing.read(kind, self.json, self.key.name)
        return self._object

    @property
    def labels(self) -> Mapping[str, str]:
        """The object's labels. Where it has not been read yet, these alone are, in a tenth of the time."""
        read = self._object
        return _labelled.decode(self.json).metadata.labels if read is None else read.metadata.labels

    def __eq__(self, other: builtins.object) -> bool:
        return isinstance(other, Stored) and (self.key, self.json) == (other.key, other.json)

    def __hash__(self) -> int:
        return hash((self.key, self.revision))

    def __repr__(self) -> str:
        """Name the object and hide what it holds: a repr ends in logs."""
        return f"Stored({self.key}@{self.revision})"


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the history: created (`old` None), modified, or deleted (`new` None; `old` is the last state)."""

    revision: int
    key: Key
    old: Stored | None
    new: Stored | None


class View(Protocol):
    """The applied state, read-only and synchronous: nothing changes between two reads without an await."""

    @property
    def revision(self) -> int:
        """Return the revision of the newest change: the resourceVersion of a list."""

    def get(self, key: Key) -> Stored | None:
        """Return one object."""

    def list(self, resource: str, namespace: str = "") -> Sequence[Stored]:
        """Return a resource's objects, of one namespace or all (""), sorted by (namespace, name)."""

    def by_owner(self, owner_uid: str) -> Sequence[Stored]:
        """Return the objects that have an ownerReference to this uid, sorted by key."""

    def pods_on(self, node_name: str) -> Sequence[Stored]:
        """Return the Pods bound to a node ("" for the unbound), sorted by key."""

    def changes_since(self, resource: str, revision: int) -> Iterator[Change]:
        """Yield a resource's changes after `revision`, oldest first; raise `ExpiredError` where they are compacted."""

    @property
    def history(self) -> History:
        """The changes of what is asked for: see `store.history`."""

    def capture(self) -> Capture:
        """Return the state of this moment, to be encoded elsewhere while the store goes on."""

    def fork(self) -> Fork:
        """Return a state of its own that begins with this moment, to try out what commands would make of it."""

    def subscribe(self, listener: Callable[[Sequence[Change]], None]) -> Callable[[], None]:
        """Call `listener` with the changes of every applied entry, in order, in the applying task.

        It must not block, raise or await. After a snapshot is installed it is called with an empty sequence: read
        everything anew. Returns the function that ends the subscription.
        """


class Fork(View, Protocol):
    """A state apart from the replicated one: who holds it may change it."""

    def apply(self, command: Command) -> tuple[Outcome, ...]:
        """Apply a command at once; return an outcome for each of its operations."""


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One member of the cluster. `role`: "leader", "voter", "standby" or "spare", and `why` it is that, in words.

    `match`, how far its log is known to reach, is known on the leader only. `silent_seconds`: for how long this machine
    itself has had no sign of life of it; None where it hears of it or is itself that member.
    """

    node_id: str
    address: str
    role: str
    match: int | None = None
    why: str = ""
    silent_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """For `/status` and metrics. `leader` is a node id or ""; `healthy` means: a write would be accepted now."""

    node_id: str
    leader: str
    term: int
    commit: int
    applied: int
    healthy: bool
    members: tuple[MemberStatus, ...] = ()


class Replica(Protocol):
    """This machine's door to the replicated store. Any daemon's serves: a follower forwards to the leader."""

    @property
    def view(self) -> View:
        """The local applied state; stale by what the network delays until `linearize` returns."""

    @property
    def is_leader(self) -> bool:
        """Whether this node leads now (and has committed in its term)."""

    async def propose(
        self,
        operations: Sequence[Operation],
        *,
        atomic: bool = True,
        timeout_seconds: float = 5.0,
        origin: Origin = NOBODY,
    ) -> tuple[Outcome, ...]:
        """Replicate the operations; return their outcomes once they are committed and applied here.

        `origin` goes into the history of what is asked for.
        Raises `UnavailableError` (no leader or quorum; nothing changed), `BusyError` (limits; nothing changed) or
        `OutcomeUnknownError` (time ran out after it was handed over).
        """

    async def linearize(self, *, timeout_seconds: float = 5.0) -> None:
        """Wait until `view` holds every write acknowledged before this call; raise `UnavailableError` otherwise."""

    async def add_member(self, node_id: str, address: str) -> None:
        """Add a node as a spare; the cluster gives it another role where it needs it.

        Raises `AlreadyExistsError` for a node id that is a member, else as `propose` does.
        """

    async def remove_member(self, node_id: str) -> None:
        """Remove a node for good. Raises `ConflictError` where the rest could not reach quorum, saying why."""

    async def transfer_leadership(self, to: str = "") -> None:
        """Hand the lead to `to`, or to the most up-to-date voter; raise `UnavailableError` where that fails."""

    def status(self) -> ReplicaStatus:
        """Return what this node knows of the consensus now."""

    def on_leadership(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(True)` when this node has become a leader that may act, `listener(False)` when it ceases."""
