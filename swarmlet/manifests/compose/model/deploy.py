"""How many of a service there are, where, with what, and how they are changed.

Source: compose-spec/deploy.md.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from swarmlet.manifests.compose.model.base import ComposeStruct, Duration, Size
from swarmlet.manifests.compose.model.devices import DeviceRequest

NonNegative = Annotated[int, msgspec.Meta(ge=0)]
Cpus = Annotated[float, msgspec.Meta(ge=0)]
Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]


class UpdateConfig(ComposeStruct, frozen=True, kw_only=True):
    """Both of an update and of a rollback. `parallelism` 0 is all at once; None is what the platform does."""

    parallelism: NonNegative | None = None
    delay: Duration | None = None
    failure_action: Literal["", "continue", "pause", "rollback"] = ""
    monitor: Duration | None = None
    max_failure_ratio: Ratio | None = None
    order: Literal["", "start-first", "stop-first"] = ""


class DiscreteResource(ComposeStruct, frozen=True, kw_only=True):
    kind: str = ""
    value: float = 0


class GenericResource(ComposeStruct, frozen=True, kw_only=True):
    discrete_resource_spec: DiscreteResource | None = None


class Limits(ComposeStruct, frozen=True, kw_only=True):
    cpus: Cpus | None = None
    memory: Size | None = None
    pids: int | None = None


class Reservations(ComposeStruct, frozen=True, kw_only=True):
    cpus: Cpus | None = None
    memory: Size | None = None
    generic_resources: tuple[GenericResource, ...] = ()
    devices: tuple[DeviceRequest, ...] = ()


class Resources(ComposeStruct, frozen=True, kw_only=True):
    limits: Limits | None = None
    reservations: Reservations | None = None


class RestartPolicy(ComposeStruct, frozen=True, kw_only=True):
    """`max_attempts` None is without end."""

    condition: Literal["", "none", "on-failure", "any"] = ""
    delay: Duration | None = None
    max_attempts: NonNegative | None = None
    window: Duration | None = None


class Preference(ComposeStruct, frozen=True, kw_only=True):
    """`spread` is a node's label, "node.labels.zone": as many on each of its values."""

    spread: str = ""


class Placement(ComposeStruct, frozen=True, kw_only=True):
    """`constraints` are text as written: "node.labels.disk == ssd", "node.hostname != n1"."""

    constraints: tuple[str, ...] = ()
    preferences: tuple[Preference, ...] = ()
    max_replicas_per_node: NonNegative | None = None


class Deploy(ComposeStruct, frozen=True, kw_only=True):
    """`mode` "" is "replicated"."""

    mode: Literal["", "replicated", "global", "replicated-job", "global-job"] = ""
    endpoint_mode: Literal["", "vip", "dnsrr"] = ""
    replicas: NonNegative | None = None
    labels: dict[str, str] = {}
    update_config: UpdateConfig | None = None
    rollback_config: UpdateConfig | None = None
    resources: Resources | None = None
    restart_policy: RestartPolicy | None = None
    placement: Placement | None = None
