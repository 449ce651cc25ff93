"""What can be read off a Pod: readiness, availability, what it asks for, its class of service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from swarmlet.model import conditions, ip_families, quantity, scheduling, taints
from swarmlet.model.container import Container
from swarmlet.model.objects import is_terminating
from swarmlet.model.pod import Pod, PodSpec, Toleration

QOS_RESOURCES = ("cpu", "memory")
BEST_EFFORT = "BestEffort"
STANDS_MEMORY_PRESSURE = Toleration(key=taints.MEMORY_PRESSURE, operator="Exists", effect="NoSchedule")


def address(pod: Pod, family: str) -> str:
    """Return its address of a family, "" where it has none: a status may say anything."""
    held = (pod.status.pod_ip, *(each.ip for each in pod.status.pod_ips))
    return ip_families.first(family, filter(ip_families.is_address, held))


def is_finished(pod: Pod) -> bool:
    """Whether its containers have ended for good."""
    return pod.status.phase in ("Succeeded", "Failed")


def is_active(pod: Pod) -> bool:
    """Whether it counts as a replica: neither finished nor about to go."""
    return not is_finished(pod) and not is_terminating(pod)


def is_ready(pod: Pod) -> bool:
    """Whether it may serve, by its Ready condition."""
    return conditions.is_true(pod.status.conditions, "Ready")


def is_available(pod: Pod, now: datetime, min_ready_seconds: int = 0) -> bool:
    """Whether it has been ready for at least `min_ready_seconds`."""
    return available_in(pod, now, min_ready_seconds) == timedelta(0)


def available_in(pod: Pod, now: datetime, min_ready_seconds: int = 0) -> timedelta | None:
    """Return how long until it is available if it stays ready: zero when it is, None while it is not ready."""
    ready = conditions.get(pod.status.conditions, "Ready")
    if ready is None or ready.status != "True":
        return None
    if not min_ready_seconds or ready.last_transition_time is None:
        return timedelta(0)
    return max(timedelta(0), ready.last_transition_time + timedelta(seconds=min_ready_seconds) - now)


def is_sidecar(container: Container) -> bool:
    """Whether it is an init container that runs on beside the others. Only meant for init containers."""
    return container.restart_policy == "Always"


def lasting_containers(spec: PodSpec) -> list[Container]:
    """Return the containers that run for as long as the Pod does: its sidecars and its containers."""
    return [*filter(is_sidecar, spec.init_containers), *spec.containers]


def effective_requests(spec: PodSpec) -> dict[str, int]:
    """Return what a node must have free for the Pod, in thousandths, by resource name.

    The containers run together, with the sidecars, and add up. Before them the other init containers run one by one,
    each beside the sidecars that stand before it, so the largest of those counts where it exceeds that sum.
    What the runtime takes for itself comes on top.
    Source: k8s.io/component-helpers resource.PodRequests, KEP-753.
    """
    sidecars: dict[str, int] = {}
    most: dict[str, int] = {}
    for container in spec.init_containers:
        asked = _with_requests(sidecars, container)
        if is_sidecar(container):
            sidecars = asked
        most = {name: max(most.get(name, 0), asked.get(name, 0)) for name in most | asked}
    total = sidecars
    for container in spec.containers:
        total = _with_requests(total, container)
    total = {name: max(most.get(name, 0), total.get(name, 0)) for name in most | total}
    for name, text in spec.overhead.items():
        total[name] = total.get(name, 0) + quantity.to_milli(text)
    return total


def qos_class(spec: PodSpec) -> str:
    """Return "Guaranteed" (every container's limits are its requests), "BestEffort" (none asks) or "Burstable"."""
    every = (*spec.containers, *spec.init_containers)
    if not any(_asked(each.resources.requests) or _asked(each.resources.limits) for each in every):
        return BEST_EFFORT
    return "Guaranteed" if every and all(map(_is_guaranteed, every)) else "Burstable"


def is_gated(pod: Pod) -> bool:
    """Whether the scheduler is to leave it alone for now."""
    return bool(pod.spec.scheduling_gates)


def admitted(pod: Pod) -> Pod:
    """Return a new Pod with what the control plane adds: one that asks for resources stands memory pressure.

    A Pod of the class BestEffort is the first to go under memory pressure, so it does not come there either.
    One with scheduling gates says in its status that it waits for them.
    Source: kubernetes.io, "Taints and Tolerations", taint nodes by condition; pkg/registry/core/pod/strategy.go.
    """
    if is_gated(pod) and conditions.get(pod.status.conditions, scheduling.POD_SCHEDULED) is None:
        told = msgspec.structs.replace(scheduling.GATED, last_transition_time=pod.metadata.creation_timestamp)
        status = msgspec.structs.replace(pod.status, conditions=(*pod.status.conditions, told))
        pod = msgspec.structs.replace(pod, status=status)
    if qos_class(pod.spec) == BEST_EFFORT or STANDS_MEMORY_PRESSURE in pod.spec.tolerations:
        return pod
    tolerations = (*pod.spec.tolerations, STANDS_MEMORY_PRESSURE)
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, tolerations=tolerations))


def container_names(spec: PodSpec) -> Iterable[str]:
    """Yield the names of all containers, init containers first."""
    return (container.name for container in (*spec.init_containers, *spec.containers))


def _with_requests(total: Mapping[str, int], container: Container) -> dict[str, int]:
    """Return `total` and what the container asks for on top, in thousandths."""
    added = dict(total)
    for name, text in container.resources.requests.items():
        added[name] = added.get(name, 0) + quantity.to_milli(text)
    return added


def images(spec: PodSpec) -> Iterable[str]:
    """Yield the images of all containers."""
    return (container.image for container in (*spec.init_containers, *spec.containers))


def _asked(resources: Mapping[str, str]) -> dict[str, int]:
    amounts = {name: quantity.to_milli(resources[name]) for name in QOS_RESOURCES if name in resources}
    return {name: amount for name, amount in amounts.items() if amount}


def _is_guaranteed(container: Container) -> bool:
    limits = _asked(container.resources.limits)
    requests = _asked(container.resources.requests)
    return len(limits) == len(QOS_RESOURCES) and all(
        requests.get(name, amount) == amount for name, amount in limits.items()
    )
