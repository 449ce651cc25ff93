"""Rules of NetworkPolicy. Source: kubernetes pkg/apis/networking/validation (ValidateNetworkPolicySpec)."""

from __future__ import annotations

import ipaddress

from swarmlet.model import network_policy, syntax
from swarmlet.model.network_policy import IPBlock, NetworkPolicyPeer, NetworkPolicyPort
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import meta

PROTOCOLS = ("SCTP", "TCP", "UDP")
TYPES = (network_policy.EGRESS, network_policy.INGRESS)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network_policy_rules(value: network_policy.NetworkPolicy, problems: Problems) -> None:
    """Check a NetworkPolicy."""
    place, spec = problems.at("spec"), value.spec
    meta.selector(spec.pod_selector, place.field("podSelector"))
    for inner, incoming in place.field("ingress").each(spec.ingress):
        _rule(incoming.ports, incoming.from_, inner, "from")
    for inner, outgoing in place.field("egress").each(spec.egress):
        _rule(outgoing.ports, outgoing.to, inner, "to")
    types = place.field("policyTypes")
    if len(spec.policy_types) > len(TYPES):
        types.invalid(list(spec.policy_types), "may not specify more than two policyTypes")
        return
    for inner, kind in types.each(spec.policy_types):
        if kind not in TYPES:
            inner.unsupported(kind, TYPES)


def _rule(ports: tuple[NetworkPolicyPort, ...], peers: tuple[NetworkPolicyPeer, ...], place: Place, name: str) -> None:
    for inner, port in place.field("ports").each(ports):
        _port(port, inner)
    for inner, peer in place.field(name).each(peers):
        _peer(peer, inner)


def _port(port: NetworkPolicyPort, place: Place) -> None:
    if port.protocol is not None and port.protocol not in PROTOCOLS:
        place.field("protocol").unsupported(port.protocol, PROTOCOLS)
    end = place.field("endPort")
    if isinstance(port.port, int):
        place.field("port").invalid_each(port.port, syntax.port_number(port.port))
        if port.end_port is not None:
            if port.end_port < port.port:
                end.invalid(port.port, "must be greater than or equal to `port`")
            end.invalid_each(port.end_port, syntax.port_number(port.end_port))
        return
    if port.end_port is not None:
        why = "is not specified" if port.port is None else "is non-numeric"
        end.invalid(port.end_port, f"may not be specified when `port` {why}")
    if port.port is not None:
        place.field("port").invalid_each(port.port, syntax.port_name(port.port))


def _peer(peer: NetworkPolicyPeer, place: Place) -> None:
    if peer.pod_selector is not None:
        meta.selector(peer.pod_selector, place.field("podSelector"))
    if peer.namespace_selector is not None:
        meta.selector(peer.namespace_selector, place.field("namespaceSelector"))
    if peer.ip_block is not None:
        _block(peer.ip_block, place.field("ipBlock"))
        if peer.pod_selector is not None or peer.namespace_selector is not None:
            place.forbidden("may not specify both ipBlock and another peer")
    elif peer.pod_selector is None and peer.namespace_selector is None:
        place.required("must specify a peer")


def _block(block: IPBlock, place: Place) -> None:
    if not block.cidr:
        place.field("cidr").required()
        return
    whole = _network(block.cidr, place.field("cidr"))
    if whole is None:
        return
    for inner, text in place.field("except").each(block.except_):
        part = _network(text, inner)
        if part is not None and not _is_strict_subset(part, whole):
            inner.invalid(text, "must be a strict subset of `cidr`")


def _network(text: str, place: Place) -> Network | None:
    try:
        if "/" in text and "%" not in text:  # with a zone, anything may follow
            return ipaddress.ip_network(text, strict=False)
    except ValueError:
        pass
    place.invalid(text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    return None


def _is_strict_subset(part: Network, whole: Network) -> bool:
    return part.version == whole.version and part.network_address in whole and part.prefixlen > whole.prefixlen
