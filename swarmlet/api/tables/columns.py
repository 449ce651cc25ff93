"""What `kubectl get` prints of each kind: its columns, and the cells of an object.

Source: kubernetes/pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables import autoscaling as autoscaling_cells
from swarmlet.api.tables import batch as batch_cells
from swarmlet.api.tables import custom as custom_cells
from swarmlet.api.tables import identity as identity_cells
from swarmlet.api.tables import pods as pod_cells
from swarmlet.api.tables import policy as policy_cells
from swarmlet.api.tables import quotas as quota_cells
from swarmlet.api.tables import services as service_cells
from swarmlet.api.tables import storage as storage_cells
from swarmlet.api.tables.durations import UNKNOWN, since
from swarmlet.api.tables.shapes import Column, Columns
from swarmlet.model import conditions, kinds, objects, selectors
from swarmlet.model.apps import Deployment, ReplicaSet
from swarmlet.model.apps_sets import ControllerRevision, DaemonSet, StatefulSet
from swarmlet.model.core import ConfigMap, Event, Lease, Namespace, Node, Secret
from swarmlet.model.custom import CustomKind
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod, PodTemplateSpec

NONE = "<none>"
ROLE_LABEL = "node-role.kubernetes.io/"


def of(kind: Kind) -> Columns:
    """Return the columns of a kind; name and age for one that has no own."""
    if isinstance(kind, CustomKind):
        return custom_cells.columns(kind)
    return _BY_RESOURCE.get(kind.resource, _PLAIN)


def _age(value: Object, now: datetime) -> str:
    return since(value.metadata.creation_timestamp, now)


def _plain(value: Object, now: datetime) -> list[object]:
    return [value.metadata.name, _age(value, now)]


def _pod(value: Pod, now: datetime) -> list[object]:
    return pod_cells.cells(value, now)


def _namespace(value: Namespace, now: datetime) -> list[object]:
    return [value.metadata.name, value.status.phase, _age(value, now)]


def _config_map(value: ConfigMap, now: datetime) -> list[object]:
    return [value.metadata.name, len(value.data) + len(value.binary_data), _age(value, now)]


def _secret(value: Secret, now: datetime) -> list[object]:
    return [value.metadata.name, value.type, len(value.data), _age(value, now)]


def _lease(value: Lease, now: datetime) -> list[object]:
    return [value.metadata.name, value.spec.holder_identity or "", _age(value, now)]


def _deployment(value: Deployment, now: datetime) -> list[object]:
    wanted = value.spec.replicas if value.spec.replicas is not None else 1
    return [
        value.metadata.name,
        f"{value.status.ready_replicas}/{wanted}",
        value.status.updated_replicas,
        value.status.available_replicas,
        _age(value, now),
        *_template(value.spec.template),
        selectors.to_text(value.spec.selector) or NONE,
    ]


def _replica_set(value: ReplicaSet, now: datetime) -> list[object]:
    return [
        value.metadata.name,
        value.spec.replicas if value.spec.replicas is not None else 1,
        value.status.replicas,
        value.status.ready_replicas,
        _age(value, now),
        *_template(value.spec.template),
        selectors.to_text(value.spec.selector) or NONE,
    ]


def _stateful_set(value: StatefulSet, now: datetime) -> list[object]:
    wanted = value.spec.replicas if value.spec.replicas is not None else 1
    return [
        value.metadata.name,
        f"{value.status.ready_replicas}/{wanted}",
        _age(value, now),
        *_template(value.spec.template),
    ]


def _daemon_set(value: DaemonSet, now: datetime) -> list[object]:
    node_selector = value.spec.template.spec.node_selector
    return [
        value.metadata.name,
        value.status.desired_number_scheduled,
        value.status.current_number_scheduled,
        value.status.number_ready,
        value.status.updated_number_scheduled,
        value.status.number_available,
        ",".join(f"{key}={text}" for key, text in sorted(node_selector.items())) or NONE,
        _age(value, now),
        *_template(value.spec.template),
        selectors.to_text(value.spec.selector) or NONE,
    ]


def _controller_revision(value: ControllerRevision, now: datetime) -> list[object]:
    owner = objects.controller_of(value)
    group = owner.api_version.rpartition("/")[0] if owner else ""
    told = f"{owner.kind.lower()}{'.' if group else ''}{group}/{owner.name}" if owner else NONE
    return [value.metadata.name, told, value.revision, _age(value, now)]


def _template(template: PodTemplateSpec) -> tuple[str, str]:
    containers = template.spec.containers
    return ",".join(each.name for each in containers), ",".join(each.image for each in containers)


def _node(value: Node, now: datetime) -> list[object]:
    info = value.status.node_info
    return [
        value.metadata.name,
        _node_status(value),
        _roles(value),
        _age(value, now),
        info.kubelet_version if info else "",
        _address(value, "InternalIP"),
        _address(value, "ExternalIP"),
        (info.os_image if info else "") or UNKNOWN,
        (info.kernel_version if info else "") or UNKNOWN,
        (info.container_runtime_version if info else "") or UNKNOWN,
    ]


def _node_status(value: Node) -> str:
    ready = conditions.get(value.status.conditions, "Ready")
    status = "Unknown" if ready is None else "Ready" if ready.status == "True" else "NotReady"
    return status + (",SchedulingDisabled" if value.spec.unschedulable else "")


def _roles(value: Node) -> str:
    roles = {label.removeprefix(ROLE_LABEL) for label in value.metadata.labels if label.startswith(ROLE_LABEL)}
    return ",".join(sorted(roles - {""})) or NONE


def _address(value: Node, type_: str) -> str:
    return next((each.address for each in value.status.addresses if each.type == type_), NONE)


def _event(value: Event, now: datetime) -> list[object]:
    first = value.first_timestamp or value.event_time
    last = value.series.last_observed_time if value.series else value.last_timestamp or first
    regarding = value.involved_object
    return [
        since(last, now),
        value.type,
        value.reason,
        f"{regarding.kind.lower()}/{regarding.name}" if regarding.name else regarding.kind.lower(),
        regarding.field_path,
        ", ".join(part for part in (value.source.component or value.reporting_component, value.source.host) if part),
        value.message.strip(),
        since(first, now),
        value.series.count if value.series else value.count or 1,
        value.metadata.name,
    ]


_NAME = Column("Name")
_AGE = Column("Age")
_OF_BINDINGS = (
    _NAME,
    Column("Role"),
    _AGE,
    Column("Users", priority=1),
    Column("Groups", priority=1),
    Column("ServiceAccounts", priority=1),
)
_TEMPLATE = (Column("Containers", priority=1), Column("Images", priority=1), Column("Selector", priority=1))
_PLAIN = Columns((_NAME, _AGE), _plain)

_BY_RESOURCE = {
    kinds.CUSTOM_RESOURCE_DEFINITION.resource: custom_cells.DEFINITIONS,
    kinds.POD.resource: Columns(
        (
            _NAME,
            Column("Ready"),
            Column("Status"),
            Column("Restarts"),
            _AGE,
            Column("IP", priority=1),
            Column("Node", priority=1),
            Column("Nominated Node", priority=1),
            Column("Readiness Gates", priority=1),
        ),
        _pod,
    ),
    kinds.DEPLOYMENT.resource: Columns(
        (_NAME, Column("Ready"), Column("Up-to-date", "integer"), Column("Available", "integer"), _AGE, *_TEMPLATE),
        _deployment,
    ),
    kinds.REPLICA_SET.resource: Columns(
        (
            _NAME,
            Column("Desired", "integer"),
            Column("Current", "integer"),
            Column("Ready", "integer"),
            _AGE,
            *_TEMPLATE,
        ),
        _replica_set,
    ),
    kinds.STATEFUL_SET.resource: Columns((_NAME, Column("Ready"), _AGE, *_TEMPLATE[:2]), _stateful_set),
    kinds.DAEMON_SET.resource: Columns(
        (
            _NAME,
            Column("Desired", "integer"),
            Column("Current", "integer"),
            Column("Ready", "integer"),
            Column("Up-to-date", "integer"),
            Column("Available", "integer"),
            Column("Node Selector"),
            _AGE,
            *_TEMPLATE,
        ),
        _daemon_set,
    ),
    kinds.CONTROLLER_REVISION.resource: Columns(
        (_NAME, Column("Controller"), Column("Revision", "integer"), _AGE), _controller_revision
    ),
    kinds.JOB.resource: Columns(
        (_NAME, Column("Status"), Column("Completions"), Column("Duration"), _AGE, *_TEMPLATE), batch_cells.job
    ),
    kinds.CRON_JOB.resource: Columns(
        (
            _NAME,
            Column("Schedule"),
            Column("Timezone"),
            Column("Suspend"),
            Column("Active", "integer"),
            Column("Last Schedule"),
            _AGE,
            *_TEMPLATE,
        ),
        batch_cells.cron_job,
    ),
    kinds.POD_DISRUPTION_BUDGET.resource: Columns(
        (_NAME, Column("Min Available"), Column("Max Unavailable"), Column("Allowed Disruptions", "integer"), _AGE),
        policy_cells.pod_disruption_budget,
    ),
    kinds.NETWORK_POLICY.resource: Columns((_NAME, Column("Pod-Selector"), _AGE), policy_cells.network_policy),
    kinds.PRIORITY_CLASS.resource: Columns(
        (_NAME, Column("Value", "integer"), Column("Global-Default", "boolean"), _AGE, Column("PreemptionPolicy")),
        policy_cells.priority_class,
    ),
    kinds.RUNTIME_CLASS.resource: Columns((_NAME, Column("Handler"), _AGE), policy_cells.runtime_class),
    kinds.HORIZONTAL_POD_AUTOSCALER.resource: Columns(
        (
            _NAME,
            Column("Reference"),
            Column("Targets"),
            Column("MinPods"),
            Column("MaxPods"),
            Column("Replicas"),
            _AGE,
        ),
        autoscaling_cells.horizontal_pod_autoscaler,
    ),
    kinds.SCALE.resource: Columns(
        (_NAME, Column("Desired", "integer"), Column("Available", "integer"), _AGE), autoscaling_cells.scale
    ),
    kinds.NODE_METRICS.resource: Columns(
        (_NAME, Column("cpu"), Column("memory"), Column("Window")), autoscaling_cells.node_metrics
    ),
    kinds.POD_METRICS.resource: Columns(
        (_NAME, Column("cpu"), Column("memory"), Column("Window")), autoscaling_cells.pod_metrics
    ),
    kinds.NODE.resource: Columns(
        (
            _NAME,
            Column("Status"),
            Column("Roles"),
            _AGE,
            Column("Version"),
            Column("Internal-IP", priority=1),
            Column("External-IP", priority=1),
            Column("OS-Image", priority=1),
            Column("Kernel-Version", priority=1),
            Column("Container-Runtime", priority=1),
        ),
        _node,
    ),
    kinds.NAMESPACE.resource: Columns((_NAME, Column("Status"), _AGE), _namespace),
    kinds.CONFIG_MAP.resource: Columns((_NAME, Column("Data", "integer"), _AGE), _config_map),
    kinds.SECRET.resource: Columns((_NAME, Column("Type"), Column("Data", "integer"), _AGE), _secret),
    kinds.SERVICE_ACCOUNT.resource: Columns(
        (_NAME, Column("Secrets", "integer"), _AGE), identity_cells.service_account
    ),
    kinds.ROLE.resource: Columns((_NAME, Column("Created At", "date")), identity_cells.role),
    kinds.CLUSTER_ROLE.resource: Columns((_NAME, Column("Created At", "date")), identity_cells.role),
    kinds.ROLE_BINDING.resource: Columns(_OF_BINDINGS, identity_cells.binding),
    kinds.CLUSTER_ROLE_BINDING.resource: Columns(_OF_BINDINGS, identity_cells.binding),
    kinds.PERSISTENT_VOLUME_CLAIM.resource: Columns(
        (
            _NAME,
            Column("Status"),
            Column("Volume"),
            Column("Capacity"),
            Column("Access Modes"),
            Column("StorageClass"),
            Column("VolumeAttributesClass"),
            _AGE,
            Column("VolumeMode", priority=1),
        ),
        storage_cells.claim,
    ),
    kinds.PERSISTENT_VOLUME.resource: Columns(
        (
            _NAME,
            Column("Capacity"),
            Column("Access Modes"),
            Column("Reclaim Policy"),
            Column("Status"),
            Column("Claim"),
            Column("StorageClass"),
            Column("VolumeAttributesClass"),
            Column("Reason"),
            _AGE,
            Column("VolumeMode", priority=1),
        ),
        storage_cells.volume,
    ),
    kinds.STORAGE_CLASS.resource: Columns(
        (
            _NAME,
            Column("Provisioner"),
            Column("ReclaimPolicy"),
            Column("VolumeBindingMode"),
            Column("AllowVolumeExpansion"),
            _AGE,
        ),
        storage_cells.storage_class,
    ),
    kinds.RESOURCE_QUOTA.resource: Columns(
        (_NAME, Column("Request"), Column("Limit"), _AGE), quota_cells.resource_quota
    ),
    kinds.LIMIT_RANGE.resource: Columns((_NAME, Column("Created At")), quota_cells.limit_range),
    kinds.SERVICE.resource: Columns(
        (
            _NAME,
            Column("Type"),
            Column("Cluster-IP"),
            Column("External-IP"),
            Column("Port(s)"),
            _AGE,
            Column("Selector", priority=1),
        ),
        service_cells.service,
    ),
    kinds.ENDPOINT_SLICE.resource: Columns(
        (_NAME, Column("AddressType"), Column("Ports"), Column("Endpoints"), _AGE), service_cells.endpoint_slice
    ),
    kinds.LEASE.resource: Columns((_NAME, Column("Holder"), _AGE), _lease),
    kinds.EVENT.resource: Columns(
        (
            Column("Last Seen"),
            Column("Type"),
            Column("Reason"),
            Column("Object"),
            Column("Subobject", priority=1),
            Column("Source", priority=1),
            Column("Message"),
            Column("First Seen", priority=1),
            Column("Count", "integer", priority=1),
            Column("Name", priority=1),
        ),
        _event,
    ),
}
