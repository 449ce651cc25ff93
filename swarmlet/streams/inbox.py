"""What came in on a stream and is not read yet: bounded, so that who is slow to read slows the sender down."""

from __future__ import annotations

import asyncio
from collections import deque

BYTES_MAX = 256 * 1024
READ_BYTES_MAX = 64 * 1024


class Inbox:
    """A bounded pipe between the task that reads a connection and the one that uses a stream of it."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._ended = False
        self._changed = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come in."""
        return self._ended

    async def put(self, data: bytes) -> None:
        """Add what came in, once there is room; what comes in after the end is dropped."""
        while self._bytes >= BYTES_MAX and not self._ended:
            await self._change()
        if data and not self._ended:
            self._pieces.append(data)
            self._bytes += len(data)
            self._changed.set()

    def end(self) -> None:
        """Nothing more will come in; what is there can still be read."""
        self._ended = True
        self._changed.set()

    def drop(self) -> None:
        """Nobody reads any more: forget what is there and what will come."""
        self._pieces.clear()
        self._bytes = 0
        self.end()

    async def read(self) -> bytes:
        """Return what came in next, b"" at the end."""
        while not self._pieces:
            if self._ended:
                return b""
            await self._change()
        piece = self._pieces.popleft()
        if len(piece) > READ_BYTES_MAX:
            self._pieces.appendleft(piece[READ_BYTES_MAX:])
            piece = piece[:READ_BYTES_MAX]
        self._bytes -= len(piece)
        self._changed.set()
        return piece

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
