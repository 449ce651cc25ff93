"""Request bodies: JSON, YAML or protobuf, bounded, and always a document or an error of the caller's."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec
import yaml
from aiohttp import web

from swarmlet.api.status import UnsupportedMediaTypeError
from swarmlet.errors import CallerError, TooLargeError
from swarmlet.model import nesting
from swarmlet.protobuf import decoding

BODY_BYTES_MAX = 3 * 1024 * 1024
LOOP_BYTES_MAX = 64 * 1024
"""Decoded in the event loop; a larger body is in a thread, for YAML of 3 MB takes over a second."""

JSON = "application/json"
YAML = ("application/yaml", "application/x-yaml", "text/yaml")
PROTOBUF = "application/vnd.kubernetes.protobuf"

Document = dict[str, Any]
Result = TypeVar("Result")


class _Loader(yaml.CSafeLoader):
    """YAML whose dates stay text, as in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


async def read(request: web.Request) -> bytes:
    """Return the whole body; raise `TooLargeError` over the limit."""
    coding = request.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        raise UnsupportedMediaTypeError(f"a body in the content encoding {coding[:40]} is not read; send it as it is")
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLargeError(f"the request body is over the limit of {BODY_BYTES_MAX} bytes") from error


async def document(request: web.Request) -> Document:
    """Return the body's one document: the object of a create or an update."""
    data = await read(request)
    if not data:
        raise CallerError("the request has no body; send the object as JSON or YAML")
    return mapping(await _decoded(data, request.content_type))


async def optional_document(request: web.Request) -> Document:
    """Return the body's document, empty where there is none: DeleteOptions."""
    data = await read(request)
    return mapping(await _decoded(data, request.content_type)) if data.strip() else {}


async def value(request: web.Request) -> Any:
    """Return what the body says, whatever that is: a patch."""
    return await _decoded(await read(request), request.content_type)


async def _decoded(data: bytes, content_type: str) -> Any:
    if len(data) <= LOOP_BYTES_MAX:
        return decode(data, content_type)
    return await asyncio.to_thread(decode, data, content_type)


def is_large(request: web.Request) -> bool:
    """Whether what looks at all of a request's body would hold the event loop for long."""
    return request.content_length is None or request.content_length > LOOP_BYTES_MAX


async def looked_through(apart: bool, look: Callable[..., Result], *arguments: Any) -> Result:
    """Return what a look at all of a document makes of it; `apart`: in a thread, where it may take seconds."""
    return await asyncio.to_thread(look, *arguments) if apart else look(*arguments)


def decode(data: bytes, content_type: str) -> Any:
    """Return what a body says."""
    if content_type == JSON or content_type.endswith("+json") or content_type == "application/octet-stream":
        value = _json(data)
        if data.count(b"{") + data.count(b"[") <= nesting.DEPTH_MAX:  # what else is refused below, JSON cannot say
            return value
    elif content_type in YAML or content_type.endswith("+yaml"):
        value = _yaml(data)
    elif content_type == PROTOBUF:
        value = decoding.decode(data, nesting.DEPTH_MAX)
    else:
        raise UnsupportedMediaTypeError(_unsupported())
    _check(value, nesting.DEPTH_MAX)
    return value


def mapping(value: Any) -> Document:
    """Return `value` as an object; raise `CallerError` for a list or a scalar."""
    if not isinstance(value, dict):
        raise CallerError("the body is not an object")
    return cast("Document", value)


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CallerError(f"the body is not valid JSON: {error}") from error


def _yaml(data: bytes) -> Any:
    """Read YAML. JSON is YAML, too, and what clients apply mostly is: that takes a twentieth of the time."""
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(data)
    try:
        _look_through(data)
        return yaml.load(data, Loader=_Loader)  # noqa: S506  a safe loader, see its base
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CallerError(f"the body is not valid YAML: {' '.join(str(error).split())}") from error


def _look_through(data: bytes) -> None:
    """Refuse YAML that grows as it is read, or that takes the parser time without end: by the square of its depth."""
    depth = 0
    for event in yaml.parse(data, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise CallerError("the body is YAML with aliases (*name); write the values out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > nesting.DEPTH_MAX:
            raise CallerError(f"the body is nested over {nesting.DEPTH_MAX} deep")


def _check(value: Any, depth: int) -> None:
    """Refuse what JSON cannot say and what is nested without end."""
    if isinstance(value, dict | list) and depth == 0:
        raise CallerError(f"the body is nested over {nesting.DEPTH_MAX} deep")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise CallerError(f"the body has a key that is no text: {key!r}; put it in quotes")
            _check(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
    elif (isinstance(value, float) and not math.isfinite(value)) or isinstance(value, bytes | set):
        raise CallerError(f"the body has a value that JSON cannot say: {value!r}")


def _unsupported() -> str:
    accepted = ", ".join((JSON, YAML[0], PROTOBUF))
    return f"the body of the request was in an unknown format - accepted media types include: {accepted}"
