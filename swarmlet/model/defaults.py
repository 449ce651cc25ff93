"""What the API server fills in where a user said nothing.

`fill` is idempotent, and it touches no field that has a value. Source: k8s.io/kubernetes/pkg/apis/*/v1/defaults.go.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from swarmlet.model import (
    apiextensions,
    apps,
    apps_sets,
    autoscaling,
    autoscaling_defaults,
    batch,
    batch_defaults,
    core,
    network_policy,
    pod,
    pod_network,
    pods,
    probe_defaults,
    quota_defaults,
    quotas,
    rbac,
    rbac_defaults,
    scheduling,
    security,
    service_defaults,
    services,
    source_defaults,
    storage,
    storage_defaults,
)
from swarmlet.model.base import ApiStruct
from swarmlet.model.container import Container, ContainerPort
from swarmlet.model.meta import Object

REPLICAS = 1
REVISION_HISTORY_LIMIT = 10
PROGRESS_DEADLINE_SECONDS = 600
ROLLING_SHARE = "25%"
UNAVAILABLE = 1
"""Pods of a StatefulSet or DaemonSet that an update may take at a time."""
TERMINATION_GRACE_SECONDS = 30
SCHEDULER_NAME = "default-scheduler"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
NAMESPACE_FINALIZER = "kubernetes"

Part = TypeVar("Part", bound=ApiStruct)


def fill(value: Object) -> Object:
    """Return the object with Kubernetes' defaults filled in."""
    filler = _FILLERS.get(type(value))
    filled: Object = filler(value) if filler else value
    return filled


def pull_policy(image: str) -> str:
    """Return the policy of an image: Always for the tag latest or none, else IfNotPresent."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _with(part: Part, **values: Any) -> Part:
    """Return `part` with `values` in the fields that are empty: "", 0, None, () or {}."""
    missing = {name: value for name, value in values.items() if not getattr(part, name) and value}
    return msgspec.structs.replace(part, **missing) if missing else part


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _deployment(value: apps.Deployment) -> apps.Deployment:
    spec = value.spec
    return msgspec.structs.replace(
        value,
        spec=msgspec.structs.replace(
            spec,
            replicas=_or(spec.replicas, REPLICAS),
            strategy=_strategy(spec.strategy),
            revision_history_limit=_or(spec.revision_history_limit, REVISION_HISTORY_LIMIT),
            progress_deadline_seconds=_or(spec.progress_deadline_seconds, PROGRESS_DEADLINE_SECONDS),
            template=_template(spec.template),
        ),
    )


def _strategy(strategy: apps.DeploymentStrategy) -> apps.DeploymentStrategy:
    strategy = _with(strategy, type="RollingUpdate")
    if strategy.type != "RollingUpdate":
        return strategy
    given = strategy.rolling_update or apps.RollingUpdateDeployment()
    rolling = apps.RollingUpdateDeployment(
        max_unavailable=ROLLING_SHARE if given.max_unavailable is None else given.max_unavailable,
        max_surge=ROLLING_SHARE if given.max_surge is None else given.max_surge,
    )
    return msgspec.structs.replace(strategy, rolling_update=rolling)


def _replica_set(value: apps.ReplicaSet) -> apps.ReplicaSet:
    spec = value.spec
    filled = msgspec.structs.replace(spec, replicas=_or(spec.replicas, REPLICAS), template=_template(spec.template))
    return msgspec.structs.replace(value, spec=filled)


def _stateful_set(value: apps_sets.StatefulSet) -> apps_sets.StatefulSet:
    spec = value.spec
    policy = spec.persistent_volume_claim_retention_policy or apps_sets.ClaimRetentionPolicy()
    filled = msgspec.structs.replace(
        _with(spec, pod_management_policy=apps_sets.ORDERED_READY),
        replicas=_or(spec.replicas, REPLICAS),
        update_strategy=_stateful_set_strategy(spec.update_strategy),
        revision_history_limit=_or(spec.revision_history_limit, REVISION_HISTORY_LIMIT),
        persistent_volume_claim_retention_policy=_with(
            policy, when_deleted=apps_sets.RETAIN, when_scaled=apps_sets.RETAIN
        ),
        template=_template(spec.template),
        volume_claim_templates=tuple(map(storage_defaults.template, spec.volume_claim_templates)),
    )
    return msgspec.structs.replace(value, spec=filled)


def _stateful_set_strategy(strategy: apps_sets.StatefulSetUpdateStrategy) -> apps_sets.StatefulSetUpdateStrategy:
    strategy = _with(strategy, type=apps_sets.ROLLING_UPDATE)
    if strategy.type != apps_sets.ROLLING_UPDATE:
        return strategy
    given = strategy.rolling_update or apps_sets.RollingUpdateStatefulSet()
    rolling = apps_sets.RollingUpdateStatefulSet(
        partition=_or(given.partition, 0),
        max_unavailable=UNAVAILABLE if given.max_unavailable is None else given.max_unavailable,
    )
    return msgspec.structs.replace(strategy, rolling_update=rolling)


def _daemon_set(value: apps_sets.DaemonSet) -> apps_sets.DaemonSet:
    spec = value.spec
    filled = msgspec.structs.replace(
        spec,
        update_strategy=_daemon_set_strategy(spec.update_strategy),
        revision_history_limit=_or(spec.revision_history_limit, REVISION_HISTORY_LIMIT),
        template=_template(spec.template),
    )
    return msgspec.structs.replace(value, spec=filled)


def _daemon_set_strategy(strategy: apps_sets.DaemonSetUpdateStrategy) -> apps_sets.DaemonSetUpdateStrategy:
    strategy = _with(strategy, type=apps_sets.ROLLING_UPDATE)
    if strategy.type != apps_sets.ROLLING_UPDATE:
        return strategy
    given = strategy.rolling_update or apps_sets.RollingUpdateDaemonSet()
    rolling = apps_sets.RollingUpdateDaemonSet(
        max_unavailable=UNAVAILABLE if given.max_unavailable is None else given.max_unavailable,
        max_surge=0 if given.max_surge is None else given.max_surge,
    )
    return msgspec.structs.replace(strategy, rolling_update=rolling)


def _job(value: batch.Job) -> batch.Job:
    return batch_defaults.job(value, _template(value.spec.template))


def _cron_job(value: batch.CronJob) -> batch.CronJob:
    return batch_defaults.cron_job(value, _template(value.spec.job_template.spec.template))


def _template(template: pod.PodTemplateSpec) -> pod.PodTemplateSpec:
    return msgspec.structs.replace(template, spec=_pod_spec(template.spec))


def requesting(value: pod.Pod) -> pod.Pod:
    """Return a Pod whose containers ask for what they are limited to, where they ask for nothing themselves."""
    everyone = (*value.spec.containers, *value.spec.init_containers)
    if all(each.resources.limits.keys() <= each.resources.requests.keys() for each in everyone):
        return value
    return msgspec.structs.replace(value, spec=_requesting_spec(value.spec))


def _requesting_spec(spec: pod.PodSpec) -> pod.PodSpec:
    return msgspec.structs.replace(
        spec,
        containers=tuple(map(_requesting, spec.containers)),
        init_containers=tuple(map(_requesting, spec.init_containers)),
    )


def _pod(value: pod.Pod) -> pod.Pod:
    spec = _requesting_spec(_pod_spec(value.spec))
    status = _with(value.status, phase="Pending", qos_class=pods.qos_class(spec))
    return msgspec.structs.replace(value, spec=spec, status=status)


def _pod_spec(spec: pod.PodSpec) -> pod.PodSpec:
    grace = _or(spec.termination_grace_period_seconds, TERMINATION_GRACE_SECONDS)
    filled = msgspec.structs.replace(
        spec,
        containers=tuple(_container(each, host_network=spec.host_network) for each in spec.containers),
        init_containers=tuple(_container(each, host_network=spec.host_network) for each in spec.init_containers),
        volumes=tuple(map(source_defaults.volume, spec.volumes)),
        termination_grace_period_seconds=grace,
    )
    if filled.enable_service_links is None:
        filled = msgspec.structs.replace(filled, enable_service_links=True)
    return _with(
        filled,
        restart_policy="Always",
        scheduler_name=SCHEDULER_NAME,
        dns_policy=pod_network.CLUSTER_FIRST,
        security_context=security.NOTHING,
    )


def _container(container: Container, *, host_network: bool) -> Container:
    filled = msgspec.structs.replace(
        source_defaults.environment(container),
        ports=tuple(_port(each, host_network=host_network) for each in container.ports),
    )
    filled = probe_defaults.container(filled)
    return _with(filled, image_pull_policy=pull_policy(container.image) if container.image else "")


def _port(port: ContainerPort, *, host_network: bool) -> ContainerPort:
    return _with(port, protocol="TCP", host_port=port.container_port if host_network else 0)


def _requesting(container: Container) -> Container:
    """Ask for what the container is limited to, where it asks for nothing itself."""
    resources = container.resources
    if not resources.limits:
        return container
    requests = {**resources.limits, **resources.requests}
    return msgspec.structs.replace(container, resources=msgspec.structs.replace(resources, requests=requests))


def _secret(value: core.Secret) -> core.Secret:
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in value.string_data.items()}
    merged = msgspec.structs.replace(value, data={**value.data, **encoded}, string_data={})
    return _with(merged, type="Opaque")


def _namespace(value: core.Namespace) -> core.Namespace:
    labels = {**value.metadata.labels, NAMESPACE_LABEL: value.metadata.name}
    finalizers = () if value.metadata.deletion_timestamp else (NAMESPACE_FINALIZER,)
    return msgspec.structs.replace(
        value,
        metadata=msgspec.structs.replace(value.metadata, labels=labels),
        spec=_with(value.spec, finalizers=finalizers),
        status=_with(value.status, phase="Active"),
    )


_FILLERS: dict[type[Object], Callable[[Any], Object]] = {
    apps.Deployment: _deployment,
    apps.ReplicaSet: _replica_set,
    apps_sets.StatefulSet: _stateful_set,
    apps_sets.DaemonSet: _daemon_set,
    batch.Job: _job,
    batch.CronJob: _cron_job,
    autoscaling.HorizontalPodAutoscaler: autoscaling_defaults.horizontal_pod_autoscaler,
    pod.Pod: _pod,
    core.Secret: _secret,
    core.Namespace: _namespace,
    rbac.RoleBinding: rbac_defaults.binding,
    rbac.ClusterRoleBinding: rbac_defaults.binding,
    quotas.LimitRange: quota_defaults.limit_range,
    storage.PersistentVolumeClaim: storage_defaults.claim,
    storage.PersistentVolume: storage_defaults.volume,
    storage.StorageClass: storage_defaults.storage_class,
    scheduling.PriorityClass: scheduling.with_defaults,
    services.Service: service_defaults.service,
    network_policy.NetworkPolicy: network_policy.with_defaults,
    services.EndpointSlice: service_defaults.endpoint_slice,
    apiextensions.CustomResourceDefinition: apiextensions.filled,
}
