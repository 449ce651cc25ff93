"""Rules of Job. Source: kubernetes pkg/apis/batch/validation/validation.go."""

from __future__ import annotations

import msgspec

from swarmlet.model import batch, batch_defaults, selectors, syntax
from swarmlet.model.pod import PodTemplateSpec
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import job_policies, meta, pod, workloads

INDEXED_PARALLELISM_MAX = 100_000
INDEXED_COMPLETIONS_MAX = 100_000
"""Kubernetes allows more; each is remembered in the Job's status."""
RESTART_POLICIES = ("OnFailure", "Never")
REPLACEMENT_POLICIES = ("Failed", "TerminatingOrFailed")


def job(value: batch.Job, problems: Problems) -> None:
    """Check a Job."""
    place, spec = problems.at("spec"), value.spec
    job_spec(spec, place)
    if spec.selector is None:
        place.field("selector").required()
    else:
        meta.selector(spec.selector, place.field("selector"))
        workloads.matches(spec.selector, spec.template, place.field("template"))
    if not spec.manual_selector:
        _generated(value, place)
    if spec.completion_mode == batch.INDEXED and spec.completions:
        hostname = f"{value.metadata.name}-{spec.completions - 1}"
        for message in syntax.dns_label(hostname):
            why = f"will not able to create pod with invalid DNS label: {hostname}: {message}"
            problems.at("metadata").field("name").invalid(value.metadata.name, why)


def job_update(new: batch.Job, old: batch.Job, problems: Problems) -> None:
    """Check what of a Job may not change."""
    place = problems.at("spec")
    if new.spec.completions != old.spec.completions and not _scales(new.spec, old.spec):
        place.field("completions").invalid(new.spec.completions, meta.IMMUTABLE)
    if new.spec.template != _permitted(new.spec.template, old):
        place.field("template").invalid(new.spec.template, meta.IMMUTABLE)
    for name in ("selector", "completion_mode", "pod_failure_policy", "backoff_limit_per_index"):
        _unchanged(new.spec, old.spec, name, place)
    for name in ("managed_by", "success_policy"):
        _unchanged(new.spec, old.spec, name, place)


def job_spec(spec: batch.JobSpec, place: Place) -> None:
    """Check what a Job and a CronJob's template of Jobs have in common."""
    for name in _COUNTS:
        place.field(_wire(name)).not_negative(getattr(spec, name))
    place.field("activeDeadlineSeconds").not_endless(spec.active_deadline_seconds)
    if spec.max_failed_indexes is not None and spec.backoff_limit_per_index is None:
        place.field("backoffLimitPerIndex").required("when maxFailedIndexes is specified")
    if spec.completion_mode is not None:
        place.field("completionMode").one_of(spec.completion_mode, (batch.INDEXED, batch.NON_INDEXED))
    if spec.completion_mode == batch.INDEXED:
        _indexed(spec, place)
    else:
        _not_indexed(spec, place)
    job_policies.pod_failure_policy(spec, place.field("podFailurePolicy"))
    job_policies.success_policy(spec, place.field("successPolicy"))
    _replacement(spec, place.field("podReplacementPolicy"))
    if spec.managed_by:
        place.field("managedBy").invalid_each(spec.managed_by, syntax.label_key(spec.managed_by))
    _template(spec, place.field("template"))


_COUNTS = (
    "parallelism",
    "completions",
    "active_deadline_seconds",
    "backoff_limit",
    "ttl_seconds_after_finished",
    "backoff_limit_per_index",
    "max_failed_indexes",
)


def _wire(name: str) -> str:
    return {field.name: field.encode_name for field in msgspec.structs.fields(batch.JobSpec)}[name]


def _indexed(spec: batch.JobSpec, place: Place) -> None:
    completions, parallelism, failed = spec.completions, spec.parallelism or 0, spec.max_failed_indexes
    if completions is None:
        place.field("completions").required("when completion mode is Indexed")
        return
    if completions > INDEXED_COMPLETIONS_MAX:
        why = f"must be less than or equal to {INDEXED_COMPLETIONS_MAX} when completion mode is Indexed"
        place.field("completions").invalid(completions, why)
    if parallelism > INDEXED_PARALLELISM_MAX:
        why = f"must be less than or equal to {INDEXED_PARALLELISM_MAX} when completion mode is Indexed"
        place.field("parallelism").invalid(parallelism, why)
    if failed is not None and failed > completions:
        place.field("maxFailedIndexes").invalid(failed, "must be less than or equal to completions")


def _not_indexed(spec: batch.JobSpec, place: Place) -> None:
    for name in ("backoff_limit_per_index", "max_failed_indexes"):
        if getattr(spec, name) is not None:
            place.field(_wire(name)).invalid(getattr(spec, name), "requires indexed completion mode")


def _replacement(spec: batch.JobSpec, place: Place) -> None:
    policy = spec.pod_replacement_policy
    if policy is None:
        return
    if spec.pod_failure_policy and policy != "Failed":
        place.unsupported(policy, ("Failed",))
    else:
        place.one_of(policy, REPLACEMENT_POLICIES)


def _template(spec: batch.JobSpec, place: Place) -> None:
    pod.finite_template(spec.template, place)
    restart = place.field("spec").field("restartPolicy")
    policy = spec.template.spec.restart_policy
    if policy in ("", "Always"):
        restart.required(f"valid values: {', '.join(map(_quoted, RESTART_POLICIES))}")
    elif policy not in RESTART_POLICIES:
        restart.unsupported(policy, RESTART_POLICIES)
    elif spec.pod_failure_policy and policy != "Never":
        restart.invalid(policy, 'only "Never" is supported when podFailurePolicy is specified')


def _quoted(text: str) -> str:
    return f'"{text}"'


def _generated(value: batch.Job, place: Place) -> None:
    """Check that a selector that the server makes is the one it would have made."""
    wanted = batch_defaults.generated_labels(value.metadata)
    labels = value.spec.template.metadata.labels
    inner = place.field("template").field("metadata").field("labels")
    for key, text in wanted.items():
        if key not in labels:
            inner.key(key).required(f"must be '{text}'")
        elif labels[key] != text:
            inner.key(key).invalid(labels, f"must be '{text}'")
    selector = value.spec.selector
    if selector is not None and not selectors.from_labels(selector)(wanted):
        place.field("selector").invalid(selector, "`selector` not auto-generated")


def _unchanged(new: batch.JobSpec, old: batch.JobSpec, name: str, place: Place) -> None:
    if getattr(new, name) != getattr(old, name):
        place.field(_wire(name)).invalid(getattr(new, name), meta.IMMUTABLE)


def _scales(new: batch.JobSpec, old: batch.JobSpec) -> bool:
    """Whether an Indexed Job becomes larger or smaller as a whole. Source: KEP-3715."""
    both = old.completions is not None and new.completions is not None
    elastic = both and old.completions == old.parallelism and new.completions == new.parallelism
    return elastic and new.completion_mode == batch.INDEXED


def _permitted(new: PodTemplateSpec, old: batch.Job) -> PodTemplateSpec:
    """Return the old template with what may change as it is in the new one: where to run, before it ever ran."""
    template = old.spec.template
    suspended = bool(old.spec.suspend) and old.status.start_time is None
    if not suspended:
        return template
    metadata = msgspec.structs.replace(
        template.metadata, labels=new.metadata.labels, annotations=new.metadata.annotations
    )
    where = {name: getattr(new.spec, name) for name in SCHEDULING_FIELDS if hasattr(new.spec, name)}
    spec = msgspec.structs.replace(template.spec, **where)
    return msgspec.structs.replace(template, metadata=metadata, spec=spec)


SCHEDULING_FIELDS = ("node_selector", "tolerations", "affinity")
"""Of a Pod's spec, KEP-2926."""
