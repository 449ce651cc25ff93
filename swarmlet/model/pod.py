"""core/v1 Pod: the fields that swarmlet honours. Source: k8s.io/api/core/v1/types.go."""

from __future__ import annotations

import msgspec

from swarmlet.model.affinity import Affinity
from swarmlet.model.base import ApiStruct, always
from swarmlet.model.container import Container
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.pod_network import HostAlias, PodDNSConfig
from swarmlet.model.pod_status import PodStatus
from swarmlet.model.pod_volumes import Volume
from swarmlet.model.scheduling import PodSchedulingGate
from swarmlet.model.security import PodSecurityContext
from swarmlet.model.topology import TopologySpreadConstraint


class Toleration(ApiStruct, frozen=True, kw_only=True):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class LocalObjectReference(ApiStruct, frozen=True, kw_only=True):
    """An object of the Pod's namespace."""

    name: str = ""


class PodSpec(ApiStruct, frozen=True, kw_only=True):
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    restart_policy: str = ""
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None
    node_selector: dict[str, str] = {}
    node_name: str = ""
    host_network: bool = False
    host_pid: bool = msgspec.field(name="hostPID", default=False)
    host_ipc: bool = msgspec.field(name="hostIPC", default=False)
    share_process_namespace: bool | None = None
    security_context: PodSecurityContext | None = None
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    service_account_name: str = ""
    automount_service_account_token: bool | None = None
    hostname: str = ""
    subdomain: str = ""
    set_hostname_as_fqdn: bool | None = msgspec.field(name="setHostnameAsFQDN", default=None)
    host_aliases: tuple[HostAlias, ...] = ()
    dns_policy: str = ""
    dns_config: PodDNSConfig | None = None
    enable_service_links: bool | None = None
    affinity: Affinity | None = None
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    scheduler_name: str = ""
    priority_class_name: str = ""
    priority: int | None = None
    preemption_policy: str = ""
    runtime_class_name: str = ""
    overhead: dict[str, str] = {}
    scheduling_gates: tuple[PodSchedulingGate, ...] = ()


class Pod(Object, frozen=True, kw_only=True):
    api_version: str = always("v1")
    kind: str = always("Pod")
    spec: PodSpec = PodSpec()
    status: PodStatus = msgspec.field(default_factory=PodStatus)  # clients want "status": {}


class PodTemplateSpec(ApiStruct, frozen=True, kw_only=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
