"""The rows of ServiceAccounts and bindings; roles have no printer of their own.

Source: kubernetes/pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.shapes import AGE, NAME, Column, Columns, age
from swarmlet.model import rbac
from swarmlet.model.rbac import ClusterRoleBinding, RoleBinding
from swarmlet.model.service_accounts import ServiceAccount


def _service_account(value: ServiceAccount, now: datetime) -> list[object]:
    return [value.metadata.name, len(value.secrets), age(value, now)]


def _binding(value: RoleBinding | ClusterRoleBinding, now: datetime) -> list[object]:
    return [
        value.metadata.name,
        f"{value.role_ref.kind}/{value.role_ref.name}",
        age(value, now),
        _subjects(value, rbac.USER),
        _subjects(value, rbac.GROUP_SUBJECT),
        _subjects(value, rbac.SERVICE_ACCOUNT),
    ]


def _subjects(value: RoleBinding | ClusterRoleBinding, kind: str) -> str:
    found = [each for each in value.subjects if each.kind == kind]
    return ", ".join(f"{each.namespace}/{each.name}" if each.namespace else each.name for each in found)


def _of_bindings(kind: str) -> Columns:
    """Return the columns of bindings; `kind`, with a small letter, stands in their descriptions."""
    subjects = ("Users", "Groups", "ServiceAccounts")
    return Columns(
        (
            NAME,
            Column("Role", field=f"api.rbac.v1.{kind[0].upper()}{kind[1:]}.roleRef"),
            AGE,
            *(Column(each, priority=1, description=f"{each} in the {kind}") for each in subjects),
        ),
        _binding,
    )


SERVICE_ACCOUNT = Columns((NAME, Column("Secrets", field="api.core.v1.ServiceAccount.secrets"), AGE), _service_account)
ROLE_BINDING = _of_bindings("roleBinding")
CLUSTER_ROLE_BINDING = _of_bindings("clusterRoleBinding")
