"""Node lifecycle: whether each node is well, and what becomes of its Pods when it is not.

A node that is silent for `not_ready_seconds`, or says it is unwell, is marked and gets a taint that keeps new Pods
away; `evict_after_seconds` later (`evict_unwell_after_seconds` for one that is only unwell) it gets one that evicts:
Pods that do not tolerate it are marked for deletion, so that others replace them. The node's own agent finishes them
when it returns.
Source: kubernetes pkg/controller/nodelifecycle and tainteviction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.config import NodeLifecycle as Limits
from swarmlet.controllers.drafts import Drafts
from swarmlet.controllers.heartbeats import Heartbeats, Pulse
from swarmlet.controllers.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, events, kinds, objects, pods, taints
from swarmlet.model.base import clock_time
from swarmlet.model.core import Node, Taint
from swarmlet.model.meta import Condition
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

NODES = kinds.NODE.resource
PODS = kinds.POD.resource
READY = "Ready"
EVICTIONS_PER_STEP = 500

OURS = {taints.NOT_READY, taints.UNREACHABLE}
DISRUPTED = Condition(
    type="DisruptionTarget",
    status="True",
    reason="DeletionByTaintManager",
    message="Taint manager: deleting due to NoExecute taint",
)
"""On a Pod that is evicted, for a Job's podFailurePolicy to tell it from one that failed."""


def node_key(name: str) -> Key:
    """Return the key of a Node."""
    return Key(NODES, "", name)


@dataclass(frozen=True, slots=True)
class Health:
    """How a node is. `taint` is "" for one that is well; `evicts` says whether its Pods are to go."""

    status: str
    reason: str
    message: str
    taint: str = ""
    evicts: bool = False
    look_again_seconds: float | None = None


def judge(pulse: Pulse, now: float, limits: Limits) -> Health | None:
    """Return how a node is by its pulse; None while a new leader still waits for its first heartbeat.

    A node that says it is unwell keeps its Pods longer than one that is silent: its Engine may be back in a moment. A
    daemon that stops on purpose gets the grace it asked for instead.
    """
    silence = now - pulse.last_seen
    patience = limits.not_ready_seconds + limits.evict_after_seconds
    if pulse.grace_seconds > 0 and silence <= pulse.grace_seconds:
        message = f"the daemon stopped on purpose; it is waited for {pulse.grace_seconds:g} s"
        return Health("False", "DaemonStopping", message, taints.NOT_READY, False, pulse.grace_seconds - silence)
    if silence > limits.not_ready_seconds:
        evicts = silence >= patience
        wait = None if evicts else patience - silence
        return Health(
            "Unknown", "NodeStatusUnknown", "The node stopped sending heartbeats.", taints.UNREACHABLE, evicts, wait
        )
    if not pulse.heard:
        return None
    until_silent = limits.not_ready_seconds - silence
    if pulse.unready_since is None:
        return Health("True", "NodeReady", "the node is ready to run Pods", look_again_seconds=until_silent)
    unwell = now - pulse.unready_since
    patience = limits.evict_unwell_after_seconds
    message = pulse.message or "the node says it is not ready"
    wait = min(until_silent, max(0.0, patience - unwell)) if unwell < patience else until_silent
    return Health("False", "NodeNotReady", message, taints.NOT_READY, unwell >= patience, wait)


class NodeLifecycle:
    """The reconciler. It writes when a node's health changes, and is silent while nothing does."""

    name: ClassVar[str] = "node-lifecycle"
    watches: ClassVar[frozenset[str]] = frozenset({NODES, PODS})

    def __init__(self, heartbeats: Heartbeats, limits: Limits) -> None:
        self._heartbeats = heartbeats
        self._limits = limits

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the Node, or the unwell Node to which a Pod was just bound."""
        if change.key.resource == NODES:
            if change.new is None:
                self._heartbeats.forget(change.key.name)
            return [change.key]
        if change.new is None or (change.old is not None and change.old.node_name == change.new.node_name):
            return []
        node = view.get(node_key(change.new.node_name))
        return [node.key] if node is not None and _evicting(cast("Node", node.object)) else []

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every Node."""
        return [stored.key for stored in view.list(NODES)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the Node's condition and taints as its pulse has them, and the Pods that must leave it."""
        stored = view.get(key)
        if stored is None:
            return NOTHING
        pulse = self._heartbeats.pulse(key.name)
        monotonic = self._heartbeats.monotonic()
        health = judge(pulse, monotonic, self._limits)
        if health is None:
            wait = self._limits.not_ready_seconds - (monotonic - pulse.last_seen)
            return Reconciliation(requeue_after_seconds=max(wait, 0.0) + MARGIN_SECONDS)
        return _Step(view, stored, health, now).take()


MARGIN_SECONDS = 0.01
"""Added to a wait so that its end lies behind the bound and not on it."""


class _Step:
    def __init__(self, view: View, stored: Stored, health: Health, now: datetime) -> None:
        self._view = view
        self._stored = stored
        self._node = cast("Node", stored.object)
        self._health = health
        self._now = now
        self._drafts = Drafts()
        self._events: list[events.Note] = []

    def take(self) -> Reconciliation:
        after = self._marked()
        self._drafts.update(self._stored, after)
        waits = [self._health.look_again_seconds]
        if self._health.evicts:
            waits.append(self._evict(after))
        nearest = min((wait for wait in waits if wait is not None), default=None)
        wait = None if nearest is None else nearest + MARGIN_SECONDS
        return Reconciliation(self._drafts.operations(), tuple(self._events), wait)

    def _marked(self) -> Node:
        """Return the Node with its health told in the condition Ready and in its taints."""
        health, node = self._health, self._node
        before = conditions.get(node.status.conditions, READY)
        condition = Condition(
            type=READY,
            status=health.status,
            reason=health.reason,
            message=health.message,
            last_heartbeat_time=clock_time(self._now),
        )
        told = conditions.put(node.status.conditions, condition, self._now)
        if before is None or before.status != health.status:
            self._note_turn(health)
        spec = msgspec.structs.replace(node.spec, taints=self._taints())
        status = msgspec.structs.replace(node.status, conditions=told)
        return msgspec.structs.replace(node, spec=spec, status=status)

    def _taints(self) -> tuple[Taint, ...]:
        """Return the Node's taints: others' as they are, ours as its health asks for."""
        health, at = self._health, clock_time(self._now)
        wanted = {(health.taint, "NoSchedule"): None, (health.taint, "NoExecute"): at} if health.taint else {}
        if not health.evicts:
            wanted.pop((health.taint, "NoExecute"), None)
        kept = [each for each in self._node.spec.taints if each.key not in OURS or (each.key, each.effect) in wanted]
        there = {(each.key, each.effect) for each in kept}
        added = [
            Taint(key=key, effect=effect, time_added=since)
            for (key, effect), since in wanted.items()
            if (key, effect) not in there
        ]
        return (*kept, *added)

    def _note_turn(self, health: Health) -> None:
        ready = health.status == "True"
        reason = "NodeReady" if ready else "NodeNotReady"
        message = f"Node {self._node.metadata.name} status is now: {reason}"
        self._events.append(events.Note(self._node, events.NORMAL if ready else events.WARNING, reason, message))

    def _evict(self, node: Node) -> float | None:
        """Mark the Pods that do not tolerate the node's state; return when the next one's toleration ends."""
        taint = next(each for each in node.spec.taints if each.key in OURS and each.effect == "NoExecute")
        since = taint.time_added or self._now
        nearest: float | None = None
        marked = 0
        for stored in self._view.pods_on(node.metadata.name):
            pod = cast("Pod", stored.object)
            if objects.is_terminating(pod) or pods.is_finished(pod):
                continue
            wait = taints.seconds_tolerated(taint, pod.spec.tolerations)
            left = None if wait is None else wait - (self._now - since).total_seconds()
            if left is not None and left <= 0 and marked < EVICTIONS_PER_STEP:
                self._drafts.remove(stored, self._now, _disrupted(pod, self._now))
                self._note_eviction(pod)
                marked += 1
            elif left is not None:
                nearest = max(left, 0.0) if nearest is None else min(nearest, max(left, 0.0))
        return nearest

    def _note_eviction(self, pod: Pod) -> None:
        message = f"Marking for deletion Pod {pod.metadata.namespace}/{pod.metadata.name}"
        self._events.append(events.Note(pod, events.NORMAL, "TaintManagerEviction", message))


def _disrupted(pod: Pod, now: datetime) -> Pod:
    told = conditions.put(pod.status.conditions, DISRUPTED, now)
    return msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, conditions=told))


def _evicting(node: Node) -> bool:
    return any(each.key in OURS and each.effect == "NoExecute" for each in node.spec.taints)
