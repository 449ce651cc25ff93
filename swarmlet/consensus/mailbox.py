"""Carries the core's messages to and from the peers, and tells it of links that close."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
import structlog

from swarmlet.consensus import wire
from swarmlet.consensus.engine import Counters, Engine
from swarmlet.consensus.snapshots import Snapshots
from swarmlet.raft.messages import Message, MessageKind
from swarmlet.transport.peers import Peers

log = structlog.get_logger()

HOLD_SECONDS = 0.001
"""For how long an append that only tells of a commit may wait for the next one, which tells it as well."""


class Mailbox:
    """What goes to one peer in one turn goes in one payload; a snapshot goes its own way.

    A follower that learns a moment later what is committed holds up nobody but its own readers, and each payload costs
    both ends more than all that is in it. So news of commits alone are held back, and mostly travel with new entries.
    """

    def __init__(self, *, engine: Engine, snapshots: Snapshots, peers: Peers, counters: Counters) -> None:
        self._engine = engine
        self._snapshots = snapshots
        self._peers = peers
        self._counters = counters
        self._held: dict[str, Message] = {}
        self._release: asyncio.TimerHandle | None = None
        peers.on_message(wire.RAFT, self._receive)
        peers.on_call(wire.SNAPSHOT, snapshots.receive)
        peers.on_link(self._link_changed)

    def send(self, messages: Sequence[Message]) -> None:
        by_peer: dict[str, list[Message]] = {}
        for message in messages:
            if message.kind is MessageKind.SNAPSHOT:
                self._snapshots.send(message)
            elif message.kind is MessageKind.APPEND and not message.entries:
                self._hold(message)
            else:
                if message.kind is MessageKind.APPEND:
                    self._held.pop(message.to, None)
                by_peer.setdefault(message.to, []).append(message)
        self._post(by_peer)

    def _hold(self, message: Message) -> None:
        self._held[message.to] = message
        if self._release is None:
            self._release = asyncio.get_running_loop().call_later(HOLD_SECONDS, self._let_go)

    def _let_go(self) -> None:
        held, self._held, self._release = self._held, {}, None
        self._post({peer: [message] for peer, message in held.items()})

    def _post(self, by_peer: Mapping[str, Sequence[Message]]) -> None:
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
