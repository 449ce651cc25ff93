"""Pods that nobody else will remove: on a node that is no more, deleted before they had a node, or long finished.

Strict singletons of a node that is no more are `fencing`'s: a removed node may run on for a while.

Source: kubernetes pkg/controller/podgc.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.work.drafts import Drafts, terminating
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, events, kinds, objects, pods, singletons
from swarmlet.model.meta import Condition
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

NODES = kinds.NODE.resource
PODS = kinds.POD.resource
FINISHED_PODS_MAX = 1_000
"""Finished Pods that are kept for their logs and exit codes; the oldest above it go."""
PODS_PER_STEP = 500
FINISHED = Key(PODS, "", "")
"""The key under which finished Pods are counted."""
BEGINNING = datetime.fromtimestamp(0, UTC)
DISRUPTED = Condition(
    type="DisruptionTarget", status="True", reason="DeletionByPodGC", message="PodGC: node no longer exists"
)


class PodGarbage:
    """The reconciler; a key names a Pod, a Node whose Pods are looked at, or all finished Pods.

    It counts the finished ones as it hears of them, so that they are looked through only when they are too many.
    """

    name: ClassVar[str] = "pod-garbage"
    watches: ClassVar[frozenset[str]] = frozenset({NODES, PODS})

    def __init__(self) -> None:
        self._finished: set[Key] = set()

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the removed Node, or the Pod that may be left over."""
        if change.key.resource == NODES:
            return [change.key] if change.new is None else []
        self._finished.discard(change.key)
        if change.new is None:
            return []
        pod = cast("Pod", change.new.object)
        keys = [change.key] if _is_left_over(view, pod) else []
        if not pods.is_finished(pod):
            return keys
        self._finished.add(change.key)
        return [*keys, FINISHED] if len(self._finished) > FINISHED_PODS_MAX else keys

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return the Pods that are left over."""
        self._finished = {each.key for each in view.list(PODS) if pods.is_finished(cast("Pod", each.object))}
        left = [stored.key for stored in view.list(PODS) if _is_left_over(view, cast("Pod", stored.object))]
        return [*left, FINISHED]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the removals."""
        if key == FINISHED:
            return _trim_finished(view, now)
        if key.resource == NODES:
            candidates = [each for each in view.pods_on(key.name) if _is_left_over(view, cast("Pod", each.object))]
        else:
            stored = view.get(key)
            candidates = [stored] if stored and _is_left_over(view, cast("Pod", stored.object)) else []
        return _erase(candidates, now)


def _is_left_over(view: View, pod: Pod) -> bool:
    if singletons.is_held(pod):
        return False
    if pod.metadata.finalizers and objects.is_terminating(pod) and pods.is_finished(pod):
        return False
    if pod.spec.node_name:
        return view.get(Key(NODES, "", pod.spec.node_name)) is None
    return objects.is_terminating(pod) and not pod.metadata.finalizers


def _erase(candidates: list[Stored], now: datetime) -> Reconciliation:
    drafts = Drafts()
    notes = []
    for stored in candidates[:PODS_PER_STEP]:
        pod = cast("Pod", stored.object)
        if pod.spec.node_name and not pods.is_finished(pod):
            told = f"{DISRUPTED.message}: {pod.spec.node_name}"
            notes.append(events.Note(pod, events.WARNING, DISRUPTED.reason, told))
        if pod.metadata.finalizers:
            drafts.update(stored, _lost(pod, now))
        else:
            drafts.erase(stored)
    more = len(candidates) > PODS_PER_STEP
    return Reconciliation(drafts.operations(), tuple(notes), 0.0 if more else None)


def _lost(pod: Pod, now: datetime) -> Pod:
    """Return a Pod that somebody holds as having failed, for nobody else can tell, and about to go."""
    if not pods.is_finished(pod):
        told = conditions.put(pod.status.conditions, DISRUPTED, now)
        pod = msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, phase="Failed", conditions=told))
    return pod if objects.is_terminating(pod) else terminating(pod, now)


def _trim_finished(view: View, now: datetime) -> Reconciliation:
    finished = [
        stored
        for stored in view.list(PODS)
        if pods.is_finished(cast("Pod", stored.object)) and not objects.is_terminating(stored.object)
    ]
    if len(finished) <= FINISHED_PODS_MAX:
        return NOTHING
    finished.sort(key=lambda stored: stored.object.metadata.creation_timestamp or BEGINNING)
    drafts = Drafts()
    for stored in finished[: min(len(finished) - FINISHED_PODS_MAX, PODS_PER_STEP)]:
        drafts.remove(stored, now)
    return Reconciliation(drafts.operations())
