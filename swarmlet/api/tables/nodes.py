"""The rows of Nodes. Source: kubernetes/pkg/printers/internalversion/printers.go (printNode)."""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.durations import UNKNOWN
from swarmlet.api.tables.shapes import AGE, NAME, NONE, Column, Columns, age
from swarmlet.model import conditions
from swarmlet.model.core import Node

ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"


def _node(value: Node, now: datetime) -> list[object]:
    info = value.status.node_info
    return [
        value.metadata.name,
        _status(value),
        _roles(value),
        age(value, now),
        info.kubelet_version if info else "",
        _address(value, "InternalIP"),
        _address(value, "ExternalIP"),
        (info.os_image if info else "") or UNKNOWN,
        (info.kernel_version if info else "") or UNKNOWN,
        (info.container_runtime_version if info else "") or UNKNOWN,
    ]


def _status(value: Node) -> str:
    ready = conditions.get(value.status.conditions, "Ready")
    status = "Unknown" if ready is None else "Ready" if ready.status == "True" else "NotReady"
    return status + (",SchedulingDisabled" if value.spec.unschedulable else "")


def _roles(value: Node) -> str:
    labels = value.metadata.labels
    roles = {label.removeprefix(ROLE_PREFIX) for label in labels if label.startswith(ROLE_PREFIX)}
    return ",".join(sorted((roles | {labels.get(ROLE_LABEL, "")}) - {""})) or NONE


def _address(value: Node, type_: str) -> str:
    return next((each.address for each in value.status.addresses if each.type == type_), NONE)


NODE = Columns(
    (
        NAME,
        Column("Status", description="The status of the node"),
        Column("Roles", description="The roles of the node"),
        AGE,
        Column("Version", field="api.core.v1.NodeSystemInfo.kubeletVersion"),
        Column("Internal-IP", priority=1, field="api.core.v1.NodeStatus.addresses"),
        Column("External-IP", priority=1, field="api.core.v1.NodeStatus.addresses"),
        Column("OS-Image", priority=1, field="api.core.v1.NodeSystemInfo.osImage"),
        Column("Kernel-Version", priority=1, field="api.core.v1.NodeSystemInfo.kernelVersion"),
        Column("Container-Runtime", priority=1, field="api.core.v1.NodeSystemInfo.containerRuntimeVersion"),
    ),
    _node,
)
