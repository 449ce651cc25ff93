"""Documents of many parts, made and sent a piece at a time: never in memory as a whole, and nobody waits for all of it.

A list of 10,000 Pods is 28 MB. As JSON its parts are in the store; as a Table each row has to be made. One write of all
of it would let every other request wait until it is encrypted.
"""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from aiohttp import Payload
from aiohttp.abc import AbstractStreamWriter

from swarmlet.api.bodies import JSON
from swarmlet.clock import Clock
from swarmlet.slices import SLICE_SECONDS
from swarmlet.store.replica import Stored

PIECE_BYTES = 512 * 1024
"""What is written at once: about a millisecond's encryption. A single part may be larger."""
WRITE_SECONDS_MAX = 30.0
"""For which a client may take nothing; then its connection is closed."""
GZIP_LEVEL = 1
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Joined:
    """`head`, then what `make` makes of each of `items`, with commas, then `tail`."""

    head: bytes
    items: Sequence[Stored]
    tail: bytes
    make: Callable[[Stored], bytes]

    def pieces(self, clock: Clock) -> Iterator[bytes]:
        """Yield the document, made as it is asked for, in pieces that are neither large nor long in the making."""
        piece, length, begun = [self.head], 0, clock.monotonic()
        for number, item in enumerate(self.items):
            part = self.make(item)
            piece += (b",", part) if number else (part,)
            length += len(part)
            if length >= PIECE_BYTES or clock.monotonic() - begun >= SLICE_SECONDS:
                yield b"".join(piece)
                piece, length, begun = [], 0, clock.monotonic()
        yield b"".join((*piece, self.tail))

    def whole(self) -> bytes:
        """Return a document that is known to be small."""
        return b"".join((self.head, b",".join(map(self.make, self.items)), self.tail))


class Pieces(Payload):
    """The body of a response that comes in pieces; `is_packed`: in gzip's format.

    It is made while it is sent, after its request has been counted and timed.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__(pieces, content_type=JSON)
        self._pieces = pieces
        self.is_packed = False

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send the pieces as fast as the client takes them, with a turn for others after each."""
        packer = zlib.compressobj(GZIP_LEVEL, wbits=_GZIP_FORMAT) if self.is_packed else None
        for piece in self._pieces:
            await _write(writer, await asyncio.to_thread(packer.compress, piece) if packer else piece)
        if packer:
            await _write(writer, packer.flush())

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return what is still to be sent, as text."""
        return b"".join(self._pieces).decode(encoding, errors)


def body(document: Joined, clock: Clock) -> bytes | Pieces:
    """Return what a response carries: the document where it is one piece, else what makes one piece after another."""
    pieces = document.pieces(clock)
    first = next(pieces)
    second = next(pieces, None)
    return first if second is None else Pieces(itertools.chain((first, second), pieces))


async def _write(writer: AbstractStreamWriter, data: bytes) -> None:
    if data:
        try:
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                await writer.write(data)
        except TimeoutError as error:
            raise ConnectionResetError("the reader of a list takes nothing") from error
    await asyncio.sleep(0)
