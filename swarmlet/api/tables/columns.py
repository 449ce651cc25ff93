"""What `kubectl get` prints of each kind: its columns, and the cells of an object.

Each kind's stand in the module of its group. Source: kubernetes/pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

import functools

import msgspec

from swarmlet.api.tables import (
    autoscaling,
    batch,
    core,
    custom,
    events,
    identity,
    metrics,
    nodes,
    pods,
    policy,
    services,
    storage,
    workloads,
)
from swarmlet.api.tables.plain import PLAIN
from swarmlet.api.tables.shapes import Column, Columns
from swarmlet.model import kinds, schema
from swarmlet.model.custom import CustomKind
from swarmlet.model.kinds import Kind

ENCODED_MAX = 256
"""Of the encoded definitions that are kept: those of every kind here, and of some hundred that users brought."""


def of(kind: Kind) -> Columns:
    """Return the columns of a kind; name and moment of creation for one that has no own."""
    return custom.columns(kind) if isinstance(kind, CustomKind) else _BY_RESOURCE.get(kind.resource, PLAIN)


def definitions(kind: Kind) -> bytes:
    """Return `columnDefinitions` of a kind's Tables, as JSON."""
    return _encoded(of(kind).columns)


@functools.lru_cache(maxsize=ENCODED_MAX)
def _encoded(columns: tuple[Column, ...]) -> bytes:
    return msgspec.json.encode(
        [
            {
                "name": column.name,
                "type": column.type,
                "format": column.format,
                "description": column.description or _descriptions().get(column, ""),
                "priority": column.priority,
            }
            for column in columns
        ]
    )


@functools.cache
def _descriptions() -> dict[Column, str]:
    """Return the descriptions of the columns that show a field: all at once, as they come from one large file."""
    ours = {column for shape in (PLAIN, *_BY_RESOURCE.values()) for column in shape.columns if column.field}
    columns = ours | {custom.AGE}
    told = schema.descriptions({f"io.k8s.{column.field}" for column in columns})
    return {column: told[f"io.k8s.{column.field}"] for column in columns}


_BY_RESOURCE = {
    kinds.POD.resource: pods.POD,
    kinds.DEPLOYMENT.resource: workloads.DEPLOYMENT,
    kinds.REPLICA_SET.resource: workloads.REPLICA_SET,
    kinds.STATEFUL_SET.resource: workloads.STATEFUL_SET,
    kinds.DAEMON_SET.resource: workloads.DAEMON_SET,
    kinds.CONTROLLER_REVISION.resource: workloads.CONTROLLER_REVISION,
    kinds.JOB.resource: batch.JOB,
    kinds.CRON_JOB.resource: batch.CRON_JOB,
    kinds.HORIZONTAL_POD_AUTOSCALER.resource: autoscaling.HORIZONTAL_POD_AUTOSCALER,
    kinds.SCALE.resource: autoscaling.SCALE,
    kinds.NODE_METRICS.resource: metrics.NODE_METRICS,
    kinds.POD_METRICS.resource: metrics.POD_METRICS,
    kinds.NODE.resource: nodes.NODE,
    kinds.NAMESPACE.resource: core.NAMESPACE,
    kinds.CONFIG_MAP.resource: core.CONFIG_MAP,
    kinds.SECRET.resource: core.SECRET,
    kinds.LEASE.resource: core.LEASE,
    kinds.EVENT.resource: events.EVENT,
    kinds.SERVICE.resource: services.SERVICE,
    kinds.ENDPOINT_SLICE.resource: services.ENDPOINT_SLICE,
    kinds.PERSISTENT_VOLUME_CLAIM.resource: storage.PERSISTENT_VOLUME_CLAIM,
    kinds.PERSISTENT_VOLUME.resource: storage.PERSISTENT_VOLUME,
    kinds.STORAGE_CLASS.resource: storage.STORAGE_CLASS,
    kinds.POD_DISRUPTION_BUDGET.resource: policy.POD_DISRUPTION_BUDGET,
    kinds.NETWORK_POLICY.resource: policy.NETWORK_POLICY,
    kinds.PRIORITY_CLASS.resource: policy.PRIORITY_CLASS,
    kinds.RUNTIME_CLASS.resource: policy.RUNTIME_CLASS,
    kinds.RESOURCE_QUOTA.resource: policy.RESOURCE_QUOTA,
    kinds.SERVICE_ACCOUNT.resource: identity.SERVICE_ACCOUNT,
    kinds.ROLE_BINDING.resource: identity.ROLE_BINDING,
    kinds.CLUSTER_ROLE_BINDING.resource: identity.CLUSTER_ROLE_BINDING,
}
"""LimitRanges, roles and CustomResourceDefinitions have none in Kubernetes either."""
