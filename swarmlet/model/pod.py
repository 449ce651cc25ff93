"""core/v1 Pod: the fields that swarmlet honours. Source: k8s.io/api/core/v1/types.go."""

from __future__ import annotations

import msgspec

from swarmlet.model.affinity import Affinity
from swarmlet.model.base import ApiStruct, Time, always
from swarmlet.model.meta import Condition, Object, ObjectMeta


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
    stdin: bool = False
    tty: bool = False


class KeyToPath(ApiStruct, frozen=True, kw_only=True):
    key: str
    path: str
    mode: int | None = None


class EmptyDirVolumeSource(ApiStruct, frozen=True, kw_only=True):
    """`medium` is "" (disk) or "Memory" (tmpfs)."""

    medium: str = ""


class HostPathVolumeSource(ApiStruct, frozen=True, kw_only=True):
    path: str
    type: str = ""


class ConfigMapVolumeSource(ApiStruct, frozen=True, kw_only=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None


class SecretVolumeSource(ApiStruct, frozen=True, kw_only=True):
    secret_name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None


class Volume(ApiStruct, frozen=True, kw_only=True):
    """Exactly one source is set; validation makes "none" an emptyDir, as Kubernetes does."""

    name: str
    empty_dir: EmptyDirVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    secret: SecretVolumeSource | None = None


class Toleration(ApiStruct, frozen=True, kw_only=True):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class PodSpec(ApiStruct, frozen=True, kw_only=True):
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    restart_policy: str = ""
    termination_grace_period_seconds: int | None = None
    node_selector: dict[str, str] = {}
    node_name: str = ""
    host_network: bool = False
    hostname: str = ""
    subdomain: str = ""
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    scheduler_name: str = ""


class ContainerStateWaiting(ApiStruct, frozen=True, kw_only=True):
    reason: str = ""
    message: str = ""


class ContainerStateRunning(ApiStruct, frozen=True, kw_only=True):
    started_at: Time | None = None


class ContainerStateTerminated(ApiStruct, frozen=True, kw_only=True):
    exit_code: int
    signal: int = 0
    reason: str = ""
    message: str = ""
    started_at: Time | None = None
    finished_at: Time | None = None
    container_id: str = msgspec.field(name="containerID", default="")


class ContainerState(ApiStruct, frozen=True, kw_only=True):
    """At most one is set."""

    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class ContainerStatus(ApiStruct, frozen=True, kw_only=True, omit_defaults=False):
    """Clients expect every field of a container's status, zero values too."""

    name: str
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    image_id: str = msgspec.field(name="imageID", default="")
    container_id: str = msgspec.field(name="containerID", default="")
    started: bool | None = None


class PodIP(ApiStruct, frozen=True, kw_only=True):
    ip: str = ""


class PodStatus(ApiStruct, frozen=True, kw_only=True):
    """Written by the agent of the Pod's node; before it is bound, the scheduler writes its condition."""

    phase: str = ""
    conditions: tuple[Condition, ...] = ()
    message: str = ""
    reason: str = ""
    host_ip: str = msgspec.field(name="hostIP", default="")
    pod_ip: str = msgspec.field(name="podIP", default="")
    pod_ips: tuple[PodIP, ...] = msgspec.field(name="podIPs", default=())
    start_time: Time | None = None
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    qos_class: str = ""
    observed_generation: int = 0


class Pod(Object, frozen=True, kw_only=True):
    api_version: str = always("v1")
    kind: str = always("Pod")
    spec: PodSpec = PodSpec()
    status: PodStatus = msgspec.field(default_factory=PodStatus)  # clients want "status": {}


class PodTemplateSpec(ApiStruct, frozen=True, kw_only=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
