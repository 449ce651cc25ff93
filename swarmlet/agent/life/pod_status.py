"""The status of a Pod, read off what the machine knows: phase, conditions, container statuses. Pure.

Source: kubernetes pkg/kubelet, kubelet_pods.go (getPhase) and status/generate.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from swarmlet.agent.life import container_order
from swarmlet.agent.life.container_life import Life, Record
from swarmlet.agent.life.stimuli import Fail
from swarmlet.model import conditions, objects, pods
from swarmlet.model.base import clock_time
from swarmlet.model.meta import Condition
from swarmlet.model.pod import Pod
from swarmlet.model.pod_status import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateWaiting,
    ContainerStatus,
    PodIP,
    PodStatus,
)

TERMINAL_PHASES = ("Succeeded", "Failed")
EVICTED = "Evicted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a status is made of. `network_ready`: the Pod's network stands, by its sandbox or its only container.

    `failure`: why the node has given the Pod up.
    """

    pod: Pod
    inits: Sequence[Record]
    mains: Sequence[Record]
    host_ip: str
    pod_ips: tuple[str, ...]
    network_ready: bool
    id_scheme: str
    failure: Fail | None = None


def is_terminal(pod: Pod) -> bool:
    """Whether the stored status says that the Pod has ended for good: no later one may say otherwise."""
    return pod.status.phase in TERMINAL_PHASES


def _phase(facts: Facts) -> str:
    """Return Pending, Running, Succeeded or Failed; the last two only once no container runs any more.

    A Pod that was deleted has failed unless all had succeeded.
    """
    records = (*facts.inits, *facts.mains)
    if not any(record.life in container_order.LIVING for record in records):
        if objects.is_terminating(facts.pod):
            return "Succeeded" if all(record.succeeded for record in records if not record.is_sidecar) else "Failed"
        outcome = container_order.outcome(facts.inits, facts.mains, facts.pod.spec.restart_policy)
        if facts.failure or outcome:
            return "Failed" if facts.failure else outcome
    initializing = any(not record.succeeded for record in facts.inits if not record.is_sidecar)
    return "Pending" if initializing or any(_never_ran(record) for record in facts.mains) else "Running"


def make(facts: Facts, previous: PodStatus, now: datetime) -> PodStatus:
    """Return the whole status; times of conditions that did not change are those of `previous`."""
    told = previous.conditions
    current_phase = _phase(facts)
    for condition in _conditions(facts, current_phase):
        told = conditions.put(told, condition, now)
    is_over = current_phase in TERMINAL_PHASES
    pod_ips = previous.pod_ips if is_over else tuple(PodIP(ip=each) for each in facts.pod_ips)
    return PodStatus(
        phase=current_phase,
        reason=facts.failure.reason if facts.failure else "",
        message=facts.failure.message if facts.failure else "",
        conditions=told,
        host_ip=facts.host_ip,
        pod_ip=pod_ips[0].ip if pod_ips else "",
        pod_ips=pod_ips,
        start_time=previous.start_time or clock_time(now),
        init_container_statuses=tuple(_container(record, facts, now) for record in facts.inits),
        container_statuses=tuple(_container(record, facts, now) for record in facts.mains),
        qos_class=previous.qos_class or pods.qos_class(facts.pod.spec),
        observed_generation=facts.pod.metadata.generation,
    )


def _conditions(facts: Facts, current_phase: str) -> Sequence[Condition]:
    scheduled = conditions.get(facts.pod.status.conditions, "PodScheduled")
    sidecars = [record for record in facts.inits if record.is_sidecar]
    unready = [record.name for record in (*sidecars, *facts.mains) if not record.ready]
    has_begun = any(not _never_ran(record) for record in facts.mains)  # a sidecar that restarts later holds up nobody
    uninitialized = [
        record.name
        for record in facts.inits
        if not container_order.is_initialized(record) and not (has_begun and record.is_sidecar)
    ]
    found = [
        _condition("PodReadyToStartContainers", holds=facts.network_ready),
        _condition("Initialized", "ContainersNotInitialized", "incomplete", uninitialized),
        *(
            _finished(type_, current_phase) if current_phase in TERMINAL_PHASES else
            _condition(type_, "ContainersNotReady", "unready", unready, holds=not uninitialized)
            for type_ in ("Ready", "ContainersReady")
        ),
    ]  # fmt: skip
    if facts.failure and facts.failure.reason == EVICTED:
        found.append(
            Condition(
                type="DisruptionTarget",
                status="True",
                reason="TerminationByKubelet",
                message=facts.failure.message,
            )
        )
    if scheduled is None or scheduled.status != "True":
        found.append(_condition("PodScheduled"))
    return found


def _condition(
    type_: str, reason: str = "", adjective: str = "", missing: Sequence[str] = (), *, holds: bool = True
) -> Condition:
    if holds and not missing:
        return Condition(type=type_, status="True")
    message = f"containers with {adjective} status: [{' '.join(missing)}]" if missing else ""
    return Condition(type=type_, status="False", reason=reason, message=message)


def _finished(type_: str, phase: str) -> Condition:
    return Condition(type=type_, status="False", reason="PodCompleted" if phase == "Succeeded" else "PodFailed")


def _never_ran(record: Record) -> bool:
    return not record.is_up and record.terminated is None


def _container(record: Record, facts: Facts, now: datetime) -> ContainerStatus:
    state = _state(record, facts, now)
    last = record.last_terminated
    if state.waiting is not None:
        last = record.terminated or last
    container_id = record.current.id if record.current else (last.container_id if last else "")
    return ContainerStatus(
        name=record.name,
        state=_with_scheme(state, facts.id_scheme),
        last_state=_with_scheme(ContainerState(terminated=last), facts.id_scheme),
        ready=record.succeeded if record.is_init and not record.is_sidecar else record.ready,
        restart_count=record.attempt,
        image=record.spec.image,
        image_id=record.image_id,
        container_id=_prefixed(container_id, facts.id_scheme),
        started=record.started,
    )


def _state(record: Record, facts: Facts, now: datetime) -> ContainerState:
    if record.is_up:
        started = record.current.started_at if record.current else None
        return ContainerState(running=ContainerStateRunning(started_at=clock_time(started) if started else None))
    if record.life is not Life.BACK_OFF and record.terminated is not None:
        return ContainerState(terminated=record.terminated)
    return ContainerState(waiting=_waiting(record, facts, now))


def _waiting(record: Record, facts: Facts, now: datetime) -> ContainerStateWaiting:
    if record.reason:
        settled = record.reason_settled and record.settles_at is not None and now >= record.settles_at
        return ContainerStateWaiting(reason=record.reason_settled if settled else record.reason, message=record.message)
    if record.has_started and record.condemned:
        return ContainerStateWaiting(reason="PostStartHookError", message="PostStartHook failed")
    uninitialized = any(not container_order.is_initialized(each) for each in facts.inits)
    return ContainerStateWaiting(
        reason="PodInitializing" if facts.inits and (uninitialized or not record.is_init) else "ContainerCreating"
    )


def _prefixed(container_id: str, scheme: str) -> str:
    return f"{scheme}://{container_id}" if container_id and "://" not in container_id else container_id


def _with_scheme(state: ContainerState, scheme: str) -> ContainerState:
    terminated = state.terminated
    if terminated is None or not terminated.container_id:
        return state
    told = msgspec.structs.replace(terminated, container_id=_prefixed(terminated.container_id, scheme))
    return ContainerState(terminated=told)
