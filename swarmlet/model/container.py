"""One container of a Pod: the fields that swarmlet honours. Source: k8s.io/api/core/v1/types.go."""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct
from swarmlet.model.security import SecurityContext


class EnvVar(ApiStruct, frozen=True, kw_only=True):
    name: str
    value: str = ""


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


class ResourceRequirements(ApiStruct, frozen=True, kw_only=True):
    """Quantities by resource name, as canonical text ("100m", "128Mi")."""

    limits: dict[str, str] = {}
    requests: dict[str, str] = {}


class ExecAction(ApiStruct, frozen=True, kw_only=True):
    command: tuple[str, ...] = ()


class HTTPHeader(ApiStruct, frozen=True, kw_only=True):
    name: str
    value: str


class HTTPGetAction(ApiStruct, frozen=True, kw_only=True):
    port: int | str
    path: str = ""
    host: str = ""
    scheme: str = ""
    http_headers: tuple[HTTPHeader, ...] = ()


class SleepAction(ApiStruct, frozen=True, kw_only=True):
    seconds: int


class LifecycleHandler(ApiStruct, frozen=True, kw_only=True):
    """One of the three is set."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(ApiStruct, frozen=True, kw_only=True):
    pre_stop: LifecycleHandler | None = None


class Container(ApiStruct, frozen=True, kw_only=True):
    name: str
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    ports: tuple[ContainerPort, ...] = ()
    env: tuple[EnvVar, ...] = ()
    resources: ResourceRequirements = ResourceRequirements()
    volume_mounts: tuple[VolumeMount, ...] = ()
    lifecycle: Lifecycle | None = None
    image_pull_policy: str = ""
    security_context: SecurityContext | None = None
    stdin: bool = False
    tty: bool = False
