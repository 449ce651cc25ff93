"""The OpenAPI schemas of kinds that users bring, as `kubectl explain` and `kubectl apply` read them.

Source: k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from swarmlet.model import schema, structural
from swarmlet.model.custom import CustomKind

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/"
_META = {
    "apiVersion": {
        "type": "string",
        "description": "APIVersion defines the versioned schema of this representation of an object.",
    },
    "kind": {
        "type": "string",
        "description": "Kind is a string value representing the REST resource this object represents.",
    },
}


def schemas(kinds: Iterable[CustomKind]) -> dict[str, Schema]:
    """Return the schemas of the kinds of one group and version, of their lists, and of all that they use."""
    own: dict[str, Schema] = {}
    for kind in kinds:
        own[str(kind.own_definition)] = _object(kind)
        own[f"{kind.own_definition}List"] = _list(kind)
    if any(kind.scale for kind in kinds):
        others = schema.openapi_v3_closure((*_OTHERS, "io.k8s.api.autoscaling.v1.Scale"))
    else:
        others = schema.openapi_v3_closure(_OTHERS)
    return {**others, **own}


_OTHERS = tuple(schema.META + name for name in ("ObjectMeta", "ListMeta", "DeleteOptions", "Status", "WatchEvent"))


def _object(kind: CustomKind) -> Schema:
    document = _published(kind.schema, is_object=True)
    return {**document, "x-kubernetes-group-version-kind": [_gvk(kind, kind.kind)]}


def _list(kind: CustomKind) -> Schema:
    items = {"type": "array", "items": _reference(str(kind.own_definition))}
    return {
        "type": "object",
        "description": f"{kind.list_kind} is a list of {kind.kind}",
        "required": ["items"],
        "properties": {**_META, "items": items, "metadata": _reference(schema.META + "ListMeta")},
        "x-kubernetes-group-version-kind": [_gvk(kind, kind.list_kind)],
    }


def _published(given: Mapping[str, Any], *, is_object: bool = False) -> Schema:
    """Return a schema with what it does not say of objects, and without nulls, which are not its readers' business."""
    document: Schema = {name: value for name, value in given.items() if name != "nullable"}
    properties = given.get("properties")
    if properties:
        document["properties"] = {name: _published(each) for name, each in properties.items()}
    for name in ("items", "additionalProperties"):
        if isinstance(given.get(name), Mapping):
            document[name] = _published(given[name])
    if is_object or given.get(structural.EMBEDDED):
        metadata = _reference(schema.META + "ObjectMeta")
        document["properties"] = {**document.get("properties", {}), **_META, "metadata": metadata}
    return document


def _reference(name: str) -> Schema:
    return {"allOf": [{"$ref": _REFERENCE + name}], "default": {}}


def _gvk(kind: CustomKind, name: str) -> Schema:
    return {"group": kind.group, "version": kind.version, "kind": name}
