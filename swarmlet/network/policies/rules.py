"""NetworkPolicies as rules of nftables, for the Pods of one node. Pure.

A Pod that some policy selects has a chain for each direction that is then restricted: it tries its policies one after
another, each accepts what it allows, and what none has accepted is dropped. A packet is led to its Pod's chain by one
look at a map, and to the Pods that a policy allows by one look at a set, however many Pods there are. Answers pass
without a look: the kernel's connection tracking knows to what they belong.

Only what a node forwards is looked at, after Services have been translated: what a Pod and its own node say to each
other is always allowed, and so is what a Pod says to itself. A Pod on the node's own network is no Pod here.

Source: k8s.io/api/networking/v1/types.go; https://kubernetes.io/docs/concepts/services-networking/network-policies/.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from swarmlet.model import ip_families, network_policy, pods, selectors
from swarmlet.model.ip_families import IPV4, IPV6
from swarmlet.model.meta import LabelSelector
from swarmlet.model.network_policy import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
from swarmlet.model.pod import Pod
from swarmlet.model.selectors import LabelPredicate
from swarmlet.network.nft_words import WORDS
from swarmlet.network.ruleset import Element, Part
from swarmlet.store.commands import Key

TABLE = "swarmlet-policies"
EGRESS = "egress"
INGRESS = "ingress"
STANDING_CHAINS = (EGRESS, INGRESS)
"""Whose rules are the same whatever policies there are."""
STANDING_SETS = ("egress-pods", "ingress-pods")
"""That say which Pods of this node are held to policies."""
NAME_LENGTH_MAX = 70
"""Of what a chain or set says of its policy; the kernel takes 127 in all."""

_ANSWERS = "ct state established,related accept"
_OF_THE_LINK = (
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
    "ip6 saddr fe80::/10 drop",
    "ip6 daddr fe80::/10 drop",
)
"""What Pods of a node say to each other by IPv6 on the bridge between them: they find each other, as by ARP, and that
is all, for no policy knows them by the addresses of their links."""


@dataclass(frozen=True, slots=True)
class Member:
    """A Pod with an address on the Pod network. `ports` are the named ones: (name, protocol, number)."""

    key: Key
    address: str
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str]
    ports: frozenset[tuple[str, str, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy. `name` is that of its sets; `peers` None: anybody. `named`: (protocol, port's name)."""

    name: str
    peers: tuple[LabelledPeer, ...] | None
    blocks: tuple[IPBlock, ...]
    numbers: tuple[str, ...] | None
    named: frozenset[tuple[str, str]]

    def is_peer(self, member: Member) -> bool:
        """Whether the rule names this Pod by its labels."""
        return any(each.matches(member) for each in self.peers or ())


@dataclass(frozen=True, slots=True)
class LabelledPeer:
    """Pods of one namespace (`namespace`), or of all whose labels `namespaces` takes."""

    namespace: str
    namespaces: LabelPredicate
    pods: LabelPredicate

    def matches(self, member: Member) -> bool:
        """Whether a Pod is one of them."""
        if self.namespace and self.namespace != member.key.namespace:
            return False
        return self.namespaces(member.namespace_labels) and self.pods(member.labels)


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, read once for a family. `ingress` and `egress` are None where it says nothing about them."""

    key: Key
    family: str
    selects: LabelPredicate
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None


def member(key: Key, pod: Pod, address: str, namespace_labels: Mapping[str, str]) -> Member:
    """Return what the rules need to know of a Pod."""
    ports = frozenset(
        (port.name, port.protocol or "TCP", port.container_port)
        for container in pods.lasting_containers(pod.spec)
        for port in container.ports
        if port.name
    )
    return Member(key, address, pod.metadata.labels, namespace_labels, ports)


def read(key: Key, value: NetworkPolicy, family: str = IPV4) -> Policy:
    """Return a policy as it is for a family, its selectors compiled and its ports gathered; it has its defaults."""
    spec = value.spec
    ingress = [(each.ports, each.from_) for each in spec.ingress] if _is_about(network_policy.INGRESS, spec) else None
    egress = [(each.ports, each.to) for each in spec.egress] if _is_about(network_policy.EGRESS, spec) else None
    return Policy(
        key=key,
        family=family,
        selects=selectors.from_labels(spec.pod_selector),
        ingress=_rules(key, INGRESS, ingress),
        egress=_rules(key, EGRESS, egress),
    )


def base(family: str = IPV4) -> Part:
    """Return what is there without any policy of a family: the hooks, and the maps in which Pods are found.

    Each direction has a chain of its own on the hook: what one accepts, the other still looks at.
    """
    words = WORDS[family]
    passing = (_ANSWERS, *(_OF_THE_LINK if family == IPV6 else ()))
    return Part(
        sets=dict.fromkeys(STANDING_SETS, f"map {{ type {words.address} : verdict; }}"),
        hooks={
            EGRESS: "{ type filter hook forward priority -6; policy accept; }",
            INGRESS: "{ type filter hook forward priority -5; policy accept; }",
        },
        chains={
            EGRESS: (*passing, f"{words.ip} saddr vmap @egress-pods"),
            INGRESS: (*passing, f"{words.ip} daddr vmap @ingress-pods"),
        },
    )


def policy_part(policy: Policy) -> Part:
    """Return the sets and chains of a policy; who is in the sets, the Pods' own parts say."""
    sets: dict[str, str] = {}
    chains: dict[str, tuple[str, ...]] = {}
    for direction, rules, peer in ((INGRESS, policy.ingress, "saddr"), (EGRESS, policy.egress, "daddr")):
        if rules is not None:
            lines = (line for rule in rules for line in _lines(rule, peer, policy.family))
            chains[_chain(policy.key, direction)] = tuple(lines)
            kind = WORDS[policy.family].address
            for rule in rules:
                if rule.peers:
                    sets[_peers_of(rule)] = f"set {{ type {kind}; }}"
                if rule.named:
                    sets[_ports_of(rule)] = f"set {{ type {kind} . inet_proto . inet_service; }}"
    return Part(sets=sets, chains=chains)


def as_peer(policy: Policy, pod: Member) -> frozenset[Element]:
    """Return in which of a policy's sets any Pod of the cluster is: among peers, or the named ports it is asked by."""
    found = [
        (_peers_of(rule), pod.address)
        for rules in (policy.ingress, policy.egress)
        for rule in rules or ()
        if rule.is_peer(pod)
    ]
    if policy.egress and pod.ports:
        found += _named(policy.egress, pod)
    return frozenset(found)


def as_selected(policy: Policy, pod: Member) -> frozenset[Element]:
    """Return in which of a policy's sets a Pod is that the policy selects: its named ports, as others ask for them."""
    return _named(policy.ingress or (), pod)


def pod_part(pod: Member, selected_by: Sequence[Policy], elements: Iterable[Element]) -> Part:
    """Return the part of a Pod: its place in sets, and its own chains where policies of this node select it."""
    chains: dict[str, tuple[str, ...]] = {}
    placed = dict.fromkeys(elements, "")
    for direction, other in ((INGRESS, "saddr"), (EGRESS, "daddr")):
        policies = [each for each in selected_by if _restricts(each, direction)]
        if policies:
            jumps = (f"jump {_chain(each.key, direction)}" for each in policies)
            name = f"pod-{direction}-{_name(pod.key)}"
            ip = WORDS[ip_families.of(pod.address)].ip
            chains[name] = (f"{ip} {other} {pod.address} accept", *jumps, "drop")
            placed[f"{direction}-pods", pod.address] = f"goto {name}"
    return Part(chains=chains, elements=placed)


# Reading.


def _is_about(direction: str, spec: network_policy.NetworkPolicySpec) -> bool:
    return direction in spec.policy_types


def _restricts(policy: Policy, direction: str) -> bool:
    return (policy.ingress if direction == INGRESS else policy.egress) is not None


def _rules(
    key: Key,
    direction: str,
    rules: list[tuple[tuple[NetworkPolicyPort, ...], tuple[NetworkPolicyPeer, ...]]] | None,
) -> tuple[Rule, ...] | None:
    if rules is None:
        return None
    return tuple(
        Rule(
            name=f"{direction}-{number}-{_name(key)}",
            peers=tuple(_labelled(key, each) for each in peers if each.ip_block is None) if peers else None,
            blocks=tuple(each.ip_block for each in peers if each.ip_block is not None),
            numbers=tuple(_numbers(ports)) if ports else None,
            named=frozenset((each.protocol or "TCP", each.port) for each in ports if isinstance(each.port, str)),
        )
        for number, (ports, peers) in enumerate(rules)
    )


def _labelled(key: Key, peer: NetworkPolicyPeer) -> LabelledPeer:
    return LabelledPeer(
        namespace=key.namespace if peer.namespace_selector is None else "",
        namespaces=selectors.from_labels(peer.namespace_selector or LabelSelector()),
        pods=selectors.from_labels(peer.pod_selector or LabelSelector()),
    )


def _numbers(ports: Sequence[NetworkPolicyPort]) -> Iterator[str]:
    """Yield what matches the ports that are told by number: one match a protocol, with ranges that never overlap."""
    for protocol in sorted({each.protocol or "TCP" for each in ports}):
        own = [each for each in ports if (each.protocol or "TCP") == protocol]
        match = f"meta l4proto {protocol.lower()}"
        ranges = [(each.port, each.end_port or each.port) for each in own if isinstance(each.port, int)]
        if any(each.port is None for each in own):
            yield match
        elif ranges:
            told = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in _merged(ranges))
            yield f"{match} th dport {{ {told} }}"


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


# Rendering.


def _lines(rule: Rule, peer: str, family: str) -> Iterator[str]:
    """Yield what accepts the packets that a rule allows; `peer`: which of a packet's addresses is the peer's."""
    for who in _peers(rule, peer, family):
        for what in _ports(rule, WORDS[family].ip):
            yield f"{who} {what} accept".strip().replace("  ", " ")


def _peers(rule: Rule, peer: str, family: str) -> Iterator[str]:
    if rule.peers is None:
        yield ""
        return
    if rule.peers:
        yield f"{WORDS[family].ip} {peer} @{_peers_of(rule)}"
    for block in rule.blocks:
        yield from _block(block, peer, family)


def _block(block: IPBlock, peer: str, family: str) -> Iterator[str]:
    """Yield what matches a block: nothing for one of the other family."""
    whole = ipaddress.ip_network(block.cidr, strict=False)
    if ip_families.of(block.cidr) != family:
        return
    ip = WORDS[family].ip
    told = ", ".join(ip_families.collapsed(family, block.except_)) if block.except_ else ""
    within = f"{ip} {peer} {whole}" if whole.prefixlen else ""
    yield f"{within} {ip} {peer} != {{ {told} }}".strip() if told else within


def _ports(rule: Rule, ip: str) -> Iterator[str]:
    if rule.numbers is None:
        yield ""
        return
    yield from rule.numbers
    if rule.named:
        yield f"{ip} daddr . meta l4proto . th dport @{_ports_of(rule)}"


def _named(rules: Iterable[Rule], pod: Member) -> frozenset[Element]:
    return frozenset(
        (_ports_of(rule), f"{pod.address} . {protocol.lower()} . {number}")
        for rule in rules
        for name, protocol, number in pod.ports
        if (protocol, name) in rule.named
    )


def _peers_of(rule: Rule) -> str:
    return f"peers-{rule.name}"


def _ports_of(rule: Rule) -> str:
    return f"ports-{rule.name}"


def _chain(key: Key, direction: str) -> str:
    return f"{direction}-{_name(key)}"


def _name(key: Key) -> str:
    """Return what sets and chains of an object are called: who reads the rules finds it, and no two are alike."""
    words = f"{key.namespace}/{key.name}"
    digest = hashlib.sha256(words.encode()).hexdigest()[:10]
    return f"{digest}-{words[:NAME_LENGTH_MAX]}"
