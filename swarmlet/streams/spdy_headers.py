"""The header blocks of SPDY/3: name and value pairs, compressed with zlib and a dictionary that both sides know.

Source: SPDY Protocol Draft 3.1, 2.6.10 "Name/Value Header Block".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from swarmlet.errors import PeerError

BLOCK_BYTES_MAX = 64 * 1024
"""Of one block when it is decompressed; a stream to a Pod needs a few hundred."""
PAIRS_MAX = 100

_NUMBER = struct.Struct(">L")
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
)
_LATER_WORDS = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(_NUMBER.pack(len(word)) + word.encode() for word in (*_WORDS.split(), *_LATER_WORDS)) + _TAIL.encode()
)


class ProtocolError(PeerError):
    """The peer breaks the rules of its protocol: the connection ends."""


class Compressor:
    """Encodes the blocks of one direction of a connection, each with what the ones before it taught."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(zdict=DICTIONARY)

    def encode(self, headers: Mapping[str, str]) -> bytes:
        """Return the block of these headers."""
        block = bytearray(_NUMBER.pack(len(headers)))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += _NUMBER.pack(len(text)) + text
        return self._zlib.compress(block) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class Decompressor:
    """Decodes the blocks of one direction of a connection."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)

    def decode(self, data: bytes) -> dict[str, str]:
        """Return the headers of a block, names in lower case; raise `ProtocolError` for what is none, or too large."""
        try:
            block = self._zlib.decompress(data, BLOCK_BYTES_MAX)
        except zlib.error as error:
            raise ProtocolError(f"SPDY: a header block that is not compressed as agreed: {error}") from error
        if self._zlib.unconsumed_tail:
            raise ProtocolError(f"SPDY: a header block of over {BLOCK_BYTES_MAX} bytes")
        try:
            return _pairs(block)
        except (struct.error, UnicodeDecodeError) as error:
            raise ProtocolError(f"SPDY: a header block that is cut short or not text: {error}") from error


def _pairs(block: bytes) -> dict[str, str]:
    (count,) = _NUMBER.unpack_from(block)
    if count > PAIRS_MAX:
        raise ProtocolError(f"SPDY: a header block of {count} pairs, over {PAIRS_MAX}")
    texts, at = [], _NUMBER.size
    for _ in range(2 * count):
        (length,) = _NUMBER.unpack_from(block, at)
        at += _NUMBER.size
        (text,) = struct.unpack_from(f"{min(length, BLOCK_BYTES_MAX)}s", block, at)
        at += length
        texts.append(text.decode())
    return dict(zip((name.lower() for name in texts[::2]), texts[1::2], strict=True))
