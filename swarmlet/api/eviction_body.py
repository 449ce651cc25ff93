"""The body of an eviction: JSON or YAML, and the protobuf that kubectl sends for `kubectl drain` since 1.33.

Protobuf bodies are otherwise not read; this one is so small that its few fields are named here.
Source: k8s.io/api/policy/v1/generated.proto, apimachinery's meta/v1 and runtime (Unknown) generated.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from swarmlet.api import bodies
from swarmlet.api.bodies import Document
from swarmlet.errors import CallerError

KIND = "Eviction"
API_VERSIONS = ("policy/v1", "policy/v1beta1")
"""Both are the same; old clients send the second."""

MAGIC = b"k8s\x00"
_VARINT_BITS_MAX = 64

Shape = Mapping[int, tuple[str, Any]]
"""Fields of a message by number: name, and what they are: a shape, or `str`, `[str]`, `int`, `bool`, `bytes`."""

_PRECONDITIONS: Final[Shape] = {1: ("uid", str), 2: ("resourceVersion", str)}
_DELETE_OPTIONS: Final[Shape] = {
    1: ("gracePeriodSeconds", int),
    2: ("preconditions", _PRECONDITIONS),
    3: ("orphanDependents", bool),
    4: ("propagationPolicy", str),
    5: ("dryRun", [str]),
}
_METADATA: Final[Shape] = {1: ("name", str), 3: ("namespace", str)}
_EVICTION: Final[Shape] = {1: ("metadata", _METADATA), 2: ("deleteOptions", _DELETE_OPTIONS)}
_TYPE_META: Final[Shape] = {1: ("apiVersion", str), 2: ("kind", str)}
_ENVELOPE: Final[Shape] = {1: ("type", _TYPE_META), 2: ("raw", bytes)}


def read(data: bytes, content_type: str) -> Document:
    """Return the Eviction that a body is; raise `CallerError` for what is none."""
    if content_type == bodies.PROTOBUF:
        document = _from_protobuf(data)
    elif data:
        document = bodies.mapping(bodies.decode(data, content_type))
    else:
        raise CallerError("the request has no body; send the Eviction as JSON or YAML")
    kind, version = document.get("kind", KIND), document.get("apiVersion", API_VERSIONS[0])
    if kind != KIND or version not in API_VERSIONS:
        raise CallerError(f"the body is a {kind} of {version}; expected: an {KIND} of {' or '.join(API_VERSIONS)}")
    return document | {"apiVersion": API_VERSIONS[0], "kind": KIND}


def _from_protobuf(data: bytes) -> Document:
    if not data.startswith(MAGIC):
        raise CallerError("the body is not Kubernetes' protobuf: it does not begin with its four bytes")
    try:
        envelope = _message(data[len(MAGIC) :], _ENVELOPE)
        document: Document = _message(envelope.get("raw", b""), _EVICTION) | envelope.get("type", {})
    except (IndexError, ValueError) as error:
        raise CallerError(f"the body is not valid protobuf: {error}") from error
    return document


def _message(data: bytes, shape: Shape) -> Document:
    """Return a message's known fields; of one that is there twice the last counts, as protobuf has it."""
    document: Document = {}
    for number, value in _fields(data):
        name, form = shape.get(number, ("", None))
        if form is None:
            continue
        if isinstance(value, int) is not (form in (int, bool)):
            raise ValueError(f"field {number} is of another type")
        if isinstance(form, list):
            document.setdefault(name, []).append(str(value, "utf-8"))
        elif isinstance(form, Mapping):
            document[name] = _message(value, form)
        else:
            document[name] = _scalar(value, form)
    return document


def _scalar(value: Any, form: type) -> Any:
    if form is int:
        return value - (1 << _VARINT_BITS_MAX) if value >> (_VARINT_BITS_MAX - 1) else value  # int64, two's complement
    if form is bool:
        return bool(value)
    return value if form is bytes else value.decode()


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield field numbers and raw values: an int for a varint, bytes for what has a length."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
                yield tag >> 3, value
            case 2:
                size, at = _varint(data, at)
                if at + size > len(data):
                    raise ValueError("a field is longer than the body")
                yield tag >> 3, data[at : at + size]
                at += size
            case other:
                raise ValueError(f"wire type {other} in none of its fields")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at a place, and where the next field begins."""
    value = shift = 0
    while shift < _VARINT_BITS_MAX:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & ((1 << _VARINT_BITS_MAX) - 1), at
    raise ValueError("a number is over 64 bits")
