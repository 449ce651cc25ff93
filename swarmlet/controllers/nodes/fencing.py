"""Fencing: a strict singleton's object goes only when its node has certainly ended it (docs/decisions/0006-fencing.md).

A node runs strict singletons while it holds a lease, and ends them by itself when that is over. The leader grants it
with the answer to a heartbeat, after a round of its quorum. Where a node does not finish a Pod that must go, the leader
waits until the lease is over by its own clock, marks the Pod, and removes the marked Pod in a further step. A node of
which a Pod is marked gets no lease: so a removal that a former leader proposed can meet no Pod that lives again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, cast

from swarmlet.controllers.nodes.heartbeats import Heartbeats
from swarmlet.controllers.work.drafts import Drafts, terminating
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, events, kinds, objects, singletons
from swarmlet.model.base import clock_time
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.core import Node
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

NODES = kinds.NODE.resource
PODS = kinds.POD.resource
PODS_PER_STEP = 500
LOOK_AGAIN_SECONDS = 5.0
"""A wait without a known end is looked at so often."""
MARGIN_SECONDS = 0.01
"""Added to a wait so that its end lies behind the bound and not on it."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The lease that a node may have, in seconds; or why it may have none."""

    fence_after: float = 0.0
    refusal: str = ""


def lease_of(view: View, node_name: str, node_id: str) -> Offer:
    """Return the lease that a node may have now. The view is linearized after the node asked."""
    stored = view.get(Key(NODES, "", node_name))
    if stored is None or stored.object.metadata.labels.get(NODE_ID_LABEL) != node_id:
        return Offer(refusal="it is not the node of this name")
    if singletons.is_out_of_service(cast("Node", stored.object)):
        return Offer(refusal=f"it has the taint {singletons.OUT_OF_SERVICE}")
    fence_after = singletons.fence_after_seconds(stored.object.metadata.annotations)
    if fence_after is None:
        return Offer(refusal="its Node does not tell when it fences itself")
    for each in view.pods_on(node_name):
        if singletons.is_fenced(cast("Pod", each.object)):
            return Offer(refusal=f"pod {each.key.namespace}/{each.key.name} is given up")
    return Offer(fence_after)


class Fencing:
    """The reconciler; a key names a node, there or not, of which strict singletons are to go."""

    name: ClassVar[str] = "fencing"
    watches: ClassVar[frozenset[str]] = frozenset({NODES, PODS})

    def __init__(self, heartbeats: Heartbeats) -> None:
        self._heartbeats = heartbeats

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the Node that changed, or the node of a strict singleton that is to go."""
        if change.key.resource == NODES:
            return [change.key]
        if change.new is None or not change.new.node_name:
            return []
        pod = cast("Pod", change.new.object)
        going = singletons.is_held(pod) and (objects.is_terminating(pod) or singletons.is_fenced(pod))
        return [Key(NODES, "", change.new.node_name)] if going else []

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return the nodes of all strict singletons."""
        held = (each for each in view.list(PODS) if singletons.is_held(cast("Pod", each.object)))
        return sorted({Key(NODES, "", each.node_name) for each in held})

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the next step for each of the node's strict singletons that must go: told, marked, removed."""
        stored = view.get(key)
        node = cast("Node", stored.object) if stored else None
        going = [each for each in view.pods_on(key.name) if _must_go(cast("Pod", each.object), node)]
        if not going:
            return NOTHING
        step = _Step(view, key.name, self._seconds_left(key.name, node), now)
        for each in going[:PODS_PER_STEP]:
            step.take(each, node)
        return step.finish(more=len(going) > PODS_PER_STEP)

    def _seconds_left(self, name: str, node: Node | None) -> float | None:
        """Return for how long the node may still run strict singletons, by the leader's clock; None: who knows."""
        if node is None:
            return self._heartbeats.lease_seconds_left(name, None)
        fence_after = singletons.fence_after_seconds(node.metadata.annotations)
        if fence_after is not None:
            return self._heartbeats.lease_seconds_left(name, fence_after)
        ready = conditions.is_true(node.status.conditions, "Ready")
        return 0.0 if singletons.is_out_of_service(node) and not ready else None


def _must_go(pod: Pod, node: Node | None) -> bool:
    return singletons.is_held(pod) and (node is None or objects.is_terminating(pod) or singletons.is_fenced(pod))


class _Step:
    def __init__(self, view: View, node_name: str, seconds_left: float | None, now: datetime) -> None:
        self._view = view
        self._node_name = node_name
        self._left = seconds_left
        self._now = now
        self._drafts = Drafts()
        self._events: list[events.Note] = []

    def take(self, stored: Stored, node: Node | None) -> None:
        """Do the one next thing for a Pod.

        That of a removed node is marked before the wait, so that a new machine of its name cannot speak for the old.
        """
        pod = cast("Pod", stored.object)
        is_silent = node is None or not conditions.is_true(node.status.conditions, "Ready")
        if self._left == 0.0 and singletons.is_fenced(pod):
            self._drafts.erase(stored)
            self._note(pod, events.NORMAL, "Fenced", f"{self._node_name} has certainly ended {pod.metadata.name}")
        elif self._left == 0.0 or (node is None and not singletons.is_fenced(pod)):
            self._drafts.update(stored, self._annotated(pod, singletons.FENCED, pod.metadata.uid))
        elif is_silent and self._says_nothing_true(pod):
            self._drafts.update(stored, self._annotated(pod, singletons.MAY_RUN_UNTIL, self._until()))
            self._note(pod, events.WARNING, "WaitsForFencing", self._told())

    def finish(self, *, more: bool) -> Reconciliation:
        """Return the operations, to be looked at again when the wait is over."""
        wait = LOOK_AGAIN_SECONDS if self._left is None else self._left + MARGIN_SECONDS if self._left else None
        if more:
            wait = 0.0
        return Reconciliation(self._drafts.operations(), tuple(self._events), wait)

    def _annotated(self, pod: Pod, name: str, value: str) -> Pod:
        annotated = objects.with_metadata(pod, annotations=pod.metadata.annotations | {name: value})
        return annotated if objects.is_terminating(pod) else terminating(annotated, self._now)

    def _until(self) -> str:
        if self._left is None:
            return singletons.NOBODY_KNOWS
        return clock_time(self._now + timedelta(seconds=self._left)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _says_nothing_true(self, pod: Pod) -> bool:
        """Whether what the Pod says of the wait is absent, or over although the wait is not: another leads now."""
        said = pod.metadata.annotations.get(singletons.MAY_RUN_UNTIL, "")
        if self._left is None or said in ("", singletons.NOBODY_KNOWS):
            return said != (singletons.NOBODY_KNOWS if self._left is None else self._until())
        return said < self._now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _told(self) -> str:
        name = self._node_name
        if self._left is not None:
            return f"waits until {self._until()[11:19]} because {name} may still run it"
        return (
            f"waits for {name}, which may still run it and does not fence itself; if its machine is dead: "
            f"kubectl taint node {name} {singletons.OUT_OF_SERVICE}=nodeshutdown:NoExecute"
        )

    def _note(self, pod: Pod, type_: str, reason: str, message: str) -> None:
        self._events.append(events.Note(pod, type_, reason, message))
        owner = self._owner(pod)
        if owner is not None:
            self._events.append(events.Note(owner, type_, reason, f"Pod {pod.metadata.name}: {message}"))

    def _owner(self, pod: Pod) -> Object | None:
        reference = objects.controller_of(pod)
        kind = kinds.BY_GVK.get((reference.api_version, reference.kind)) if reference else None
        if reference is None or kind is None:
            return None
        stored = self._view.get(Key(kind.resource, pod.metadata.namespace, reference.name))
        return stored.object if stored and stored.object.metadata.uid == reference.uid else None
