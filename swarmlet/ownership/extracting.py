"""The set of the fields that a document has. Source: structured-merge-diff typed/tofieldset.go."""

from __future__ import annotations

from typing import Any

from swarmlet.model import schema
from swarmlet.ownership import sets, steps
from swarmlet.ownership.sets import Fields

NOBODYS: Fields = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        steps.SELF: {},
        "f:creationTimestamp": {},
        "f:generation": {},
        "f:managedFields": {},
        "f:name": {},
        "f:namespace": {},
        "f:resourceVersion": {},
        "f:selfLink": {},
        "f:uid": {},
    },
}
"""What says which object it is, and what the server stamps: nobody owns it."""


def fields_of(document: dict[str, Any], definition: str) -> Fields:
    """Return the fields that a document of a type sets, those that are nobody's among them.

    Raises `CallerError` where an item of a list that merges cannot be told from the others.
    """
    return _of_object(document, schema.value_of(definition))


def is_leaf(value: Any, kind: schema.Field) -> bool:
    """Whether a value has one owner as a whole."""
    if isinstance(value, dict):
        return kind.is_atomic or kind.shape == "list" or not value
    return not (isinstance(value, list) and merges(kind))


def merges(kind: schema.Field) -> bool:
    """Whether a list's items have owners of their own."""
    return kind.list_type in ("map", "set")


def child(kind: schema.Field, name: str) -> schema.Field:
    """Return what is known of a field of an object, or of a map's value."""
    if kind.shape == "map" or not kind.definition:
        return schema.value_of(kind.definition)
    return schema.fields(kind.definition).get(name, schema.UNKNOWN_FIELD)


def is_map(kind: schema.Field) -> bool:
    """Whether an object's names are its user's and not its type's."""
    return kind.shape == "map" or not kind.definition


def _of_object(document: dict[str, Any], kind: schema.Field) -> Fields:
    found = {}
    for name, value in document.items():
        behind = _behind(value, child(kind, name), is_member=is_map(kind))
        if behind is not None:
            found[steps.field(name)] = behind
    return found


def _behind(value: Any, kind: schema.Field, *, is_member: bool) -> Fields | None:
    if is_leaf(value, kind):
        return {}
    if isinstance(value, dict):
        return sets.node(_of_object(value, kind), is_member=is_member)
    item_kind = schema.value_of(kind.definition)
    items: Fields = {}
    for item in value:
        behind = _behind(item, item_kind, is_member=True)
        assert behind is not None, "an item is a member"
        items[steps.of_item(item, kind)] = behind
    return sets.node(items, is_member=is_member)
