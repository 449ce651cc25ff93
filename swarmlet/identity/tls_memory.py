"""What a TLS connection of asyncio keeps in memory: 256 KiB to receive into, which an idle watch never fills.

asyncio receives, decrypts and forgets within one callback of its loop, so all connections of a thread may receive into
the same buffer. It has no setting for that (CPython, Lib/asyncio/sslproto.py, `SSLProtocol.__init__`).

It also has 34 attributes. From the 31st on, an object has a dictionary with names of its own, of 1.5 KB, in the place
of one whose names its class keeps (CPython, Objects/dictobject.c, `SHARED_KEYS_MAX_SIZE`).
"""

from __future__ import annotations

import threading
from asyncio import sslproto

BUFFER_BYTES = 64 * 1024
"""Received at once; a TLS record holds at most 16 KiB."""


class _Shared(threading.local):
    """The buffer of one thread, and so of one event loop."""

    def __init__(self) -> None:
        self.buffer = bytearray(BUFFER_BYTES)
        self.view = memoryview(self.buffer)


_shared = _Shared()


class FrugalProtocol(sslproto.SSLProtocol):
    """asyncio's TLS, which receives into its thread's buffer; the one that each is made with is let go."""

    __slots__ = ("_incoming_high_water", "_incoming_low_water", "_outgoing_high_water", "_outgoing_low_water")
    """Of 34 attributes, so that no more are left in the dictionary than can share their names."""

    max_size = BUFFER_BYTES

    @property
    def _ssl_buffer(self) -> bytearray:
        return _shared.buffer

    @_ssl_buffer.setter
    def _ssl_buffer(self, own: bytearray) -> None: ...

    @property
    def _ssl_buffer_view(self) -> memoryview:
        return _shared.view

    @_ssl_buffer_view.setter
    def _ssl_buffer_view(self, own: memoryview) -> None: ...


def share_buffers() -> None:
    """Let every TLS connection that this process makes from now on share the buffer of its thread."""
    sslproto.SSLProtocol = FrugalProtocol  # type: ignore[misc]
