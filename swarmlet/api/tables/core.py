"""The rows of Namespaces, ConfigMaps, Secrets and Leases.

Source: kubernetes/pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.shapes import AGE, NAME, Column, Columns, age
from swarmlet.model.core import ConfigMap, Lease, Namespace, Secret


def _namespace(value: Namespace, now: datetime) -> list[object]:
    return [value.metadata.name, value.status.phase, age(value, now)]


def _config_map(value: ConfigMap, now: datetime) -> list[object]:
    return [value.metadata.name, len(value.data) + len(value.binary_data), age(value, now)]


def _secret(value: Secret, now: datetime) -> list[object]:
    return [value.metadata.name, value.type, len(value.data), age(value, now)]


def _lease(value: Lease, now: datetime) -> list[object]:
    return [value.metadata.name, value.spec.holder_identity or "", age(value, now)]


NAMESPACE = Columns((NAME, Column("Status", description="The status of the namespace"), AGE), _namespace)
CONFIG_MAP = Columns((NAME, Column("Data", field="api.core.v1.ConfigMap.data"), AGE), _config_map)
SECRET = Columns(
    (NAME, Column("Type", field="api.core.v1.Secret.type"), Column("Data", field="api.core.v1.Secret.data"), AGE),
    _secret,
)
LEASE = Columns((NAME, Column("Holder", field="api.coordination.v1.LeaseSpec.holderIdentity"), AGE), _lease)
