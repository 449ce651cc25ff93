"""What a plan stands on: the objects it writes, and those by which its outcome is decided, each as a hash. Pure.

Statuses and what the server stamps do not count: a Pod that gets ready makes no plan stale. Of a node counts what
decides whether Pods go there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec

from swarmlet.model import conditions, differences, kinds
from swarmlet.model.core import Node
from swarmlet.model.plans import PlannedChange
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View

ABSENT = ""
_NAMESPACED = (
    kinds.LIMIT_RANGE.resource,
    kinds.RESOURCE_QUOTA.resource,
    kinds.POD_DISRUPTION_BUDGET.resource,
    kinds.HORIZONTAL_POD_AUTOSCALER.resource,
)
_CLUSTER_WIDE = ("nodes", "storageclasses.storage.k8s.io", "priorityclasses.scheduling.k8s.io")
"""What decides about Pods of every namespace."""

_encoder = msgspec.json.Encoder(order="deterministic")


def hashes(view: View, written: Iterable[Key]) -> dict[str, str]:
    """Return what the objects are that a plan writes, and those it depends on, by name; ABSENT for none."""
    written = tuple(written)
    found = {str(key): _hash(view.get(key)) for key in written}
    for stored in _deciding(view, {key.namespace for key in written}):
        found.setdefault(str(stored.key), _hash(stored))
    return found


def results(changes: Iterable[PlannedChange]) -> dict[str, str]:
    """Return what becomes of each object, by name."""
    return {
        str(Key(each.resource, each.namespace, each.name)): hashlib.sha256(_encoder.encode(each)).hexdigest()[:32]
        for each in changes
    }


def moved(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what is another thing now, in words: "nodes/h3 is gone"."""
    words = []
    for name in sorted({*before, *now}):
        old, new = before.get(name, ABSENT), now.get(name, ABSENT)
        if old != new:
            words.append(f"{name} {'is gone' if not new else 'is new' if not old else 'has changed'}")
    return words


def elsewhere(shown: Mapping[str, int], now: Mapping[str, int]) -> list[str]:
    """Return how what would happen to Pods differs from what was shown, where both are known whole."""
    if not shown or not now:
        return []
    lines = [name for name in sorted({*shown, *now}) if shown.get(name, 0) != now.get(name, 0)]
    return [f"{name}: {shown.get(name, 0)} -> {now.get(name, 0)}" for name in lines]


def _deciding(view: View, namespaces: Iterable[str]) -> Iterator[Stored]:
    for resource in _CLUSTER_WIDE:
        yield from view.list(resource)
    for namespace in sorted(filter(None, namespaces)):
        for resource in _NAMESPACED:
            yield from view.list(resource, namespace)


def _hash(stored: Stored | None) -> str:
    if stored is None:
        return ABSENT
    is_node = stored.key.resource == kinds.NODE.resource
    what: Any = _offer(stored) if is_node else differences.desired(msgspec.json.decode(stored.json))
    return hashlib.sha256(_encoder.encode(what)).hexdigest()[:32]


def _offer(stored: Stored) -> Any:
    node = cast("Node", stored.object)
    ready = conditions.is_true(node.status.conditions, "Ready")
    return [node.metadata.labels, node.spec, node.status.allocatable, ready]
