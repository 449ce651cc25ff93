"""The Pods of one owner: how many serve, and what keeps the others from it, each trouble told once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from swarmlet.explain import pods as pod_explainer
from swarmlet.explain.case import Case, about, listed, plural
from swarmlet.explain.findings import RANK, WARNING, Finding, severity_of, worst_first
from swarmlet.model import objects, pods
from swarmlet.model.pod import Pod

EXAMINED_MAX = 200
"""Pods of one owner that are looked into: of five thousand with one trouble, the first tell it."""
GROUPS_MAX = 3
"""Different troubles that are told of one owner's Pods."""


def troubles(case: Case, everyone: Iterable[Pod], *, finished_count: bool = True) -> list[Finding]:
    """Return what keeps Pods from serving: the worst and most frequent first, each with the Pods that have it.

    `everyone` are the Pods of one owner; `finished_count`: whether one that has ended is in trouble, as a Job's is not.
    """
    groups: dict[tuple[str, ...], list[tuple[Pod, list[Finding]]]] = {}
    ailing = [pod for pod in everyone if _ails(pod, finished_count=finished_count)]
    ailing.sort(key=pods.is_ready)  # those that do not serve first
    for pod in ailing[:EXAMINED_MAX]:
        found = pod_explainer.troubles(case, pod)
        if found:
            groups.setdefault(_alike(found), []).append((pod, found))
    ranked = sorted(groups.values(), key=lambda group: (RANK[severity_of(group[0][1])], -len(group)))
    told = [_told(group) for group in ranked[:GROUPS_MAX]]
    if len(ailing) > EXAMINED_MAX:
        text = f"{len(ailing) - EXAMINED_MAX} more Pods are in trouble, and were not looked into"
        told.append(Finding(text=text, severity=WARNING, source="now"))
    return told


def gone_soon(everyone: Iterable[Pod]) -> list[Pod]:
    """Return the Pods that are being deleted."""
    return [each for each in everyone if objects.is_terminating(each)]


def _ails(pod: Pod, *, finished_count: bool) -> bool:
    """Whether there may be something to say of a Pod."""
    if objects.is_terminating(pod) or (pods.is_finished(pod) and not finished_count):
        return False
    return not pods.is_ready(pod) or any(each.restart_count for each in pod.status.container_statuses)


def _alike(found: Sequence[Finding]) -> tuple[str, ...]:
    """Return what two Pods with the same trouble have in common: where it comes from, and the first words."""
    return tuple(f"{each.source} {each.text[:24]}" for each in found[:1])


def _told(group: Sequence[tuple[Pod, list[Finding]]]) -> Finding:
    pod, found = group[0]
    name = f"Pod {pod.metadata.name}"
    where = f" on {pod.spec.node_name}" if pod.spec.node_name else ", which has no node"
    text = f"{name}{where}"
    if len(group) > 1:
        others = listed(each.metadata.name for each, _ in group[1:])
        text = f"{plural(len(group), 'Pod')} alike, such as {pod.metadata.name}{where} (also {others})"
    return Finding(text=text, severity=severity_of(found), about=about(pod), source="status", causes=worst_first(found))
