"""Streams of bytes: frames taken apart, lines put together, limits kept."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator

FRAME_HEADER = struct.Struct(">BxxxL")
"""Docker's: which of stdout and stderr, and how many bytes follow."""


async def demultiplexed(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what Docker's frames of stdout and stderr carry, as they come."""
    buffer = bytearray()
    left = 0
    async for chunk in chunks:
        buffer += chunk
        while buffer:
            if not left:
                if len(buffer) < FRAME_HEADER.size:
                    break
                left = FRAME_HEADER.unpack_from(buffer)[1]
                del buffer[: FRAME_HEADER.size]
                continue
            piece = bytes(buffer[:left])
            del buffer[: len(piece)]
            left -= len(piece)
            yield piece


async def lines(chunks: AsyncIterator[bytes], line_bytes_max: int) -> AsyncIterator[bytes]:
    """Yield whole lines without their end; raise `ValueError` at one over `line_bytes_max`."""
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        *whole, rest = bytes(buffer).split(b"\n")
        for line in whole:
            yield line
        buffer = bytearray(rest)
        if len(buffer) > line_bytes_max:
            raise ValueError(f"a line of over {line_bytes_max} bytes")


async def limited(chunks: AsyncIterator[bytes], limit_bytes: int | None) -> AsyncIterator[bytes]:
    """Yield the first `limit_bytes` bytes (None: all)."""
    left = limit_bytes
    async for chunk in chunks:
        if left is None:
            yield chunk
            continue
        if left > 0:
            yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return
