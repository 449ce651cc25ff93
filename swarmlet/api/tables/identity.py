"""The rows of ServiceAccounts, roles and bindings.

Source: kubernetes/pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.durations import UNKNOWN, since
from swarmlet.model import rbac
from swarmlet.model.rbac import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from swarmlet.model.service_accounts import ServiceAccount


def service_account(value: ServiceAccount, now: datetime) -> list[object]:
    """Return the cells of `kubectl get serviceaccounts`."""
    return [value.metadata.name, len(value.secrets), since(value.metadata.creation_timestamp, now)]


def role(value: Role | ClusterRole, _now: datetime) -> list[object]:
    """Return the cells of `kubectl get roles` and `clusterroles`."""
    created = value.metadata.creation_timestamp
    return [value.metadata.name, created.strftime("%Y-%m-%dT%H:%M:%SZ") if created else UNKNOWN]


def binding(value: RoleBinding | ClusterRoleBinding, now: datetime) -> list[object]:
    """Return the cells of `kubectl get rolebindings` and `clusterrolebindings`."""
    return [
        value.metadata.name,
        f"{value.role_ref.kind}/{value.role_ref.name}",
        since(value.metadata.creation_timestamp, now),
        _subjects(value, rbac.USER),
        _subjects(value, rbac.GROUP_SUBJECT),
        _subjects(value, rbac.SERVICE_ACCOUNT),
    ]


def _subjects(value: RoleBinding | ClusterRoleBinding, kind: str) -> str:
    found = [each for each in value.subjects if each.kind == kind]
    return ", ".join(f"{each.namespace}/{each.name}" if each.namespace else each.name for each in found)
