"""core/v1: Namespace, ConfigMap, Secret, Node, Event and the Lease of coordination.k8s.io/v1. Pods are in `pod`.

Only fields that swarmlet honours stand here; `model.schema` knows the rest of Kubernetes' fields, so that one
that is left out becomes a warning or an error and is never dropped silently.
Source: k8s.io/api/core/v1/types.go.
"""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct, Time, always
from swarmlet.model.meta import Condition, Object, ObjectMeta


class NamespaceSpec(ApiStruct, frozen=True, kw_only=True):
    finalizers: tuple[str, ...] = ()


class NamespaceStatus(ApiStruct, frozen=True, kw_only=True):
    phase: str = ""
    conditions: tuple[Condition, ...] = ()


class Namespace(Object, frozen=True, kw_only=True):
    api_version: str = always("v1")
    kind: str = always("Namespace")
    spec: NamespaceSpec = NamespaceSpec()
    status: NamespaceStatus = msgspec.field(default_factory=NamespaceStatus)  # clients want "status": {}


class ConfigMap(Object, frozen=True, kw_only=True):
    """`binary_data` values are base64 text."""

    api_version: str = always("v1")
    kind: str = always("ConfigMap")
    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}
    immutable: bool | None = None


class Secret(Object, frozen=True, kw_only=True):
    """`data` values are base64 text. `string_data` is write-only: admission moves it into `data`."""

    api_version: str = always("v1")
    kind: str = always("Secret")
    type: str = ""
    data: dict[str, str] = {}
    string_data: dict[str, str] = {}
    immutable: bool | None = None

    def __repr__(self) -> str:
        """Name the Secret and hide what it holds: a repr ends in logs."""
        return f"Secret({self.metadata.namespace}/{self.metadata.name})"


class Taint(ApiStruct, frozen=True, kw_only=True):
    key: str
    effect: str
    value: str = ""
    time_added: Time | None = None


class NodeSpec(ApiStruct, frozen=True, kw_only=True):
    pod_cidr: str = msgspec.field(name="podCIDR", default="")
    pod_cidrs: tuple[str, ...] = msgspec.field(name="podCIDRs", default=())
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()
    provider_id: str = msgspec.field(name="providerID", default="")


class NodeAddress(ApiStruct, frozen=True, kw_only=True):
    type: str
    address: str


class DaemonEndpoint(ApiStruct, frozen=True, kw_only=True):
    port: int = msgspec.field(name="Port")


class NodeDaemonEndpoints(ApiStruct, frozen=True, kw_only=True):
    kubelet_endpoint: DaemonEndpoint | None = None


class NodeSystemInfo(ApiStruct, frozen=True, kw_only=True):
    """All are required by clients: `machine_id`, `system_uuid` and `boot_id` where the machine has none, too."""

    machine_id: str = msgspec.field(name="machineID")
    system_uuid: str = msgspec.field(name="systemUUID")
    boot_id: str = msgspec.field(name="bootID")
    kernel_version: str
    os_image: str
    container_runtime_version: str
    kubelet_version: str
    kube_proxy_version: str = msgspec.field(default_factory=str)
    operating_system: str
    architecture: str


class ContainerImage(ApiStruct, frozen=True, kw_only=True):
    """An image on a node, by its tags and digests."""

    names: tuple[str, ...] = ()
    size_bytes: int = 0


class NodeStatus(ApiStruct, frozen=True, kw_only=True):
    capacity: dict[str, str] = {}
    allocatable: dict[str, str] = {}
    conditions: tuple[Condition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    daemon_endpoints: NodeDaemonEndpoints | None = None
    node_info: NodeSystemInfo | None = None
    images: tuple[ContainerImage, ...] = ()


class Node(Object, frozen=True, kw_only=True):
    """`metadata.uid` is not the consensus node id; that is the label `swarmlet.io/node-id`."""

    api_version: str = always("v1")
    kind: str = always("Node")
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)  # clients want "status": {}


class ObjectReference(ApiStruct, frozen=True, kw_only=True):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""


class EventSource(ApiStruct, frozen=True, kw_only=True):
    component: str = ""
    host: str = ""


class EventSeries(ApiStruct, frozen=True, kw_only=True):
    count: int = 0
    last_observed_time: Time | None = None


class Event(Object, frozen=True, kw_only=True):
    """core/v1 Event: something happened to `involved_object`, `count` times between the two timestamps."""

    api_version: str = always("v1")
    kind: str = always("Event")
    involved_object: ObjectReference = ObjectReference()
    reason: str = ""
    message: str = ""
    source: EventSource = EventSource()
    first_timestamp: Time | None = None
    last_timestamp: Time | None = None
    count: int = 0
    type: str = ""
    event_time: Time | None = None
    series: EventSeries | None = None
    action: str = ""
    reporting_component: str = ""
    reporting_instance: str = ""


class LeaseSpec(ApiStruct, frozen=True, kw_only=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: Time | None = None
    renew_time: Time | None = None
    lease_transitions: int | None = None


class Lease(Object, frozen=True, kw_only=True):
    """coordination.k8s.io/v1. Node leases (namespace kube-node-lease) are virtual: made from heartbeats when read."""

    api_version: str = always("coordination.k8s.io/v1")
    kind: str = always("Lease")
    metadata: ObjectMeta = ObjectMeta()
    spec: LeaseSpec = LeaseSpec()
