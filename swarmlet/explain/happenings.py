"""The events of a namespace, found by what they are about: there may be thousands, and few are read whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import cast

import msgspec

from swarmlet.model.core import Event
from swarmlet.store.replica import Stored


class _Object(msgspec.Struct, frozen=True, gc=False):
    kind: str = ""
    name: str = ""
    uid: str = ""


class _Head(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What an event is found by."""

    involved_object: _Object = _Object()
    reason: str = ""


_heads = msgspec.json.Decoder(_Head)


class Happenings:
    """The events of one namespace at one moment."""

    def __init__(self, events: Iterable[Stored]) -> None:
        self._by_uid: dict[str, list[Stored]] = defaultdict(list)
        self._by_name: dict[tuple[str, str], list[Stored]] = defaultdict(list)
        self._by_reason: dict[tuple[str, str], list[Stored]] = defaultdict(list)
        for stored in events:
            head = _heads.decode(stored.json)
            about = head.involved_object
            self._by_uid[about.uid].append(stored)
            self._by_name[about.kind, about.name].append(stored)
            self._by_reason[about.kind, head.reason].append(stored)

    def of(self, uid: str) -> list[Event]:
        """Return what happened to an object, the newest first."""
        return _newest_first(self._by_uid.get(uid, ()))

    def of_name(self, kind: str, name: str) -> list[Event]:
        """Return what happened to objects of a kind and name, whichever they were."""
        return _newest_first(self._by_name.get((kind, name), ()))

    def of_reason(self, kind: str, reason: str) -> list[Event]:
        """Return what happened to objects of a kind for one reason."""
        return _newest_first(self._by_reason.get((kind, reason), ()))


def last_seen(event: Event) -> datetime | None:
    """Return when an event happened last."""
    return event.last_timestamp or event.event_time or event.metadata.creation_timestamp


def _newest_first(found: Iterable[Stored]) -> list[Event]:
    return sorted((cast("Event", stored.object) for stored in found), key=_age)


def _age(event: Event) -> float:
    at = last_seen(event)
    return -at.timestamp() if at else 0.0
