"""What is to be said about a rehearsal beside its steps: what was refused, did not end, or cannot be known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from swarmlet.model import events, kinds, objects
from swarmlet.model.apps import Deployment
from swarmlet.model.apps_sets import DaemonSet, StatefulSet
from swarmlet.model.autoscaling import HorizontalPodAutoscaler
from swarmlet.model.meta import Object
from swarmlet.store.commands import Key
from swarmlet.store.replica import View

NOTES_MAX = 50
TOLD_ELSEWHERE = frozenset({"FailedScheduling"})
"""Warnings whose Pods are listed as waiting."""
UNKNOWABLE = {
    kinds.JOB.resource: "its Pods run until they end; what follows then is not rehearsed",
    kinds.CRON_JOB.resource: "it makes Jobs at its own times; these are not rehearsed",
    kinds.HORIZONTAL_POD_AUTOSCALER.resource: "it scales by use, which cannot be known; this is not rehearsed",
}


class Notes:
    """Sentences, each once, in the order in which they came up, and not more than `NOTES_MAX`.

    They are about objects of the namespaces that are written to: what others do there is not the plan's to tell.
    """

    def __init__(self, written: Iterable[Key]) -> None:
        self._namespaces = {key.namespace or key.name for key in written}
        self._sentences: dict[str, None] = {}
        self._left_out = 0

    def heard(self, notes: Iterable[events.Note]) -> None:
        """Take in the warnings among the events that would be told."""
        for note in notes:
            told_here = note.regarding.metadata.namespace in self._namespaces
            if told_here and note.type == events.WARNING and note.reason not in TOLD_ELSEWHERE:
                kind = kinds.BY_GVK.get((note.regarding.api_version, note.regarding.kind))
                what = kind.resource if kind else note.regarding.kind
                self._add(f"{what}/{note.regarding.metadata.name}: {note.reason}: {note.message}")

    def refused(self, key: Key, why: str) -> None:
        """Say that something cannot be made."""
        if key.namespace in self._namespaces:
            self._add(f"{key.resource}/{key.name}: {why}")

    def failed(self, key: Key) -> None:
        """Say that what follows from an object could not be found out."""
        if key.namespace in self._namespaces:
            self._add(
                f"{key.resource}/{key.name}: what follows from it could not be rehearsed; the daemon's log has more"
            )

    def cut_short(self, why: str) -> None:
        """Say that more would happen than is told."""
        self._add(f"the rehearsal was cut short: {why}; more happens than is told here")

    def told(self) -> tuple[str, ...]:
        """Return the sentences."""
        rest = (f"and {self._left_out} notes more",) if self._left_out else ()
        return (*self._sentences, *rest)

    def _add(self, sentence: str) -> None:
        if sentence in self._sentences:
            return
        if len(self._sentences) < NOTES_MAX:
            self._sentences[sentence] = None
        else:
            self._left_out += 1


def unfinished(view: View, written: Iterable[Key]) -> Iterator[str]:
    """Yield what is to be said about the objects of the plan as they are in the end."""
    for key in written:
        stored = view.get(key)
        if stored is None:
            continue
        what = f"{key.resource}/{key.name}"
        if key.resource in UNKNOWABLE:
            yield f"{what}: {UNKNOWABLE[key.resource]}"
        elif objects.is_terminating(stored.object):
            yield f"{what}: it would still be there in the end: something holds it"
        else:
            yield from (f"{what}: {words}" for words in _of_workload(stored.object))
        yield from _scaled(view, key)


def _of_workload(value: Object) -> Iterator[str]:
    if isinstance(value, Deployment):
        if value.spec.paused:
            yield "it is paused: its Pods stay as they are"
            return
        wanted, status = value.spec.replicas or 0, value.status
        if status.updated_replicas < wanted or status.available_replicas < wanted:
            yield (
                f"it would not be complete: {status.updated_replicas} of {wanted} Pods updated, "
                f"{status.available_replicas} available"
            )
    elif isinstance(value, StatefulSet):
        wanted, ready = value.spec.replicas or 0, value.status.ready_replicas
        if ready < wanted:
            yield f"it would not be complete: {ready} of {wanted} Pods ready"
    elif isinstance(value, DaemonSet) and value.status.number_ready < value.status.desired_number_scheduled:
        told = value.status
        yield f"it would not be complete: {told.number_ready} of {told.desired_number_scheduled} Pods ready"


def _scaled(view: View, key: Key) -> Iterator[str]:
    """Yield that somebody else sets the number of a workload's Pods."""
    for stored in view.list(kinds.HORIZONTAL_POD_AUTOSCALER.resource, key.namespace) if key.namespace else ():
        target = cast("HorizontalPodAutoscaler", stored.object).spec.scale_target_ref
        kind = kinds.BY_GVK.get((target.api_version, target.kind))
        if kind and (kind.resource, target.name) == (key.resource, key.name):
            yield f"{key.resource}/{key.name}: the autoscaler {stored.key.name} changes its number of Pods by use"
