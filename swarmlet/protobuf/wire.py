"""Protobuf's wire format: a message is numbered fields, each a number or some bytes.

Source: protobuf.dev/programming-guides/encoding. Groups, which no Kubernetes type has, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from swarmlet.errors import CallerError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
VARINT_BYTES_MAX = 10
NUMBER_MAX = (1 << 29) - 1
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}


class MalformedError(CallerError):
    """Bytes that are no message."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the body is not valid protobuf: {what}")


class Reader:
    """Reads the messages of one body, and gives up where it has more than `fields_max` fields in all."""

    def __init__(self, fields_max: int) -> None:
        self._fields_max = fields_max
        self._left = fields_max

    def fields(self, data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
        """Yield the number, the wire type and the value of each field of a message.

        The value is the unsigned number of a varint, and the bytes of every other wire type; nothing is copied.
        """
        at = 0
        while at < len(data):
            self._count()
            key, at = varint(data, at)
            number, wire_type = key >> 3, key & 7
            if not 0 < number <= NUMBER_MAX:
                raise MalformedError(f"no field has the number {number}")
            if wire_type == VARINT:
                value, at = varint(data, at)
                yield number, wire_type, value
                continue
            if wire_type == LENGTH:
                length, at = varint(data, at)
            elif wire_type in _FIXED_BYTES:
                length = _FIXED_BYTES[wire_type]
            else:
                raise MalformedError(f"field {number} has the wire type {wire_type}")
            if length > len(data) - at:
                raise MalformedError("unexpected EOF")
            yield number, wire_type, data[at : at + length]
            at += length

    def packed(self, data: memoryview) -> Iterator[int]:
        """Yield the numbers of a packed list."""
        at = 0
        while at < len(data):
            self._count()
            number, at = varint(data, at)
            yield number

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise MalformedError(f"it has over {self._fields_max} fields")


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the unsigned 64-bit number at `at`, and where it ends."""
    value = 0
    for index in range(VARINT_BYTES_MAX):
        if at + index >= len(data):
            raise MalformedError("unexpected EOF")
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + index + 1
    raise MalformedError("integer overflow")


def signed(value: int, bits: int) -> int:
    """Return the two's complement of a number's last bits: an int32 or int64 as varints hold them."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def field(number: int, data: bytes) -> bytes:
    """Return a field that holds bytes: a string or a message."""
    return _varint(number << 3 | LENGTH) + _varint(len(data)) + data


def flag(number: int, *, value: bool) -> bytes:
    """Return a field that holds a bool."""
    return _varint(number << 3 | VARINT) + _varint(int(value))


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
