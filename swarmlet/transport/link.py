"""One connection between two daemons, after it was authenticated: frames out in one write a turn, frames in, pings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import structlog

from swarmlet.transport import frames
from swarmlet.transport.frames import Frame, Ping, Pong

log = structlog.get_logger()

QUEUE_BYTES_MAX = 32 * 1024 * 1024
"""What may wait to be sent; a peer that takes no more is as good as down."""
PING_SECONDS = 1.0
SILENCE_SECONDS_MAX = 3.0
"""A link on which nothing arrived for so long is closed: the machine at the other end may be gone without a word."""


class Link(asyncio.Protocol):
    """A connection to `peer`. The one who dialled pings; both sides close a link that is silent."""

    def __init__(
        self,
        peer: str,
        *,
        dialled: bool,
        receive: Callable[[Link, Frame], None],
        closed: Callable[[Link], None],
    ) -> None:
        self.peer = peer
        self.dialled = dialled
        self.is_open = False
        self.ended = asyncio.Event()
        self._receive = receive
        self._closed = closed
        self._reader = frames.Reader()
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._heard_at = self._sent_at = self._loop.time()
        self._watch: asyncio.TimerHandle | None = None

    # Sending.

    def send(self, frame: Frame) -> bool:
        """Send a frame with all others of this turn of the event loop; False where it was dropped."""
        if not self.is_open or self._transport is None:
            return False
        content = frames.encode(frame)
        if self._outgoing_bytes + self._transport.get_write_buffer_size() + len(content) > QUEUE_BYTES_MAX:
            return False
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(content)
        self._outgoing_bytes += len(content)
        return True

    def close(self) -> None:
        """Close at once; what is not sent is lost."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def _flush(self) -> None:
        outgoing, self._outgoing, self._outgoing_bytes = self._outgoing, [], 0
        if self.is_open and self._transport is not None:
            self._sent_at = self._loop.time()
            self._transport.write(b"".join(outgoing))

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True
        self._watch = self._loop.call_later(PING_SECONDS, self._look)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        try:
            for frame in self._reader.feed(data):
                if isinstance(frame, Ping):
                    self.send(Pong())
                elif not isinstance(frame, Pong):
                    self._receive(self, frame)
        except ValueError as error:  # msgspec's errors are ValueErrors, too
            log.warning("frame_unreadable", peer=self.peer, error=str(error))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol of asyncio
        self._end()

    # Being there.

    def _look(self) -> None:
        """Ask for a sign of life, and close the link where none came for too long.

        Where both sides have spoken since the last look, that was one: a leader with a thousand links is spared theirs.
        """
        now = self._loop.time()
        if now - self._heard_at > SILENCE_SECONDS_MAX:
            log.warning("link_silent", peer=self.peer, seconds=SILENCE_SECONDS_MAX)
            self.close()
            return
        if self.dialled and now - min(self._heard_at, self._sent_at) > PING_SECONDS:
            self.send(Ping())
        self._watch = self._loop.call_later(PING_SECONDS, self._look)

    def _end(self) -> None:
        if not self.is_open:
            return
        self.is_open = False
        if self._watch is not None:
            self._watch.cancel()
        self.ended.set()
        self._closed(self)
