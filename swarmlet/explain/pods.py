"""Why a Pod is where and how it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from swarmlet.explain import containers, pending, placements, policies
from swarmlet.explain.case import Case, about, by_condition
from swarmlet.explain.findings import ERROR, INFO, WARNING, Finding, severity_of, worst_first
from swarmlet.model import conditions, objects, pods, singletons
from swarmlet.model.core import Node
from swarmlet.model.pod import Pod


def explain(case: Case, pod: Pod) -> list[Finding]:
    """Return how the Pod is, what holds it up, and why it is on its node."""
    found = troubles(case, pod)
    headline = Finding(
        text=_headline(pod),
        severity=severity_of(found),
        since=_since(pod),
        about=about(pod),
        source="status",
        causes=worst_first(found),
    )
    placed = placements.findings(case, pod) if pod.spec.node_name else []
    return [headline, *policies.of_pod(case, pod), *placed, *placements.before(case, pod)]


def troubles(case: Case, pod: Pod) -> list[Finding]:
    """Return what keeps a Pod from serving, the worst first; nothing where it serves and always did."""
    if objects.is_terminating(pod):
        return list(_leaving(case, pod))
    if pods.is_finished(pod):
        return list(_finished(case, pod))
    if not pod.spec.node_name:
        return pending.findings(case, pod)
    found = [*_of_node(case, pod), *containers.findings(case, pod)]
    if not found and not pods.is_ready(pod):
        found += _unready(case, pod)
    return list(worst_first(found))


def _headline(pod: Pod) -> str:
    name = f"Pod {pod.metadata.name}"
    on = f" on {pod.spec.node_name}" if pod.spec.node_name else ""
    if objects.is_terminating(pod):
        return f"{name} is about to go{f' from {pod.spec.node_name}' if on else ''}"
    if pods.is_finished(pod):
        return f"{name} has {'succeeded' if pod.status.phase == 'Succeeded' else 'failed'}{on}"
    if not pod.spec.node_name:
        return f"{name} waits for a node"
    if pods.is_ready(pod):
        return f"{name} runs{on} and is ready"
    return f"{name} is{on} and not ready"


def _since(pod: Pod) -> datetime | None:
    if objects.is_terminating(pod) or pods.is_finished(pod):
        return None
    if not pod.spec.node_name:
        return pod.metadata.creation_timestamp
    ready = conditions.get(pod.status.conditions, "Ready")
    return ready.last_transition_time if ready else None


def _leaving(case: Case, pod: Pod) -> Iterator[Finding]:
    disrupted = conditions.get(pod.status.conditions, "DisruptionTarget")
    if disrupted is not None and disrupted.status == "True":
        yield by_condition(pod, disrupted, f"it goes because: {disrupted.message} ({disrupted.reason})", INFO)
    until = pod.metadata.deletion_timestamp
    assert until is not None
    over = until <= case.now
    grace = pod.metadata.deletion_grace_period_seconds or 0
    told = f"its grace of {grace} s {'is over' if over else 'ends'}"
    yield Finding(text=told, severity=WARNING if over else INFO, at=until, about=about(pod), source="metadata")
    if singletons.MAY_RUN_UNTIL in pod.metadata.annotations and not singletons.is_fenced(pod):
        yield _fencing(pod)
    node = case.node(pod.spec.node_name)
    if over and node is not None and not conditions.is_true(node.status.conditions, "Ready"):
        yield _node_down(node)
    elif pod.metadata.finalizers:
        names = ", ".join(pod.metadata.finalizers)
        yield Finding(text=f"it is held by: {names}", severity=WARNING, about=about(pod), source="metadata.finalizers")


def _fencing(pod: Pod) -> Finding:
    until = pod.metadata.annotations[singletons.MAY_RUN_UNTIL]
    node = pod.spec.node_name
    text = f"never two of it may run, and {node} may still run it"
    if until != singletons.NOBODY_KNOWS:
        return Finding(text=f"{text} until {until[11:19]} UTC", severity=WARNING, about=about(pod), source="annotation")
    advice = f"if its machine is dead: kubectl taint node {node} {singletons.OUT_OF_SERVICE}=nodeshutdown:NoExecute"
    return Finding(
        text=f"{text}; nobody knows until when", severity=ERROR, about=about(pod), source="annotation", advice=advice
    )


def _finished(case: Case, pod: Pod) -> Iterator[Finding]:
    if pod.status.reason or pod.status.message:
        told = ": ".join(filter(None, (pod.status.reason, pod.status.message)))
        yield Finding(
            text=f"its node gave it up: {told}".removesuffix("."),
            severity=ERROR,
            about=about(pod),
            source="status.reason",
        )
    disrupted = conditions.get(pod.status.conditions, "DisruptionTarget")
    if disrupted is not None and disrupted.status == "True" and not pod.status.message:
        yield by_condition(pod, disrupted, f"{disrupted.message} ({disrupted.reason})", ERROR)
    yield from containers.findings(case, pod)


def _of_node(case: Case, pod: Pod) -> Iterator[Finding]:
    node = case.node(pod.spec.node_name)
    if node is None:
        text = f"its node {pod.spec.node_name} is not in the cluster any more"
        yield Finding(text=text, severity=ERROR, about=about(pod), source="spec.nodeName")
    elif not conditions.is_true(node.status.conditions, "Ready"):
        yield _node_down(node)


def _node_down(node: Node) -> Finding:
    ready = conditions.get(node.status.conditions, "Ready")
    name = node.metadata.name
    if ready is None:
        return Finding(text=f"node {name} never told that it is ready", severity=ERROR, about=about(node))
    return by_condition(
        node, ready, f"node {name} is not ready: {ready.message or ready.reason}", ERROR, f"swarmlet why node/{name}"
    )


def _unready(case: Case, pod: Pod) -> Iterator[Finding]:
    if not pod.status.container_statuses:
        scheduled = conditions.get(pod.status.conditions, "PodScheduled")
        warned = next((each for each in case.events(pod) if each.type == "Warning"), None)
        told = f": {warned.message}" if warned else ""
        yield Finding(
            text=f"{pod.spec.node_name} has not begun with it{told}",
            severity=WARNING,
            since=scheduled.last_transition_time if scheduled else None,
            about=about(pod),
            source=f"event {warned.reason}" if warned else "status",
        )
        return
    ready = conditions.get(pod.status.conditions, "Ready")
    if ready is not None:
        yield by_condition(pod, ready, ready.message or ready.reason or "it is not ready", WARNING)
