"""What a container may use and what is kept for it: `deploy.resources`, and the older keys beside it."""

from __future__ import annotations

from swarmlet.manifests.compose.conversion import amounts
from swarmlet.manifests.compose.conversion.draft import Document, ServiceDraft, without_empty
from swarmlet.manifests.compose.model.deploy import Deploy, Limits, Reservations, Resources
from swarmlet.manifests.compose.model.devices import DeviceRequest
from swarmlet.model import syntax

GPU_RESOURCES = {"": "nvidia.com/gpu", "nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu", "intel": "gpu.intel.com/i915"}
"""What Kubernetes' device plugins call the GPUs of a driver; the nodes of a cluster offer them under these names."""
PERIOD_MICROSECONDS = 100_000


def resources(it: ServiceDraft) -> Document:
    """Return the container's `resources`."""
    deploy = (it.service.deploy or Deploy()).resources or Resources()
    limits = _limits(it, deploy.limits or Limits())
    reserved = deploy.reservations or Reservations()
    requests = _requests(it, reserved)
    for request in (*reserved.devices, *it.service.gpus):
        for name, count in _devices(it, request).items():
            limits[name] = str(int(limits.get(name, "0")) + count)
    limits |= _generic(it, reserved)
    return without_empty({"limits": limits, "requests": requests})


def _limits(it: ServiceDraft, limits: Limits) -> dict[str, str]:
    service = it.service
    found: dict[str, str] = {}
    cpus = limits.cpus if limits.cpus is not None else service.cpus
    if cpus is None and service.cpu_quota and service.cpu_quota > 0:
        cpus = service.cpu_quota / (service.cpu_period or PERIOD_MICROSECONDS)
    if cpus:
        found["cpu"] = amounts.cores(cpus)
    memory = limits.memory if limits.memory is not None else service.mem_limit
    if memory:
        found["memory"] = amounts.size(memory)
    for key, value in (("deploy.resources.limits.pids", limits.pids), ("pids_limit", service.pids_limit)):
        if value and value > 0:
            it.warn(key, "ignored: the number of processes is not limited per container")
    if service.memswap_limit is not None and service.memswap_limit != memory:
        it.warn("memswap_limit", "ignored: a container with a memory limit gets no swap")
    return found


def _requests(it: ServiceDraft, reserved: Reservations) -> dict[str, str]:
    found: dict[str, str] = {}
    if reserved.cpus:
        found["cpu"] = amounts.cores(reserved.cpus)
    memory = reserved.memory if reserved.memory is not None else it.service.mem_reservation
    if memory:
        found["memory"] = amounts.size(memory)
    return found


def _devices(it: ServiceDraft, request: DeviceRequest) -> dict[str, int]:
    where = "deploy.resources.reservations.devices" if request not in it.service.gpus else "gpus"
    name = GPU_RESOURCES.get(request.driver)
    if name is None or (request.capabilities and "gpu" not in request.capabilities):
        asked = request.driver or ", ".join(request.capabilities)
        it.warn(where, f"{asked!r} ignored: only GPUs are known by name; others are asked for with generic_resources")
        return {}
    if request.device_ids:
        it.warn(where, "device_ids are not chosen: as many devices as they are, whichever are free on a machine")
    if request.options:
        it.warn(where, "options are ignored: they are those of the machine's device")
    count = request.count if request.count is not None else len(request.device_ids) or 1
    if count < 0:
        it.warn(where, "count: all is not known before the machine is chosen: one device is asked for")
    return {name: max(1, count)}


def _generic(it: ServiceDraft, reserved: Reservations) -> dict[str, str]:
    found: dict[str, str] = {}
    where = "deploy.resources.reservations.generic_resources"
    for each in reserved.generic_resources:
        spec = each.discrete_resource_spec
        if spec is None:
            continue
        if "/" not in spec.kind or syntax.label_key(spec.kind):
            it.warn(where, f"{spec.kind!r} ignored: a resource is called as nodes offer it, like example.com/modem")
            continue
        found[spec.kind] = str(max(1, int(spec.value)))
    return found
