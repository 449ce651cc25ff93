"""What an explainer may ask: one view at one moment, and what is known beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast

from swarmlet.explain.findings import INFO, Finding
from swarmlet.explain.happenings import Happenings, last_seen
from swarmlet.explain.refusals import Answer
from swarmlet.model import kinds, objects
from swarmlet.model.core import Event, Node
from swarmlet.model.meta import Condition, Object, OwnerReference
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from swarmlet.store.replica import View

EVENTS = kinds.EVENT.resource
PODS = kinds.POD.resource
NODES = kinds.NODE.resource
EVENT_LIFE = "events are kept for 1 h"


class Scheduler(Protocol):
    """Runs the scheduler's filters on this view; `refusals` has the real one."""

    def answer(self, pod: Pod) -> Answer | None:
        """Return why no node will do for a Pod now, and how near that is; None where it was asked too much."""


@dataclass(frozen=True)
class Case:
    """One question's ground.

    Args:
        view: the applied state.
        now: the moment of the question.
        heartbeats: when the leader last heard of each node; empty where nobody could be asked.
        scheduler: says what its filters say of a Pod now; None where nobody could.
        network: what the machine that answers, `node_name`, does of the network, as `GET /status` tells it; empty where
            that is not known.
    """

    view: View
    now: datetime
    heartbeats: Mapping[str, datetime] = field(default_factory=dict)
    scheduler: Scheduler | None = None
    node_name: str = ""
    network: Mapping[str, Any] = field(default_factory=dict)
    _known: dict[str, Happenings] = field(default_factory=dict, init=False)

    def get(self, kind: kinds.Kind, namespace: str, name: str) -> Object | None:
        """Return an object, None where there is none."""
        stored = self.view.get(Key(kind.resource, namespace, name))
        return stored.object if stored else None

    def node(self, name: str) -> Node | None:
        """Return a node."""
        return cast("Node | None", self.get(kinds.NODE, "", name))

    def owned(self, owner: Object, kind: kinds.Kind) -> list[Object]:
        """Return the objects of a kind that `owner` manages, by name."""
        found = (stored for stored in self.view.by_owner(owner.metadata.uid) if stored.key.resource == kind.resource)
        return [stored.object for stored in found if _is_managed(stored.object, owner)]

    def pods_of(self, owner: Object) -> list[Pod]:
        """Return the Pods that `owner` manages."""
        return [cast("Pod", each) for each in self.owned(owner, kinds.POD)]

    def owner(self, value: Object) -> Object | None:
        """Return the object that manages this one."""
        reference = objects.controller_of(value)
        return self._referred(reference, value.metadata.namespace) if reference else None

    def events(self, value: Object) -> list[Event]:
        """Return what happened to an object, the newest first."""
        return self._happenings(value).of(value.metadata.uid)

    def event(self, value: Object, *reasons: str) -> Event | None:
        """Return the newest event of some reasons that happened to an object."""
        return next((each for each in self.events(value) if each.reason in reasons), None)

    def events_of_namesakes(self, value: Object) -> list[Event]:
        """Return what happened to objects of the same kind and name before this one."""
        found = self._happenings(value).of_name(value.kind, value.metadata.name)
        return [each for each in found if each.involved_object.uid != value.metadata.uid]

    def events_of_kind(self, value: Object, reason: str) -> list[Event]:
        """Return the events of one reason that happened to objects of the kind of `value`, in its namespace."""
        return self._happenings(value).of_reason(value.kind, reason)

    def _happenings(self, value: Object) -> Happenings:
        namespace = value.metadata.namespace or "default"
        if namespace not in self._known:
            self._known[namespace] = Happenings(self.view.list(EVENTS, namespace))
        return self._known[namespace]

    def _referred(self, reference: OwnerReference, namespace: str) -> Object | None:
        kind = kinds.BY_GVK.get((reference.api_version, reference.kind))
        if kind is None:
            return None
        found = self.get(kind, namespace if kind.namespaced else "", reference.name)
        return found if found is not None and found.metadata.uid == reference.uid else None


def about(value: Object) -> str:
    """Return how findings name an object: "pods/default/web-1", and "nodes//h1" where it has no namespace."""
    kind = kinds.BY_GVK[value.api_version, value.kind]
    return f"{kind.resource}/{value.metadata.namespace}/{value.metadata.name}"


def by_condition(value: Object, condition: Condition, text: str, severity: str = INFO, advice: str = "") -> Finding:
    """Return what a condition of an object says."""
    return Finding(
        text=text.removesuffix("."),
        severity=severity,
        since=condition.last_transition_time,
        about=about(value),
        source=f"condition {condition.type}",
        advice=advice,
    )


def by_event(value: Object | str, event: Event, text: str = "", severity: str = INFO) -> Finding:
    """Return what an event tells of an object, or of what findings call so; how often, where more than once."""
    times = f" ({event.count} times)" if event.count > 1 else ""
    return Finding(
        text=(text or event.message).removesuffix(".") + times,
        severity=severity,
        at=last_seen(event),
        about=value if isinstance(value, str) else about(value),
        source=f"event {event.reason}",
    )


def number(count: int, word: str) -> str:
    """Return "1 is ready", "3 are ready", "none is ready"."""
    return f"{count or 'none'} {'are' if count > 1 else 'is'} {word}"


def plural(count: int, one: str, many: str = "") -> str:
    """Return "1 Pod", "3 Pods"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def listed(names: Iterable[str], most: int = 3) -> str:
    """Return names as a text: "a, b, c and 4 more"."""
    every = list(names)
    shown = ", ".join(every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown


def _is_managed(value: Object, owner: Object) -> bool:
    reference = objects.controller_of(value)
    return reference is not None and reference.uid == owner.metadata.uid
