"""Making core/v1 Events: what happened, counted rather than repeated, and bounded.

`Journal` is what a component that records events keeps; it decides nothing of when or how they are written.

    journal = events.Journal(component="swarmlet-agent", host=node_name, rng=rng)
    journal.record(events.Note(pod, "Warning", "BackOff", "Back-off restarting failed container web"), now)
    for event in journal.take(EVENTS_MAX): ...  # write each whole, whatever its revision

Source: client-go tools/record/events_cache.go, for when events are counted and when they are combined.
"""

from __future__ import annotations

import dataclasses
import random
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from swarmlet.model.base import clock_time
from swarmlet.model.core import Event, EventSource, ObjectReference
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.names import new_uid

T = TypeVar("T")

NORMAL = "Normal"
WARNING = "Warning"

MESSAGE_BYTES_MAX = 1024
SIMILAR_MAX = 10
SIMILAR_WINDOW = timedelta(minutes=10)
REMEMBERED_MAX = 4_096
PENDING_MAX = 4_096
COMBINED_PREFIX = "(combined from similar events): "


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that happened to `regarding`; `type` is `NORMAL` or `WARNING`."""

    regarding: Object
    type: str
    reason: str
    message: str
    field_path: str = ""


def reference_to(regarding: Object, field_path: str = "") -> ObjectReference:
    """Return the reference by which an Event names its object."""
    metadata = regarding.metadata
    return ObjectReference(
        kind=regarding.kind,
        api_version=regarding.api_version,
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        field_path=field_path,
    )


def new_event(note: Note, source: EventSource, now: datetime, rng: random.Random) -> Event:
    """Return the Event that tells `note` for the first time."""
    at = clock_time(now)
    name = f"{note.regarding.metadata.name[:220]}.{rng.getrandbits(64):016x}"
    namespace = note.regarding.metadata.namespace or "default"
    return Event(
        metadata=ObjectMeta(name=name, namespace=namespace, uid=new_uid(rng), creation_timestamp=at),
        involved_object=reference_to(note.regarding, note.field_path),
        type=note.type,
        reason=note.reason,
        message=_shortened(note.message),
        source=source,
        first_timestamp=at,
        last_timestamp=at,
        count=1,
        reporting_component=source.component,
        reporting_instance=source.host,
    )


def repeat(event: Event, now: datetime, message: str = "") -> Event:
    """Return `event` having happened once more, now, with the newest message where one is given."""
    return msgspec.structs.replace(
        event,
        count=event.count + 1,
        last_timestamp=clock_time(now),
        message=_shortened(message) if message else event.message,
    )


class Journal:
    """Events waiting to be written and those remembered to be counted up.

    The same note again raises `count`. More than `SIMILAR_MAX` notes that differ only in their message within
    `SIMILAR_WINDOW` become one Event "(combined from similar events)". Over `PENDING_MAX` waiting, new ones are dropped
    and counted in `dropped`.
    """

    def __init__(self, *, component: str, host: str, rng: random.Random) -> None:
        self.dropped = 0
        self._source = EventSource(component=component, host=host)
        self._rng = rng
        self._remembered: OrderedDict[tuple[str, ...], Event] = OrderedDict()
        self._similar: OrderedDict[tuple[str, ...], tuple[int, datetime]] = OrderedDict()
        self._pending: dict[str, Event] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def record(self, note: Note, now: datetime) -> None:
        """Take down that `note` happened."""
        kind, uid = note.regarding.kind, note.regarding.metadata.uid or note.regarding.metadata.name
        alike = (kind, uid, note.field_path, note.type, note.reason)
        same: tuple[str, ...] = (*alike, note.message)
        if same not in self._remembered and self._count_similar(alike, now) > SIMILAR_MAX:
            same, note = alike, dataclasses.replace(note, message=COMBINED_PREFIX + note.message)
        known = self._remembered.get(same)
        event = new_event(note, self._source, now, self._rng) if known is None else repeat(known, now, note.message)
        _remember(self._remembered, same, event)
        self._enqueue(event)

    def take(self, limit: int) -> list[Event]:
        """Return up to `limit` events to be written, oldest first, and forget that they wait."""
        names = list(self._pending)[:limit]
        return [self._pending.pop(name) for name in names]

    def give_back(self, events: list[Event]) -> None:
        """Take back what could not be written; a newer count of the same Event wins."""
        for event in events:
            if event.metadata.name not in self._pending:
                self._enqueue(event)

    def _enqueue(self, event: Event) -> None:
        if len(self._pending) >= PENDING_MAX and event.metadata.name not in self._pending:
            self.dropped += 1
            return
        self._pending[event.metadata.name] = event

    def _count_similar(self, alike: tuple[str, ...], now: datetime) -> int:
        count, since = self._similar.get(alike, (0, now))
        if now - since > SIMILAR_WINDOW:
            count, since = 0, now
        _remember(self._similar, alike, (count + 1, since))
        return count + 1


def _remember(memory: OrderedDict[tuple[str, ...], T], key: tuple[str, ...], value: T) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED_MAX:
        memory.popitem(last=False)


def _shortened(message: str) -> str:
    data = message.encode()
    return message if len(data) <= MESSAGE_BYTES_MAX else data[: MESSAGE_BYTES_MAX - 3].decode(errors="ignore") + "..."
