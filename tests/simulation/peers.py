"""`SimulatedPeers`: the `transport.peers.Peers` of one process, on the simulated network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

from swarmlet.errors import (
    NotFoundError,
    OutcomeUnknownError,
    SwarmletError,
    UnavailableError,
)
from swarmlet.transport import faults
from swarmlet.transport.peers import CallHandler, MessageHandler
from tests.simulation.network import Dialler, Frame, Link, Network
from tests.simulation.process import Process


class SimulatedPeers:
    """What `TlsPeers` is, without sockets. Everything here runs in the process that it belongs to."""

    def __init__(self, network: Network, process: Process, *, node_id: str, address: str) -> None:
        self.network = network
        self.process = process
        self.node_id = node_id
        self.address = address
        self.host = address.rpartition(":")[0]
        self.is_listening = False
        self._diallers: dict[str, Dialler] = {}
        self._incoming: dict[str, Link] = {}
        self._message_handlers: dict[str, MessageHandler] = {}
        self._call_handlers: dict[str, CallHandler] = {}
        self._link_listeners: list[Callable[[str, bool], None]] = []
        self._calls: dict[int, tuple[Link, asyncio.Future[bytes]]] = {}
        self._last_call = 0
        network.arrived(self)

    def listen(self) -> None:
        """Take links and dial them from now on, once all handlers are there."""
        self.is_listening = True
        for dialler in self._diallers.values():
            dialler.dial()

    async def run(self) -> None:
        """Listen until cancelled, as the real one does."""
        self.listen()
        await asyncio.Event().wait()

    # `Peers`.

    def set_addresses(self, addresses: Mapping[str, str]) -> None:
        wanted = {node: address for node, address in addresses.items() if node != self.node_id}
        for node in [node for node in self._diallers if node not in wanted]:
            self._forget(node)
        for node, address in sorted(wanted.items()):
            dialler = self._diallers.get(node)
            if dialler is None:
                dialler = self._diallers[node] = Dialler(self, node, address)
                if self.is_listening:
                    dialler.dial()
            elif dialler.address != address:
                dialler.address = address
                if dialler.link:
                    dialler.link.close(self)
                dialler.hurry()

    def send(self, to: str, channel: str, payload: bytes) -> None:
        link = self._link_to(to)
        if link:
            link.send_loosely(self, ("send", channel, payload))

    async def call(self, to: str, method: str, payload: bytes, *, timeout_seconds: float) -> bytes:
        try:
            async with asyncio.timeout(timeout_seconds):
                if to == self.node_id:
                    return await self._answer(self.node_id, method, payload)
                return await self._ask(to, method, payload)
        except TimeoutError as error:
            raise OutcomeUnknownError(f"node {to} did not answer {method} within {timeout_seconds:g} s") from error

    def on_message(self, channel: str, handler: MessageHandler) -> None:
        self._message_handlers[channel] = handler

    def on_call(self, method: str, handler: CallHandler) -> None:
        self._call_handlers[method] = handler

    def on_link(self, listener: Callable[[str, bool], None]) -> None:
        self._link_listeners.append(listener)

    def is_connected(self, node: str) -> bool:
        """Whether a message to `node` would be sent now."""
        return self._link_to(node) is not None

    # Calls.

    def _link_to(self, node: str) -> Link | None:
        dialler = self._diallers.get(node)
        return dialler.link if dialler else None

    async def _ask(self, to: str, method: str, payload: bytes) -> bytes:
        link = self._link_to(to)
        if link is None:
            raise UnavailableError(f"no link to node {to}")
        self._last_call += 1
        number = self._last_call
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._calls[number] = (link, reply)
        try:
            if not link.send(self, ("call", number, method, payload)):
                raise UnavailableError(f"the link to node {to} is full; try again in a moment")
            return await reply
        finally:
            del self._calls[number]

    async def _serve(self, link: Link, number: int, method: str, payload: bytes) -> None:
        try:
            reply: Frame = ("reply", number, await self._answer(link.other(self).node_id, method, payload))
        except SwarmletError as error:
            reply = ("fault", number, faults.name_of(error), str(error))
        except Exception as error:  # noqa: BLE001  as the real one: the caller learns that nobody knows
            self.process.loop.failures.append(error)
            reply = ("fault", number, OutcomeUnknownError.__name__, f"node {self.node_id} failed at {method}")
        link.send(self, reply)

    async def _answer(self, sender: str, method: str, payload: bytes) -> bytes:
        handler = self._call_handlers.get(method)
        if handler is None:
            raise NotFoundError(f"node {self.node_id} answers no call {method!r}; do all nodes run one version?")
        return await handler(sender, payload)

    # What the links tell.

    def receive(self, link: Link, frame: Frame) -> None:
        sender = link.other(self).node_id
        match frame:
            case ("send", str(channel), bytes(payload)):
                handler = self._message_handlers.get(channel)
                if handler:
                    handler(sender, payload)
            case ("call", int(number), str(method), bytes(payload)):
                self.process.spawn(self._serve(link, number, method, payload))
            case ("reply", int(number), bytes(payload)):
                self._settle(link, number, lambda reply: reply.set_result(payload))
            case ("fault", int(number), str(name), str(message)):
                error = faults.restored(name, message)
                self._settle(link, number, lambda reply: reply.set_exception(error))

    def _settle(self, link: Link, number: int, settle: Callable[[asyncio.Future[bytes]], None]) -> None:
        asked, reply = self._calls.get(number, (None, None))
        if reply is not None and not reply.done() and asked is link:
            settle(reply)

    def link_opened(self, dialler: Dialler) -> None:
        self._tell(dialler.node, up=True)

    def link_accepted(self, link: Link) -> None:
        """Another has dialled us."""
        node = link.dialler.node_id
        replaced = self._incoming.get(node)
        self._incoming[node] = link
        if replaced:
            replaced.close(self)
        if node in self._diallers:
            self._diallers[node].hurry()

    def link_closed(self, link: Link) -> None:
        """Fail the calls under way, and tell the listeners, unless a newer link has taken this one's place."""
        peer = link.other(self).node_id
        for calling, reply in self._calls.values():
            if calling is link and not reply.done():
                reply.set_exception(OutcomeUnknownError(f"the link to node {peer} broke before it answered"))
        dialler = self._diallers.get(peer)
        was_outgoing = dialler is not None and dialler.link is link
        was_incoming = self._incoming.get(peer) is link
        if was_outgoing:
            cast("Dialler", dialler).link = None
            cast("Dialler", dialler).again()
        if was_incoming:
            del self._incoming[peer]
        if was_outgoing or was_incoming:
            self._tell(peer, up=False)

    def _tell(self, node: str, *, up: bool) -> None:
        for listener in tuple(self._link_listeners):
            listener(node, up)

    def _forget(self, node: str) -> None:
        dialler = self._diallers.pop(node)
        dialler.wanted = False
        for link in (dialler.link, self._incoming.get(node)):
            if link:
                link.close(self)
