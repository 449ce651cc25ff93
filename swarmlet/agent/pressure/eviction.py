"""Which Pod a node that is short of something gives up first, and what is said about it. Pure.

First those that use more than they asked for, then those of low priority, then those that use the most above what they
asked for. Source: kubernetes pkg/kubelet/eviction/helpers.go (rankMemoryPressure, rankDiskPressureFunc,
evictionMessage).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from swarmlet.agent.pressure.pressures import STORAGE, Shortage, amount
from swarmlet.model import pods, priorities, quantity, thresholds
from swarmlet.model.pod import Pod

EVICTED = "Evicted"
GRACE_SECONDS = 1
"""What SIGTERM is given where a hard threshold is met."""


@dataclass(frozen=True, slots=True)
class Consumption:
    """What a Pod uses of a resource: by container, and outside of them (`volumes`)."""

    containers: Mapping[str, int] = field(default_factory=dict)
    volumes: int = 0

    @property
    def total(self) -> int:
        return sum(self.containers.values()) + self.volumes


@dataclass(frozen=True, slots=True)
class Candidate:
    """A Pod that runs here. `used` is None where that could not be measured: it may be anything."""

    pod: Pod
    used: Consumption | None


def on_disk(used: Consumption, signal: str) -> Consumption:
    """Return what of a Pod's storage lies on the disk of a signal, where the node has two.

    Volumes are on nodefs; what containers write is on imagefs, with the engine's data. Of other signals: all.
    """
    if signal in thresholds.OF_NODEFS:
        return Consumption(volumes=used.volumes)
    return Consumption(used.containers) if signal in thresholds.OF_IMAGEFS else used


def in_order(candidates: Iterable[Candidate], resource: str) -> list[Candidate]:
    """Return the Pods in the order in which they are given up; critical ones never are."""

    def rank(candidate: Candidate) -> tuple[bool, bool, int, int, str]:
        requested = pods.effective_requests(candidate.pod.spec).get(resource, 0) // 1000
        used = candidate.used.total if candidate.used else 0
        return (
            candidate.used is not None,
            used <= requested,
            priorities.of(candidate.pod),
            requested - used,
            candidate.pod.metadata.uid,
        )

    return sorted((each for each in candidates if not priorities.is_critical(each.pod)), key=rank)


def message(candidate: Candidate, shortage: Shortage) -> str:
    """Return why a Pod is given up, in kubelet's words."""
    told = str(shortage)
    for container in candidate.pod.spec.containers:
        used = candidate.used.containers.get(container.name, 0) if candidate.used else 0
        request = container.resources.requests.get(shortage.resource, "0")
        if used > quantity.to_int(request):
            told += (
                f"Container {container.name} was using {amount(shortage.resource, used)}, request is {request}, "
                f"has larger consumption of {shortage.resource}. "
            )
    return told


def over_storage_limit(pod: Pod, used: Consumption) -> str:
    """Return why a Pod must go that takes more of the disk than its containers may; "" where none does.

    Source: kubernetes pkg/kubelet/eviction/eviction_manager.go (localStorageEviction).
    """
    limits = [each.resources.limits[STORAGE] for each in pod.spec.containers if STORAGE in each.resources.limits]
    total = sum(map(quantity.to_int, limits))
    if limits and used.total > total:
        limit = limits[0] if len(limits) == 1 else quantity.from_bytes(total)
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "
    for container in pod.spec.containers:
        limit = container.resources.limits.get(STORAGE, "")
        if limit and used.containers.get(container.name, 0) > quantity.to_int(limit):
            return f'Container {container.name} exceeded its local ephemeral storage limit "{limit}". '
    return ""


def limits_storage(pod: Pod) -> bool:
    """Whether it is to be measured what the Pod takes of the disk."""
    return any(STORAGE in each.resources.limits for each in pod.spec.containers)
