"""Typed objects to JSON and back, and the references between them."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

import msgspec

from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object, OwnerReference

ObjectType = TypeVar("ObjectType", bound=Object)

_encoder = msgspec.json.Encoder()


def to_json(value: Object) -> bytes:
    """Return the compact JSON of an object: apiVersion, kind and metadata first, empty fields left out."""
    return _encoder.encode(value)


def from_json(kind: Kind, data: bytes) -> Object:
    """Return the object of `kind` that `data` holds, trusting that it was once decoded strictly and stored.

    Fields that this version does not know are passed over. Raises `msgspec.DecodeError` where `data` is no such object.
    """
    return _decoder(kind.type).decode(data)


def to_document(value: Object) -> dict[str, Any]:
    """Return the object as a JSON document of plain dicts, lists and scalars, free to be changed."""
    document: dict[str, Any] = msgspec.json.decode(_encoder.encode(value))
    return document


def with_metadata(value: ObjectType, **changes: Any) -> ObjectType:
    """Return a copy of the object with some fields of its metadata changed (names as in `ObjectMeta`)."""
    return msgspec.structs.replace(value, metadata=msgspec.structs.replace(value.metadata, **changes))


def owner_reference(owner: Object, *, controller: bool = True) -> OwnerReference:
    """Return the reference by which a dependent names `owner`; as its controller it also blocks foreground deletion."""
    return OwnerReference(
        api_version=owner.api_version,
        kind=owner.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=controller or None,
        block_owner_deletion=controller or None,
    )


def controller_of(value: Object) -> OwnerReference | None:
    """Return the reference to the one owner that manages the object, if any."""
    return next((owner for owner in value.metadata.owner_references if owner.controller), None)


def is_terminating(value: Object) -> bool:
    """Whether deletion was asked for and is under way."""
    return value.metadata.deletion_timestamp is not None


@functools.cache
def _decoder(object_type: type[Object]) -> msgspec.json.Decoder[Object]:
    return msgspec.json.Decoder(object_type)
