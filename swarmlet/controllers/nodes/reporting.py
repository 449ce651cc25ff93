"""The way of heartbeats and usage to the leader, of leases back, and of questions what it has heard; past the log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from swarmlet.controllers.nodes import fencing
from swarmlet.controllers.nodes.heartbeats import Heartbeats
from swarmlet.controllers.nodes.usage import Outbox
from swarmlet.errors import PeerError, UnavailableError
from swarmlet.model.core import Lease
from swarmlet.model.samples import NodeSample, PodSample
from swarmlet.store.replica import Replica
from swarmlet.transport.peers import Peers

HEARTBEAT = "heartbeat"
LEASES = "leases"
USAGE = "usage"
CALL_SECONDS_MAX = 2.0
ROUND_SECONDS = 0.02
"""For how long those who ask for a lease wait for others, to share a round of the quorum."""
QUORUM_SECONDS_MAX = 1.5
"""How long a lease waits for the leader's quorum: the answer must be back before the call is given up."""

log = structlog.get_logger()


class _Beat(msgspec.Struct, frozen=True, array_like=True):
    node_name: str
    ready: bool
    message: str
    stop_grace_seconds: float
    wants_lease: bool = False
    pressures: tuple[str, ...] | None = None
    usage: bytes = b""


class _Answer(msgspec.Struct, frozen=True, array_like=True):
    has_lease: bool = False
    listens: bool = False


class _UsageQuestion(msgspec.Struct, frozen=True, array_like=True):
    """Of nodes, or of the Pods of a namespace and name ("": of all)."""

    of_nodes: bool
    namespace: str = ""
    name: str = ""


class Reporting:
    """Carries this node's heartbeats to the leader, and asks the leader what it has heard.

    It is the API's `LeaseSource` and `UsageSource`.
    """

    def __init__(self, replica: Replica, peers: Peers, heartbeats: Heartbeats, node_name: str) -> None:
        self._replica = replica
        self._peers = peers
        self._heartbeats = heartbeats
        self._node_name = node_name
        self._outbox = Outbox()
        self._turns = 0
        self._next_round: asyncio.Task[str] | None = None
        replica.on_leadership(self._turn)
        peers.on_call(HEARTBEAT, self._take_heartbeat)
        peers.on_call(LEASES, self._take_question)
        peers.on_call(USAGE, self._take_usage_question)

    async def send(
        self,
        *,
        ready: bool,
        message: str,
        stop_grace_seconds: float = 0.0,
        wants_lease: bool = False,
        pressures: Sequence[str] | None = None,
    ) -> bool:
        """Tell the leader how this node is; return whether it has a lease, counted from before this call.

        Raises `UnavailableError` where no leader is known or reached.
        """
        told = None if pressures is None else tuple(pressures)
        status = self._replica.status()
        reign = (status.leader, status.term)
        usage = self._outbox.waiting_for(reign)
        beat = _Beat(self._node_name, ready, message, stop_grace_seconds, wants_lease, told, usage)
        reply = await self._ask_leader(HEARTBEAT, msgspec.msgpack.encode(beat))
        answer = msgspec.msgpack.decode(reply, type=_Answer)
        if answer.listens:
            self._outbox.told(reign, usage)
        return answer.has_lease

    def note_usage(self, sample: NodeSample) -> None:
        """Have a sample of this node told to the leader with the next heartbeat."""
        self._outbox.put(sample)

    async def leases(self) -> Sequence[Lease]:
        """Return what the leader has heard of each node."""
        return msgspec.msgpack.decode(await self._ask_leader(LEASES, b""), type=list[Lease])

    async def node_usage(self) -> Sequence[NodeSample]:
        """Return what the leader was told of the nodes; raise `UnavailableError` where nobody knows."""
        question = msgspec.msgpack.encode(_UsageQuestion(of_nodes=True))
        return msgspec.msgpack.decode(await self._ask_leader(USAGE, question), type=list[NodeSample])

    async def pod_usage(self, namespace: str, name: str) -> Sequence[PodSample]:
        """Return what the leader was told of the Pods of a namespace ("": of all), or of those of one name."""
        question = msgspec.msgpack.encode(_UsageQuestion(of_nodes=False, namespace=namespace, name=name))
        return msgspec.msgpack.decode(await self._ask_leader(USAGE, question), type=list[PodSample])

    async def _ask_leader(self, method: str, payload: bytes) -> bytes:
        status = self._replica.status()
        if not status.leader:
            raise UnavailableError("no leader is known; try again")
        return await self._peers.call(status.leader, method, payload, timeout_seconds=CALL_SECONDS_MAX)

    async def _take_heartbeat(self, sender: str, payload: bytes) -> bytes:
        beat = msgspec.msgpack.decode(payload, type=_Beat)
        self._heartbeats.beat(
            beat.node_name,
            ready=beat.ready,
            message=beat.message,
            stop_grace_seconds=beat.stop_grace_seconds,
            pressures=beat.pressures,
        )
        self._heartbeats.usage.take(beat.node_name, beat.usage)
        granted = beat.wants_lease and await self._grant(beat.node_name, sender)
        return msgspec.msgpack.encode(_Answer(granted, self._heartbeats.listening))

    async def _grant(self, node_name: str, node_id: str) -> bool:
        """Grant a lease where this machine certainly led after it was asked for: by a round of its quorum."""
        if self._reign() is None:
            return False
        if self._next_round is None:
            self._next_round = asyncio.create_task(self._round())
        why_not = await asyncio.shield(self._next_round)
        if why_not:
            log.info("lease_not_granted", node=node_name, reason=why_not)
            return False
        lease = fencing.lease_of(self._replica.view, node_name, node_id)
        reason = lease.refusal
        if not reason and not self._heartbeats.grant(node_name, node_id, lease.fence_after):
            reason = "another machine of this name may have one"
        if reason:
            log.info("lease_not_granted", node=node_name, reason=reason)
        return not reason

    async def _round(self) -> str:
        """Ask the quorum for all who ask for a lease within a moment; return why none is granted, "" where they are.

        A round for each of a thousand nodes would cost the leader as much as their heartbeats do.
        """
        await self._heartbeats.clock.sleep(ROUND_SECONDS)
        self._next_round = None  # who comes from now on has asked after this round began
        reign = self._reign()
        try:
            await self._replica.linearize(timeout_seconds=QUORUM_SECONDS_MAX)
        except PeerError as error:
            return str(error)
        return "" if reign is not None and self._reign() == reign else "this machine has not led all the while"

    def _turn(self, _leads: bool) -> None:
        self._turns += 1

    def _reign(self) -> int | None:
        """Return the number of the reign in which this machine leads and its controllers listen.

        A thousand nodes ask twice a second each, so this must not build the whole status.
        """
        return self._turns if self._replica.is_leader and self._heartbeats.listening else None

    async def _take_question(self, _sender: str, _payload: bytes) -> bytes:
        if not self._heartbeats.listening:
            raise UnavailableError("this node does not lead any more; try again")
        return msgspec.msgpack.encode(self._heartbeats.leases())

    async def _take_usage_question(self, _sender: str, payload: bytes) -> bytes:
        if not self._heartbeats.listening:
            raise UnavailableError("this node does not lead any more; try again")
        question = msgspec.msgpack.decode(payload, type=_UsageQuestion)
        memory = self._heartbeats.usage
        found: Sequence[NodeSample | PodSample] = (
            memory.nodes() if question.of_nodes else memory.pods(question.namespace, question.name)
        )
        return msgspec.msgpack.encode(found)
