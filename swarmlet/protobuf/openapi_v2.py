"""An OpenAPI v2 document in protobuf, which is how clients in Go ask for it.

Of a schema goes what those clients read: what it is, what it is made of, and its extensions; not its limits.
Source: github.com/google/gnostic-models/openapiv2/OpenAPIv2.proto (the fields' numbers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from swarmlet.protobuf import wire

Document = Mapping[str, Any]
Encode = Callable[[Any], bytes]

_EXTENSION = "x-"


def encode(document: Document) -> bytes:
    """Return the message openapi.v2.Document."""
    info = document["info"]
    return b"".join(
        (
            _text(1, document["swagger"]),
            wire.field(2, _text(1, info["title"]) + _text(2, info["version"])),
            wire.field(8, _named(2, document["paths"], _path)),
            wire.field(9, _named(1, document["definitions"], _schema)),
        )
    )


def _schema(schema: Document) -> bytes:
    kind, items, more = schema.get("type"), schema.get("items"), schema.get("additionalProperties")
    parts = [
        _text(1, schema.get("$ref")),
        _text(2, schema.get("format")),
        _text(4, schema.get("description")),
        *(_text(19, name) for name in schema.get("required", ())),
        wire.field(21, wire.field(1, _schema(more))) if isinstance(more, Mapping) else b"",
        wire.field(21, wire.flag(2, value=more)) if isinstance(more, bool) else b"",
        wire.field(22, _text(1, kind)) if kind else b"",
        wire.field(23, wire.field(1, _schema(items))) if isinstance(items, Mapping) else b"",
        wire.field(25, _named(1, schema["properties"], _schema)) if schema.get("properties") else b"",
        _extensions(31, schema),
    ]
    return b"".join(parts)


def _path(item: Document) -> bytes:
    numbers = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
    operations = [wire.field(number, _operation(item[method])) for method, number in numbers.items() if method in item]
    return b"".join((*operations, *_parameters(9, item)))


def _operation(operation: Document) -> bytes:
    parts = [
        *(_text(1, tag) for tag in operation["tags"]),
        _text(5, operation["operationId"]),
        *(_text(6, media) for media in operation["produces"]),
        *(_text(7, media) for media in operation.get("consumes", ())),
        *_parameters(8, operation),
        wire.field(9, _named(1, operation["responses"], _response)),
        _extensions(13, operation),
    ]
    return b"".join(parts)


def _parameters(number: int, document: Document) -> Iterable[bytes]:
    return (wire.field(number, wire.field(1, _parameter(each))) for each in document.get("parameters", ()))


def _parameter(parameter: Document) -> bytes:
    """Return openapi.v2.Parameter: a body, or one of a path or query."""
    named, place = parameter["name"], parameter["in"]
    if place == "body":
        required = wire.flag(4, value=parameter["required"])
        return wire.field(1, _text(2, named) + _text(3, place) + required + wire.field(5, _schema(parameter["schema"])))
    if place == "path":
        required = wire.flag(1, value=parameter["required"])
        path = required + _text(2, place) + _text(4, named) + _text(5, parameter["type"])
        return wire.field(2, wire.field(4, path))
    return wire.field(2, wire.field(3, _text(2, place) + _text(4, named) + _text(6, parameter["type"])))


def _response(response: Document) -> bytes:
    """Return openapi.v2.ResponseValue."""
    schema = wire.field(2, wire.field(1, _schema(response["schema"])))
    return wire.field(1, _text(1, response["description"]) + schema)


def _extensions(number: int, document: Document) -> bytes:
    """Return what is Kubernetes' own: each an Any that holds YAML, which JSON is."""
    own = {name: value for name, value in document.items() if name.startswith(_EXTENSION)}
    return _named(number, own, lambda value: wire.field(2, msgspec.json.encode(value)))


def _named(number: int, values: Mapping[str, Any], encode_value: Encode) -> bytes:
    """Return a map as OpenAPIv2.proto has it: repeated messages of a name = 1 and a value = 2."""
    entries: Iterable[bytes] = (_text(1, name) + wire.field(2, encode_value(value)) for name, value in values.items())
    return b"".join(wire.field(number, entry) for entry in entries)


def _text(number: int, text: str | None) -> bytes:
    return wire.field(number, text.encode()) if text else b""
