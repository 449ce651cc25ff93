"""The struct types that a program in Go carries for reflection: names, fields, tags. Read from the file, never run.

Layouts: `internal/abi/type.go` of Go 1.24 and later (Type, StructType, StructField, MapType, UncommonType, Name); the
same on every 64-bit little-endian machine.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

TYPE_BYTES = 48
STRUCT_BYTES = 80
UNCOMMON_OFFSETS = {"struct": STRUCT_BYTES, "pointer": 56, "slice": 56}
KINDS = {
    1: "bool", 5: "int32", 6: "int64", 8: "uint8", 14: "float64", 21: "map", 22: "pointer", 23: "slice", 24: "string",
    25: "struct",
}  # fmt: skip
KIND_MASK = 31
HAS_UNCOMMON, HAS_EXTRA_STAR = 1, 2
"""Of a type's flags."""
HAS_TAG, IS_EMBEDDED = 2, 8
"""Of a name's flags."""
FIELDS_MAX = 200
"""Of a struct: what looks longer is no struct."""


@dataclass(frozen=True, slots=True)
class GoField:
    """A field of a struct: its name, its tags, and where its type stands."""

    name: str
    tags: dict[str, str]
    is_embedded: bool
    type: int


class GoProgram:
    """An ELF file of Go's linker. A type is told by the address that it has in the program."""

    def __init__(self, path: Path) -> None:
        self._content = path.read_bytes()
        self._start, self._at, self._size = self._section(b".rodata")

    def structs(self, tag: bytes) -> Iterator[int]:
        """Yield the structs that have a field with `tag`."""
        last = self._start + self._size - STRUCT_BYTES
        for address in range(self._start, last, 8):
            if KINDS.get(self._content[self._offset(address) + 23] & KIND_MASK) == "struct":
                try:
                    found = any(tag in name[1] for name, _ in self._raw_fields(address))
                except (LookupError, struct.error):  # the same bytes, and no type
                    continue
                if found:
                    yield address

    def kind(self, address: int) -> str:
        """Return the kind of a type; "" for one that no API type has."""
        return KINDS.get(self._content[self._offset(address) + 23] & KIND_MASK, "")

    def name(self, address: int) -> str:
        """Return a type's import path and name, such as "k8s.io/api/core/v1.Pod"; "string" for what is Go's own."""
        short = self._text(self._start + self._number("<i", address + 40))[0].decode()
        flags = self._number("<B", address + 20)
        short = short.removeprefix("*") if flags & HAS_EXTRA_STAR else short
        uncommon = UNCOMMON_OFFSETS.get(self.kind(address))
        if uncommon is None or not flags & HAS_UNCOMMON:
            return short
        path = self._text(self._start + self._number("<i", address + uncommon))[0].decode()
        return f"{path}.{short.rpartition('.')[2]}"

    def element(self, address: int) -> int:
        """Return what a pointer points to, and what a slice or a map holds."""
        return self._number("<Q", address + (56 if self.kind(address) == "map" else TYPE_BYTES))

    def fields(self, address: int) -> list[GoField]:
        """Return the fields of a struct."""
        return [
            GoField(name.decode(), dict(re.findall(r'(\w+):"([^"]*)"', tag.decode())), bool(flags & IS_EMBEDDED), type_)
            for (name, tag, flags), type_ in self._raw_fields(address)
        ]

    def _raw_fields(self, address: int) -> list[tuple[tuple[bytes, bytes, int], int]]:
        first, length, capacity = struct.unpack_from("<QQQ", self._content, self._offset(address + 56))
        if length != capacity or length > FIELDS_MAX:
            raise LookupError("not a struct")
        places = range(first, first + 24 * length, 24)
        return [(self._text(self._number("<Q", at)), self._number("<Q", at + 8)) for at in places]

    def _text(self, address: int) -> tuple[bytes, bytes, int]:
        """Return a name, its tag and its flags."""
        at = self._offset(address)
        flags = self._content[at]
        length, at = self._varint(at + 1)
        name, at = self._content[at : at + length], at + length
        if not flags & HAS_TAG:
            return name, b"", flags
        length, at = self._varint(at)
        return name, self._content[at : at + length], flags

    def _varint(self, at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = self._content[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value, at

    def _number(self, form: str, address: int) -> int:
        (value,) = struct.unpack_from(form, self._content, self._offset(address))
        return int(value)

    def _offset(self, address: int) -> int:
        if not self._start <= address < self._start + self._size:
            raise LookupError("outside of the read-only data")
        return address - self._start + self._at

    @cached_property
    def _section_names(self) -> int:
        return struct.unpack_from("<H", self._content, 62)[0]

    def _section(self, wanted: bytes) -> tuple[int, int, int]:
        """Return the address, the offset in the file and the size of an ELF section."""
        (table,) = struct.unpack_from("<Q", self._content, 40)
        (count,) = struct.unpack_from("<H", self._content, 60)
        headers = [struct.unpack_from("<IIQQQQ", self._content, table + 64 * index) for index in range(count)]
        names = headers[self._section_names][4]
        for name, _, _, address, offset, size in headers:
            if self._content.startswith(wanted + b"\0", names + name):
                return address, offset, size
        raise LookupError(f"no section {wanted.decode()}")
