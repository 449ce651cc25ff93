"""Rules of Pods and of the templates they are made from. `volumes` and `container` check the parts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from swarmlet.model import container_options, dependencies, syntax
from swarmlet.model import pod as model
from swarmlet.model.container import Container
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import (
    affinity,
    container,
    meta,
    pod_network,
    priority,
    probes,
    resources,
    runtime_classes,
    scheduling,
    security,
    tolerations,
    topology,
    volumes,
)
from swarmlet.model.singletons import FENCED, STRICT_SINGLETON

RESTART_POLICIES = ("Always", "OnFailure", "Never")

_MAY_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod(value: model.Pod, problems: Problems) -> None:
    """Check a Pod."""
    dependencies.check(value.metadata.annotations, problems.at("metadata").field("annotations"))
    container_options.check(value.metadata.annotations, problems.at("metadata").field("annotations"))
    pod_spec(value.spec, problems.at("spec"))


def pod_update(new: model.Pod, old: model.Pod, problems: Problems) -> None:
    """Check what of a Pod's spec may not change: nearly everything."""
    told = problems.at("metadata").field("annotations")
    if new.metadata.annotations.get(STRICT_SINGLETON) != old.metadata.annotations.get(STRICT_SINGLETON):
        why = "a Pod keeps what it was created with: change the template, or delete it and create it anew"
        told.key(STRICT_SINGLETON).forbidden(why)
    if new.metadata.annotations.get(FENCED) != old.metadata.annotations.get(FENCED):
        told.key(FENCED).forbidden("only the cluster writes it")
    place = problems.at("spec")
    for field in ("containers", "init_containers"):
        if len(getattr(new.spec, field)) != len(getattr(old.spec, field)):
            name = "containers" if field == "containers" else "initContainers"
            place.field(name).forbidden("pod updates may not add or remove containers")
            return
    if not _only_added(new.spec.tolerations, old.spec.tolerations):
        place.field("tolerations").forbidden("existing tolerations can not be modified except its tolerationSeconds")
    probes.active_deadline_update(
        new.spec.active_deadline_seconds, old.spec.active_deadline_seconds, place.field("activeDeadlineSeconds")
    )
    if _with_images_of(scheduling.gates_update(new.spec, old.spec, place), old.spec) != old.spec:
        place.forbidden(_MAY_CHANGE)


def template(value: model.PodTemplateSpec, place: Place) -> None:
    """Check the template of what keeps its Pods running."""
    finite_template(value, place)
    if value.spec.restart_policy not in ("", "Always"):
        place.field("spec").field("restartPolicy").unsupported(value.spec.restart_policy, ("Always",))


def finite_template(value: model.PodTemplateSpec, place: Place) -> None:
    """Check a template whose Pods may end."""
    meta.label_map(value.metadata.labels, place.field("metadata").field("labels"))
    meta.annotation_map(value.metadata.annotations, place.field("metadata").field("annotations"))
    dependencies.check(value.metadata.annotations, place.field("metadata").field("annotations"))
    container_options.check(value.metadata.annotations, place.field("metadata").field("annotations"))
    pod_spec(value.spec, place.field("spec"))


def pod_spec(spec: model.PodSpec, place: Place) -> None:
    """Check a Pod's spec."""
    volume_names = volumes.volumes(spec.volumes, place.field("volumes"))
    _containers(spec, place, volume_names)
    place.field("restartPolicy").one_of(spec.restart_policy, RESTART_POLICIES)
    place.field("terminationGracePeriodSeconds").seconds(spec.termination_grace_period_seconds)
    probes.active_deadline(spec.active_deadline_seconds, place.field("activeDeadlineSeconds"))
    meta.label_map(spec.node_selector, place.field("nodeSelector"))
    if spec.node_name:
        place.field("nodeName").invalid_each(spec.node_name, syntax.dns_subdomain(spec.node_name))
    if spec.hostname:
        place.field("hostname").invalid_each(spec.hostname, syntax.dns_label(spec.hostname))
    if spec.subdomain:
        place.field("subdomain").invalid_each(spec.subdomain, syntax.dns_label(spec.subdomain))
    security.pod(spec, place)
    pod_network.pod(spec, place)
    affinity.affinity(spec.affinity, place.field("affinity"))
    topology.constraints(spec.topology_spread_constraints, place.field("topologySpreadConstraints"))
    scheduling.gates(spec, place)
    priority.pod(spec, place)
    runtime_classes.pod(spec, place)
    tolerations.tolerations(spec.tolerations, place.field("tolerations"))


def _containers(spec: model.PodSpec, place: Place, volume_names: set[str]) -> None:
    if not spec.containers:
        place.field("containers").required()
    names: set[str] = set()
    host_ports: set[str] = set()
    for inner, each in (
        *place.field("initContainers").each(spec.init_containers),
        *place.field("containers").each(spec.containers),
    ):
        container.container(each, inner, volume_names)
        resources.resources(each.resources, inner.field("resources"))
        security.container(each.security_context, inner.field("securityContext"))
        if each.name in names:
            inner.field("name").duplicate(each.name)
        names.add(each.name)
        container.host_ports(each.ports, inner.field("ports"), host_ports, host_network=spec.host_network)
    grace_seconds = spec.termination_grace_period_seconds
    for inner, each in place.field("initContainers").each(spec.init_containers):
        probes.init_container(each, inner, grace_seconds)
    for inner, each in place.field("containers").each(spec.containers):
        probes.container(each, inner, grace_seconds)


def _only_added(new: Sequence[model.Toleration], old: Sequence[model.Toleration]) -> bool:
    """Whether every toleration is still there, be it for another time."""
    timeless = {msgspec.structs.replace(each, toleration_seconds=None) for each in new}
    return all(msgspec.structs.replace(each, toleration_seconds=None) in timeless for each in old)


def _with_images_of(new: model.PodSpec, old: model.PodSpec) -> model.PodSpec:
    """Return `new` with all that may change as it was in `old`."""
    return msgspec.structs.replace(
        new,
        containers=_with_images(new.containers, old.containers),
        init_containers=_with_images(new.init_containers, old.init_containers),
        tolerations=old.tolerations,
        active_deadline_seconds=old.active_deadline_seconds,
    )


def _with_images(new: Sequence[Container], old: Sequence[Container]) -> tuple[Container, ...]:
    pairs = zip(new, old, strict=True)
    return tuple(msgspec.structs.replace(after, image=before.image) for after, before in pairs)
