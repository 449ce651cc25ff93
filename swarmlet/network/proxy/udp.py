"""UDP: what comes from one client belongs together until it is quiet for a time, and goes to one endpoint.

An answer leaves from the address that the client wrote to, whichever of the machine's that was.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from swarmlet.network.proxy import sockets
from swarmlet.network.proxy.balancing import place
from swarmlet.network.proxy.site import Quiet, Site
from swarmlet.network.proxy.targets import Route, Target

DATAGRAM_BYTES_MAX = 65_535
DATAGRAMS_MAX = 64
"""How many are passed on at once, before others have their turn."""
UNANSWERED_SECONDS_MAX = 30.0
IDLE_SECONDS_MAX = 180.0
"""As the kernel's connection tracking has them by default, for what was answered and what was not."""

Client = tuple[tuple[str, int], bytes]
"""Who wrote, and to which address of this machine."""


class UdpFront:
    """One address and port; raises OSError where it cannot have them. `route` says where new clients go now."""

    def __init__(self, site: Site, address: str, port: int, target: Target, route: Callable[[], Route]) -> None:
        self._site = site
        self._target = target
        self._route = route
        self._sessions: dict[Client, _Session] = {}
        self._socket = sockets.opened(address, socket.SOCK_DGRAM)
        self._packets = sockets.packets(address)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._packets.tell(self._socket)
            self._socket.bind((address, port))
        except OSError:
            self._socket.close()
            raise
        site.poll.on_readable(self._socket.fileno(), self._receive)

    def close(self) -> None:
        """Take no more; sessions end."""
        self._site.poll.forget(self._socket.fileno())
        for session in tuple(self._sessions.values()):
            session.end()
        self._socket.close()

    def answer(self, client: Client, datagram: bytes) -> None:
        """Send an endpoint's answer; what cannot be sent is lost, as datagrams may be."""
        address, local = client
        with contextlib.suppress(OSError):
            self._socket.sendmsg([datagram], [self._packets.leaving(local)], 0, address)

    def forget(self, client: Client) -> None:
        """A session has ended."""
        del self._sessions[client]

    def _receive(self) -> None:
        for _ in range(DATAGRAMS_MAX):
            try:
                datagram, told, _, address = self._socket.recvmsg(DATAGRAM_BYTES_MAX, self._packets.space)
            except OSError:
                return
            local = self._packets.came_to(told)
            session = self._sessions.get((address, local)) or self._begin((address, local))
            if session:
                session.send(datagram)

    def _begin(self, client: Client) -> _Session | None:
        route, address = self._route(), client[0][0]
        if self._site.places.is_full or not route.admits(address):
            return None
        chosen = self._target.choose(route, address, self._site.clock.monotonic())
        if chosen is None:
            return None
        try:
            session = _Session(self, self._site, self._target, client, place(chosen))
        except OSError:  # no way there, or no room for a socket
            self._target.failed(place(chosen), self._site.clock.monotonic())
            return None
        self._sessions[client] = session
        return session


class _Session:
    """One client's datagrams to one endpoint, and back."""

    def __init__(self, front: UdpFront, site: Site, target: Target, client: Client, where: tuple[str, int]) -> None:
        self._front = front
        self._site = site
        self._target = target
        self._client = client
        self._where = where
        self._quiet = Quiet()
        self._answered = False
        self._socket = sockets.opened(where[0], socket.SOCK_DGRAM)
        try:
            self._socket.connect(where)
        except OSError:
            self._socket.close()
            raise
        site.places.take()
        target.opened(where, self)
        site.swept.add(self)
        site.poll.on_readable(self._socket.fileno(), self._receive)

    def send(self, datagram: bytes) -> None:
        self._quiet.touched = True
        try:
            self._socket.send(datagram)
        except ConnectionRefusedError:
            self._refused()
        except OSError:
            return  # the way is full or too narrow: it is lost, as datagrams may be

    def cut(self) -> None:
        """End, for the endpoint is gone: what the client sends next goes to another."""
        self.end()

    def sweep(self, seconds: float) -> None:
        """End where nothing came for too long."""
        if self._quiet.after(seconds) >= (IDLE_SECONDS_MAX if self._answered else UNANSWERED_SECONDS_MAX):
            self.end()

    def end(self) -> None:
        """Forget it all."""
        self._site.poll.forget(self._socket.fileno())
        self._socket.close()
        self._site.swept.discard(self)
        self._target.closed(self._where, self)
        self._front.forget(self._client)
        self._site.places.give_back()

    def _receive(self) -> None:
        for _ in range(DATAGRAMS_MAX):
            try:
                datagram = self._socket.recv(DATAGRAM_BYTES_MAX)
            except ConnectionRefusedError:
                self._refused()
                return
            except OSError:
                return
            self._quiet.touched = self._answered = True
            self._front.answer(self._client, datagram)

    def _refused(self) -> None:
        """End, for nobody is at the endpoint's port: what the client sends next goes to another."""
        self._target.failed(self._where, self._site.clock.monotonic())
        self.end()
