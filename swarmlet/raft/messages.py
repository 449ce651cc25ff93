"""What goes in and out of the core: entries, messages, hard state, and `Ready`, the list of what is to be done.

Node ids are text; indexes and terms are ints from 1 (0: none). All values are immutable.
Source of the shapes: etcd-io/raft `raftpb` and `Ready`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import msgspec

NodeId = str
NO_NODE: NodeId = ""


class EntryKind(enum.IntEnum):
    """`data` is a command, a no-op (empty data), or an encoded `MembershipChange`."""

    NORMAL = 0
    MEMBERSHIP = 1


class Entry(msgspec.Struct, frozen=True, array_like=True):
    index: int
    term: int
    data: bytes = b""
    kind: EntryKind = EntryKind.NORMAL


class HardState(msgspec.Struct, frozen=True, array_like=True):
    """What must be on disk before any reply that depends on it."""

    term: int = 0
    vote: NodeId = NO_NODE
    commit: int = 0


class Membership(msgspec.Struct, frozen=True, array_like=True):
    """Who votes, who only learns, and who belongs although nothing is replicated to it.

    Effective as soon as the entry that makes it is in the log. What was written before there were spares reads as
    having none.
    """

    voters: frozenset[NodeId] = frozenset()
    learners: frozenset[NodeId] = frozenset()
    spares: frozenset[NodeId] = frozenset()


class ChangeKind(enum.IntEnum):
    """What becomes of a node. ADD_LEARNER: of a new one, or of a spare. RELEASE: of a voter or learner, a spare."""

    ADD_LEARNER = 0
    PROMOTE = 1
    DEMOTE = 2
    REMOVE = 3
    ADD_SPARE = 4
    RELEASE = 5


class MembershipChange(msgspec.Struct, frozen=True, array_like=True):
    """One step: never more than one node at a time.

    `context` (an address) and `reason` (why, in words) are the caller's; the core carries them.
    """

    kind: ChangeKind
    node: NodeId
    context: bytes = b""
    reason: str = ""


class SnapshotMeta(msgspec.Struct, frozen=True, array_like=True):
    """The state at `index` replaces the log up to it. The bytes of the state are the driver's business."""

    index: int = 0
    term: int = 0
    membership: Membership = Membership()


class MessageKind(enum.IntEnum):
    APPEND = 0
    APPEND_REPLY = 1
    HEARTBEAT = 2
    HEARTBEAT_REPLY = 3
    VOTE = 4
    VOTE_REPLY = 5
    PRE_VOTE = 6
    PRE_VOTE_REPLY = 7
    SNAPSHOT = 8
    TIMEOUT_NOW = 9
    READ_INDEX = 10
    READ_INDEX_REPLY = 11
    TRANSFER_LEADER = 12


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One message between two nodes; `kind` says which fields mean something.

    APPEND: `log_index`/`log_term` of the entry before `entries`, and `commit`. APPEND_REPLY: `log_index` acknowledged,
    or with `reject` the index refused, and `hint_index`/`hint_term` where to go on. VOTE, PRE_VOTE: last log
    position; `force` is set in a leadership transfer. SNAPSHOT: `snapshot` is the oldest state that will do; the driver
    sends the bytes beside it, and may send a newer state with the meta of that one.
    HEARTBEAT, READ_INDEX and their replies: `context` names the read. TRANSFER_LEADER: `context` is the id of the node
    that shall lead. READ_INDEX, READ_INDEX_REPLY and TRANSFER_LEADER bear no term: they hold in any.
    """

    kind: MessageKind
    sender: NodeId
    to: NodeId
    term: int = 0
    log_index: int = 0
    log_term: int = 0
    commit: int = 0
    entries: tuple[Entry, ...] = ()
    reject: bool = False
    hint_index: int = 0
    hint_term: int = 0
    force: bool = False
    context: bytes = b""
    snapshot: SnapshotMeta | None = None


class Role(enum.Enum):
    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class ReadState:
    """The read named `context` may be served once `index` is applied."""

    index: int
    context: bytes


@dataclass(frozen=True, slots=True)
class Ready:
    """What the driver must do, in this order; then it calls `Raft.advance(ready)`.

    1. Send `messages` at once: they promise nothing that is not on disk.
    2. Persist in one durable commit: `snapshot` (if any), which replaces the whole log; then `entries`, before which
       every stored entry from the first one's index on is deleted; and `hard_state`. Where `must_sync` is false only
       the commit index moved: it may wait, and ride with the next durable commit.
    3. Send `messages_after_persist`: votes, acknowledgements.
    4. Apply `committed`, in order; serve `read_states` once their index is applied.

    Between `ready()` and `advance()` the core accepts `step`, `propose` and `tick` as ever; a second `ready()` may be
    taken only after `advance()`. The leader counts its own acknowledgement in `advance()`, that is, after step 2.
    `committed` never holds entries of the same Ready: what is applied is on this node's disk already.
    """

    hard_state: HardState | None = None
    entries: tuple[Entry, ...] = ()
    snapshot: SnapshotMeta | None = None
    messages: tuple[Message, ...] = ()
    messages_after_persist: tuple[Message, ...] = ()
    committed: tuple[Entry, ...] = ()
    read_states: tuple[ReadState, ...] = ()
    role: Role = Role.FOLLOWER
    leader: NodeId = NO_NODE
    term: int = 0
    must_sync: bool = False
