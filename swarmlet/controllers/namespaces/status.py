"""What a Namespace that is being deleted tells of what is left in it: five conditions, in Kubernetes' words.

Source: kubernetes pkg/controller/namespace/deletion (status_condition_utils.go, namespaced_resources_deleter.go).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from swarmlet.model import conditions
from swarmlet.model.meta import Condition
from swarmlet.store.replica import Stored

Conditions = tuple[Condition, ...]

DISCOVERED = Condition(
    type="NamespaceDeletionDiscoveryFailure",
    status="False",
    reason="ResourcesDiscovered",
    message="All resources successfully discovered",
)
PARSED = Condition(
    type="NamespaceDeletionGroupVersionParsingFailure",
    status="False",
    reason="ParsedGroupVersions",
    message="All legacy kube types successfully parsed",
)
DELETED = Condition(
    type="NamespaceDeletionContentFailure",
    status="False",
    reason="ContentDeleted",
    message="All content successfully deleted, may be waiting on finalization",
)
REMAINING = "NamespaceContentRemaining"
HELD = "NamespaceFinalizersRemaining"


@dataclass(frozen=True, slots=True)
class Left:
    """How many objects are left, by resource, and how many of them each finalizer holds."""

    counts: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)

    def add(self, resource: str, found: Sequence[Stored]) -> None:
        """Count the objects of one resource."""
        if found:
            self.counts[resource] += len(found)
        for stored in found:
            self.finalizers.update(stored.object.metadata.finalizers)


def conditions_of(before: Conditions, left: Left, now: datetime) -> Conditions:
    """Return the conditions of a Namespace in which so much is left."""
    after = before
    for condition in (DISCOVERED, PARSED, DELETED, _remaining(left), _held(left)):
        after = conditions.put(after, condition, now)
    return after


def _remaining(left: Left) -> Condition:
    if not left.counts:
        return _told(REMAINING, "ContentRemoved", "All content successfully removed", holds=False)
    counts = [f"{_dotted(resource)} has {count} resource instances" for resource, count in sorted(left.counts.items())]
    return _told(REMAINING, "SomeResourcesRemain", f"Some resources are remaining: {', '.join(counts)}", holds=True)


def _held(left: Left) -> Condition:
    if not left.finalizers:
        return _told(HELD, "ContentHasNoFinalizers", "All content-preserving finalizers finished", holds=False)
    counts = [f"{name} in {count} resource instances" for name, count in sorted(left.finalizers.items())]
    message = f"Some content in the namespace has finalizers remaining: {', '.join(counts)}"
    return _told(HELD, "SomeFinalizersRemain", message, holds=True)


def _dotted(resource: str) -> str:
    """Return a resource with its group as Kubernetes writes both here: "pods." has an empty group."""
    return resource if "." in resource else f"{resource}."


def _told(type_: str, reason: str, message: str, *, holds: bool) -> Condition:
    return Condition(type=type_, status="True" if holds else "False", reason=reason, message=message)
