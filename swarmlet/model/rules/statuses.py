"""Rules of what is written to `/status`: what a controller of somebody's, or a person, says of an object.

swarmlet's own controllers and agents write theirs past this door; what they read, they wrote, or it passed here.
Source: kubernetes pkg/apis/*/validation (Validate...Status and Validate...StatusUpdate).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from swarmlet.model import (
    apps,
    apps_sets,
    autoscaling,
    batch,
    core,
    indexes,
    ip_families,
    pod,
    policy,
    quotas,
    services,
    storage,
    syntax,
)
from swarmlet.model.meta import Object
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules.container import amount_of

INDEXES_MAX = 100_000
"""That a status may say are done or failed: whoever counts on holds each of them."""

_STATUS = "status"
"""The name of a field that only some kinds have."""

Rule = Callable[[Any, Any, Problems], None]

_COUNTS: Mapping[type[Object], Sequence[str]] = {
    apps.Deployment: (
        "observed_generation", "replicas", "updated_replicas", "ready_replicas", "available_replicas",
        "unavailable_replicas", "terminating_replicas", "collision_count",
    ),
    apps.ReplicaSet: (
        "replicas", "fully_labeled_replicas", "ready_replicas", "available_replicas", "observed_generation",
    ),
    apps_sets.StatefulSet: (
        "replicas", "ready_replicas", "current_replicas", "updated_replicas", "available_replicas",
        "observed_generation", "collision_count",
    ),
    apps_sets.DaemonSet: (
        "current_number_scheduled", "number_misscheduled", "desired_number_scheduled", "number_ready",
        "observed_generation", "updated_number_scheduled", "number_available", "number_unavailable", "collision_count",
    ),
    batch.Job: ("active", "succeeded", "failed", "ready", "terminating"),
    autoscaling.HorizontalPodAutoscaler: ("current_replicas", "desired_replicas"),
    policy.PodDisruptionBudget: ("disruptions_allowed", "current_healthy", "desired_healthy", "expected_pods"),
}  # fmt: skip
_AT_MOST: Mapping[type[Object], Sequence[tuple[str, str]]] = {
    apps.Deployment: (
        ("updated_replicas", "replicas"),
        ("ready_replicas", "replicas"),
        ("available_replicas", "replicas"),
        ("available_replicas", "ready_replicas"),
    ),
    apps.ReplicaSet: (
        ("fully_labeled_replicas", "replicas"),
        ("ready_replicas", "replicas"),
        ("available_replicas", "replicas"),
        ("available_replicas", "ready_replicas"),
    ),
    apps_sets.StatefulSet: (
        ("ready_replicas", "replicas"),
        ("current_replicas", "replicas"),
        ("updated_replicas", "replicas"),
        ("available_replicas", "replicas"),
        ("available_replicas", "ready_replicas"),
    ),
}
"""A count that cannot be greater than another."""


def status(new: Object, old: Object, problems: Problems) -> None:
    """Check the status of `new`, which is `old` with another status."""
    place, value = problems.at("status"), getattr(new, _STATUS, None)
    if value is None:
        return
    wire = {each.name: each.encode_name for each in msgspec.structs.fields(value)}
    for name in _COUNTS.get(type(new), ()):
        place.field(wire[name]).not_negative(getattr(value, name))
    for name, other in _AT_MOST.get(type(new), ()):
        if (getattr(value, name) or 0) > (getattr(value, other) or 0):
            place.field(wire[name]).invalid(getattr(value, name), f"cannot be greater than status.{wire[other]}")
    rule = _RULES.get(type(new))
    if rule:
        rule(new, old, problems)


def _pod(new: pod.Pod, _old: pod.Pod, problems: Problems) -> None:
    place, told = problems.at("status"), new.status
    if told.nominated_node_name:
        inner = place.field("nominatedNodeName")
        inner.invalid_each(told.nominated_node_name, syntax.dns_subdomain(told.nominated_node_name))
    for name, text in (("hostIP", told.host_ip), ("podIP", told.pod_ip)):
        if text:
            _address(text, place.field(name))
    for inner, each in place.field("podIPs").each(told.pod_ips):
        _address(each.ip, inner.field("ip"))
    if told.pod_ip and told.pod_ips and told.pod_ips[0].ip != told.pod_ip:
        place.field("podIPs").key(0).invalid(told.pod_ips[0].ip, "must be equal to `podIP`")


def _node(new: core.Node, _old: core.Node, problems: Problems) -> None:
    place = problems.at("status")
    seen: set[core.NodeAddress] = set()
    for inner, each in place.field("addresses").each(new.status.addresses):
        if each in seen:
            inner.duplicate(each.address)
        seen.add(each)
        if each.type in ("InternalIP", "ExternalIP"):
            _address(each.address, inner.field("address"))
    for name, amounts in (("capacity", new.status.capacity), ("allocatable", new.status.allocatable)):
        _amounts(amounts, place.field(name))


def _service(new: services.Service, _old: services.Service, problems: Problems) -> None:
    ingress = problems.at("status").field("loadBalancer").field("ingress")
    if new.status.load_balancer.ingress and new.spec.type != "LoadBalancer":
        ingress.forbidden("may only be used when `spec.type` is LoadBalancer")
    for inner, each in ingress.each(new.status.load_balancer.ingress):
        if each.ip:
            _address(each.ip, inner.field("ip"))
        if each.hostname:
            inner.field("hostname").invalid_each(each.hostname, syntax.dns_subdomain(each.hostname))
            if ip_families.is_address(each.hostname):
                inner.field("hostname").invalid(each.hostname, "must be a DNS name, not an IP address")


def _job(new: batch.Job, _old: batch.Job, problems: Problems) -> None:
    place, told = problems.at("status"), new.status
    indexed = new.spec.completion_mode == batch.INDEXED
    for name, text in (("completedIndexes", told.completed_indexes), ("failedIndexes", told.failed_indexes or "")):
        if text and not indexed:
            place.field(name).invalid(text, f"cannot set non-empty {name} when non-indexed completion mode")
        elif text:
            _indexes(text, new.spec.completions or 0, place.field(name))


def _indexes(text: str, completions: int, place: Place) -> None:
    try:
        found = indexes.intervals(text)
    except ValueError as error:
        place.invalid(text, f"error parsing indexes: {error}")
        return
    if found and found[-1][1] >= completions:
        place.invalid(text, f"too large index: {found[-1][1]}: there are {completions} completions")
    elif (named := indexes.count(found, completions)) > INDEXES_MAX:
        place.too_many(named, INDEXES_MAX)


def _namespace(new: core.Namespace, _old: core.Namespace, problems: Problems) -> None:
    place, phase = problems.at("status").field("phase"), new.status.phase
    if new.metadata.deletion_timestamp is None and phase not in ("", "Active"):
        place.invalid(phase, "may only be 'Active' if `deletionTimestamp` is empty")
    elif new.metadata.deletion_timestamp is not None and phase not in ("", "Terminating"):
        place.invalid(phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")


def _quota(new: quotas.ResourceQuota, _old: quotas.ResourceQuota, problems: Problems) -> None:
    place = problems.at("status")
    _amounts(new.status.hard, place.field("hard"))
    _amounts(new.status.used, place.field("used"))


def _claim(new: storage.PersistentVolumeClaim, _old: storage.PersistentVolumeClaim, problems: Problems) -> None:
    _amounts(new.status.capacity, problems.at("status").field("capacity"))


_RULES: Mapping[type[Object], Rule] = {
    pod.Pod: _pod,
    core.Node: _node,
    core.Namespace: _namespace,
    services.Service: _service,
    batch.Job: _job,
    quotas.ResourceQuota: _quota,
    storage.PersistentVolumeClaim: _claim,
}


def _amounts(amounts: Mapping[str, str], place: Place) -> None:
    for name, text in amounts.items():
        if (amount_of(text, place.key(name)) or 0) < 0:
            place.key(name).invalid(text, "must be greater than or equal to 0")


def _address(text: str, place: Place) -> None:
    if not ip_families.is_address(text):
        place.invalid(text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
