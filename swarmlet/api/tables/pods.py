"""A Pod's row in words that users know: Running, Init:0/2, CrashLoopBackOff, Terminating.

Source: kubernetes/pkg/printers/internalversion/printers.go (printPod).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from swarmlet.api.tables.durations import since
from swarmlet.api.tables.shapes import AGE, NAME, NONE, Column, Columns, age
from swarmlet.model import conditions, scheduling
from swarmlet.model.pod import Pod
from swarmlet.model.pod_status import ContainerStateTerminated, ContainerStatus, PodStatus
from swarmlet.model.pods import is_finished, is_sidecar

NODE_LOST = "NodeLost"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a Pod's statuses come to."""

    reason: str
    ready: int
    restarts: int
    last_restart: datetime | None


def cells(pod: Pod, now: datetime) -> list[object]:
    """Return the cells of `kubectl get pods -o wide`."""
    summary = summarize(pod)
    return [
        pod.metadata.name,
        f"{summary.ready}/{len(pod.spec.containers) + sum(map(is_sidecar, pod.spec.init_containers))}",
        summary.reason,
        _restarts(summary, now),
        age(pod, now),
        pod.status.pod_ip or NONE,
        pod.spec.node_name or NONE,
        pod.status.nominated_node_name or NONE,
        NONE,
    ]


def summarize(pod: Pod) -> Summary:
    """Return the STATUS, the ready containers and the restarts of a Pod."""
    reason = pod.status.reason or pod.status.phase
    scheduled = conditions.get(pod.status.conditions, scheduling.POD_SCHEDULED)
    if scheduled and scheduled.reason == scheduling.SCHEDULING_GATED:
        reason = scheduling.SCHEDULING_GATED
    sidecars = _sidecars(pod)
    ready = sum(1 for each in sidecars if each.started and each.ready)
    initializing = _initializing(pod)
    if initializing is not None and not conditions.is_true(pod.status.conditions, "Initialized"):
        statuses: tuple[ContainerStatus, ...] = pod.status.init_container_statuses
        reason = initializing
    else:
        running = sum(1 for each in pod.status.container_statuses if each.ready and each.state.running)
        reason = _running_reason(pod.status, reason, running)
        statuses, ready = (*sidecars, *pod.status.container_statuses), ready + running
    restarts = sum([each.restart_count for each in statuses])
    return Summary(
        reason=_ending_reason(pod, reason),
        ready=ready,
        restarts=restarts,
        last_restart=_last_restart(statuses) if restarts else None,
    )


def _sidecars(pod: Pod) -> list[ContainerStatus]:
    if not pod.spec.init_containers:  # most have none, and a list asks it of each of many
        return []
    names = {each.name for each in pod.spec.init_containers if is_sidecar(each)}
    return [each for each in pod.status.init_container_statuses if each.name in names]


def _initializing(pod: Pod) -> str | None:
    """Return the STATUS that the first unfinished init container gives; None where all are done."""
    sidecars = _sidecars(pod) if pod.status.init_container_statuses else []
    for index, each in enumerate(pod.status.init_container_statuses):
        terminated, waiting = each.state.terminated, each.state.waiting
        if (terminated and terminated.exit_code == 0) or (each in sidecars and each.started):
            continue
        if terminated:
            return "Init:" + (terminated.reason or _exit(terminated))
        if waiting and waiting.reason not in ("", "PodInitializing"):
            return f"Init:{waiting.reason}"
        return f"Init:{index}/{len(pod.spec.init_containers)}"
    return None


def _running_reason(status: PodStatus, reason: str, ready: int) -> str:
    """Return the STATUS that the first container with something to say gives."""
    for each in status.container_statuses:
        waiting, terminated = each.state.waiting, each.state.terminated
        if waiting and waiting.reason:
            reason = waiting.reason
            break
        if terminated:
            reason = terminated.reason or _exit(terminated)
            break
    if reason == "Completed" and ready:
        return "Running" if conditions.is_true(status.conditions, "Ready") else "NotReady"
    return reason


def _ending_reason(pod: Pod, reason: str) -> str:
    if pod.metadata.deletion_timestamp is None:
        return reason
    if pod.status.reason == NODE_LOST:
        return "Unknown"
    return reason if is_finished(pod) else "Terminating"


def _exit(terminated: ContainerStateTerminated) -> str:
    return f"Signal:{terminated.signal}" if terminated.signal else f"ExitCode:{terminated.exit_code}"


def _last_restart(statuses: Iterable[ContainerStatus]) -> datetime | None:
    ended = (each.last_state.terminated for each in statuses)
    return max((each.finished_at for each in ended if each and each.finished_at), default=None)


def _restarts(summary: Summary, now: datetime) -> str:
    if not summary.restarts or not summary.last_restart:
        return str(summary.restarts)
    return f"{summary.restarts} ({since(summary.last_restart, now)} ago)"


POD = Columns(
    (
        NAME,
        Column("Ready", description="The aggregate readiness state of this pod for accepting traffic."),
        Column("Status", description="The aggregate status of the containers in this pod."),
        Column(
            "Restarts",
            description="The number of times the containers in this pod have been restarted and when the last "
            "container in this pod has restarted.",
        ),
        AGE,
        Column("IP", priority=1, field="api.core.v1.PodStatus.podIP"),
        Column("Node", priority=1, field="api.core.v1.PodSpec.nodeName"),
        Column("Nominated Node", priority=1, field="api.core.v1.PodStatus.nominatedNodeName"),
        Column("Readiness Gates", priority=1, field="api.core.v1.PodSpec.readinessGates"),
    ),
    cells,
)
