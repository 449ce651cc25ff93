"""`TlsPeers`: all of a daemon's links, kept up, and what is sent, called and answered over them."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from aiohttp import web

from swarmlet.errors import (
    BusyError,
    CutOffError,
    NotFoundError,
    OutcomeUnknownError,
    SwarmletError,
    UnauthorizedError,
    UnavailableError,
)
from swarmlet.identity.incarnation import FIRST, HEADER, Incarnation
from swarmlet.transport import faults, upgrade
from swarmlet.transport.dialler import Credentials, Dialler, Identify
from swarmlet.transport.frames import Call, Fault, Frame, Reply, Send
from swarmlet.transport.link import Link
from swarmlet.transport.peers import CallHandler, MessageHandler

log = structlog.get_logger()

SERVED_CALLS_MAX = 4_096
"""Calls of all peers that are being answered at once."""


@dataclass(slots=True)
class Counters:
    """What has happened since the start; `node.py` shows them as metrics."""

    messages_sent: int = 0
    messages_dropped: int = 0
    calls_sent: int = 0
    calls_served: int = 0
    links_opened: int = 0
    links_closed: int = 0


class _Left(Exception):  # noqa: N818  not an error: how `run` leaves its task group
    """This node was left behind."""


class TlsPeers:
    """Implements `peers.Peers` over TLS. `handle_upgrade` takes the other daemons' links, `run` keeps ours up."""

    def __init__(
        self,
        *,
        node_id: str,
        cluster_id: str,
        client_context: ssl.SSLContext,
        identify: Identify,
        rng: random.Random,
        incarnation: Incarnation = FIRST,
    ) -> None:
        self.counters = Counters()
        self._node_id = node_id
        self._credentials = Credentials(
            node_id=node_id,
            cluster_id=cluster_id,
            incarnation=incarnation,
            context=client_context,
            identify=identify,
        )
        self._cut_off: CutOffError | None = None
        self._left_behind = asyncio.Event()
        self._rng = rng
        self._diallers: dict[str, Dialler] = {}
        self._dialling: dict[str, asyncio.Task[None]] = {}
        self._incoming: dict[str, Link] = {}
        self._message_handlers: dict[str, MessageHandler] = {}
        self._call_handlers: dict[str, CallHandler] = {}
        self._link_listeners: list[Callable[[str, bool], None]] = []
        self._calls: dict[int, tuple[Link, asyncio.Future[bytes]]] = {}
        self._last_call = 0
        self._serving = 0
        self._tasks: asyncio.TaskGroup | None = None

    # Life.

    async def run(self) -> None:
        """Keep a link to every known address, until cancelled.

        Raises `CutOffError` once a peer shows that the cluster has gone on without this node.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for dialler in self._diallers.values():
                    self._dialling[dialler.node] = tasks.create_task(dialler.run())
                try:
                    await self._left_behind.wait()
                    raise _Left  # ends what is under way in the background
                finally:
                    self._tasks = None
                    self._link_listeners.clear()
                    for link in self.links():
                        link.close()
        except BaseExceptionGroup as group:
            if self._cut_off is None:
                raise
            raise self._cut_off from group

    def _end(self, error: CutOffError) -> None:
        """Let `run` end: whoever is left behind has nobody to speak to."""
        self._cut_off = self._cut_off or error
        self._left_behind.set()

    def links(self) -> list[Link]:
        """Return all open links, both directions."""
        outgoing = (dialler.link for dialler in self._diallers.values())
        return [link for link in (*outgoing, *self._incoming.values()) if link]

    def is_connected(self, node: str) -> bool:
        """Whether a message to `node` would be sent now."""
        return self._link_to(node) is not None

    def _link_to(self, node: str) -> Link | None:
        dialler = self._diallers.get(node)
        return dialler.link if dialler else None

    def set_addresses(self, addresses: Mapping[str, str]) -> None:
        """Tell where each other node listens: node id -> "host:port". Links to nodes that are gone are closed."""
        wanted = {node: address for node, address in addresses.items() if node != self._node_id}
        for node in self._diallers.keys() - wanted.keys():
            self._forget(node)
        for node, address in wanted.items():
            if node in self._diallers:
                self._diallers[node].move(address)
            else:
                self._meet(node, address)

    def _meet(self, node: str, address: str) -> None:
        dialler = self._diallers[node] = Dialler(
            node=node,
            address=address,
            credentials=self._credentials,
            rng=self._rng,
            new_link=lambda peer: self._new_link(peer, dialled=True),
            opened=self._link_opened,
            cut_off=self._end,
        )
        if self._tasks is not None:
            self._dialling[node] = self._tasks.create_task(dialler.run())

    def _forget(self, node: str) -> None:
        dialler, dialling = self._diallers.pop(node), self._dialling.pop(node, None)
        if dialling:
            dialling.cancel()
        for link in (dialler.link, self._incoming.get(node)):
            if link:
                link.close()

    def _new_link(self, peer: str, *, dialled: bool) -> Link:
        return Link(peer, dialled=dialled, receive=self._receive, closed=self._link_closed)

    # Sending and calling.

    def send(self, to: str, channel: str, payload: bytes) -> None:
        """Send without waiting; dropped (and counted) when the link is down or its bounded queue is full."""
        link = self._link_to(to)
        if link and link.send(Send(channel, payload)):
            self.counters.messages_sent += 1
        else:
            self.counters.messages_dropped += 1

    async def call(self, to: str, method: str, payload: bytes, *, timeout_seconds: float) -> bytes:
        """Call a peer and return its reply; a call to ourselves is answered here."""
        try:
            async with asyncio.timeout(timeout_seconds):
                if to == self._node_id:
                    return await self._answer(self._node_id, method, payload)
                return await self._ask(to, method, payload)
        except TimeoutError as error:
            raise OutcomeUnknownError(f"node {to} did not answer {method} within {timeout_seconds:g} s") from error

    async def _ask(self, to: str, method: str, payload: bytes) -> bytes:
        link = self._link_to(to)
        if link is None:
            known = self._diallers.get(to)
            raise UnavailableError(f"no link to node {to}" + (f" at {known.address}" if known else ""))
        self._last_call += 1
        number = self._last_call
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._calls[number] = (link, reply)
        try:
            if not link.send(Call(number, method, payload)):
                raise UnavailableError(f"the link to node {to} is full; try again in a moment")
            self.counters.calls_sent += 1
            return await reply
        finally:
            del self._calls[number]

    # Listening.

    def on_message(self, channel: str, handler: MessageHandler) -> None:
        """Receive what peers `send` on `channel`."""
        self._message_handlers[channel] = handler

    def on_call(self, method: str, handler: CallHandler) -> None:
        """Answer what peers `call` as `method`."""
        self._call_handlers[method] = handler

    def on_link(self, listener: Callable[[str, bool], None]) -> None:
        """Call `listener(node id, up)`: up when we can send to it, not up when a link of either direction closes."""
        self._link_listeners.append(listener)

    def _receive(self, link: Link, frame: Frame) -> None:
        match frame:
            case Send():
                handler = self._message_handlers.get(frame.channel)
                if handler:
                    handler(link.peer, frame.payload)
            case Call():
                self._serve(link, frame)
            case Reply() | Fault():
                self._settle(link, frame)

    def _settle(self, link: Link, frame: Reply | Fault) -> None:
        """Give an answer to who waits for it, if somebody still does."""
        asked, reply = self._calls.get(frame.number, (None, None))
        if reply is None or reply.done() or asked is not link:
            return
        if isinstance(frame, Reply):
            reply.set_result(frame.payload)
        else:
            reply.set_exception(faults.restored(frame.error, frame.message))

    def _serve(self, link: Link, call: Call) -> None:
        if self._tasks is None or self._serving >= SERVED_CALLS_MAX:
            busy = BusyError(f"node {self._node_id} answers {self._serving} calls already; try again in a moment")
            link.send(Fault(call.number, faults.name_of(busy), str(busy)))
            return
        self._serving += 1
        self._tasks.create_task(self._serve_call(link, call))

    async def _serve_call(self, link: Link, call: Call) -> None:
        self.counters.calls_served += 1
        try:
            reply: Frame = Reply(call.number, await self._answer(link.peer, call.method, call.payload))
        except SwarmletError as error:
            reply = Fault(call.number, faults.name_of(error), str(error))
        except Exception:
            log.exception("call_failed", peer=link.peer, method=call.method)
            message = f"node {self._node_id} failed at {call.method}; its log says why"
            reply = Fault(call.number, OutcomeUnknownError.__name__, message)
        finally:
            self._serving -= 1
        if not link.send(reply):
            log.warning("reply_dropped", peer=link.peer, method=call.method)

    async def _answer(self, sender: str, method: str, payload: bytes) -> bytes:
        handler = self._call_handlers.get(method)
        if handler is None:
            raise NotFoundError(f"node {self._node_id} answers no call {method!r}; do all nodes run one version?")
        return await handler(sender, payload)

    # Links that others open.

    async def handle_upgrade(self, request: web.Request) -> web.StreamResponse:
        """Take a peer's link: the aiohttp handler of GET `upgrade.PATH`. It lasts as long as the link."""
        if self._tasks is None:
            return web.Response(status=503, text="this daemon is not ready for its peers")
        if not upgrade.is_upgrade(request):
            return web.Response(
                status=426, text=f"peers speak {upgrade.PROTOCOL}", headers={"Upgrade": upgrade.PROTOCOL}
            )
        try:
            peer = self._certified_sender(request)
        except CutOffError as error:
            self._end(error)
            return web.Response(status=403, text="this machine was left behind")
        except UnauthorizedError as error:
            log.warning("peer_refused", remote=request.remote, error=str(error))
            told = {HEADER: str(self._credentials.incarnation)}
            return web.Response(status=403, text=str(error), headers=told)
        link = self._new_link(peer, dialled=False)
        replaced = self._incoming.pop(peer, None)
        self._incoming[peer] = link
        if replaced:
            replaced.close()
        if peer in self._diallers:
            self._diallers[peer].hurry()
        if self.is_connected(peer):
            self._tell(peer, up=True)  # the listeners heard that a link closed, and this one is there still
        return await upgrade.accept(request, link)

    def _certified_sender(self, request: web.Request) -> str:
        """Return the node id of the one who asks; raise `UnauthorizedError` where it is no node of this cluster."""
        connection = request.transport.get_extra_info("ssl_object") if request.transport else None
        if connection is None:
            raise UnauthorizedError("peers come over TLS")
        identity = self._credentials.identify(connection)
        certified = (identity.cluster_id, identity.node_id)
        upgrade.check_request(request, cluster_id=self._credentials.cluster_id, certified=certified)
        upgrade.check_incarnation(request, self._credentials.incarnation)
        return identity.node_id

    # Up and down.

    def _link_opened(self, node: str) -> None:
        self.counters.links_opened += 1
        log.info("link_opened", peer=node, address=self._diallers[node].address)
        self._tell(node, up=True)

    def _tell(self, node: str, *, up: bool) -> None:
        for listener in tuple(self._link_listeners):
            listener(node, up)

    def _link_closed(self, link: Link) -> None:
        """Fail the calls under way, and tell the listeners, unless a newer link has taken this one's place."""
        for calling, reply in self._calls.values():
            if calling is link and not reply.done():
                reply.set_exception(OutcomeUnknownError(f"the link to node {link.peer} broke before it answered"))
        dialler = self._diallers.get(link.peer)
        was_outgoing = dialler is not None and dialler.link is link
        was_incoming = self._incoming.get(link.peer) is link
        if dialler and was_outgoing:
            dialler.link = None
        if was_incoming:
            del self._incoming[link.peer]
        if was_outgoing or was_incoming:
            self.counters.links_closed += 1
            log.info("link_closed", peer=link.peer, dialled=link.dialled)
            self._tell(link.peer, up=False)
