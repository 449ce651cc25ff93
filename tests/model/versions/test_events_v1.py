"""Events of events.k8s.io/v1, which are core/v1's under other names."""

from __future__ import annotations

from swarmlet.model import decode, kinds, objects
from swarmlet.model.versions import conversion

NEW = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "default"},
    "eventTime": "2026-01-02T03:04:05.000001Z",
    "series": {"count": 2, "lastObservedTime": "2026-01-02T03:04:06.000001Z"},
    "reportingController": "example.com/app",
    "reportingInstance": "app-1",
    "action": "Pulling",
    "reason": "Pulled",
    "regarding": {"kind": "Pod", "name": "p"},
    "note": "it is here",
    "type": "Normal",
    "deprecatedCount": 3,
    "deprecatedSource": {"component": "app"},
}


def test_an_event_is_one_in_either_version() -> None:
    value = decode.decode(kinds.EVENT_V1, NEW)
    assert not value.unknown_fields
    assert not value.unsupported_fields
    core = conversion.stored(kinds.EVENT_V1, objects.to_document(value.object))
    kept = decode.decode(kinds.EVENT, core)
    assert not kept.unknown_fields
    assert (kept.object.message, kept.object.involved_object.name, kept.object.reporting_component) == (
        "it is here",
        "p",
        "example.com/app",
    )
    assert conversion.shown(kinds.EVENT_V1, objects.to_document(kept.object)) == NEW
