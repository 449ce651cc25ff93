"""How scenarios tell what they see."""

from __future__ import annotations

from swarmlet.raft import membership
from swarmlet.raft.messages import Entry, EntryKind, Membership, Message, MessageKind, Ready, Role

from .network import Member


def names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def of_standing(member: Member) -> str:
    core = member.core
    if not member.is_up:
        return "is down"
    match core.role:
        case Role.LEADER:
            return f"leads in term {core.term}"
        case Role.FOLLOWER if core.leader:
            return f"follows {core.leader} in term {core.term}"
        case Role.FOLLOWER:
            return f"follows nobody in term {core.term}"
        case role:
            return f"is {role.value} in term {core.term}"


def of_entry(entry: Entry) -> str:
    if entry.kind is EntryKind.MEMBERSHIP:
        change = membership.decode(entry.data)
        return f"{entry.index}/{entry.term} {change.kind.name.lower()} {change.node}"
    return f"{entry.index}/{entry.term} {entry.data.decode()}".rstrip()


def of_entries(entries: tuple[Entry, ...]) -> str:
    return "[" + ", ".join(of_entry(entry) for entry in entries) + "]"


def of_membership(members: Membership) -> str:
    learners = f", learners {' '.join(sorted(members.learners))}" if members.learners else ""
    spares = f", spares {' '.join(sorted(members.spares))}" if members.spares else ""
    return f"voters {' '.join(sorted(members.voters))}{learners}{spares}"


def of_message(message: Message) -> str:
    return f"{message.sender} -> {message.to} {message.kind.name}{_of_body(message)}"


def _of_body(message: Message) -> str:  # noqa: PLR0911  one return a kind
    term, read = f" term {message.term}", _of_read(message.context)
    match message.kind:
        case MessageKind.APPEND:
            previous = f"after {message.log_index}/{message.log_term}"
            return f"{term} {previous} commit {message.commit} {of_entries(message.entries)}"
        case MessageKind.APPEND_REPLY if message.reject and message.log_index:
            return f"{term} refuses {message.log_index}, perhaps {message.hint_index}/{message.hint_term}"
        case MessageKind.APPEND_REPLY:
            return f"{term} refuses" if message.reject else f"{term} holds {message.log_index}"
        case MessageKind.HEARTBEAT:
            return f"{term} commit {message.commit}{read}"
        case MessageKind.HEARTBEAT_REPLY | MessageKind.TIMEOUT_NOW:
            return f"{term}{read}"
        case MessageKind.VOTE | MessageKind.PRE_VOTE:
            return f"{term} log {message.log_index}/{message.log_term}{' forced' if message.force else ''}"
        case MessageKind.VOTE_REPLY | MessageKind.PRE_VOTE_REPLY:
            return f"{term} {'refuses' if message.reject else 'grants'}"
        case MessageKind.SNAPSHOT:
            assert message.snapshot is not None
            meta = message.snapshot
            return f"{term} up to {meta.index}/{meta.term}, {of_membership(meta.membership)}"
        case MessageKind.READ_INDEX_REPLY:
            return f" {message.context.decode()} at {message.log_index}"
        case _:
            return f" {message.context.decode()}"


def _of_read(context: bytes) -> str:
    return f" read round {int.from_bytes(context, 'big')}" if context else ""


def of_work(node: str, ready: Ready) -> list[str]:
    meta = ready.snapshot
    return (
        ([f"{node} installs {meta.index}/{meta.term}, {of_membership(meta.membership)}"] if meta else [])
        + ([f"{node} applies {of_entries(ready.committed)}"] if ready.committed else [])
        + [f"{node} may read {read.context.decode()} at {read.index}" for read in ready.read_states]
    )


def of_ready(ready: Ready) -> list[str]:
    state = ready.hard_state
    return (
        [f"send {of_message(message)}" for message in ready.messages]
        + ([f"install {ready.snapshot.index}/{ready.snapshot.term}"] if ready.snapshot else [])
        + ([f"persist {of_entries(ready.entries)}"] if ready.entries else [])
        + ([f"persist term {state.term} vote {state.vote or '-'} commit {state.commit}"] if state else [])
        + ([] if ready.must_sync or not state else ["without hurry"])
        + [f"then send {of_message(message)}" for message in ready.messages_after_persist]
        + ([f"apply {of_entries(ready.committed)}"] if ready.committed else [])
        + [f"serve {read.context.decode()} at {read.index}" for read in ready.read_states]
    )


def of_status(member: Member) -> str:
    core, log = member.core, member.core._log
    standing = of_standing(member)
    vote = core.vote or "-"
    return (
        f"{member.node_id} {standing}, vote {vote}, commit {core.commit}, last {log.last_index}/{log.last_term}, "
        f"applied {core.applied}"
    )


def of_log(member: Member) -> str:
    log = member.core._log
    entries = log.slice(log.base_index + 1, log.last_index, 1 << 30)
    return f"after {log.base_index}/{log.base_term} {of_entries(entries)} commit {log.commit}"


def of_progress(member: Member) -> list[str]:
    leadership = member.core._election.leadership
    assert leadership is not None
    return [
        f"{node} {progress.state.value}, match {progress.match}, next {progress.next}, under way {len(progress.window)}"
        + (", waits" if progress.probe_is_out else "")
        + ("" if progress.recently_active else ", silent")
        for node, progress in sorted(leadership._progress.items())
    ]
