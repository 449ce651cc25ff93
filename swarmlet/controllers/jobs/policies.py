"""What a Job's podFailurePolicy says about a failed Pod, and its successPolicy about completed indexes.

Source: kubernetes pkg/controller/job/pod_failure_policy.go and success_policy.go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from swarmlet.model import batch, conditions, indexes
from swarmlet.model.pod import Pod


@dataclass(frozen=True, slots=True)
class Judgement:
    """`action` of the first rule that matches a failed Pod ("Count" where none does), and why, for "FailJob"."""

    action: str
    message: str = ""


COUNT = Judgement("Count")


def judge(policy: batch.PodFailurePolicy | None, pod: Pod) -> Judgement:
    """Return what is to be made of a failed Pod; one that has not come to its end yet simply counts."""
    if policy is None or pod.status.phase != "Failed":
        return COUNT
    for number, rule in enumerate(policy.rules):
        why = _exit_code(rule.on_exit_codes, pod) if rule.on_exit_codes else _condition(rule, pod)
        if why:
            return Judgement(rule.action, f"{why} matching {rule.action} rule at index {number}")
    return COUNT


def success(policy: batch.SuccessPolicy | None, completed: Collection[int], completions: int) -> str:
    """Return which rule of the success policy is met, in words; "" where none is."""
    for number, rule in enumerate(policy.rules if policy else ()):
        if _met(rule, completed, completions):
            return f"Matched rules at index {number}"
    return ""


def _met(rule: batch.SuccessPolicyRule, completed: Collection[int], completions: int) -> bool:
    if rule.succeeded_indexes is None:
        return rule.succeeded_count is not None and len(completed) >= rule.succeeded_count
    named = indexes.intervals(rule.succeeded_indexes)
    wanted = indexes.count(named, completions) if rule.succeeded_count is None else rule.succeeded_count
    return len(indexes.among(completed, named)) >= wanted


def _exit_code(wanted: batch.PodFailurePolicyOnExitCodesRequirement, pod: Pod) -> str:
    for name, code in _exit_codes(pod):
        if wanted.container_name not in (None, name):
            continue
        if code and (code in wanted.values) is (wanted.operator == "In"):
            where = f"{pod.metadata.namespace}/{pod.metadata.name}"
            return f"Container {name} for pod {where} failed with exit code {code}"
    return ""


def _exit_codes(pod: Pod) -> Iterator[tuple[str, int]]:
    for status in (*pod.status.container_statuses, *pod.status.init_container_statuses):
        if status.state.terminated:
            yield status.name, status.state.terminated.exit_code


def _condition(rule: batch.PodFailurePolicyRule, pod: Pod) -> str:
    for pattern in rule.on_pod_conditions:
        found = conditions.get(pod.status.conditions, pattern.type)
        if found is not None and found.status == pattern.status:
            return f"Pod {pod.metadata.namespace}/{pod.metadata.name} has condition {pattern.type}"
    return ""
