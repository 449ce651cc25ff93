"""The rows of Events. Source: kubernetes/pkg/printers/internalversion/printers.go (printEvent)."""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.durations import since
from swarmlet.api.tables.shapes import META, Column, Columns
from swarmlet.model.core import Event


def _event(value: Event, now: datetime) -> list[object]:
    first = value.first_timestamp or value.event_time
    last = value.series.last_observed_time if value.series else value.last_timestamp or first
    regarding = value.involved_object
    return [
        since(last, now),
        value.type,
        value.reason,
        f"{regarding.kind.lower()}/{regarding.name}" if regarding.name else regarding.kind.lower(),
        regarding.field_path,
        _source(value),
        value.message.strip(),
        since(first, now),
        value.series.count if value.series else value.count or 1,
        value.metadata.name,
    ]


def _source(value: Event) -> str:
    component = value.source.component or value.reporting_component
    instance = value.source.host or value.reporting_instance
    return f"{component}, {instance}" if instance else component


EVENT = Columns(
    (
        Column("Last Seen", field="api.core.v1.Event.lastTimestamp"),
        Column("Type", field="api.core.v1.Event.type"),
        Column("Reason", field="api.core.v1.Event.reason"),
        Column("Object", field="api.core.v1.Event.involvedObject"),
        Column("Subobject", priority=1, field="api.core.v1.ObjectReference.fieldPath"),
        Column("Source", priority=1, field="api.core.v1.Event.source"),
        Column("Message", field="api.core.v1.Event.message"),
        Column("First Seen", priority=1, field="api.core.v1.Event.firstTimestamp"),
        Column("Count", priority=1, field="api.core.v1.Event.count"),
        Column("Name", priority=1, format="name", field=f"{META}.name"),
    ),
    _event,
)
