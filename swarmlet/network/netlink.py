"""The kernel's netlink, as little of it as is needed where many small questions are asked: ask, and read attributes.

The kernel answers while it is asked, so a call here does not wait.
Source: linux/netlink.h, linux/netfilter/nfnetlink.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12
REQUEST, ACKNOWLEDGE, DUMP = 0x01, 0x04, 0x300
ERROR, DONE = 2, 3
RECEIVE_BYTES = 1 << 20
ANSWER_SECONDS_MAX = 1.0

INET, IPV4, BRIDGE, IPV6 = 1, socket.AF_INET, 7, socket.AF_INET6
"""Families of netfilter's tables. Source: linux/netfilter.h (NFPROTO_*)."""

_HEADER = struct.Struct("=IHHII")
_NETFILTER = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")
_TYPE_MASK = 0x3FFF
_SEQUENCES = 1 << 32

Attributes = dict[int, bytes]


class Netlink:
    """One socket; for one task or thread at a time. `protocol`: which part of the kernel it speaks to."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.settimeout(ANSWER_SECONDS_MAX)
        self._sequence = 0

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def request(self, message: int, body: bytes, *, flags: int) -> Iterator[bytes]:
        """Send a request and yield what each answer holds; raise `OSError` where the kernel refuses it.

        What is still to be read of an earlier request, whose end nobody waited for, is passed over.
        """
        self._sequence = sequence = (self._sequence + 1) % _SEQUENCES
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), message, REQUEST | flags, sequence, 0) + body)
        while True:
            data = self._socket.recv(RECEIVE_BYTES)
            for kind, answered, start, end in _messages(data):
                if answered != sequence:
                    continue
                if kind == ERROR and (number := -_ERROR.unpack_from(data, start)[0]):
                    raise OSError(number, os.strerror(number))
                if kind in (ERROR, DONE):
                    return
                yield data[start:end]


class Netfilter(Netlink):
    """The packet filter's socket."""

    def __init__(self) -> None:
        super().__init__(NETLINK_NETFILTER)

    def ask(
        self, message: int, payload: bytes = b"", *, flags: int = ACKNOWLEDGE, family: int = IPV4
    ) -> Iterator[Attributes]:
        """Send a request and yield the attributes of each answer; raise `OSError` where the kernel refuses it.

        `message` is the subsystem's number in the upper byte and that of the message in the lower.
        """
        for answer in self.request(message, _NETFILTER.pack(family, 0, 0) + payload, flags=flags):
            yield attributes(answer[_NETFILTER.size :])


def attributes(data: bytes) -> Attributes:
    """Return attributes by number; one that holds others holds their bytes."""
    return dict(items(data))


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield attributes in their order, as (number, value): of a list all have the same number."""
    position = 0
    while position + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        if length < _ATTRIBUTE.size:
            break
        yield kind & _TYPE_MASK, data[position + _ATTRIBUTE.size : position + length]
        position += (length + 3) & ~3


def attribute(kind: int, value: bytes, *, nested: bool = False) -> bytes:
    """Return one attribute's bytes, padded."""
    head = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind | (0x8000 if nested else 0))
    return head + value + b"\0" * (-len(value) % 4)


def text(kind: int, value: str) -> bytes:
    """Return an attribute that holds a name."""
    return attribute(kind, value.encode() + b"\0")


def _messages(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield each message's type, the request that it answers, and where what it holds begins and ends."""
    position = 0
    while position + _HEADER.size <= len(data):
        length, kind, _, sequence, _ = _HEADER.unpack_from(data, position)
        if length < _HEADER.size:
            break
        yield kind, sequence, position + _HEADER.size, position + length
        position += (length + 3) & ~3
