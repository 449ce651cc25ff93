"""Node lifecycle: whether each node is well, and what becomes of its Pods when it is not.

A node that is silent for `not_ready_seconds`, or says it is unwell, is marked, and its taints keep new Pods away; the
Pods of one that is silent are told not ready, for nobody else would, so that Services lead to them no longer;
`evict_after_seconds` later (`evict_unwell_after_seconds` for one that is only unwell) its Pods are marked for deletion,
so that others replace them. The node's own agent finishes them when it returns. A user's NoExecute taints drive Pods
away in the same way.
Source: kubernetes pkg/controller/nodelifecycle and tainteviction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.config import NodeLifecycle as Limits
from swarmlet.controllers.nodes import conditions as node_conditions
from swarmlet.controllers.nodes import taint_eviction
from swarmlet.controllers.nodes.health import Health, judge
from swarmlet.controllers.nodes.heartbeats import Heartbeats
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, events, kinds, objects, pods
from swarmlet.model.base import clock_time
from swarmlet.model.core import Node
from swarmlet.model.meta import Condition
from swarmlet.model.nodes import READY
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

NODES = kinds.NODE.resource
PODS = kinds.POD.resource
EVICTIONS_PER_STEP = 500
MARGIN_SECONDS = 0.01
"""Added to a wait so that its end lies behind the bound and not on it."""

DISRUPTED = Condition(
    type="DisruptionTarget",
    status="True",
    reason="DeletionByTaintManager",
    message="Taint manager: deleting due to NoExecute taint",
)
"""On a Pod that is evicted, for a Job's podFailurePolicy to tell it from one that failed."""
NODE_NOT_READY = "NodeNotReady"
TURNS_FOR_WORSE = frozenset({NODE_NOT_READY})
"""The turns of a node that are told as warnings."""


def node_key(name: str) -> Key:
    """Return the key of a Node."""
    return Key(NODES, "", name)


class NodeLifecycle:
    """The reconciler. It writes when a node's health changes, and is silent while nothing does."""

    name: ClassVar[str] = "node-lifecycle"
    watches: ClassVar[frozenset[str]] = frozenset({NODES, PODS})

    def __init__(self, heartbeats: Heartbeats, limits: Limits) -> None:
        self._heartbeats = heartbeats
        self._limits = limits

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the Node, or the Node that a Pod was just bound to although it drives Pods away."""
        if change.key.resource == NODES:
            if change.new is None:
                self._heartbeats.forget(change.key.name)
            return [change.key]
        if change.new is None or (change.old is not None and change.old.node_name == change.new.node_name):
            return []
        node = view.get(node_key(change.new.node_name))
        return [node.key] if node is not None and taint_eviction.evicting(cast("Node", node.object)) else []

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every Node."""
        return [stored.key for stored in view.list(NODES)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the Node's conditions and taints as its pulse has them, and the Pods that must leave it."""
        stored = view.get(key)
        if stored is None:
            return NOTHING
        pulse = self._heartbeats.pulse(key.name)
        monotonic = self._heartbeats.monotonic()
        health = judge(pulse, monotonic, self._limits)
        step = _Step(view, stored, now)
        if health is None:
            return step.take(None, None, self._limits.not_ready_seconds - (monotonic - pulse.last_seen))
        return step.take(health, pulse.pressures, health.look_again_seconds)


class _Step:
    def __init__(self, view: View, stored: Stored, now: datetime) -> None:
        self._view = view
        self._stored = stored
        self._node = cast("Node", stored.object)
        self._now = now
        self._drafts = Drafts()
        self._events: list[events.Note] = []

    def take(
        self, health: Health | None, pressures: frozenset[str] | None, look_again_seconds: float | None
    ) -> Reconciliation:
        """Return what is to be done by the node's health (None: not known yet) and the pressures that it tells of."""
        after = self._told(health, pressures) if health is not None else self._node
        spec = msgspec.structs.replace(after.spec, taints=node_conditions.with_taints(after, self._now))
        after = msgspec.structs.replace(after, spec=spec)
        self._note_turns(after)
        self._drafts.update(self._stored, after)
        if health is not None and health.status == "Unknown":
            self._tell_pods_not_ready()
        waits = [look_again_seconds, self._evict(after, health) if taint_eviction.evicting(after) else None]
        nearest = min((wait for wait in waits if wait is not None), default=None)
        wait = None if nearest is None else max(nearest, 0.0) + MARGIN_SECONDS
        return Reconciliation(self._drafts.operations(), tuple(self._events), wait)

    def _told(self, health: Health, pressures: frozenset[str] | None) -> Node:
        """Return the Node with its health and its pressures told in its conditions."""
        ready = Condition(
            type=READY,
            status=health.status,
            reason=health.reason,
            message=health.message,
            last_heartbeat_time=clock_time(self._now),
        )
        found = [ready]
        if health.status == "Unknown":
            found += node_conditions.unknown_pressures(self._node, self._now)
        elif pressures is not None:
            found += node_conditions.pressure_conditions(pressures, self._now)
        told = self._node.status.conditions
        for condition in found:
            told = conditions.put(told, condition, self._now)
        return msgspec.structs.replace(self._node, status=msgspec.structs.replace(self._node.status, conditions=told))

    def _note_turns(self, after: Node) -> None:
        for reason in node_conditions.turns(self._node, after):
            message = f"Node {after.metadata.name} status is now: {reason}"
            type_ = events.WARNING if reason in TURNS_FOR_WORSE else events.NORMAL
            self._events.append(events.Note(after, type_, reason, message))

    def _tell_pods_not_ready(self) -> None:
        """Let no Pod of the node be taken for ready; its own agent says what is true when it is back.

        Source: kubernetes pkg/controller/util/node (MarkPodsNotReady).
        """
        for stored in self._view.pods_on(self._node.metadata.name):
            pod = cast("Pod", stored.object)
            known = conditions.get(pod.status.conditions, READY)
            if known is None or known.status != "True":
                continue
            unready = msgspec.structs.replace(known, status="False")
            told = conditions.put(pod.status.conditions, unready, self._now)
            self._drafts.update(
                stored, msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, conditions=told))
            )
            self._events.append(events.Note(pod, events.WARNING, NODE_NOT_READY, "Node is not ready"))

    def _evict(self, node: Node, health: Health | None) -> float | None:
        """Mark the Pods whose time on the node is over; return when that of the next one is."""
        nearest: float | None = None
        marked = 0
        for stored in self._view.pods_on(node.metadata.name):
            pod = cast("Pod", stored.object)
            if objects.is_terminating(pod) or pods.is_finished(pod):
                continue
            left = taint_eviction.seconds_left(pod, node, health, self._now)
            if left == 0.0 and marked < EVICTIONS_PER_STEP:
                self._drafts.remove(stored, self._now, _disrupted(pod, self._now))
                self._note_eviction(pod)
                marked += 1
            elif left is not None:
                nearest = left if nearest is None else min(nearest, left)
        return nearest

    def _note_eviction(self, pod: Pod) -> None:
        message = f"Marking for deletion Pod {pod.metadata.namespace}/{pod.metadata.name}"
        self._events.append(events.Note(pod, events.NORMAL, "TaintManagerEviction", message))


def _disrupted(pod: Pod, now: datetime) -> Pod:
    told = conditions.put(pod.status.conditions, DISRUPTED, now)
    return msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, conditions=told))
