"""Documents from outside to typed objects: strict on types, and exact about what was left out.

decoded = decode.decode(kinds.DEPLOYMENT, document)
decoded.object                # quantities canonical, nulls dropped, times read; no defaults yet
decoded.unknown_fields        # ("spec.replicsa",): no field of Kubernetes
decoded.unsupported_fields    # ("spec.template.spec.affinity",): Kubernetes', not swarmlet's; ignored
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from swarmlet.errors import BugError, CallerError
from swarmlet.model import reading, schema, structural
from swarmlet.model.custom import CustomKind, CustomResource
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.problems import refusal

FIELDS_REPORTED_MAX = 100
"""Of each sort; a document full of nonsense makes no endless answer."""
NOT_SUPPORTED = "not supported by swarmlet yet"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A document's object, and the paths of the fields that are not in it."""

    object: Object
    unknown_fields: tuple[str, ...] = ()
    unsupported_fields: tuple[str, ...] = ()

    def warnings(self) -> tuple[str, ...]:
        """Return a line for each field left out, as a `Warning:` header carries it."""
        unknown = (f'unknown field "{path}"' for path in self.unknown_fields)
        unsupported = (f"{path}: {NOT_SUPPORTED}; ignored" for path in self.unsupported_fields)
        return (*unknown, *unsupported)

    def raise_if_unknown(self) -> None:
        """Raise `CallerError` in Kubernetes' words where there are unknown fields: `fieldValidation=Strict`."""
        if self.unknown_fields:
            kind, version = self.object.kind, self.object.api_version.rpartition("/")[2]
            told = ", ".join(f'unknown field "{path}"' for path in self.unknown_fields)
            raise CallerError(
                f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: {told}'
            )


def decode(kind: Kind, document: Any) -> Decoded:
    """Return the object of `kind` that a JSON document describes.

    Raises `CallerError` naming the field where a value has the wrong type, or where apiVersion or kind are others, and
    `InvalidError` where a field is not honoured and may not be ignored (`reading.ONE_OF`).
    """
    if not isinstance(document, Mapping):
        raise CallerError(f"expected a {kind.kind} object, got {reading.told(document)}")
    _check_identity(kind, document)
    if isinstance(kind, CustomKind):
        return _custom(kind, document)
    return _decoded(kind.type, schema.definition_of_kind(kind), document)


def decode_as(object_type: type[Object], document: Mapping[str, Any]) -> Decoded:
    """Return the object of a type that is no stored kind of its own, such as `apps.Scale`."""
    empty = object_type()
    return _decoded(object_type, schema.definition_of(empty.api_version, empty.kind), document)


def _decoded(object_type: type[Object], definition: str, document: Mapping[str, Any]) -> Decoded:
    empty = object_type()
    report = reading.Report()
    clean = reading.reader(definition, object_type)(dict(document), "", report)
    clean |= {"apiVersion": empty.api_version, "kind": empty.kind}
    try:
        value = msgspec.convert(clean, object_type)
    except msgspec.ValidationError as error:
        raise BugError(f"{object_type.__name__} differs from Kubernetes' definition: {error}") from error
    if report.refused:
        causes = [(path, f"Forbidden: {NOT_SUPPORTED}") for path in report.refused[:FIELDS_REPORTED_MAX]]
        raise refusal(value, causes)
    return Decoded(value, tuple(report.unknown[:FIELDS_REPORTED_MAX]), tuple(report.unsupported[:FIELDS_REPORTED_MAX]))


def _custom(kind: CustomKind, document: Mapping[str, Any]) -> Decoded:
    """Return an object of a custom kind without what its schema does not know; nothing is filled in or checked yet."""
    report = reading.Report()
    read_metadata = reading.reader(schema.META + "ObjectMeta", ObjectMeta)
    metadata = read_metadata(document.get("metadata") or {}, "metadata", report)
    content = {name: each for name, each in document.items() if name not in structural.OBJECT_FIELDS}
    kept, unknown = structural.pruned(kind.schema, content)
    value = CustomResource(
        api_version=kind.api_version, kind=kind.kind, metadata=msgspec.convert(metadata, ObjectMeta), content=kept
    )
    return Decoded(value, tuple([*report.unknown, *unknown][:FIELDS_REPORTED_MAX]))


def _check_identity(kind: Kind, document: Mapping[str, Any]) -> None:
    for name, expected in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        given = document.get(name) or expected
        if given != expected:
            what = "API version" if name == "apiVersion" else "kind"
            raise CallerError(f"the {what} in the data ({given}) does not match the expected {what} ({expected})")
