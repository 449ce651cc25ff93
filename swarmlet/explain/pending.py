"""Why a Pod has no node: what the scheduler recorded, and what its filters say now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from swarmlet.explain import claims
from swarmlet.explain.case import NODES, Case, about, by_condition
from swarmlet.explain.findings import ERROR, INFO, WARNING, Finding, severity_of, worst_first
from swarmlet.explain.refusals import Obstacle
from swarmlet.model import conditions, dependencies, kinds, volumes
from swarmlet.model.meta import Condition
from swarmlet.model.pod import Pod
from swarmlet.model.storage import PersistentVolumeClaim

SCHEDULED = "PodScheduled"
GATED = "SchedulingGated"
OURS = ("", "default-scheduler")


def findings(case: Case, pod: Pod) -> list[Finding]:
    """Return what a Pod without a node waits for."""
    if pod.spec.scheduler_name not in OURS:
        text = f"it asks for the scheduler {pod.spec.scheduler_name}, and this cluster has only default-scheduler"
        advice = "leave out spec.schedulerName, or have that scheduler bind the Pod"
        return [Finding(text=text, severity=ERROR, about=about(pod), source="spec.schedulerName", advice=advice)]
    if pod.spec.scheduling_gates:
        return [_gated(pod)]
    told = conditions.get(pod.status.conditions, SCHEDULED)
    found = [_recorded(pod, told)]
    found += [*_by_now(case, pod, told), *_of_claims(case, pod)]
    return found


def _gated(pod: Pod) -> Finding:
    names = ", ".join(gate.name for gate in pod.spec.scheduling_gates)
    told = conditions.get(pod.status.conditions, SCHEDULED)
    waits = list(_waits_for_others(pod))
    return Finding(
        text=f"it is held back by its scheduling gates: {names}",
        severity=WARNING,
        since=told.last_transition_time if told else pod.metadata.creation_timestamp,
        about=about(pod),
        source="spec.schedulingGates",
        advice="" if waits else "whoever set a gate takes it off when the Pod may go",
        causes=tuple(waits),
    )


def _waits_for_others(pod: Pod) -> Iterator[Finding]:
    """Yield what a Pod that depends on others waits for."""
    told = conditions.get(pod.status.conditions, dependencies.DEPENDENCIES_MET)
    if told is not None and told.status != "True" and told.message:
        yield by_condition(pod, told, told.message, WARNING)


def _recorded(pod: Pod, told: Condition | None) -> Finding:
    if told is None:
        return Finding(
            text="no scheduler has looked at it yet: that is the leader's work",
            severity=WARNING,
            since=pod.metadata.creation_timestamp,
            about=about(pod),
            source="status",
            advice="where this lasts: swarmlet status",
        )
    advice = "have a machine join: swarmlet join" if "no node has joined" in told.message else ""
    return by_condition(pod, told, told.message.removesuffix(".") or told.reason, ERROR, advice)


def _by_now(case: Case, pod: Pod, told: Condition | None) -> Iterator[Finding]:
    """Yield what the filters say on this view, where that is something else, and what is nearest to be done."""
    if case.scheduler is None or told is None or volumes.claim_names(pod):
        return  # what its claims ask of a node is the scheduler's to say, and it stands in the condition
    answer = case.scheduler.answer(pod)
    if answer is None:
        return
    now = answer.refusal
    if not now:
        text = "by now a node would do: the scheduler takes it at its next look, or after Pods that are before it"
        yield Finding(text=text, about=about(pod), source="now")
        return
    if not told.message.startswith(now):
        yield Finding(text=f"now: {now.removesuffix('.')}", severity=INFO, about=about(pod), source="now")
    for each in answer.obstacles:
        text = f"{each.node} would do, but that it {each.why}"
        yield Finding(text=text, about=f"{NODES}//{each.node}", source="now", advice=_remedy(each))


def _remedy(obstacle: Obstacle) -> str:
    node = obstacle.node
    return {
        "cordon": f"swarmlet uncordon {node}",
        "taint": f"let the Pod tolerate it, or: kubectl taint node {node} {obstacle.taint}-",
        "node": f"swarmlet why node/{node}",
        "room": "ask for less in resources.requests, or make room there",
    }.get(obstacle.kind, "")


def _of_claims(case: Case, pod: Pod) -> Iterator[Finding]:
    for name in volumes.claim_names(pod):
        claim = cast(
            "PersistentVolumeClaim | None", case.get(kinds.PERSISTENT_VOLUME_CLAIM, pod.metadata.namespace, name)
        )
        if claim is None:
            yield Finding(
                text=f"its claim {name} does not exist",
                severity=ERROR,
                about=about(pod),
                source="spec.volumes",
                advice=f"make the PersistentVolumeClaim {name}",
            )
            continue
        found = claims.troubles(case, claim, waiting_pod=pod.metadata.name)
        if found:
            yield Finding(
                text=f"its claim {name} is not ready",
                severity=severity_of(found),
                about=about(claim),
                source="status.phase",
                causes=worst_first(found),
            )
