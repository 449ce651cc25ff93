"""The two patches that merge, as pure functions from documents to documents: nothing that goes in is changed.

Source: k8s.io/apimachinery/pkg/util/strategicpatch/patch.go; RFC 7396.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swarmlet.errors import CallerError, InvalidError
from swarmlet.model import nesting, schema

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
SET_ORDER = "$setElementOrder/"
DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"

Document = dict[str, Any]


def merge(document: Any, patch: Any) -> Any:
    """Return `document` with a JSON merge patch applied (RFC 7396): null removes, objects merge, the rest replaces."""
    _check_depth(patch)
    return _merge(document, patch)


def strategic_merge(document: Document, patch: Document, definition: str) -> Document:
    """Return `document` with a strategic merge patch applied.

    `definition` names the document's type in `schema`: lists that Kubernetes merges by a key are merged, those of plain
    values united, and the directives obeyed (`$patch`, `$retainKeys`, `$setElementOrder/x`,
    `$deleteFromPrimitiveList/x`).
    """
    if not isinstance(patch, dict):
        raise CallerError("a strategic merge patch is an object")
    _check_depth(patch)
    return _merge_object(document, patch, definition)


def _check_depth(patch: Any) -> None:
    if nesting.is_deeper(patch, nesting.DEPTH_MAX):
        raise CallerError(f"the patch is nested over {nesting.DEPTH_MAX} deep")


def _merge(document: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged


def _merge_object(document: Document, patch: Document, definition: str) -> Document:
    directive = patch.get(DIRECTIVE, "merge")
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != DIRECTIVE}
    if directive == "delete":
        return {}
    if directive != "merge":
        raise CallerError(f"unknown patch type: {directive}")
    merged = _retained(document, patch.get(RETAIN_KEYS))
    known = schema.fields(definition) if definition else {}
    for name in _named_fields(patch):
        field = known.get(name, schema.UNKNOWN_FIELD)
        if name in patch and patch[name] is None:
            merged.pop(name, None)
        elif "merge" in field.strategies and field.shape == "list":
            merged[name] = _merge_list(merged.get(name) or [], _ListPatch.of(name, patch), field)
        elif name in patch:
            merged[name] = _merge_value(merged.get(name), patch[name], field)
    return merged


def _retained(document: Document, keys: Any) -> Document:
    """Copy a document, without the fields that `$retainKeys` does not name."""
    if keys is None:
        return dict(document)
    if not isinstance(keys, list):
        raise CallerError(f"{RETAIN_KEYS} is a list of field names")
    retained = {key for key in keys if isinstance(key, str)}
    return {name: value for name, value in document.items() if name in retained}


def _named_fields(patch: Document) -> list[str]:
    """Return the names of the fields that a patch is about, each once."""
    names = []
    for name in patch:
        if name.startswith((SET_ORDER, DELETE_PRIMITIVES)):
            names.append(name.partition("/")[2])
        elif name not in (DIRECTIVE, RETAIN_KEYS):
            names.append(name)
    return list(dict.fromkeys(names))


def _merge_value(old: Any, value: Any, field: schema.Field) -> Any:
    if not isinstance(value, dict) or field.strategies == ("replace",):
        return value
    before = old if isinstance(old, dict) else {}
    if field.shape != "map" or not field.definition:
        return _merge_object(before, value, field.definition)
    each_value = schema.Field(schema={}, shape="single", definition=field.definition)
    merged = {
        name: _merge_value(before.get(name), each, each_value) for name, each in value.items() if each is not None
    }
    return {name: each for name, each in before.items() if name not in value} | merged


@dataclass(frozen=True, slots=True)
class _ListPatch:
    """What a patch says of one list: items to merge or add, the order wanted, values to remove, or all of it anew."""

    items: list[Any]
    order: list[Any]
    removed: list[Any]
    replaces: bool = False

    @classmethod
    def of(cls, name: str, patch: Document) -> _ListPatch:
        items, order, removed = (_list_in(patch, key) for key in (name, SET_ORDER + name, DELETE_PRIMITIVES + name))
        kept = [item for item in items if not (isinstance(item, dict) and item.get(DIRECTIVE) == "replace")]
        return cls(kept, order or kept, removed, replaces=len(kept) < len(items))


def _list_in(patch: Document, key: str) -> list[Any]:
    value = patch.get(key, [])
    if not isinstance(value, list):
        raise CallerError(f"{key}: expected a list")
    return value


def _merge_list(old: list[Any], patch: _ListPatch, field: schema.Field) -> list[Any]:
    if patch.replaces:
        return patch.items
    merged: dict[Any, list[Any]] = {}  # several, where the merge key alone does not tell items apart: 53/TCP and 53/UDP
    for item in old:
        merged.setdefault(_identity(item, field), []).append(item)
    for value in patch.removed:
        merged.pop(_identity(value, field), None)
    for item in patch.items:
        identity = _identity(item, field)
        if isinstance(item, dict) and item.get(DIRECTIVE) == "delete":
            merged.pop(identity, None)
        elif isinstance(item, dict):
            first, *others = merged.get(identity, ({},))
            merged[identity] = [_merge_object(first, item, field.definition), *others]
        else:
            merged[identity] = [item]
    before = [_identity(item, field) for item in old]
    wanted = [_identity(item, field) for item in patch.order]
    return [item for identity in _in_order(merged, wanted, before) for item in merged[identity]]


def _identity(item: Any, field: schema.Field) -> Any:
    """Return what tells an item of a merged list from the others: its merge key's value, or the plain value itself."""
    identity = item
    if field.merge_key:
        if not isinstance(item, dict) or field.merge_key not in item:
            raise InvalidError(f"an item does not contain declared merge key: {field.merge_key}")
        identity = item[field.merge_key]
    if isinstance(identity, dict | list):
        raise InvalidError("an item of a list that is merged by value is no plain value")
    return identity


def _in_order(merged: Mapping[Any, Any], wanted: list[Any], before: list[Any]) -> list[Any]:
    """Put what the patch names in the patch's order, the rest in its old one, and weave the two by the old order."""
    place = {identity: index for index, identity in reversed(list(enumerate(before)))}
    named = [identity for identity in dict.fromkeys(wanted) if identity in merged]
    among = set(named)
    others = deque(identity for identity in merged if identity not in among)
    result: list[Any] = []
    for identity in named:
        while others and identity in place and place.get(others[0], len(before)) < place[identity]:
            result.append(others.popleft())
        result.append(identity)
    return [*result, *others]
