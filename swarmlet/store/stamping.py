"""The resourceVersion inside an object's JSON: put there by splicing bytes, never by encoding the object again.

So a field that this version does not know survives, and daemons of different versions hold the same bytes.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from swarmlet.model import kinds
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored

_HEAD = re.compile(rb'\{"apiVersion":"[^"\\]*","kind":"[^"\\]*","metadata":\{')
OWNERS_MAX = 16_384
"""Different owners whose dependents share what names them; over it the least used begin anew."""
DEPTH_MAX = 900
"""Of an object's JSON: what is nested deeper, Python 3.11 cannot decode, and all daemons must come to one verdict.
Whoever writes through the API is held to far less."""
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NO_STRUCTURE = bytes(set(range(256)) - set(b'"\\[]{}'))
_STAMP = re.compile(rb'"resourceVersion":"[0-9]*",?')


class _Owner(msgspec.Struct, frozen=True, gc=False):
    uid: str


class _Metadata(msgspec.Struct, frozen=True, rename="camel", gc=False):
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str | None = None
    owner_references: tuple[_Owner, ...] = ()


class _Header(msgspec.Struct, frozen=True, gc=False):
    metadata: _Metadata


class _PodSpec(msgspec.Struct, frozen=True, rename="camel", gc=False):
    node_name: str = ""


class _PodHeader(msgspec.Struct, frozen=True, gc=False):
    metadata: _Metadata
    spec: _PodSpec = _PodSpec()


_header_decoder = msgspec.json.Decoder(_Header)
_pod_header_decoder = msgspec.json.Decoder(_PodHeader)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store reads out of an object's JSON."""

    uid: str
    owner_uids: tuple[str, ...]
    node_name: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposed object: `head` ends behind `"metadata":{`, `rest` is all that follows, without a resourceVersion."""

    head: bytes
    rest: bytes
    facts: Facts

    def at(self, revision: int) -> bytes:
        """Return the JSON with its resourceVersion."""
        return b'%b"resourceVersion":"%d",%b' % (self.head, revision, self.rest)


def read(key: Key, data: bytes) -> Draft:
    """Read a proposed object; raise `ValueError` where `data` is not the JSON of the object that `key` names."""
    _check_depth(data)
    metadata, node_name = _read_header(key, data)
    if (metadata.namespace, metadata.name) != (key.namespace, key.name):
        raise ValueError(f"the object is named {metadata.namespace}/{metadata.name}, its key {key}")
    head, rest = _split(data, stamped=metadata.resource_version is not None)
    return Draft(head, rest, _facts(metadata, node_name))


def facts(key: Key, json: bytes) -> Facts:
    """Read a stored object's JSON; raise `ValueError` where it is none."""
    return _facts(*_read_header(key, json))


def stored(key: Key, revision: int, json: bytes, known: Facts) -> Stored:
    """Make the record of an object; what many objects share is kept once."""
    lean_key = Key(sys.intern(key.resource), sys.intern(key.namespace), key.name)
    return Stored(lean_key, revision, json, owner_uids=known.owner_uids, node_name=known.node_name)


def restamped(json: bytes, revision: int) -> bytes:
    """Return a stored object's JSON with another resourceVersion: that of its deletion, in a DELETED event."""
    match = _HEAD.match(json)
    assert match, "stored JSON begins with its head"
    return (
        _STAMP.sub(b'"resourceVersion":"%d",' % revision, json[: match.end() + 48], count=1) + json[match.end() + 48 :]
    )


def same(one: bytes, other: bytes) -> bool:
    """Whether two JSON texts say the same. Texts of different length differ: who proposes writes compact JSON."""
    if one == other:
        return True
    if len(one) != len(other):
        return False
    try:
        return bool(msgspec.json.decode(one) == msgspec.json.decode(other))
    except msgspec.MsgspecError:
        return False


def _check_depth(data: bytes) -> None:
    """Raise `ValueError` where JSON is nested too deep; that of few brackets is not looked at."""
    if data.count(b"{") + data.count(b"[") <= DEPTH_MAX:
        return
    depth = 0
    for each in _STRING.sub(b"", data.translate(None, _NO_STRUCTURE)):
        depth += 1 if each in b"{[" else -1
        if depth > DEPTH_MAX:
            raise ValueError(f"the object is nested over {DEPTH_MAX} deep")


def _read_header(key: Key, data: bytes) -> tuple[_Metadata, str]:
    if key.resource == kinds.POD.resource:
        header = _pod_header_decoder.decode(data)
        return header.metadata, sys.intern(header.spec.node_name)
    return _header_decoder.decode(data).metadata, ""


def _facts(metadata: _Metadata, node_name: str) -> Facts:
    owner_uids = dict.fromkeys(owner.uid for owner in metadata.owner_references)
    return Facts(metadata.uid, _shared(tuple(owner_uids)), node_name)


@functools.lru_cache(maxsize=OWNERS_MAX)
def _shared(owner_uids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the same tuple of the same texts for all that have the same owners: a ReplicaSet's Pods."""
    return tuple(map(sys.intern, owner_uids))


def _split(data: bytes, *, stamped: bool) -> tuple[bytes, bytes]:
    match = None if stamped else _HEAD.match(data)
    if match is None:
        data = _in_order(msgspec.json.decode(data))
        match = _HEAD.match(data)
        if match is None:
            raise ValueError("apiVersion or kind is missing or no plain text")
    return data[: match.end()], data[match.end() :]


def _in_order(document: Mapping[str, Any]) -> bytes:
    """Encode with apiVersion, kind and metadata first, and without a resourceVersion."""
    metadata = {name: value for name, value in document["metadata"].items() if name != "resourceVersion"}
    first = {"apiVersion": document.get("apiVersion"), "kind": document.get("kind"), "metadata": metadata}
    return msgspec.json.encode(first | {name: value for name, value in document.items() if name not in first})
