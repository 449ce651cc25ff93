"""The way of heartbeats to the leader, and of the question what it has heard; neither enters the log."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from swarmlet.controllers.heartbeats import Heartbeats
from swarmlet.errors import UnavailableError
from swarmlet.model.core import Lease
from swarmlet.store.replica import Replica
from swarmlet.transport.peers import Peers

HEARTBEAT = "heartbeat"
LEASES = "leases"
CALL_SECONDS_MAX = 2.0


class _Beat(msgspec.Struct, frozen=True, array_like=True):
    node_name: str
    ready: bool
    message: str
    stop_grace_seconds: float


class Reporting:
    """Carries this node's heartbeats to the leader, and asks the leader what it has heard: the API's `LeaseSource`."""

    def __init__(self, replica: Replica, peers: Peers, heartbeats: Heartbeats, node_name: str) -> None:
        self._replica = replica
        self._peers = peers
        self._heartbeats = heartbeats
        self._node_name = node_name
        peers.on_call(HEARTBEAT, self._take_heartbeat)
        peers.on_call(LEASES, self._take_question)

    async def send(self, *, ready: bool, message: str, stop_grace_seconds: float = 0.0) -> None:
        """Tell the leader how this node is; raise `UnavailableError` where none is known or reached."""
        beat = _Beat(self._node_name, ready, message, stop_grace_seconds)
        await self._ask_leader(HEARTBEAT, msgspec.msgpack.encode(beat))

    async def leases(self) -> Sequence[Lease]:
        """Return what the leader has heard of each node."""
        return msgspec.msgpack.decode(await self._ask_leader(LEASES, b""), type=list[Lease])

    async def _ask_leader(self, method: str, payload: bytes) -> bytes:
        status = self._replica.status()
        if not status.leader:
            raise UnavailableError("no leader is known; try again")
        return await self._peers.call(status.leader, method, payload, timeout_seconds=CALL_SECONDS_MAX)

    async def _take_heartbeat(self, _sender: str, payload: bytes) -> bytes:
        beat = msgspec.msgpack.decode(payload, type=_Beat)
        self._heartbeats.beat(
            beat.node_name, ready=beat.ready, message=beat.message, stop_grace_seconds=beat.stop_grace_seconds
        )
        return b""

    async def _take_question(self, _sender: str, _payload: bytes) -> bytes:
        if not self._heartbeats.listening:
            raise UnavailableError("this node does not lead any more; try again")
        return msgspec.msgpack.encode(self._heartbeats.leases())
