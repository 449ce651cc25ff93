"""networking.k8s.io/v1 NetworkPolicy: who may speak with whom.

Source: k8s.io/api/networking/v1/types.go, and pkg/apis/networking/v1/defaults.go for what is filled in.
"""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct, IntOrString, always
from swarmlet.model.meta import LabelSelector, Object

INGRESS = "Ingress"
EGRESS = "Egress"


class NetworkPolicyPort(ApiStruct, frozen=True, kw_only=True):
    """`port` is a number or the name of a container's port, None all; with `end_port` it begins a range."""

    protocol: str | None = None
    port: IntOrString | None = None
    end_port: int | None = None


class IPBlock(ApiStruct, frozen=True, kw_only=True):
    cidr: str = always("")
    except_: tuple[str, ...] = msgspec.field(name="except", default=())


class NetworkPolicyPeer(ApiStruct, frozen=True, kw_only=True):
    """Pods of the policy's own namespace, Pods of chosen namespaces (all or some), or addresses."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = None


class NetworkPolicyIngressRule(ApiStruct, frozen=True, kw_only=True):
    """No ports: all; nobody in `from_`: everybody."""

    ports: tuple[NetworkPolicyPort, ...] = ()
    from_: tuple[NetworkPolicyPeer, ...] = msgspec.field(name="from", default=())


class NetworkPolicyEgressRule(ApiStruct, frozen=True, kw_only=True):
    """No ports: all; nobody in `to`: everybody."""

    ports: tuple[NetworkPolicyPort, ...] = ()
    to: tuple[NetworkPolicyPeer, ...] = ()


class NetworkPolicySpec(ApiStruct, frozen=True, kw_only=True):
    """`pod_selector` is on the wire when it is empty, too: then it means every Pod of the namespace."""

    pod_selector: LabelSelector = msgspec.field(default_factory=LabelSelector)
    ingress: tuple[NetworkPolicyIngressRule, ...] = ()
    egress: tuple[NetworkPolicyEgressRule, ...] = ()
    policy_types: tuple[str, ...] = ()


class NetworkPolicy(Object, frozen=True, kw_only=True):
    api_version: str = always("networking.k8s.io/v1")
    kind: str = always("NetworkPolicy")
    spec: NetworkPolicySpec = msgspec.field(default_factory=NetworkPolicySpec)


def with_defaults(value: NetworkPolicy) -> NetworkPolicy:
    """Return a policy as it is stored: with its types, and with a protocol for each port."""
    spec = value.spec
    ingress = tuple(msgspec.structs.replace(rule, ports=_with_protocols(rule.ports)) for rule in spec.ingress)
    egress = tuple(msgspec.structs.replace(rule, ports=_with_protocols(rule.ports)) for rule in spec.egress)
    types = spec.policy_types or ((INGRESS, EGRESS) if egress else (INGRESS,))
    return msgspec.structs.replace(
        value, spec=msgspec.structs.replace(spec, ingress=ingress, egress=egress, policy_types=types)
    )


def _with_protocols(ports: tuple[NetworkPolicyPort, ...]) -> tuple[NetworkPolicyPort, ...]:
    return tuple(
        msgspec.structs.replace(each, protocol="TCP" if each.protocol is None else each.protocol) for each in ports
    )
