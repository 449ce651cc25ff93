"""A document laid over another one, and fields taken out of a document.

Source: structured-merge-diff typed/merge.go, remove.go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from swarmlet.errors import CallerError
from swarmlet.model import schema
from swarmlet.ownership import sets, steps
from swarmlet.ownership.extracting import child, is_leaf
from swarmlet.ownership.sets import Fields

Document = dict[str, Any]


def merge(live: Document, config: Document, definition: str) -> Document:
    """Return `live` with all that `config` says: objects and lists that merge do so, anything else is replaced.

    Raises `CallerError` where an item of a list that merges cannot be told from the others, or two are the same.
    """
    return _merge_objects(live, config, schema.value_of(definition))


def without(document: Document, fields: Fields, definition: str) -> Document:
    """Return a document without some of its fields."""
    left: Document = _without(document, fields, schema.value_of(definition))
    return left


def _merge_objects(live: Document, config: Document, kind: schema.Field) -> Document:
    merged = dict(live)
    for name, value in config.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge_values(live.get(name), value, child(kind, name))
    return merged


def _merge_values(live: Any, value: Any, kind: schema.Field) -> Any:
    if type(live) is not type(value) or is_leaf(value, kind) or is_leaf(live, kind):
        both_objects = isinstance(live, dict) and value == {} and not kind.is_atomic
        return _checked(live if both_objects else value, kind)
    if isinstance(value, dict):
        return _merge_objects(live, value, kind)
    return _merge_lists(live, value, kind)


def _checked(value: Any, kind: schema.Field) -> Any:
    """Return a value that is taken as it is; raise where a list in it could not be merged later."""
    if isinstance(value, dict) and not is_leaf(value, kind):
        return _merge_objects({}, value, kind)
    return _merge_lists([], value, kind) if isinstance(value, list) and not is_leaf(value, kind) else value


def _merge_lists(live: list[Any], config: list[Any], kind: schema.Field) -> list[Any]:
    """Merge by keys. What is in both stands in the order of `config`, the rest of `live` where it stood among that."""
    item_kind = schema.value_of(kind.definition)
    wanted: dict[str, Any] = {}
    for item in config:
        step = steps.of_item(item, kind)
        if step in wanted:
            raise CallerError(f"duplicate entries for key {steps.told([step])}")
        wanted[step] = item
    before = [(steps.of_item(item, kind), item) for item in live]
    old = dict(reversed(before))
    unplaced = deque(wanted)
    shared = deque(step for step in wanted if step in old)

    def place_up_to(last: str | None) -> Iterator[Any]:
        while unplaced:
            step = unplaced.popleft()
            yield _merge_values(old.get(step), wanted[step], item_kind)
            if step == last:
                return

    merged: list[Any] = []
    for step, item in before:
        if step not in wanted:
            merged.append(item)
        elif shared and step == shared[0]:
            shared.popleft()
            merged += place_up_to(step)
    return [*merged, *place_up_to(None)]


def _without(value: Any, fields: Fields, kind: schema.Field) -> Any:
    """Return what is left of an object or a list; an empty one is still there, as somebody may ask for just that."""
    if isinstance(value, dict):
        left: Any = {}
        for name, each in value.items():
            kept = _kept(each, fields.get(steps.field(name)), child(kind, name))
            if kept is not None:
                left[name] = kept
    else:
        item_kind = schema.value_of(kind.definition)
        items = (_kept(item, fields.get(steps.of_item(item, kind)), item_kind) for item in value)
        left = [item for item in items if item is not None]
    return left


def _kept(value: Any, behind: Fields | None, kind: schema.Field) -> Any:
    """Return what is left of a value, None for nothing; `behind`: what of it goes, None for nothing."""
    if behind is None or value is None:
        return value
    if sets.is_member(behind):
        return None
    return value if is_leaf(value, kind) else _without(value, behind, kind)
