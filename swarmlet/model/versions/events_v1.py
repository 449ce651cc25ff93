"""events.k8s.io/v1 Event: core/v1's under other names. client-go's newer recorder writes it.

Source: k8s.io/api/events/v1/types.go; kubernetes/pkg/apis/events/v1/conversion.go.
"""

from __future__ import annotations

from typing import Any

from swarmlet.model.base import Time, always
from swarmlet.model.core import EventSeries, EventSource, ObjectReference
from swarmlet.model.meta import Object

Document = dict[str, Any]


class Event(Object, frozen=True, kw_only=True):
    """Something happened to `regarding`; the deprecated fields are what core/v1 tells of it."""

    api_version: str = always("events.k8s.io/v1")
    kind: str = always("Event")
    event_time: Time | None = None
    series: EventSeries | None = None
    reporting_controller: str = ""
    reporting_instance: str = ""
    action: str = ""
    reason: str = ""
    regarding: ObjectReference = ObjectReference()
    note: str = ""
    type: str = ""
    deprecated_source: EventSource = EventSource()
    deprecated_first_timestamp: Time | None = None
    deprecated_last_timestamp: Time | None = None
    deprecated_count: int = 0


_CORE_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_OWN_NAMES = {core: own for own, core in _CORE_NAMES.items()}


def to_core(document: Document) -> Document:
    """Return a document of events.k8s.io/v1 as one of core/v1."""
    return {_CORE_NAMES.get(name, name): value for name, value in document.items()} | {"apiVersion": "v1"}


def from_core(document: Document) -> Document:
    """Return a document of core/v1 as one of events.k8s.io/v1."""
    named = {_OWN_NAMES.get(name, name): value for name, value in document.items()}
    return named | {"apiVersion": Event().api_version}
