"""What a DaemonSet does next on its nodes: which get a Pod, and which Pods go.

Source: kubernetes pkg/controller/daemon (daemon_controller.go: podsShouldBeOnNode; update.go: rollingUpdate).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from swarmlet.controllers.sets import daemonset_pods as members
from swarmlet.model import apps_sets, objects, pods
from swarmlet.model.apps_sets import DaemonSet
from swarmlet.model.base import IntOrString
from swarmlet.model.pod import Pod


@dataclass(frozen=True, slots=True)
class Site:
    """A node that is to have a Pod, and those of its Pods that stay; `is_clear`: none is about to go or has ended."""

    node: str
    new: tuple[Pod, ...]
    old: tuple[Pod, ...]
    is_clear: bool


@dataclass(slots=True)
class Plan:
    """Nodes that get a Pod of the newest revision, and Pods that go."""

    make: list[str] = field(default_factory=list)
    remove: list[Pod] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many nodes may lack a Pod that serves, and how many may have two, for the time of an update."""

    unavailable: int
    surge: int


def site(node: str, present: Sequence[Pod], newest_hash: str) -> Site:
    """Return a node with those of its Pods that stay, the oldest first, by whether they are of the newest revision."""
    active = sorted((pod for pod in present if pods.is_active(pod)), key=age)
    new = tuple(pod for pod in active if members.revision_hash(pod) == newest_hash)
    old = tuple(pod for pod in active if members.revision_hash(pod) != newest_hash)
    return Site(node, new, old, len(active) == len(present))


def bounds_of(daemon_set: DaemonSet, nodes: int) -> Bounds:
    """Return the bounds; percentages are of the nodes, round up, and never are both none."""
    rolling = daemon_set.spec.update_strategy.rolling_update or apps_sets.RollingUpdateDaemonSet()
    unavailable, surge = _resolve(rolling.max_unavailable, nodes), _resolve(rolling.max_surge, nodes)
    return Bounds(unavailable if unavailable or surge else 1, surge)


def plan(daemon_set: DaemonSet, sites: Sequence[Site], now: datetime) -> Plan:
    """Return the next step on the nodes that are to have a Pod."""
    step = Plan()
    rolls = daemon_set.spec.update_strategy.type != apps_sets.ON_DELETE
    bounds = bounds_of(daemon_set, len(sites)) if rolls else Bounds(0, 0)
    least = daemon_set.spec.min_ready_seconds
    for each in sites:
        if each.is_clear and not each.new and not each.old:
            step.make.append(each.node)
        step.remove += _surplus(each, bounds, now, least)
    if rolls and bounds.surge:
        _surge(sites, bounds, step, now, least)
    elif rolls:
        _replace(sites, bounds, step, now, least)
    return step


def age(pod: Pod) -> tuple[float, str]:
    """Return what sorts the oldest first; names decide between Pods of one second."""
    created = pod.metadata.creation_timestamp
    return (created.timestamp() if created else 0.0, pod.metadata.name)


def _resolve(value: IntOrString | None, nodes: int) -> int:
    return -(-int(value.rstrip("%")) * nodes // 100) if isinstance(value, str) else value or 0


def _surplus(each: Site, bounds: Bounds, now: datetime, least: int) -> tuple[Pod, ...]:
    """Return what is too many on a node: all but the oldest, or the old one once its successor serves."""
    if not bounds.surge:
        return tuple(sorted((*each.new, *each.old), key=age)[1:])
    surplus = (*each.new[1:], *each.old[1:])
    if each.new and each.old and (not pods.is_ready(each.old[0]) or pods.is_available(each.new[0], now, least)):
        return (*surplus, each.old[0])
    return surplus


def _replace(sites: Sequence[Site], bounds: Bounds, step: Plan, now: datetime, least: int) -> None:
    """Remove old Pods as far as what is unavailable leaves room; one that is unavailable goes at once."""
    serving = {each.node for each in sites if _serves(each, now, least)}
    room = bounds.unavailable - (len(sites) - len(serving))
    for each in sites:
        if each.new or not each.old or objects.is_terminating(each.old[0]):
            continue
        if each.node in serving:
            if room <= 0:
                continue
            room -= 1
        step.remove.append(each.old[0])


def _surge(sites: Sequence[Site], bounds: Bounds, step: Plan, now: datetime, least: int) -> None:
    """Make successors beside old Pods as far as the surge leaves room; beside one that is unavailable at once."""
    room = bounds.surge - sum(bool(each.new and each.old) or not each.is_clear for each in sites)
    for each in sites:
        if each.new or not each.old or not each.is_clear:
            continue
        if pods.is_available(each.old[0], now, least):
            if room <= 0:
                continue
            room -= 1
        step.make.append(each.node)


def _serves(each: Site, now: datetime, least: int) -> bool:
    return any(pods.is_available(pod, now, least) for pod in (*each.new, *each.old))
