"""What `apply` sends: the three-way patch between what was applied last, what is to be, and what there is.

What was applied last is kept in the annotation that kubectl keeps too, byte for byte as kubectl writes it, so that
both may be used on the same objects in turn. Source: kubectl pkg/util/apply.go; apimachinery strategicpatch/patch.go
(CreateThreeWayMergePatch).

The patch says all of what is to be, and takes away what was applied last and is no longer wanted. The server makes
nothing of the parts that are already so: whether something changed is told by the resourceVersion.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from swarmlet.model import schema

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
IMMUTABLE_BYTES_MAX = 128 * 1024
"""Of an annotation that could be missing; all annotations of an object together have 256 KiB."""
DIRECTIVE = "$patch"
SET_ORDER = "$setElementOrder/"
DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}

Document = dict[str, Any]


def annotated(document: Document) -> Document:
    """Return a copy of a manifest's document that bears itself in its annotation.

    What is immutable need not, where the annotation has no room for it: nothing will ever have to be taken from it.
    """
    bare = _without_annotation(document)
    whole = copy.deepcopy(bare)
    text = _encode(bare)
    if bare.get("immutable") is not True or len(text.encode()) <= IMMUTABLE_BYTES_MAX:
        whole["metadata"]["annotations"][ANNOTATION] = text
    return whole


def last_applied(current: Document) -> Document | None:
    """Return what was applied last to an object, None where nothing was or it cannot be read."""
    text = ((current.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION)
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def strategic_patch(current: Document, document: Document) -> Document:
    """Return the strategic merge patch that brings `current` to what `document`, a manifest's, says."""
    definition = schema.definition_of(document["apiVersion"], document["kind"])
    return _object_patch(last_applied(current) or {}, annotated(document), definition)


def merge_patch(current: Document, document: Document) -> Document:
    """Return the same as a JSON merge patch, for kinds whose schema is not known here."""
    return _plain_patch(last_applied(current) or {}, annotated(document))


def _without_annotation(document: Document) -> Document:
    bare = copy.deepcopy(document)
    annotations = bare["metadata"].get("annotations") or {}
    bare["metadata"]["annotations"] = {key: value for key, value in annotations.items() if key != ANNOTATION}
    return bare


def _encode(document: Document) -> str:
    """Return JSON as Go's encoder writes it: keys sorted, HTML's signs escaped, a line end."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "".join(_ESCAPES.get(letter, letter) for letter in text) + "\n"


def _plain_patch(before: Document, wanted: Document) -> Document:
    patch: Document = {key: None for key in before if key not in wanted}
    for key, value in wanted.items():
        old = before.get(key)
        patch[key] = _plain_patch(old if isinstance(old, dict) else {}, value) if isinstance(value, dict) else value
    return patch


def _object_patch(before: Document, wanted: Document, definition: str) -> Document:
    fields = schema.fields(definition) if definition else {}
    patch: Document = {key: None for key in before if key not in wanted and key not in ("apiVersion", "kind")}
    for key, value in wanted.items():
        patch.update(_field_patch(key, before.get(key), value, fields.get(key)))
    return patch


def _field_patch(key: str, before: Any, wanted: Any, field: schema.Field | None) -> Document:
    if isinstance(wanted, dict):
        definition = field.definition if field and field.shape == "single" else ""
        patch = _object_patch(before if isinstance(before, dict) else {}, wanted, definition)
        return {key: _with_retained_keys(patch, wanted, field)}
    if isinstance(wanted, list) and field and "merge" in field.strategies:
        return _list_patch(key, before if isinstance(before, list) else [], wanted, field)
    return {key: wanted}


def _with_retained_keys(patch: Document, wanted: Document, field: schema.Field | None) -> Document:
    retained = field is not None and "retainKeys" in field.strategies
    return {**patch, "$retainKeys": sorted(wanted)} if retained else patch


def _list_patch(key: str, before: list[Any], wanted: list[Any], field: schema.Field) -> Document:
    if not field.merge_key:
        gone = [item for item in before if item not in wanted]
        return {key: wanted} | ({DELETE_PRIMITIVES + key: gone} if gone else {})
    name = field.merge_key
    old = {item[name]: item for item in before if _is_named(item, name)}
    items = [_item_patch(_old_of(item, old, name), item, field) for item in wanted if isinstance(item, dict)]
    names = [item[name] for item in wanted if _is_named(item, name)]
    gone = [{DIRECTIVE: "delete", name: each} for each in old if each not in names]
    return {key: items + gone, SET_ORDER + key: [{name: each} for each in names]}


def _is_named(item: Any, name: str) -> bool:
    """Whether an item of a list can be told by its key; one that cannot is for the server to refuse."""
    return isinstance(item, dict) and isinstance(item.get(name), str | int)


def _old_of(item: Document, old: Mapping[str | int, Document], name: str) -> Document:
    return old.get(item[name], {}) if _is_named(item, name) else {}


def _item_patch(before: Document, wanted: Document, field: schema.Field) -> Document:
    patch = _object_patch(before, wanted, field.definition)
    return _with_retained_keys(patch, wanted, field)
