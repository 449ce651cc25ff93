"""Whether an object keeps Kubernetes' rules, and whether one may become another.

    validation.validate(defaults.fill(decoded.object))            # raises InvalidError
    validation.validate_update(new, old)                          # also what may not change

Where several rules are broken, the error tells all of them, as Kubernetes does:
`Deployment.apps "web" is invalid: [spec.replicas: Invalid value: -1: ..., spec.selector: Required value]`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from swarmlet.model import (
    apiextensions,
    apps,
    apps_sets,
    autoscaling,
    batch,
    core,
    kinds,
    network_policy,
    pod,
    policy,
    quotas,
    rbac,
    runtime_classes,
    scheduling,
    service_accounts,
    services,
    storage,
    syntax,
)
from swarmlet.model.meta import Object
from swarmlet.model.problems import Problems, refusal
from swarmlet.model.rules import apps as apps_rules
from swarmlet.model.rules import apps_sets as sets_rules
from swarmlet.model.rules import autoscaling as autoscaling_rules
from swarmlet.model.rules import batch as batch_rules
from swarmlet.model.rules import core as core_rules
from swarmlet.model.rules import cron_job as cron_job_rules
from swarmlet.model.rules import custom_resource_definitions as definition_rules
from swarmlet.model.rules import endpoint_slices as endpoint_slice_rules
from swarmlet.model.rules import limit_ranges as limit_range_rules
from swarmlet.model.rules import meta as meta_rules
from swarmlet.model.rules import network_policy as network_policy_rules
from swarmlet.model.rules import pod as pod_rules
from swarmlet.model.rules import policy as policy_rules
from swarmlet.model.rules import priority as priority_rules
from swarmlet.model.rules import quotas as quota_rules
from swarmlet.model.rules import rbac as rbac_rules
from swarmlet.model.rules import runtime_classes as runtime_class_rules
from swarmlet.model.rules import services as service_rules
from swarmlet.model.rules import statuses as status_rules
from swarmlet.model.rules import storage as storage_rules

Rule = Callable[[Any, Problems], None]
UpdateRule = Callable[[Any, Any, Problems], None]

_RULES: dict[type[Object], Rule] = {
    core.ConfigMap: core_rules.config_map,
    core.Secret: core_rules.secret,
    core.Node: core_rules.node,
    core.Event: core_rules.event,
    core.Lease: core_rules.lease,
    quotas.ResourceQuota: quota_rules.resource_quota,
    quotas.LimitRange: limit_range_rules.limit_range,
    pod.Pod: pod_rules.pod,
    apps.Deployment: apps_rules.deployment,
    apps.ReplicaSet: apps_rules.replica_set,
    apps.Scale: apps_rules.scale,
    apps_sets.StatefulSet: sets_rules.stateful_set,
    apps_sets.DaemonSet: sets_rules.daemon_set,
    apps_sets.ControllerRevision: sets_rules.controller_revision,
    batch.Job: batch_rules.job,
    batch.CronJob: cron_job_rules.cron_job,
    autoscaling.HorizontalPodAutoscaler: autoscaling_rules.horizontal_pod_autoscaler,
    storage.PersistentVolumeClaim: storage_rules.claim,
    storage.PersistentVolume: storage_rules.volume,
    storage.StorageClass: storage_rules.storage_class,
    policy.PodDisruptionBudget: policy_rules.pod_disruption_budget,
    network_policy.NetworkPolicy: network_policy_rules.network_policy_rules,
    scheduling.PriorityClass: priority_rules.priority_class,
    runtime_classes.RuntimeClass: runtime_class_rules.runtime_class,
    rbac.Role: rbac_rules.role,
    rbac.ClusterRole: rbac_rules.cluster_role,
    rbac.RoleBinding: rbac_rules.role_binding,
    rbac.ClusterRoleBinding: rbac_rules.cluster_role_binding,
    service_accounts.ServiceAccount: rbac_rules.service_account,
    services.Service: service_rules.service,
    services.EndpointSlice: endpoint_slice_rules.endpoint_slice,
    apiextensions.CustomResourceDefinition: definition_rules.custom_resource_definition,
}
_UPDATE_RULES: dict[type[Object], UpdateRule] = {
    core.ConfigMap: core_rules.config_map_update,
    core.Secret: core_rules.secret_update,
    quotas.ResourceQuota: quota_rules.resource_quota_update,
    pod.Pod: pod_rules.pod_update,
    apps.Deployment: apps_rules.deployment_update,
    apps.ReplicaSet: apps_rules.replica_set_update,
    batch.Job: batch_rules.job_update,
    apps_sets.StatefulSet: sets_rules.stateful_set_update,
    apps_sets.DaemonSet: sets_rules.daemon_set_update,
    apps_sets.ControllerRevision: sets_rules.controller_revision_update,
    storage.PersistentVolumeClaim: storage_rules.claim_update,
    storage.PersistentVolume: storage_rules.volume_update,
    storage.StorageClass: storage_rules.storage_class_update,
    scheduling.PriorityClass: priority_rules.priority_class_update,
    runtime_classes.RuntimeClass: runtime_class_rules.runtime_class_update,
    rbac.RoleBinding: rbac_rules.binding_update,
    rbac.ClusterRoleBinding: rbac_rules.binding_update,
    services.Service: service_rules.service_update,
    services.EndpointSlice: endpoint_slice_rules.endpoint_slice_update,
    apiextensions.CustomResourceDefinition: definition_rules.custom_resource_definition_update,
}

_NAME_RULES: dict[type[Object], meta_rules.NameRule] = {core.Namespace: syntax.dns_label} | dict.fromkeys(
    (rbac.Role, rbac.ClusterRole, rbac.RoleBinding, rbac.ClusterRoleBinding), syntax.path_segment
)


def validate(value: Object) -> None:
    """Raise `InvalidError`, naming every field that breaks a rule. Defaults are filled in before."""
    problems = Problems()
    _check(value, problems)
    _raise(value, problems)


def validate_update(new: Object, old: Object) -> None:
    """Raise `InvalidError` where `new` breaks a rule, or changes what may not change from `old`."""
    problems = Problems()
    meta_rules.metadata_update(new.metadata, old.metadata, problems.at("metadata"))
    rule = _UPDATE_RULES.get(type(new))
    if rule:
        rule(new, old, problems)
    _check(new, problems)
    _raise(new, problems)


def validate_status(new: Object, old: Object) -> None:
    """Raise `InvalidError` where the status of `new` breaks a rule; all else is as in `old`, and was checked."""
    problems = Problems()
    status_rules.status(new, old, problems)
    _raise(new, problems)


def _check(value: Object, problems: Problems) -> None:
    kind = kinds.BY_GVK.get((value.api_version, value.kind))
    name_rule = _NAME_RULES.get(type(value), syntax.dns_subdomain)
    namespaced = kind.namespaced if kind else True
    meta_rules.metadata(
        value.metadata,
        problems.at("metadata"),
        namespaced=namespaced,
        name_rule=name_rule,
        any_finalizers=isinstance(value, apiextensions.CustomResourceDefinition),
    )
    rule = _RULES.get(type(value))
    if rule:
        rule(value, problems)


def _raise(value: Object, problems: Problems) -> None:
    if problems.causes:
        raise refusal(value, problems.causes)
