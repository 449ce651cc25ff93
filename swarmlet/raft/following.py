"""The follower's side of replication: entries, heartbeats and snapshots from the leader of our term."""

from __future__ import annotations

from collections.abc import Sequence

from swarmlet.raft.messages import Entry, Message, MessageKind, ReadState, SnapshotMeta
from swarmlet.raft.state import State


def handle_append(state: State, message: Message) -> None:
    """Merge the entries where the logs agree before them, and acknowledge their end; else say where they may agree."""
    log, entries, previous = state.log, message.entries, message.log_index
    end = previous + len(entries)
    if end <= log.commit:
        state.acknowledge(message.sender, log.commit)
        return
    if previous < log.commit:  # an old message, or one sent twice: what is committed agrees with any leader's log
        entries = entries[log.commit - previous :]
    elif log.term(previous) != message.log_term:
        _refuse(state, message)
        return
    log.merge(entries)
    log.commit_to(min(message.commit, end))
    state.acknowledge(message.sender, end)


def _refuse(state: State, message: Message) -> None:
    hint_index, hint_term = state.log.last_of_term(message.log_index, message.log_term)
    state.send(
        Message(
            MessageKind.APPEND_REPLY,
            state.node_id,
            message.sender,
            state.term,
            log_index=message.log_index,
            reject=True,
            hint_index=hint_index,
            hint_term=hint_term,
        )
    )


def handle_heartbeat(state: State, message: Message) -> None:
    """Learn of the commit index, which the leader has cut to what it knows we hold, and answer."""
    state.log.commit_to(min(message.commit, state.log.last_index))
    state.send(Message(MessageKind.HEARTBEAT_REPLY, state.node_id, message.sender, state.term, context=message.context))


def handle_snapshot(state: State, message: Message) -> None:
    """Begin anew after the snapshot, unless our log holds its end already: then all we lacked was the commit index."""
    log, snapshot = state.log, message.snapshot
    assert snapshot is not None, "a SNAPSHOT message bears its meta"
    if snapshot.index > log.commit:
        if log.term(snapshot.index) == snapshot.term:
            log.commit_to(snapshot.index)
        else:
            log.restore(snapshot)
    state.acknowledge(message.sender, log.commit)


def learn(state: State, entries: Sequence[Entry]) -> None:
    """Append entries that are known to be committed, and commit them; what is known already is skipped."""
    log = state.log
    news = entries[max(log.last_index + 1 - entries[0].index, 0) :] if entries else ()
    if not news:
        return
    log.extend(news)
    log.commit_to(log.last_index)


def learn_snapshot(state: State, snapshot: SnapshotMeta) -> None:
    """Begin anew after a snapshot of committed state, where it is ahead of ours."""
    if snapshot.index > state.log.commit:
        state.log.restore(snapshot)


def handle_read_index_reply(state: State, message: Message) -> None:
    """Let our own read be served: when we asked, the leader still led."""
    state.read_states.append(ReadState(message.log_index, message.context))
