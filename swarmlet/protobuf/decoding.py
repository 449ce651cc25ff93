"""Bodies in protobuf to documents: the envelope, and the message in it.

Sources: k8s.io/apimachinery pkg/runtime/serializer/protobuf (the envelope), pkg/runtime/generated.proto (Unknown). What
a document looks like is what encoding/json writes of the same Go value, less zero values.
"""

from __future__ import annotations

import json
from typing import Any

from swarmlet.errors import CallerError
from swarmlet.protobuf import schema, values, wire
from swarmlet.protobuf.schema import Field, Shape
from swarmlet.protobuf.wire import MalformedError

MAGIC = b"k8s\x00"
FIELDS_MAX = 200_000
"""Of a body, nested ones included: a ConfigMap of 3 MB with 50 bytes a key has fewer. It bounds memory and time."""
QUOTED_LENGTH_MAX = 100
CONTENT_TYPES = ("", "application/vnd.kubernetes.protobuf")

Document = dict[str, Any]


def decode(body: bytes, depth_max: int) -> Document:
    """Return the document that a body says; raise `CallerError` where it says none.

    `depth_max` is how deep messages may be nested.
    """
    if not body.startswith(MAGIC):
        raise MalformedError("it does not begin with Kubernetes' envelope (k8s\\x00)")
    reader = wire.Reader(FIELDS_MAX)
    envelope = _envelope(memoryview(body)[len(MAGIC) :], reader)
    if envelope["contentEncoding"] or envelope["contentType"] not in CONTENT_TYPES:
        encoding = envelope["contentEncoding"] or envelope["contentType"]
        raise CallerError(f"the envelope of the body holds {_quoted(encoding)}, which this server does not read")
    api_version, kind = envelope["apiVersion"], envelope["kind"]
    message = schema.message_of(api_version, kind)
    if not message:
        raise CallerError(f"no kind {_quoted(kind)} is registered for version {_quoted(api_version)} in protobuf")
    document: Document = {"apiVersion": api_version, "kind": kind}
    _Decoder(reader).read(message, envelope["raw"], document, depth_max)
    return document


def _envelope(data: memoryview, reader: wire.Reader) -> dict[str, Any]:
    """Return runtime.Unknown: typeMeta (apiVersion, kind) = 1, raw = 2, contentEncoding = 3, contentType = 4."""
    found: dict[str, Any] = {
        "apiVersion": "",
        "kind": "",
        "raw": memoryview(b""),
        "contentEncoding": "",
        "contentType": "",
    }
    for number, wire_type, value in reader.fields(data):
        if number == 1:
            for inner, inner_type, text in reader.fields(values.some_bytes(wire_type, value)):
                if inner in (1, 2):
                    found["apiVersion" if inner == 1 else "kind"] = values.text(inner_type, text)
        elif number == 2:
            found["raw"] = values.some_bytes(wire_type, value)
        elif number in (3, 4):
            found["contentEncoding" if number == 3 else "contentType"] = values.text(wire_type, value)
    return found


def _quoted(text: str) -> str:
    """Return a client's text for a message: on one line, and not all of it."""
    return json.dumps(text[:QUOTED_LENGTH_MAX])


class _Decoder:
    def __init__(self, reader: wire.Reader) -> None:
        self._reader = reader

    def read(self, message: str, data: memoryview, into: Document, depth: int) -> None:
        """Add what a message says to `into`; what comes twice is merged, or the last one holds."""
        if depth == 0:
            raise MalformedError("messages are nested too deep")
        known = schema.fields(message)
        for number, wire_type, value in self._reader.fields(data):
            field = known.get(number)
            if field is None:
                into[str(number)] = None  # an unknown field's name, to be warned of or refused
                continue
            try:
                self._field(field, wire_type, value, into, depth - 1)
            except values.WireTypeError as error:
                where = f"{message.rpartition('.')[2]}.{field.name}"
                raise MalformedError(f"wrong wireType = {error.wire_type} for field {where}") from error

    def _field(self, field: Field, wire_type: int, value: int | memoryview, into: Document, depth: int) -> None:
        name = field.name
        if name == schema.INLINE:
            self.read(field.type, values.some_bytes(wire_type, value), into, depth)
        elif field.shape is Shape.LIST:
            into.setdefault(name, []).extend(self._items(field, wire_type, value, depth))
        elif field.shape is Shape.MAP:
            key, item = self._entry(field, values.some_bytes(wire_type, value), depth)
            into.setdefault(name, {})[key] = item
        else:
            if field.is_message:
                found = into.get(name, {})
                self.read(field.type, values.some_bytes(wire_type, value), found, depth)
            else:
                found = values.scalar(field.type, wire_type, value, self._reader)
            _put(into, field, found)

    def _items(self, field: Field, wire_type: int, value: int | memoryview, depth: int) -> list[Any]:
        if values.is_packed(field.type, wire_type):
            return values.packed(field.type, values.some_bytes(wire_type, value), self._reader)
        return [self._value(field, wire_type, value, depth)]

    def _value(self, field: Field, wire_type: int, value: int | memoryview, depth: int) -> Any:
        if not field.is_message:
            return values.scalar(field.type, wire_type, value, self._reader)
        item: Document = {}
        self.read(field.type, values.some_bytes(wire_type, value), item, depth)
        return item

    def _entry(self, field: Field, data: memoryview, depth: int) -> tuple[str, Any]:
        """Return an entry of a map, which is a message: key = 1, value = 2."""
        key, item = "", {} if field.is_message else values.zero(field.type, self._reader)
        for number, wire_type, value in self._reader.fields(data):
            if number == 1:
                key = values.text(wire_type, value)
            elif number == 2:
                item = self._value(field, wire_type, value, depth)
        return key, item


def _put(into: Document, field: Field, value: Any) -> None:
    """Keep a single value, unless it is a zero that the client did not say."""
    is_said = value is not None and (field.shape is Shape.POINTER or field.type == "json")
    if value or is_said:
        into[field.name] = value
    else:
        into.pop(field.name, None)
