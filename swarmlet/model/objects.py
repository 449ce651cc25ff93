"""Typed objects to JSON and back, and the references between them."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

import msgspec

from swarmlet.model.custom import CustomResource
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object, ObjectMeta, OwnerReference

ObjectType = TypeVar("ObjectType", bound=Object)

_encoder = msgspec.json.Encoder()


def to_json(value: Object) -> bytes:
    """Return the compact JSON of an object: apiVersion, kind and metadata first, empty fields left out."""
    if isinstance(value, CustomResource):
        head = {"apiVersion": value.api_version, "kind": value.kind, "metadata": value.metadata}
        return _encoder.encode({**head, **value.content})
    return _encoder.encode(value)


def from_json(kind: Kind, data: bytes) -> Object:
    """Return the object of `kind` that `data` holds, trusting that it was once decoded strictly and stored.

    Fields that this version does not know are passed over. Raises `msgspec.DecodeError` where `data` is no such object.
    """
    return _custom_resource(data) if kind.type is CustomResource else _decoder(kind.type).decode(data)


def to_document(value: Object) -> dict[str, Any]:
    """Return the object as a JSON document of plain dicts, lists and scalars, free to be changed."""
    document: dict[str, Any] = msgspec.json.decode(to_json(value))
    return document


def with_metadata(value: ObjectType, **changes: Any) -> ObjectType:
    """Return a copy of the object with some fields of its metadata changed (names as in `ObjectMeta`)."""
    return msgspec.structs.replace(value, metadata=msgspec.structs.replace(value.metadata, **changes))


def part(value: Object, name: str) -> Any:
    """Return a top-level field, such as "status", that not every kind has; None where it is missing."""
    return value.content.get(name) if isinstance(value, CustomResource) else getattr(value, name, None)


def with_part(value: ObjectType, name: str, content: Any) -> ObjectType:
    """Return a copy of the object with a top-level field changed; of a custom resource, None takes it away."""
    if not isinstance(value, CustomResource):
        return msgspec.structs.replace(value, **{name: content})
    others = {key: each for key, each in value.content.items() if key != name}
    changed = others if content is None else {**others, name: content}
    return msgspec.structs.replace(value, content=changed)


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


class _Metadata(msgspec.Struct, frozen=True, gc=False):
    metadata: ObjectMeta = ObjectMeta()


_metadata_decoder = msgspec.json.Decoder(_Metadata)


def _custom_resource(data: bytes) -> CustomResource:
    document = msgspec.json.decode(data)
    api_version, kind = document.pop("apiVersion", ""), document.pop("kind", "")
    document.pop("metadata", None)
    metadata = _metadata_decoder.decode(data).metadata
    return CustomResource(api_version=api_version, kind=kind, metadata=metadata, content=document)


@functools.cache
def _decoder(object_type: type[Object]) -> msgspec.json.Decoder[Object]:
    return msgspec.json.Decoder(object_type)
