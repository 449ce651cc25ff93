"""Why an object of a kind that a user brought is as it is: what its operator says of it, as far as others can tell.

What its conditions mean only the operator knows. By the conventions of the Kubernetes API one called `Ready` or the
like is to be true, and a status tells which generation of the object it is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from swarmlet.explain import groups
from swarmlet.explain.case import Case, by_event, listed
from swarmlet.explain.findings import ERROR, INFO, WARNING, Finding, severity_of, worst_first
from swarmlet.model import events, objects
from swarmlet.model.custom import CustomKind, CustomResource
from swarmlet.model.meta import Condition

_OF_OBJECTS = ("Available", "Healthy", "Ready", "Synced")
_OF_REQUESTS = ("Accepted", "Complete", "Established", "Programmed", "Reconciled", "Succeeded", "Valid")
TO_BE_TRUE = frozenset((*_OF_OBJECTS, *_OF_REQUESTS))
"""Conditions of which everybody agrees how they are to be."""
CONDITIONS_MAX = 32
EVENTS_TOLD_MAX = 3


def explain(case: Case, value: CustomResource, kind: CustomKind) -> list[Finding]:
    """Return how an object is, and what is known of why."""
    about = f"{kind.resource}/{value.metadata.namespace}/{value.metadata.name}"
    name = f"{kind.singular} {value.metadata.name}"
    found = [*_conditions(value, about), *_unseen(value, about), *_events(case, value, about)]
    found += groups.troubles(case, case.pods_of(value))
    severity = severity_of(found)
    if objects.is_terminating(value):
        held = listed(value.metadata.finalizers) or "nothing"
        text = f"{name} is being deleted; it is held by {held}"
        return [_finding(text, about, WARNING, since=value.metadata.deletion_timestamp, causes=worst_first(found))]
    if severity == INFO:
        told = "nothing is known to be wrong" if found else "nobody has said anything of it"
        advice = "" if found else "see whether its operator runs"
        return [Finding(text=f"{name}: {told}", about=about, source="status", advice=advice, causes=tuple(found))]
    return [_finding(f"{name} is not as it is to be", about, severity, causes=worst_first(found))]


def _finding(text: str, about: str, severity: str, **more: Any) -> Finding:
    return Finding(text=text, severity=severity, about=about, source="status", **more)


def _conditions(value: CustomResource, about: str) -> Iterator[Finding]:
    """Yield what the conditions of its status say, those that nothing is known of too."""
    status = value.content.get("status")
    given = status.get("conditions") if isinstance(status, Mapping) else None
    for each in given[:CONDITIONS_MAX] if isinstance(given, list) else ():
        try:
            condition = msgspec.convert(each, Condition)
        except msgspec.ValidationError:
            continue  # it is the operator's own, of another shape
        bad = condition.type in TO_BE_TRUE and condition.status != "True"
        why = ": ".join(part for part in (condition.reason, condition.message) if part)
        yield Finding(
            text=f"{condition.type} is {condition.status}" + (f" ({why.removesuffix('.')})" if why else ""),
            severity=(ERROR if condition.status == "False" else WARNING) if bad else INFO,
            since=condition.last_transition_time,
            about=about,
            source=f"condition {condition.type}",
        )


def _unseen(value: CustomResource, about: str) -> Iterator[Finding]:
    """Yield that the status is about an object as it was before."""
    status = value.content.get("status")
    seen = status.get("observedGeneration") if isinstance(status, Mapping) else None
    if isinstance(seen, int) and seen < value.metadata.generation:
        text = f"its operator has seen generation {seen} of {value.metadata.generation}"
        yield Finding(text=text, severity=WARNING, about=about, source="status.observedGeneration")


def _events(case: Case, value: CustomResource, about: str) -> Iterator[Finding]:
    warnings = [each for each in case.events(value) if each.type == events.WARNING]
    for each in warnings[:EVENTS_TOLD_MAX]:
        yield by_event(about, each, severity=WARNING)
