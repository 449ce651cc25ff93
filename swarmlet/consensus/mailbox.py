"""Carries the core's messages to and from the peers, and tells it of links that close."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from swarmlet.consensus import wire
from swarmlet.consensus.engine import Counters, Engine
from swarmlet.consensus.snapshots import Snapshots
from swarmlet.raft.messages import Message, MessageKind
from swarmlet.transport.peers import Peers

log = structlog.get_logger()


class Mailbox:
    """What goes to one peer in one turn goes in one payload; a snapshot goes its own way."""

    def __init__(self, *, engine: Engine, snapshots: Snapshots, peers: Peers, counters: Counters) -> None:
        self._engine = engine
        self._snapshots = snapshots
        self._peers = peers
        self._counters = counters
        peers.on_message(wire.RAFT, self._receive)
        peers.on_call(wire.SNAPSHOT, snapshots.receive)
        peers.on_link(self._link_changed)

    def send(self, messages: Sequence[Message]) -> None:
        by_peer: dict[str, list[Message]] = {}
        for message in messages:
            if message.kind is MessageKind.SNAPSHOT:
                self._snapshots.send(message)
            else:
                by_peer.setdefault(message.to, []).append(message)
        for peer, group in by_peer.items():
            self._counters.messages_sent += len(group)
            self._peers.send(peer, wire.RAFT, wire.encode(group))

    def _receive(self, sender: str, payload: bytes) -> None:
        try:
            messages = wire.decode_messages(payload)
        except msgspec.MsgspecError as error:
            log.warning("message_unreadable", peer=sender, error=str(error))
            return
        self._engine.step(message for message in messages if message.sender == sender)

    def _link_changed(self, node: str, up: bool) -> None:
        """A closed link to the leader mostly means that it is dead: ask the others at once who should lead."""
        if up:
            return
        core = self._engine.core
        core.report_unreachable(node)
        if node == core.leader:
            log.info("leader_link_lost", leader=node)
            self._engine.campaign()
        self._engine.wake()
