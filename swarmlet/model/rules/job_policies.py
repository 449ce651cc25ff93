"""Rules of a Job's podFailurePolicy and successPolicy. Source: kubernetes pkg/apis/batch/validation/validation.go."""

from __future__ import annotations

from collections.abc import Sequence

from swarmlet.model import batch, indexes, syntax
from swarmlet.model.problems import Place

RULES_MAX = 20
PATTERNS_MAX = 20
EXIT_CODES_MAX = 255
SUCCESS_RULES_MAX = 20
INDEXES_TEXT_MAX = 64 * 1024
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
STATUSES = ("False", "True", "Unknown")


def pod_failure_policy(spec: batch.JobSpec, place: Place) -> None:
    """Check `spec.podFailurePolicy`."""
    if spec.pod_failure_policy is None:
        return
    rules = spec.pod_failure_policy.rules
    if len(rules) > RULES_MAX:
        place.field("rules").too_many(len(rules), RULES_MAX)
        return
    pod = spec.template.spec
    containers = [each.name for each in (*pod.init_containers, *pod.containers)]
    for inner, rule in place.field("rules").each(rules):
        _rule(rule, inner, containers)
        if rule.action == "FailIndex" and spec.backoff_limit_per_index is None:
            inner.field("action").invalid(rule.action, "requires the backoffLimitPerIndex to be set")


def success_policy(spec: batch.JobSpec, place: Place) -> None:
    """Check `spec.successPolicy`."""
    if spec.success_policy is None:
        return
    if spec.completion_mode != batch.INDEXED:
        place.invalid(spec.success_policy, "requires indexed completion mode")
        return
    rules = spec.success_policy.rules
    if not rules:
        place.field("rules").required("at least one rules must be specified when the successPolicy is specified")
    if len(rules) > SUCCESS_RULES_MAX:
        place.field("rules").too_many(len(rules), SUCCESS_RULES_MAX)
    for inner, rule in place.field("rules").each(rules[:SUCCESS_RULES_MAX]):
        _success_rule(rule, spec.completions or 0, inner)


def _rule(rule: batch.PodFailurePolicyRule, place: Place, containers: Sequence[str]) -> None:
    place.field("action").one_of(rule.action, ACTIONS)
    if rule.on_exit_codes and rule.on_pod_conditions:
        place.invalid(None, "specifying both OnExitCodes and OnPodConditions is not supported")
    elif not rule.on_exit_codes and not rule.on_pod_conditions:
        place.invalid(None, "specifying one of OnExitCodes and OnPodConditions is required")
    if rule.on_exit_codes:
        _exit_codes(rule.on_exit_codes, place.field("onExitCodes"), containers)
    patterns = rule.on_pod_conditions
    if len(patterns) > PATTERNS_MAX:
        place.field("onPodConditions").too_many(len(patterns), PATTERNS_MAX)
    for inner, pattern in place.field("onPodConditions").each(patterns[:PATTERNS_MAX]):
        inner.field("type").invalid_each(pattern.type, syntax.label_key(pattern.type))
        inner.field("status").one_of(pattern.status, STATUSES)


def _exit_codes(wanted: batch.PodFailurePolicyOnExitCodesRequirement, place: Place, containers: Sequence[str]) -> None:
    place.field("operator").one_of(wanted.operator, ("In", "NotIn"))
    if wanted.container_name is not None and wanted.container_name not in containers:
        why = "must be one of the container or initContainer names in the pod template"
        place.field("containerName").invalid(wanted.container_name, why)
    values = place.field("values")
    if not wanted.values:
        values.invalid(wanted.values, "at least one value is required")
    if len(wanted.values) > EXIT_CODES_MAX:
        values.too_many(len(wanted.values), EXIT_CODES_MAX)
    for inner, value in values.each(wanted.values[:EXIT_CODES_MAX]):
        if wanted.operator == "In" and value == 0:
            inner.invalid(value, "must not be 0 for the In operator")
    if len(set(wanted.values)) < len(wanted.values):
        values.duplicate(next(each for each in wanted.values if wanted.values.count(each) > 1))
    elif list(wanted.values) != sorted(wanted.values):
        values.invalid(wanted.values, "must be ordered")


def _success_rule(rule: batch.SuccessPolicyRule, completions: int, place: Place) -> None:
    if rule.succeeded_count is None and rule.succeeded_indexes is None:
        place.required("at least one of succeededCount or succeededIndexes must be specified")
    named = completions
    if rule.succeeded_indexes is not None:
        named = _named_indexes(rule.succeeded_indexes, completions, place.field("succeededIndexes"))
    count = rule.succeeded_count
    if count is None:
        return
    inner = place.field("succeededCount")
    inner.not_negative(count)
    if count > completions:
        inner.invalid(count, f"must be less than or equal to {completions} (the number of specified completions)")
    elif rule.succeeded_indexes is not None and count > named:
        inner.invalid(count, f"must be less than or equal to {named} (the number of indexes in the specified field)")


def _named_indexes(text: str, completions: int, place: Place) -> int:
    """Return how many indexes a text names."""
    if len(text) > INDEXES_TEXT_MAX:
        place.too_long(INDEXES_TEXT_MAX)
        return 0
    try:
        found = indexes.intervals(text)
    except ValueError as error:
        place.invalid(text, f"error parsing succeededIndexes: {error}")
        return 0
    if found and found[-1][1] >= completions:
        place.invalid(text, f"too large index: {found[-1][1]}: there are {completions} completions")
    return sum(last - first + 1 for first, last in found)
