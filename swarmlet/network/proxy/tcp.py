"""TCP: takes connections on one address and port, and finds each an endpoint that takes it in turn.

Several daemons of one machine may have the same port: the kernel shares its connections out among them.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

from swarmlet.network.proxy import sockets
from swarmlet.network.proxy.balancing import Place, place
from swarmlet.network.proxy.relay import Relay, reset_on_close
from swarmlet.network.proxy.site import Site
from swarmlet.network.proxy.targets import Route, Target

BACKLOG = 1_024
ACCEPTS_MAX = 64
"""How many connections are taken at once, before others have their turn."""
ATTEMPTS_MAX = 5
CONNECT_SECONDS_MAX = 2.0
IDLE_SECONDS_MAX = 3_600.0
HALF_CLOSED_SECONDS_MAX = 300.0
KEEPALIVE_SECONDS = 60
PAUSE_SECONDS = 1.0
"""How long nothing is accepted after the machine had no room for a connection."""
OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
    (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)
"""Of the socket that listens; on Linux each that is accepted inherits them."""
NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class TcpFront:
    """One address and port; raises OSError where it cannot have them. `route` says where new connections go now."""

    def __init__(self, site: Site, address: str, port: int, target: Target, route: Callable[[], Route]) -> None:
        self._site = site
        self._target = target
        self._route = route
        self._rests: asyncio.TimerHandle | None = None
        self._socket = _listening(address, port)
        self._listens = True
        self._resume()

    def close(self) -> None:
        """Take no more connections; those that are go on."""
        self._listens = False
        self._site.poll.forget(self._socket.fileno())
        if self._rests:
            self._rests.cancel()
        self._socket.close()

    def _resume(self) -> None:
        if self._listens:
            self._site.poll.on_readable(self._socket.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_MAX):
            if self._site.places.is_full:
                self._site.poll.on_readable(self._socket.fileno(), None)
                self._site.places.wait(self._resume)
                return
            try:
                client, address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in NO_ROOM:
                    self._rest()
                    return
                continue  # who came is gone already
            self._welcome(client, address[0])

    def _rest(self) -> None:
        self._site.poll.on_readable(self._socket.fileno(), None)
        self._rests = self._site.loop.call_later(PAUSE_SECONDS, self._resume)

    def _welcome(self, client: socket.socket, address: str) -> None:
        if self._route().admits(address):
            client.setblocking(False)
            _Connection(self._site, self._target, self._route, client, address)
        else:
            reset_on_close(client)
            client.close()


class _Connection:
    """A client's connection: first it looks for an endpoint, then it is relayed. Until then nothing of it is read."""

    __slots__ = ("_address", "_client", "_deadline", "_endpoint", "_relay", "_route", "_site", "_target", "_tried")

    def __init__(
        self, site: Site, target: Target, route: Callable[[], Route], client: socket.socket, address: str
    ) -> None:
        self._site = site
        self._target = target
        self._route = route
        self._client = client
        self._address = address
        self._tried: list[Place] = []
        self._endpoint: socket.socket | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._relay: Relay | None = None
        site.places.take()
        self._try()

    def cut(self) -> None:
        """Go on with another endpoint where nothing was passed yet; else end."""
        if self._relay:
            self._relay.cut()
        else:
            self._failed()

    def sweep(self, seconds: float) -> None:
        """End where nothing came for too long."""
        relay = self._relay
        assert relay is not None
        limit = HALF_CLOSED_SECONDS_MAX if relay.half_closed else IDLE_SECONDS_MAX
        if relay.quiet.after(seconds) >= limit:
            relay.reset()

    def end(self) -> None:
        """End at once."""
        if self._relay:
            self._relay.reset()

    def _try(self) -> None:
        """Begin to connect to the next endpoint; without one, the client is refused."""
        now = self._site.clock.monotonic()
        chosen = None
        if len(self._tried) < ATTEMPTS_MAX:
            chosen = self._target.choose(self._route(), self._address, now, self._tried)
        if chosen is None:
            self._refuse()
            return
        where = place(chosen)
        self._tried.append(where)
        self._target.opened(where, self)
        try:
            self._endpoint = sockets.opened(chosen.address, socket.SOCK_STREAM)
            error = self._endpoint.connect_ex(where)
            if error == errno.EINPROGRESS:
                error = self._endpoint.connect_ex(where)  # an endpoint of this machine has answered by now
        except OSError:
            error = errno.EMFILE
        if error == errno.EALREADY and self._endpoint:
            self._site.poll.on_writable(self._endpoint.fileno(), self._answered)
            self._deadline = self._site.loop.call_later(CONNECT_SECONDS_MAX, self._failed)
        elif error:
            self._failed()
        else:
            self._connected()

    def _answered(self) -> None:
        assert self._endpoint is not None
        if self._endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._failed()
        else:
            self._stop_waiting()
            self._connected()

    def _failed(self) -> None:
        where = self._tried[-1]
        self._target.failed(where, self._site.clock.monotonic())
        self._target.closed(where, self)
        if self._endpoint:
            self._stop_waiting()
            self._endpoint.close()
            self._endpoint = None
        self._try()

    def _connected(self) -> None:
        assert self._endpoint is not None
        self._endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._relay = Relay(self._site.poll, self._client, self._endpoint, self._ended)
        self._site.swept.add(self)

    def _stop_waiting(self) -> None:
        if self._deadline and self._endpoint:
            self._deadline.cancel()
            self._deadline = None
            self._site.poll.on_writable(self._endpoint.fileno(), None)

    def _refuse(self) -> None:
        reset_on_close(self._client)
        self._client.close()
        self._site.places.give_back()

    def _ended(self) -> None:
        self._site.swept.discard(self)
        self._target.closed(self._tried[-1], self)
        self._site.places.give_back()


def _listening(address: str, port: int) -> socket.socket:
    """Return a socket that listens; raises OSError where the address is not this machine's, or the port is taken."""
    made = sockets.opened(address, socket.SOCK_STREAM)
    try:
        for level, option, value in OPTIONS:
            made.setsockopt(level, option, value)
        made.bind((address, port))
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made
