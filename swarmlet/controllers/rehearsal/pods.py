"""What nodes would do to the Pods of a rehearsal: start what is bound to them, and end what is deleted.

Nothing runs. Images are supposed to be there; a Pod is ready `START_SECONDS` and its probes' first delay after it was
bound, and gone `STOP_SECONDS` after it was deleted. A Pod that ails now goes on ailing, and one that runs to its end
does not come to it: how long that takes nobody knows.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import cast

import msgspec

from swarmlet.controllers.work.drafts import update
from swarmlet.model import conditions, kinds, objects, pods
from swarmlet.model.base import clock_time
from swarmlet.model.core import Node
from swarmlet.model.meta import Condition
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Delete, Key, Operation
from swarmlet.store.replica import Stored, View

NODES = kinds.NODE.resource
PODS = kinds.POD.resource
START_SECONDS = 1.0
STOP_SECONDS = 1.0
READY = "Ready"
BEGUN = ("Initialized", "ContainersReady", READY)
ON_ITS_WAY = ("", "ContainerCreating", "PodInitializing")


class HollowNodes:
    """Every node of the view that is ready; a Pod on another stays as it is."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._agenda: list[tuple[datetime, Key]] = []
        self._due: dict[Key, datetime] = {}

    def begin(self, now: datetime) -> None:
        """Take in the Pods that are on their way up or down already."""
        for stored in self._view.list(PODS):
            if not _is_ailing(cast("Pod", stored.object)):
                self.hear(stored, now)

    def hear(self, stored: Stored, now: datetime) -> None:
        """Take note of a Pod as it is now."""
        seconds = _seconds_to_go(cast("Pod", stored.object)) if self._is_served(stored) else None
        if seconds is None:
            self._due.pop(stored.key, None)
            return
        at = now + timedelta(seconds=seconds)
        if stored.key not in self._due or self._due[stored.key] > at:
            self._due[stored.key] = at
            heapq.heappush(self._agenda, (at, stored.key))

    def next_at(self) -> datetime | None:
        """Return when something is to be done next."""
        while self._agenda and self._due.get(self._agenda[0][1]) != self._agenda[0][0]:
            heapq.heappop(self._agenda)
        return self._agenda[0][0] if self._agenda else None

    def operations(self, now: datetime) -> Iterator[Operation]:
        """Yield what the nodes write now."""
        while (at := self.next_at()) is not None and at <= now:
            _, key = heapq.heappop(self._agenda)
            del self._due[key]
            stored = self._view.get(key)
            if stored is not None:
                yield _served(stored, now)

    def _is_served(self, stored: Stored) -> bool:
        node = self._view.get(Key(NODES, "", stored.node_name)) if stored.node_name else None
        return node is not None and conditions.is_true(cast("Node", node.object).status.conditions, READY)


def _seconds_to_go(pod: Pod) -> float | None:
    """Return in how many seconds the Pod's node has something to tell; None: not before the Pod changes."""
    if objects.is_terminating(pod):
        return None if pods.is_finished(pod) and pod.metadata.finalizers else STOP_SECONDS
    if pods.is_finished(pod) or conditions.is_true(pod.status.conditions, READY):
        return None
    return START_SECONDS + max((_delay(each.readiness_probe) for each in pod.spec.containers), default=0)


def _delay(probe: object) -> float:
    return float(getattr(probe, "initial_delay_seconds", 0) or 0)


def _served(stored: Stored, now: datetime) -> Operation:
    pod = cast("Pod", stored.object)
    if objects.is_terminating(pod) and not pod.metadata.finalizers:
        return Delete(stored.key, expected_uid=pod.metadata.uid)
    if objects.is_terminating(pod):
        return update(stored, msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, phase="Failed")))
    told = pod.status.conditions
    for type_ in BEGUN:
        told = conditions.put(told, Condition(type=type_, status="True"), now)
    status = msgspec.structs.replace(
        pod.status, phase="Running", conditions=told, start_time=pod.status.start_time or clock_time(now)
    )
    return update(stored, msgspec.structs.replace(pod, status=status))


def _is_ailing(pod: Pod) -> bool:
    """Whether a Pod has tried in vain: that it will be well soon is more than a rehearsal can say."""
    if objects.is_terminating(pod):
        return False
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    waiting = [each.state.waiting.reason for each in statuses if each.state.waiting]
    return any(reason not in ON_ITS_WAY for reason in waiting) or any(
        each.restart_count and not each.ready for each in statuses
    )
