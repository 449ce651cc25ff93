"""One container of a Pod: the fields that swarmlet honours. Source: k8s.io/api/core/v1/types.go."""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct
from swarmlet.model.environment import EnvFromSource, EnvVar
from swarmlet.model.probes import Lifecycle, Probe
from swarmlet.model.security import SecurityContext


class ContainerPort(ApiStruct, frozen=True, kw_only=True):
    container_port: int
    name: str = ""
    host_port: int = 0
    host_ip: str = msgspec.field(name="hostIP", default="")
    protocol: str = ""


class VolumeMount(ApiStruct, frozen=True, kw_only=True):
    name: str
    mount_path: str
    read_only: bool = False
    sub_path: str = ""
    sub_path_expr: str = ""


class ResourceRequirements(ApiStruct, frozen=True, kw_only=True):
    """Quantities by resource name, as canonical text ("100m", "128Mi")."""

    limits: dict[str, str] = {}
    requests: dict[str, str] = {}


class Container(ApiStruct, frozen=True, kw_only=True):
    name: str
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    ports: tuple[ContainerPort, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    resources: ResourceRequirements = ResourceRequirements()
    volume_mounts: tuple[VolumeMount, ...] = ()
    lifecycle: Lifecycle | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    restart_policy: str = ""
    """"Always" makes an init container a sidecar: it runs beside the others, and before those after it."""
    termination_message_path: str = ""
    termination_message_policy: str = ""
    image_pull_policy: str = ""
    security_context: SecurityContext | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
