"""Services as rules of nftables: which packets lead where. Pure.

A packet that begins a connection is looked up once, by address, protocol and port, however many Services there are; its
Service's own chain then gives it the endpoint whose turn it is. Packets that follow never come here: the kernel's
connection tracking knows where the first one went, so established connections survive whatever becomes of the rules.

Source: kubernetes pkg/proxy/nftables/README.md and proxier.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from swarmlet.model import ip_families
from swarmlet.network.fabric.plan import BRIDGE
from swarmlet.network.nft_words import WORDS, Words
from swarmlet.network.ruleset import Element, Part
from swarmlet.network.services.desired import Endpoint, Port, Service

TABLE = "swarmlet-services"
SERVICES = "services"
NODE_PORTS = "node-ports"
HAIRPINS = "hairpins"
REFUSE = "goto refuse"
DROP = "drop"

MASQUERADE_BIT = 0x4000
"""Of a packet's mark: it is to leave with this node's address. Kubernetes' bit, which others leave free."""
_BITS = 0xFFFFFFFF
_OWN_ADDRESS = "masquerade fully-random"

CLIENTS_MAX = 4_095
"""How many clients an endpoint of a Service with affinity remembers; those beyond are given to any.

The kernel makes room for them beforehand: 64 KiB for so many, a MiB for 65,535, and takes its time for that.
"""
FAITHFUL_MAX = 256
"""Endpoints of a port that has affinity; one that has more has none, for each is a rule, a chain and a set."""
STANDING_CHAINS = ("prerouting", "output", "postrouting", "dispatch")
"""Whose rules are the same whatever Services there are."""

NAME_LENGTH_MAX = 70
"""Of what a chain says of its port; the kernel takes 255 in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the rules of a family stand on: its networks of Pods and of Services, and ports of the node that stay its.

    `reserved`: (protocol, port) that no Service takes away from the daemon and its Pod network. `node`: its name, so
    that the nodes of a cluster do not all begin with the same endpoint.
    """

    pod_network: str
    service_network: str
    reserved: frozenset[tuple[str, int]] = frozenset()
    node: str = ""

    @property
    def family(self) -> str:
        return ip_families.of(self.service_network)

    @property
    def words(self) -> Words:
        return WORDS[self.family]


def base(ground: Ground) -> Part:
    """Return what is there without any Service: the hooks, and the maps in which Services are found.

    An endpoint on this node's bridge answers through this node whoever asks, so its clients keep their addresses. (A
    node has but 64,000 ports to give to clients of one endpoint, and gets each back after two minutes.)
    """
    bit, words = f"{MASQUERADE_BIT:#x}", ground.words
    leaves = f'oifname != "{BRIDGE}" meta mark & {bit} == {bit}'
    dispatch = (
        f"{words.ip} daddr . meta l4proto . th dport vmap @{SERVICES}",
        f"{words.ip} daddr != {words.loopback} fib daddr type local meta l4proto . th dport vmap @{NODE_PORTS}",
        f"{words.ip} daddr {ground.service_network} fib daddr type != local {REFUSE}",
    )
    return Part(
        sets={
            SERVICES: f"map {{ type {words.address} . inet_proto . inet_service : verdict; }}",
            NODE_PORTS: "map { type inet_proto . inet_service : verdict; }",
            HAIRPINS: f"set {{ type {words.address} . {words.address}; }}",
        },
        hooks={
            "prerouting": "{ type nat hook prerouting priority dstnat; policy accept; }",
            "output": "{ type nat hook output priority -100; policy accept; }",
            "postrouting": "{ type nat hook postrouting priority srcnat; policy accept; }",
        },
        chains={
            "prerouting": ("jump dispatch",),
            "output": ("jump dispatch",),
            "postrouting": (
                f"{leaves} meta mark set meta mark & {_BITS ^ MASQUERADE_BIT:#x} {_OWN_ADDRESS}",
                f"ct status dnat {words.ip} saddr . {words.ip} daddr @{HAIRPINS} {_OWN_ADDRESS}",
            ),
            "dispatch": dispatch,
            "refuse": ("meta l4proto tcp reject with tcp reset", f"reject with {words.icmp} port-unreachable"),
        },
    )


def render(service: Service, ground: Ground) -> Part:
    """Return the rules of one Service."""
    work = _Work(service, ground)
    for port in service.ports:
        work.add(port)
    return Part(sets=work.sets, chains=work.chains, elements=work.elements)


class _Work:
    """The rules of one Service, in the making."""

    def __init__(self, service: Service, ground: Ground) -> None:
        self.sets: dict[str, str] = {}
        self.chains: dict[str, tuple[str, ...]] = {}
        self.elements: dict[Element, str] = {}
        self._service = service
        self._ground = ground
        self._ip = ground.words.ip

    def add(self, port: Port) -> None:
        name = _name(self._service, port)
        protocol = port.protocol.lower()
        self._lead([self._service.cluster_ip], port, self._internal(port, name))
        if self._is_external(port):
            verdict = self._external(port, name)
            if port.node_port and (port.protocol, port.node_port) not in self._ground.reserved:
                self.elements[NODE_PORTS, f"{protocol} . {port.node_port}"] = verdict
            if (port.protocol, port.port) not in self._ground.reserved:
                self._lead(self._service.external_ips, port, verdict)
                self._publish(port, name, verdict)
        for each in {*port.here, *(each for each in port.everywhere if not each.node)}:
            self.elements[HAIRPINS, f"{each.address} . {each.address}"] = ""

    def _is_external(self, port: Port) -> bool:
        return bool(port.node_port or self._service.external_ips or self._service.ingress)

    def _lead(self, addresses: Sequence[str], port: Port, verdict: str) -> None:
        for address in addresses:
            self.elements[SERVICES, f"{address} . {port.protocol.lower()} . {port.port}"] = verdict

    def _publish(self, port: Port, name: str, verdict: str) -> None:
        """Let a load balancer's port lead there on every address of this node, once its status names addresses."""
        if self._service.ingress:
            guarded = self._guarded(name, verdict)
            self._lead(self._service.ingress, port, guarded)
            self.elements[NODE_PORTS, f"{port.protocol.lower()} . {port.port}"] = guarded

    def _internal(self, port: Port, name: str) -> str:
        """Return where the cluster IP leads. Who is no Pod takes this node's address, so that answers find back."""
        chosen = self._choice(port, name, local=self._service.internal_local)
        if chosen in (REFUSE, DROP):
            return chosen
        self.chains[f"internal-{name}"] = (f"{self._ip} saddr != {self._ground.pod_network} {_MASQUERADE}", chosen)
        return f"goto internal-{name}"

    def _external(self, port: Port, name: str) -> str:
        """Return where addresses from outside lead. Under Local, the client's address stays as it is.

        Who is on this node already is served by any endpoint all the same, as Kubernetes does.
        """
        everywhere = self._choice(port, name, local=False)
        if everywhere == REFUSE:
            return REFUSE
        rules: tuple[str, ...] = (_MASQUERADE, everywhere)
        if self._service.external_local:
            rules = (
                f"{self._ip} saddr {self._ground.pod_network} {everywhere}",
                f"fib saddr type local {_MASQUERADE} {everywhere}",
                self._choice(port, name, local=True),
            )
        self.chains[f"external-{name}"] = rules
        return f"goto external-{name}"

    def _guarded(self, name: str, verdict: str) -> str:
        """Return where a load balancer's address leads, which only clients of the source ranges may use."""
        if not self._service.source_ranges or verdict == REFUSE:
            return verdict
        single = ip_families.collapsed(self._ground.family, map(str.strip, self._service.source_ranges))
        self.chains[f"guarded-{name}"] = (*(f"{self._ip} saddr {each} {verdict}" for each in single), DROP)
        return f"goto guarded-{name}"

    def _choice(self, port: Port, name: str, *, local: bool) -> str:
        """Return what draws one of the endpoints; none of this node where others are: what comes is not answered."""
        endpoints = port.here if local else port.everywhere
        if not endpoints:
            return DROP if port.everywhere else REFUSE
        chain = f"local-{name}" if local else f"cluster-{name}"
        if chain not in self.chains:
            if self._service.affinity_seconds and len(endpoints) <= FAITHFUL_MAX:
                self.chains[chain] = tuple(self._faithful(port, name, endpoints))
            else:
                self.chains[chain] = (_in_turn(port, self._from_ones_own(name, endpoints)),)
        return f"goto {chain}"

    def _faithful(self, port: Port, name: str, endpoints: Sequence[Endpoint]) -> Iterator[str]:
        """Yield rules by which a client that an endpoint remembers goes there again, and others take turns."""
        places = []
        seconds = self._service.affinity_seconds
        timeout = f"timeout {seconds}s;"
        for each in self._from_ones_own(name, endpoints):
            place = f"endpoint-{name}-{each.address.replace(':', '_')}/{each.port}"
            clients = f"{place}-{seconds}s"  # another time is another set: that of one that there is cannot be changed
            kind = self._ground.words.address
            self.sets[clients] = f"set {{ type {kind}; size {CLIENTS_MAX}; flags dynamic,timeout; {timeout} }}"
            self.chains[place] = (f"update @{clients} {{ {self._ip} saddr }}", _in_turn(port, [each]))
            places.append(place)
            yield f"{self._ip} saddr @{clients} goto {place}"
        numbered = ", ".join(f"{number} : goto {place}" for number, place in enumerate(places))
        yield f"numgen inc mod {len(places)} vmap {{ {numbered} }}"

    def _from_ones_own(self, name: str, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
        """Return the endpoints in turn, from one that differs from node to node, and with each change of them.

        A change begins the turns anew: where endpoints come and go often, the first would get more than the others.
        """
        words = [self._ground.node, name, *(f"{each.address}:{each.port}" for each in endpoints)]
        first = int.from_bytes(hashlib.sha256(" ".join(words).encode()).digest()[:8], "big") % len(endpoints)
        return [*endpoints[first:], *endpoints[:first]]


_MASQUERADE = f"meta mark set meta mark | {MASQUERADE_BIT:#x}"


def _in_turn(port: Port, endpoints: Sequence[Endpoint]) -> str:
    """Return the rule that sends one connection after the other to the next endpoint."""
    only_this = f"meta l4proto {port.protocol.lower()}"
    if len(endpoints) == 1:
        return f"{only_this} dnat to {_place(endpoints[0])}"
    numbered = ", ".join(f"{number} : {each.address} . {each.port}" for number, each in enumerate(endpoints))
    return f"{only_this} dnat to numgen inc mod {len(endpoints)} map {{ {numbered} }}"


def _place(endpoint: Endpoint) -> str:
    is_v6 = ip_families.of(endpoint.address) == ip_families.IPV6
    return f"[{endpoint.address}]:{endpoint.port}" if is_v6 else f"{endpoint.address}:{endpoint.port}"


def _name(service: Service, port: Port) -> str:
    """Return what the chains of a port are called: who reads the rules finds it, and no two are alike."""
    words = f"{service.key.namespace}/{service.key.name}/{port.protocol.lower()}/{port.port}"
    digest = hashlib.sha256(words.encode()).hexdigest()[:10]
    return f"{digest}-{words[:NAME_LENGTH_MAX]}"
