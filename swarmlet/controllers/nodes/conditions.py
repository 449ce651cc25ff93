"""A Node's conditions by what its leader hears of it, and the taints that they and its spec ask for. Pure.

Source: kubernetes pkg/kubelet/nodestatus/setters.go for the words, pkg/controller/nodelifecycle for the taints.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from swarmlet.model import conditions, taints
from swarmlet.model.base import clock_time
from swarmlet.model.core import Node, Taint
from swarmlet.model.meta import Condition
from swarmlet.model.nodes import DISK_PRESSURE, MEMORY_PRESSURE, NETWORK_UNAVAILABLE, PID_PRESSURE, READY

STOPPING = "DaemonStopping"
"""The reason of a node whose daemon stops on purpose: for its grace nobody is evicted."""
NO_SCHEDULE = "NoSchedule"
NO_EXECUTE = "NoExecute"


@dataclass(frozen=True, slots=True)
class Pressure:
    """A condition of pressure: its taint, and what is said while it holds and while it does not."""

    type: str
    taint: str
    held: tuple[str, str]
    relieved: tuple[str, str]


PRESSURES = (
    Pressure(
        MEMORY_PRESSURE,
        taints.MEMORY_PRESSURE,
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ),
    Pressure(
        DISK_PRESSURE,
        taints.DISK_PRESSURE,
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ),
    Pressure(
        PID_PRESSURE,
        taints.PID_PRESSURE,
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ),
)
READINESS_TAINTS: Mapping[str, str] = {"False": taints.NOT_READY, "Unknown": taints.UNREACHABLE}
OURS = {
    *READINESS_TAINTS.values(),
    *(each.taint for each in PRESSURES),
    taints.UNSCHEDULABLE,
    taints.NETWORK_UNAVAILABLE,
}
"""The taints that the node's state asks for: nobody else puts them on or takes them off."""


def pressure_conditions(held: Collection[str], now: datetime) -> Iterator[Condition]:
    """Yield the conditions of pressure as the node tells them; `held` has the types of those that hold."""
    for each in PRESSURES:
        holds = each.type in held
        reason, message = each.held if holds else each.relieved
        yield _condition(each.type, "True" if holds else "False", reason, message, now)


def unknown_pressures(node: Node, now: datetime) -> Iterator[Condition]:
    """Yield the conditions of pressure of a node that has fallen silent, those that it ever told of."""
    for each in PRESSURES:
        if conditions.get(node.status.conditions, each.type) is not None:
            message = "Kubelet stopped posting node status."
            yield _condition(each.type, "Unknown", "NodeStatusUnknown", message, now)


def turns(before: Node, after: Node) -> Iterator[str]:
    """Yield, in Kubernetes' words, what a change of the Node's conditions and taints means."""
    for type_ in (READY, *(each.type for each in PRESSURES)):
        old, new = (conditions.get(node.status.conditions, type_) for node in (before, after))
        if new is None or (old is not None and old.status == new.status):
            continue
        if type_ == READY:
            yield "NodeReady" if new.status == "True" else "NodeNotReady"
        elif new.status != "Unknown":
            yield new.reason.replace("Kubelet", "Node", 1)
    cordoned, was_cordoned = (_has(node, taints.UNSCHEDULABLE) for node in (after, before))
    if cordoned != was_cordoned:
        yield "NodeNotSchedulable" if cordoned else "NodeSchedulable"


def with_taints(node: Node, now: datetime) -> tuple[Taint, ...]:
    """Return the Node's taints: ours as its conditions and spec ask for, others' as they are.

    A NoExecute taint tells since when it is there, whoever put it on: so a leader that follows counts on.
    """
    wanted = dict.fromkeys(_wanted(node))
    kept = [each for each in node.spec.taints if each.key not in OURS or (each.key, each.effect) in wanted]
    there = {(each.key, each.effect) for each in kept}
    added = [Taint(key=key, effect=effect) for key, effect in wanted if (key, effect) not in there]
    return tuple(_dated(each, now) for each in (*kept, *added))


def _wanted(node: Node) -> Iterator[tuple[str, str]]:
    ready = conditions.get(node.status.conditions, READY)
    if ready is not None and ready.status in READINESS_TAINTS:
        key = READINESS_TAINTS[ready.status]
        yield key, NO_SCHEDULE
        if ready.reason != STOPPING:
            yield key, NO_EXECUTE
    for each in PRESSURES:
        if conditions.is_true(node.status.conditions, each.type):
            yield each.taint, NO_SCHEDULE
    if conditions.is_true(node.status.conditions, NETWORK_UNAVAILABLE):
        yield taints.NETWORK_UNAVAILABLE, NO_SCHEDULE
    if node.spec.unschedulable:
        yield taints.UNSCHEDULABLE, NO_SCHEDULE


def _dated(taint: Taint, now: datetime) -> Taint:
    if taint.effect != NO_EXECUTE or taint.time_added is not None:
        return taint
    return Taint(key=taint.key, effect=taint.effect, value=taint.value, time_added=clock_time(now))


def _condition(type_: str, status: str, reason: str, message: str, now: datetime) -> Condition:
    return Condition(type=type_, status=status, reason=reason, message=message, last_heartbeat_time=clock_time(now))


def _has(node: Node, key: str) -> bool:
    return any(each.key == key for each in node.spec.taints)
