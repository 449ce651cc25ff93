"""The fields in which a document differs from what it was. Source: structured-merge-diff typed/compare.go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from swarmlet.model import schema
from swarmlet.ownership import sets, steps
from swarmlet.ownership.extracting import child, is_leaf
from swarmlet.ownership.sets import Fields

ALWAYS_THERE = frozenset(
    map(
        steps.field,
        (
            "containers",
            "jobTemplate",
            "lastState",
            "loadBalancer",
            "metadata",
            "metric",
            "nodeInfo",
            "resources",
            "scaleTargetRef",
            "spec",
            "state",
            "status",
            "strategy",
            "target",
            "template",
            "updateStrategy",
        ),
    )
)
"""What Kubernetes' types hold always, not by a pointer: nobody adds it, only what is in it."""
_MISSING: Any = object()


@dataclass(slots=True)
class Comparison:
    """Three sets of fields. Objects that are new or gone as a whole are in them, and so are their parts."""

    added: Fields = field(default_factory=dict)
    modified: Fields = field(default_factory=dict)
    removed: Fields = field(default_factory=dict)

    @property
    def taken(self) -> Fields:
        """What whoever made the difference owns from now on."""
        return sets.union(self.modified, self.added)


def compare(old: dict[str, Any], new: dict[str, Any], definition: str) -> Comparison:
    """Return the fields in which `new`, a document of a type, differs from `old`."""
    found = Comparison()
    _compare(old, new, schema.value_of(definition), found)
    return found


def _compare(old: Any, new: Any, kind: schema.Field, found: Comparison) -> None:
    """Note in which parts two objects, or two lists, differ."""
    before, after = _parts(old, kind), _parts(new, kind)
    for step in {**before, **after}:
        one, part_kind = before.get(step, (_MISSING, kind))
        other, part_kind = after.get(step, (_MISSING, part_kind))
        if one is _MISSING:
            _note(found.added, step, _whole(step, other, part_kind))
        elif other is _MISSING:
            _note(found.removed, step, _whole(step, one, part_kind))
        elif one != other:
            _compare_parts(step, one, other, part_kind, found)


def _compare_parts(step: str, one: Any, other: Any, kind: schema.Field, found: Comparison) -> None:
    """Note what differs at a step that both have."""
    leaves = is_leaf(one, kind), is_leaf(other, kind)
    if any(leaves) and not (isinstance(one, dict) and isinstance(other, dict) and not all(leaves)):
        found.modified[step] = {}
        return
    inner = Comparison()  # where one of two objects is empty, the other's parts are all that differs
    _compare(one, other, kind, inner)
    _note(found.added, step, inner.added or None)
    _note(found.modified, step, inner.modified or None)
    _note(found.removed, step, inner.removed or None)


def _note(fields: Fields, step: str, behind: Fields | None) -> None:
    if behind is not None:
        fields[step] = behind


def _whole(step: str, value: Any, kind: schema.Field) -> Fields | None:
    """Return what stands behind a step that is new or gone as a whole."""
    if is_leaf(value, kind):
        return {}
    inner: Fields = {}
    if isinstance(value, dict):
        for name, each in value.items():
            part = steps.field(name)
            scalar = not isinstance(each, dict | list)  # most are, and nothing need be known of them
            _note(inner, part, {} if scalar else _whole(part, each, child(kind, name)))
    else:
        for part, (each, part_kind) in _parts(value, kind).items():
            _note(inner, part, _whole(part, each, part_kind))
    return sets.node(inner, is_member=step not in ALWAYS_THERE)


def _parts(value: Any, kind: schema.Field) -> dict[str, tuple[Any, schema.Field]]:
    """Return the fields of an object, or the items of a list that merges, by their steps, with what is known of them.

    Items that share a step, as lists of Kubernetes before keys may have them, are one value.
    """
    if isinstance(value, dict):
        return {steps.field(name): (each, child(kind, name)) for name, each in value.items()}
    found: dict[str, tuple[Any, schema.Field]] = {}
    item_kind = schema.value_of(kind.definition)
    for item in value:
        step = steps.of_item(item, kind)
        if step in found:
            before = found[step][0]
            found[step] = ((*before, item) if isinstance(before, tuple) else (before, item), schema.UNKNOWN_FIELD)
        else:
            found[step] = (item, item_kind)
    return found
