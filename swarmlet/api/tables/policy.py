"""The rows of PodDisruptionBudgets, NetworkPolicies, PriorityClasses, RuntimeClasses and ResourceQuotas.

Source: kubernetes/pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.shapes import AGE, NAME, NONE, Column, Columns, age
from swarmlet.model import selectors
from swarmlet.model.base import IntOrString
from swarmlet.model.network_policy import NetworkPolicy
from swarmlet.model.policy import PodDisruptionBudget
from swarmlet.model.quotas import ResourceQuota
from swarmlet.model.runtime_classes import RuntimeClass
from swarmlet.model.scheduling import PriorityClass

NOT_GIVEN = "N/A"
NONE_USED = "0"
LIMITS = "limits."


def _pod_disruption_budget(value: PodDisruptionBudget, now: datetime) -> list[object]:
    return [
        value.metadata.name,
        _share(value.spec.min_available),
        _share(value.spec.max_unavailable),
        value.status.disruptions_allowed,
        age(value, now),
    ]


def _network_policy(value: NetworkPolicy, now: datetime) -> list[object]:
    return [value.metadata.name, selectors.to_text(value.spec.pod_selector) or NONE, age(value, now)]


def _priority_class(value: PriorityClass, now: datetime) -> list[object]:
    return [value.metadata.name, value.value, value.global_default, age(value, now), value.preemption_policy]


def _runtime_class(value: RuntimeClass, now: datetime) -> list[object]:
    return [value.metadata.name, value.handler, age(value, now)]


def _resource_quota(value: ResourceQuota, now: datetime) -> list[object]:
    told: dict[bool, list[str]] = {False: [], True: []}
    for name, most in sorted(value.status.hard.items()):
        told[name.startswith(LIMITS)].append(f"{name}: {value.status.used.get(name, NONE_USED)}/{most}")
    return [value.metadata.name, ", ".join(told[False]), ", ".join(told[True]), age(value, now)]


def _share(value: IntOrString | None) -> str:
    return NOT_GIVEN if value is None else str(value)


POD_DISRUPTION_BUDGET = Columns(
    (
        NAME,
        Column("Min Available", description="The minimum number of pods that must be available."),
        Column("Max Unavailable", description="The maximum number of pods that may be unavailable."),
        Column(
            "Allowed Disruptions",
            "integer",
            description="Calculated number of pods that may be disrupted at this time.",
        ),
        AGE,
    ),
    _pod_disruption_budget,
)
NETWORK_POLICY = Columns(
    (NAME, Column("Pod-Selector", field="api.networking.v1.NetworkPolicySpec.podSelector"), AGE), _network_policy
)
PRIORITY_CLASS = Columns(
    (
        NAME,
        Column("Value", "integer", field="api.scheduling.v1.PriorityClass.value"),
        Column("Global-Default", "boolean", field="api.scheduling.v1.PriorityClass.globalDefault"),
        AGE,
        Column("PreemptionPolicy", field="api.scheduling.v1.PriorityClass.preemptionPolicy"),
    ),
    _priority_class,
)
RUNTIME_CLASS = Columns((NAME, Column("Handler", field="api.node.v1.RuntimeClass.handler"), AGE), _runtime_class)
RESOURCE_QUOTA = Columns(
    (
        NAME,
        Column(
            "Request",
            description="Request represents a minimum amount of cpu/memory that a container may consume.",
        ),
        Column(
            "Limit",
            description="Limits control the maximum amount of cpu/memory that a container may use independent of "
            "contention on the node.",
        ),
        AGE,
    ),
    _resource_quota,
)
