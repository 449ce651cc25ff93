"""Why a node is not ready, takes no Pods, or drives them away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from swarmlet.explain import changes
from swarmlet.explain.case import Case, about, by_condition, by_event, plural
from swarmlet.explain.findings import ERROR, INFO, WARNING, Finding, severity_of, worst_first
from swarmlet.model import conditions, pods, quantity, singletons, taints
from swarmlet.model.core import Node, Taint
from swarmlet.model.meta import Object
from swarmlet.model.nodes import DISK_PRESSURE, MEMORY_PRESSURE, NETWORK_UNAVAILABLE, PID_PRESSURE, READY
from swarmlet.model.pod import Pod

PRESSURES = {MEMORY_PRESSURE: "memory", DISK_PRESSURE: "disk space", PID_PRESSURE: "process ids"}
READINESS = (taints.NOT_READY, taints.UNREACHABLE)
OF_PRESSURE = (taints.MEMORY_PRESSURE, taints.DISK_PRESSURE, taints.PID_PRESSURE)
EVENTS_TOLD = ("NodeNotReady", "NodeReady", "Rebooted")
SILENT_REASON = "NodeStatusUnknown"


def explain(case: Case, value: Object) -> list[Finding]:
    """Return how a node is, what keeps Pods off it, and what it runs."""
    node = cast("Node", value)
    ready = conditions.get(node.status.conditions, READY)
    found = list(_troubles(case, node))
    is_ready = ready is not None and ready.status == "True"
    state = "is ready" if is_ready else "is not ready"
    state += " and cordoned: no new Pods go there" if node.spec.unschedulable else ""
    headline = Finding(
        text=f"node {node.metadata.name} {state}",
        severity=severity_of(found),
        since=ready.last_transition_time if ready else node.metadata.creation_timestamp,
        about=about(node),
        source="condition Ready",
        causes=worst_first(found),
    )
    return [headline, _load(case, node), *_history(case, node)]


def _troubles(case: Case, node: Node) -> Iterator[Finding]:
    ready = conditions.get(node.status.conditions, READY)
    if ready is None:
        text = "its daemon has not told yet that it is ready"
        yield Finding(text=text, severity=ERROR, about=about(node), source="status.conditions")
    elif ready.status != "True":
        yield _unready(case, node)
    for type_, what in PRESSURES.items():
        held = conditions.get(node.status.conditions, type_)
        if held is not None and held.status == "True":
            text = f"it runs out of {what} ({held.reason}): no new Pods go there, and Pods may be evicted"
            yield by_condition(node, held, text, ERROR)
    cut = conditions.get(node.status.conditions, NETWORK_UNAVAILABLE)
    if cut is not None and cut.status == "True":
        text = f"it has no Pod network: {cut.message.removesuffix('.')}; no new Pods go there"
        yield by_condition(node, cut, text, ERROR)
    if node.spec.unschedulable:
        yield _cordoned(case, node)
    for taint in node.spec.taints:
        if taint.key not in (*READINESS, *OF_PRESSURE, taints.UNSCHEDULABLE, taints.NETWORK_UNAVAILABLE):
            yield _tainted(node, taint)


def _unready(case: Case, node: Node) -> Finding:
    ready = conditions.get(node.status.conditions, READY)
    assert ready is not None
    text = (ready.message or ready.reason).removesuffix(".")
    heard = case.heartbeats.get(node.metadata.name)
    if heard is not None:
        text += f"; the leader last heard of it {max(0, (case.now - heard).total_seconds()):.0f} s ago"
    silent = ready.reason == SILENT_REASON
    where = next((each.address for each in node.status.addresses if each.type == "InternalIP"), "")
    at = f" ({where})" if where else ""
    advice = f"see whether machine {node.metadata.name}{at} is on and reached, and its daemon runs" if silent else ""
    return by_condition(node, ready, text, ERROR, advice)


def _cordoned(case: Case, node: Node) -> Finding:
    told, entry = case.event(node, "NodeNotSchedulable"), changes.of_field(case, node, "spec", "unschedulable")
    by = changes.by(entry) if entry else ""
    at = entry.origin.at if entry and by else told.last_timestamp if told else None
    source = changes.SOURCE if by else "event NodeNotSchedulable" if told else "spec.unschedulable"
    return Finding(
        text=f"it was cordoned{by}: only Pods that tolerate that go there",
        severity=WARNING,
        at=at,
        about=about(node),
        source=source,
        advice=f"swarmlet uncordon {node.metadata.name}",
    )


def _tainted(node: Node, taint: Taint) -> Finding:
    written = f"{taint.key}{'=' if taint.value else ''}{taint.value}:{taint.effect}"
    does = {
        "NoSchedule": "keeps off Pods that do not tolerate it",
        "NoExecute": "drives away Pods that do not tolerate it",
        "PreferNoSchedule": "is a reason to go elsewhere",
    }.get(taint.effect, "is on it")
    if taint.key == singletons.OUT_OF_SERVICE:
        does = "says that its machine is dead: what ran there is replaced at once"
    return Finding(
        text=f"its taint {written} {does}",
        severity=INFO if taint.effect == "PreferNoSchedule" else WARNING,
        since=taint.time_added,
        about=about(node),
        source="spec.taints",
        advice=f"kubectl taint node {node.metadata.name} {taint.key}- takes it off",
    )


def _load(case: Case, node: Node) -> Finding:
    """Return what the node's Pods ask of it."""
    running = [cast("Pod", each.object) for each in case.view.pods_on(node.metadata.name)]
    running = [each for each in running if not pods.is_finished(each)]
    parts = []
    for name, word in (("cpu", "CPU"), ("memory", "memory")):
        whole = quantity.to_milli(node.status.allocatable.get(name, "0"))
        asked = sum(pods.effective_requests(each.spec).get(name, 0) for each in running)
        if whole:
            parts.append(f"{asked * 100 // whole} % of its {word}")
    told = f", asking for {' and '.join(parts)}" if parts else ""
    text = f"it has {plural(len(running), 'Pod')}{told}"
    return Finding(text=text, about=about(node), source="now")


def _history(case: Case, node: Node) -> list[Finding]:
    found = (each for each in case.events(node) if each.reason in EVENTS_TOLD)
    return [by_event(node, each) for each in list(found)[:2]]
