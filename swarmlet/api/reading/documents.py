"""JSON documents joined from the bytes that the store keeps: nothing is encoded again to be listed or watched."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import msgspec

from swarmlet.api.reading.joined import Joined
from swarmlet.model.kinds import Kind
from swarmlet.store.replica import Stored


class _Head(msgspec.Struct, frozen=True, gc=False):
    metadata: msgspec.Raw


_head_decoder = msgspec.json.Decoder(_Head)


def list_metadata(revision: int, continue_token: str = "", remaining: int | None = None) -> bytes:
    """Return meta/v1 ListMeta."""
    metadata: dict[str, str | int] = {"resourceVersion": str(revision)}
    if continue_token:
        metadata["continue"] = continue_token
    if remaining is not None:
        metadata["remainingItemCount"] = remaining
    return msgspec.json.encode(metadata)


def object_list(kind: Kind, metadata: bytes, items: Sequence[Stored]) -> Joined:
    """Return the list document of a kind."""
    head = f'{{"kind":"{kind.list_name}","apiVersion":"{kind.api_version}","metadata":'.encode()
    return Joined(head + metadata + b',"items":[', items, b"]}", operator.attrgetter("json"))


def partial(stored: Stored, version: str = "v1") -> bytes:
    """Return the PartialObjectMetadata of an object: its metadata alone."""
    metadata = _head_decoder.decode(stored.json).metadata
    return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b","metadata":%b}' % (
        version.encode(),
        bytes(metadata),
    )


def partial_list(metadata: bytes, items: Sequence[Stored], version: str = "v1") -> Joined:
    """Return the PartialObjectMetadataList."""
    head = f'{{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/{version}","metadata":'.encode()
    make = functools.partial(partial, version=version)
    return Joined(head + metadata + b',"items":[', items, b"]}", make)
