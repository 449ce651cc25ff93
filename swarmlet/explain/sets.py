"""Why a StatefulSet or a DaemonSet has not the Pods that it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from swarmlet.explain import groups
from swarmlet.explain.case import Case, about, by_event, listed, number, plural
from swarmlet.explain.findings import ERROR, WARNING, Finding, severity_of, worst_first
from swarmlet.explain.happenings import last_seen
from swarmlet.model import objects, pods
from swarmlet.model.apps_sets import DaemonSet, StatefulSet
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod

FAILED = ("FailedCreate", "FailedUpdate", "WaitsForFencing", "FailedDaemonPod")
RECOVERED = ("SuccessfulCreate",)


def explain_stateful(case: Case, value: Object) -> list[Finding]:
    """Return how a StatefulSet is: which ordinal holds up the others, and why."""
    stateful_set = cast("StatefulSet", value)
    status = stateful_set.status
    wanted = 1 if stateful_set.spec.replicas is None else stateful_set.spec.replicas
    everyone = case.pods_of(stateful_set)
    found = [*_failed(case, stateful_set), *groups.troubles(case, everyone), *_leaving(everyone)]
    found += _in_order(stateful_set, everyone, wanted)
    if status.update_revision and status.current_revision != status.update_revision:
        updated = f"{status.updated_replicas} of {wanted} replicas are of the newest revision {status.update_revision}"
        text = f"its rollout is under way: {updated}"
        found.append(Finding(text=text, severity=WARNING, about=about(stateful_set), source="status.updateRevision"))
    ready = f"of {plural(wanted, 'replica')} {number(status.ready_replicas, 'ready')}"
    headline = Finding(
        text=f"StatefulSet {stateful_set.metadata.name}: {ready}",
        severity=ERROR if status.ready_replicas < wanted else severity_of(found),
        about=about(stateful_set),
        source="status",
        causes=worst_first(found),
    )
    return [headline]


def explain_daemon(case: Case, value: Object) -> list[Finding]:
    """Return how a DaemonSet is: on how many nodes it is to run, and what is wrong where it does not."""
    daemon_set = cast("DaemonSet", value)
    status = daemon_set.status
    everyone = case.pods_of(daemon_set)
    found = [*_failed(case, daemon_set), *groups.troubles(case, everyone)]
    if status.updated_number_scheduled < status.desired_number_scheduled:
        numbers = (
            f"{status.updated_number_scheduled} of {status.desired_number_scheduled} Pods are of the newest revision"
        )
        held = daemon_set.spec.update_strategy.type == "OnDelete"
        text = f"its rollout {'waits for its Pods to be deleted (OnDelete)' if held else 'is under way'}: {numbers}"
        found.append(Finding(text=text, severity=WARNING, about=about(daemon_set), source="status"))
    if status.number_misscheduled:
        text = f"it runs on {plural(status.number_misscheduled, 'node')} where it should not"
        found.append(Finding(text=text, severity=WARNING, about=about(daemon_set), source="status.numberMisscheduled"))
    if not status.desired_number_scheduled:
        text = "no node fits its Pods: see spec.template.spec.nodeSelector, affinity and tolerations"
        found.append(Finding(text=text, severity=WARNING, about=about(daemon_set), source="status"))
    wanted = plural(status.desired_number_scheduled, "node")
    headline = Finding(
        text=f"DaemonSet {daemon_set.metadata.name}: ready on {status.number_ready} of {wanted}",
        severity=ERROR if status.number_ready < status.desired_number_scheduled else severity_of(found),
        about=about(daemon_set),
        source="status",
        causes=worst_first(found),
    )
    return [headline]


def _failed(case: Case, value: Object) -> Iterator[Finding]:
    """Yield what its controller could not do last, unless it could since."""
    failed, done = case.event(value, *FAILED), case.event(value, *RECOVERED)
    if failed is None:
        return
    failed_at, done_at = last_seen(failed), last_seen(done) if done else None
    if failed_at and (done_at is None or done_at < failed_at):
        yield by_event(value, failed, severity=ERROR if failed.reason.startswith("Failed") else WARNING)


def _leaving(everyone: list[Pod]) -> Iterator[Finding]:
    """Yield which Pods are waited for: another of the same name comes only after their end."""
    for pod in everyone:
        if objects.is_terminating(pod):
            where = f" on {pod.spec.node_name}" if pod.spec.node_name else ""
            text = f"Pod {pod.metadata.name}{where} must have ended before another takes its place"
            yield Finding(
                text=text, severity=WARNING, since=pod.metadata.deletion_timestamp, about=about(pod), source="metadata"
            )


def _in_order(stateful_set: StatefulSet, everyone: list[Pod], wanted: int) -> Iterator[Finding]:
    """Yield that Pods are made one after another, and which one is waited for."""
    if stateful_set.spec.pod_management_policy == "Parallel" or len(everyone) >= wanted:
        return
    unready = [pod.metadata.name for pod in everyone if not pods.is_ready(pod)]
    if unready:
        missing = wanted - len(everyone)
        more = plural(missing, "more Pod waits", "more Pods wait")
        text = f"{more} for {listed(unready)} to be ready (podManagementPolicy OrderedReady)"
        yield Finding(text=text, severity=WARNING, about=about(stateful_set), source="now")
