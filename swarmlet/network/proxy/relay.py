"""Passes bytes between a client and an endpoint, both ways, until both have said all.

On bare sockets and their readiness alone: a transport of asyncio's would cost half as much again. Bytes go
from one socket to the other through one buffer that all connections share; only what the other side does not take at
once is kept, at most one buffer of it, and until it is taken no more is read. An end is passed on as an end, a reset
as a reset.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable

from swarmlet.network.proxy.poll import Poll
from swarmlet.network.proxy.site import Quiet

BUFFER_BYTES = 64 * 1024

_BUFFER = memoryview(bytearray(BUFFER_BYTES))
_LINGER = struct.pack("ii", 1, 0)


class Relay:
    """One connection and the one that stands behind it. Both sockets are connected, do not block, and are its own.

    `ended` is called once, when both are closed.
    """

    __slots__ = ("_answers", "_ended", "_requests", "quiet")

    def __init__(
        self,
        poll: Poll,
        client: socket.socket,
        endpoint: socket.socket,
        ended: Callable[[], None],
    ) -> None:
        self.quiet = Quiet()
        self._ended: Callable[[], None] | None = ended
        self._requests = _Pipe(poll, self, client, endpoint)
        self._answers = _Pipe(poll, self, endpoint, client)
        self._requests.begin()
        self._answers.begin()

    @property
    def half_closed(self) -> bool:
        """Whether one side has said all."""
        return self._requests.is_done or self._answers.is_done

    def cut(self) -> None:
        """End it, unless the endpoint has said all, or the client still has to take what it said."""
        if not self._answers.is_done and not self._answers.is_full:
            self.reset()

    def reset(self) -> None:
        """End both connections at once, with a reset."""
        for pipe in (self._requests, self._answers):
            reset_on_close(pipe.source)
        self.close()

    def close(self) -> None:
        """End both connections; what the kernel has taken still goes out."""
        if self._ended is None:
            return
        for pipe in (self._requests, self._answers):
            pipe.close()
        ended, self._ended = self._ended, None
        ended()

    def close_if_done(self) -> bool:
        """End both connections where both sides have said all; return whether they had."""
        is_done = self._requests.is_done and self._answers.is_done
        if is_done:
            self.close()
        return is_done


class _Pipe:
    """One direction."""

    __slots__ = (
        "_pending",
        "_poll",
        "_relay",
        "_sink",
        "_sink_file",
        "_source_file",
        "is_done",
        "source",
    )

    def __init__(self, poll: Poll, relay: Relay, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.is_done = False
        self._poll = poll
        self._relay = relay
        self._sink = sink
        self._source_file = source.fileno()
        self._sink_file = sink.fileno()
        self._pending = b""

    @property
    def is_full(self) -> bool:
        """Whether the sink has yet to take what was read."""
        return bool(self._pending)

    def begin(self) -> None:
        self._poll.on_readable(self._source_file, self._read)

    def rest(self) -> None:
        self._poll.on_readable(self._source_file, None)

    def close(self) -> None:
        self._poll.forget(self._source_file)
        self.source.close()

    def _read(self) -> None:
        relay = self._relay
        try:
            count = self.source.recv_into(_BUFFER)
            if not count:
                self._end()
                return
            relay.quiet.touched = True
            sent = _send(self._sink, _BUFFER[:count])
        except BlockingIOError:  # the kernel woke us for nothing
            return
        except OSError:
            relay.reset()
            return
        if sent < count:
            self._pending = bytes(_BUFFER[sent:count])
            self.rest()
            self._poll.on_writable(self._sink_file, self._write)

    def _write(self) -> None:
        relay = self._relay
        try:
            sent = _send(self._sink, self._pending)
        except OSError:
            relay.reset()
            return
        relay.quiet.touched = True
        self._pending = self._pending[sent:]
        if not self._pending:
            self._poll.on_writable(self._sink_file, None)
            self.begin()

    def _end(self) -> None:
        self.rest()
        self.is_done = True
        if not self._relay.close_if_done():
            self._sink.shutdown(socket.SHUT_WR)


def reset_on_close(connection: socket.socket) -> None:
    """Let a connection end with a reset when it is closed."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)


def _send(sink: socket.socket, content: memoryview | bytes) -> int:
    try:
        return sink.send(content)
    except BlockingIOError:
        return 0
