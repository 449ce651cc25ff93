"""One watch's end of the fan-out: straight to the wire while the reader keeps up, a bounded queue while it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

QUEUE_LINES_MAX = 8_192
QUEUE_BYTES_MAX = 32 * 1024 * 1024
"""What one watch may lag behind; a slower reader is cut and lists anew. The lines are shared among all who lag."""


class Feed:
    """What one watch has still to send.

    `cut` says why it ends: "lagging", "reset", "failed", "expired", "redefined", "closed".
    `is_new`: it was told of no object so far.

    Args:
        after: the revision up to which the stream's beginning tells all.
        bookmarks: whether it is to be told how far it has come, too.
    """

    __slots__ = ("_bytes", "_lines", "_transport", "_waiter", "after", "bookmarks", "cut", "is_new")

    def __init__(self, *, after: int, bookmarks: bool = False) -> None:
        self.after = after
        self.bookmarks = bookmarks
        self.is_new = True
        self.cut = ""
        self._lines: list[bytes] = []
        self._bytes = 0
        self._transport: asyncio.WriteTransport | None = None
        self._waiter: asyncio.Future[None] | None = None

    def flow(self, transport: asyncio.WriteTransport) -> None:
        """Write what comes from now on straight to the wire, as long as that takes all at once."""
        self._transport = transport

    def give(self, lines: Sequence[bytes], chunk: bytes) -> None:
        """Take lines, and the same joined; over the limit, the feed is cut instead."""
        if self.cut:
            return
        self.is_new = False
        transport = self._transport
        if transport is not None and not self._lines and not transport.get_write_buffer_size():
            if not transport.is_closing():
                transport.write(chunk)
            return
        self._lines.extend(lines)
        self._bytes += len(chunk)
        if len(self._lines) > QUEUE_LINES_MAX or self._bytes > QUEUE_BYTES_MAX:
            self.end("lagging")
        self._wake()

    def end(self, why: str) -> None:
        """Cut the feed: it takes and gives no more."""
        self.cut = self.cut or why
        self._lines.clear()
        self._bytes = 0
        self._wake()

    async def wait(self) -> None:
        """Wait until something lies in the queue, or the feed is cut."""
        if self._lines or self.cut:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def take(self, bytes_max: int) -> bytes:
        """Return the oldest lines of the queue, whole and about `bytes_max` of them; b"" where there is none."""
        count = size = 0
        while count < len(self._lines) and size < bytes_max:
            size += len(self._lines[count])
            count += 1
        taken = b"".join(self._lines[:count])
        del self._lines[:count]
        self._bytes -= size
        return taken

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
