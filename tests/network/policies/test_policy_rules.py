"""NetworkPolicies as rules: as they read, and as Kubernetes means them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from swarmlet.network.policies import rules as policy_rules
from swarmlet.network.policies.desired import DesiredPolicies
from swarmlet.network.ruleset import NOTHING, Part, Table
from swarmlet.store.commands import Key
from tests.network.packets import Packet, in_force
from tests.network.policies.asked import Policies

FRONT, WEB, OTHER, OUTSIDE = "10.42.1.2", "10.42.1.3", "10.42.2.2", "192.0.2.99"
HTTP = {"name": "http", "containerPort": 8080}


class Bench:
    """A store, and what the node n1 renders of it."""

    def __init__(self) -> None:
        self.cluster = Policies()
        self.told = 0
        self.desired = DesiredPolicies(self.cluster.store, "n1", self._note)
        self.parts: dict[Key, Part] = {}
        self.changed: dict[Key, Part] = {}
        self.table = Table(policy_rules.TABLE, policy_rules.base())

    def _note(self) -> None:
        self.told += 1

    def settle(self, meanwhile: Callable[[], None] = lambda: None) -> str:
        """Bring the parts up to date, with something else after each step; return the script."""
        changed: dict[Key, Part] = {}
        for _ in self.desired.settle(changed):
            meanwhile()
        self.changed = {key: part for key, part in changed.items() if part != self.parts.get(key, NOTHING)}
        self.parts = {key: part for key, part in (self.parts | changed).items() if part != NOTHING}
        return self.table.update(changed)

    def passes(self, source: str, destination: str, port: int = 80, protocol: str = "TCP") -> bool:
        self.settle()
        return in_force(policy_rules.base(), self.parts).passes(Packet(source, destination, protocol, port))


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.cluster.namespace("default", {})
    made.cluster.pod("front", FRONT, {"app": "front"})
    made.cluster.pod("web", WEB, {"app": "web"}, ports=[HTTP])
    made.cluster.pod("other", OTHER, {"app": "other"}, node="n2")
    return made


def chosen(**labels: str) -> dict:
    return {"podSelector": {"matchLabels": labels}}


def test_the_rules_of_a_policy_read_like_it(bench: Bench) -> None:
    ports = [{"port": 80}, {"port": 82, "endPort": 90}, {"port": 85, "endPort": 95}, {"port": 53, "protocol": "UDP"}]
    block = {"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.64/27", "192.0.2.96/27"]}}
    bench.cluster.policy(
        "p", **chosen(app="web"), ingress=[{"ports": [*ports, {"port": "http"}], "from": [chosen(app="front"), block]}]
    )
    bench.settle()
    [policy] = [part for key, part in bench.parts.items() if key.name == "p"]
    assert dict(policy.chains) == {
        "ingress-9b12a56b1d-default/p": (
            "ip saddr @peers-ingress-0-9b12a56b1d-default/p meta l4proto tcp th dport { 80, 82-95 } accept",
            "ip saddr @peers-ingress-0-9b12a56b1d-default/p meta l4proto udp th dport { 53 } accept",
            (
                "ip saddr @peers-ingress-0-9b12a56b1d-default/p "
                "ip daddr . meta l4proto . th dport @ports-ingress-0-9b12a56b1d-default/p accept"
            ),
            "ip saddr 192.0.2.0/24 ip saddr != { 192.0.2.64/26 } meta l4proto tcp th dport { 80, 82-95 } accept",
            "ip saddr 192.0.2.0/24 ip saddr != { 192.0.2.64/26 } meta l4proto udp th dport { 53 } accept",
            (
                "ip saddr 192.0.2.0/24 ip saddr != { 192.0.2.64/26 } "
                "ip daddr . meta l4proto . th dport @ports-ingress-0-9b12a56b1d-default/p accept"
            ),
        )
    }
    [web] = [part for key, part in bench.parts.items() if key.name == "web"]
    assert list(web.chains.values()) == [
        ("ip saddr 10.42.1.3 accept", "jump ingress-9b12a56b1d-default/p", "drop"),
    ]
    [front] = [part for key, part in bench.parts.items() if key.name == "front"]
    assert dict(front.elements) == {("peers-ingress-0-9b12a56b1d-default/p", FRONT): ""}


def test_without_a_policy_everything_passes(bench: Bench) -> None:
    assert bench.passes(FRONT, WEB)
    assert bench.parts == {}


def test_default_deny_lets_in_nobody_but_the_pod_itself(bench: Bench) -> None:
    bench.cluster.policy("deny", podSelector={})
    assert not bench.passes(OTHER, WEB)
    assert bench.passes(WEB, WEB)
    assert bench.passes(WEB, OTHER), "it is about ingress, and the other Pod's node judges that"


def test_policies_add_to_each_other(bench: Bench) -> None:
    bench.cluster.policy("deny", podSelector={})
    allow = bench.cluster.policy("allow", **chosen(app="web"), ingress=[{"from": [chosen(app="front")]}])
    assert (bench.passes(FRONT, WEB), bench.passes(OTHER, WEB)) == (True, False)
    bench.cluster.remove(allow)
    assert not bench.passes(FRONT, WEB)


def test_both_directions_must_allow(bench: Bench) -> None:
    bench.cluster.policy("in", **chosen(app="web"), ingress=[{"from": [chosen(app="front")]}])
    bench.cluster.policy("out", **chosen(app="front"), policyTypes=["Egress"])
    assert not bench.passes(FRONT, WEB)
    bench.cluster.policy("more", **chosen(app="front"), policyTypes=["Egress"], egress=[{"to": [chosen(app="web")]}])
    assert bench.passes(FRONT, WEB)
    bench.cluster.policy("in", **chosen(app="web"))
    assert not bench.passes(FRONT, WEB)


def test_the_name_of_a_port_means_that_of_the_pod_that_is_spoken_to(bench: Bench) -> None:
    bench.cluster.pod("other", OTHER, {"app": "other"}, node="n2", ports=[{"name": "http", "containerPort": 9000}])
    bench.cluster.policy("out", **chosen(app="front"), policyTypes=["Egress"], egress=[{"ports": [{"port": "http"}]}])
    found = {(to, port): bench.passes(FRONT, to, port) for to in (WEB, OTHER, OUTSIDE) for port in (8080, 9000)}
    assert {way for way, passes in found.items() if passes} == {(WEB, 8080), (OTHER, 9000)}


def test_a_pod_that_is_relabelled_gains_and_loses(bench: Bench) -> None:
    bench.cluster.policy("allow", **chosen(app="web"), ingress=[{"from": [chosen(app="front")]}])
    assert not bench.passes(OTHER, WEB)
    bench.cluster.pod("other", OTHER, {"app": "front"}, node="n2")
    assert bench.passes(OTHER, WEB)
    bench.cluster.pod("web", WEB, {"app": "free"})
    bench.cluster.pod("other", OTHER, {"app": "none"}, node="n2")
    assert bench.passes(OTHER, WEB)
    assert bench.parts == {}, "a policy that selects nobody here is not rendered"


def test_a_namespace_that_is_relabelled_opens(bench: Bench) -> None:
    bench.cluster.namespace("b", {"team": "x"})
    bench.cluster.pod("b/far", "10.42.2.9", node="n2")
    bench.cluster.policy(
        "allow", podSelector={}, ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]}]
    )
    assert not bench.passes("10.42.2.9", WEB)
    bench.cluster.namespace("b", {"team": "b"})
    assert bench.passes("10.42.2.9", WEB)


def test_pods_that_share_or_have_left_an_address_are_no_peers(bench: Bench) -> None:
    bench.cluster.policy("allow", **chosen(app="web"), ingress=[{"from": [chosen(app="x")]}])
    bench.cluster.pod("done", "10.42.2.7", {"app": "x"}, node="n2", phase="Succeeded")
    bench.cluster.pod("host", "192.0.2.2", {"app": "x"}, node="n2", hostNetwork=True)
    assert not bench.passes("10.42.2.7", WEB)
    assert not bench.passes("192.0.2.2", WEB)


def test_a_pod_on_its_nodes_network_is_not_restricted(bench: Bench) -> None:
    bench.cluster.policy("deny", podSelector={}, policyTypes=["Ingress", "Egress"])
    bench.cluster.pod("host", "192.0.2.1", hostNetwork=True)
    assert bench.passes("192.0.2.1", OUTSIDE)


def test_an_address_is_in_force_before_the_cluster_knows_it(bench: Bench) -> None:
    bench.cluster.policy("deny", podSelector={})
    bench.cluster.pod("new", "", {"app": "new"})
    assert bench.passes(FRONT, "10.42.1.9")
    bench.desired.give("uid-new", "10.42.1.9")
    assert not bench.passes(FRONT, "10.42.1.9")


def test_an_address_that_is_given_anew_is_no_longer_anothers(bench: Bench) -> None:
    bench.cluster.policy("deny", **chosen(app="web"))
    bench.cluster.pod("new", "", {"app": "new"})
    bench.desired.give("uid-new", WEB)
    assert bench.passes(FRONT, WEB)


def test_a_change_touches_only_what_it_means(bench: Bench) -> None:
    bench.cluster.policy("allow", **chosen(app="web"), ingress=[{"from": [chosen(app="front")]}])
    bench.settle()
    for number in range(20):
        bench.cluster.pod(f"more-{number}", f"10.42.3.{number + 2}", {"app": "more"}, node="n2")
    bench.settle()
    assert bench.changed == {}
    bench.cluster.pod("more-3", "10.42.3.5", {"app": "front"}, node="n2")
    script = bench.settle()
    assert [key.name for key in bench.changed] == ["more-3"]
    assert script.splitlines() == [
        f"add element ip swarmlet-policies peers-ingress-0-{name('default/allow')} {{ 10.42.3.5 }}"
    ]


def test_what_says_nothing_new_about_a_pod_costs_nothing(bench: Bench) -> None:
    bench.cluster.policy("allow", **chosen(app="web"), ingress=[{"from": [chosen(app="other")]}])
    bench.settle()
    bench.cluster.pod("other", OTHER, {"app": "other"}, node="n2", hostname="new")
    parts: dict[Key, Part] = {}
    assert len(list(bench.desired.settle(parts))) == 1
    assert parts == {}


def test_a_policy_is_asked_about_one_shape_of_pods_a_step(bench: Bench) -> None:
    bench.cluster.policy("allow", podSelector={}, ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "x"}}}]}])
    bench.settle()
    for number in range(50):
        bench.cluster.pod(f"p{number}", f"10.42.9.{number}", {"app": f"app-{number}"}, node="n2")
    bench.settle()
    bench.cluster.policy("allow", podSelector={}, ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "y"}}}]}])
    assert len(list(bench.desired.settle({}))) > 50


def test_an_address_that_a_pod_was_given_touches_only_who_has_or_had_it(bench: Bench) -> None:
    for number in range(20):
        bench.cluster.pod(f"more-{number}", f"10.42.1.{number + 20}", {"app": "more"})
    bench.settle()
    bench.desired.give("uid-more-3", "10.42.1.25")
    parts: dict[Key, Part] = {}
    for _ in bench.desired.settle(parts):
        pass
    assert {key.name for key in parts} == {"more-3", "more-5"}


def test_a_pod_that_was_given_an_address_first_loses_it_to_the_next(bench: Bench) -> None:
    bench.cluster.policy("deny", **chosen(app="new"), policyTypes=["Ingress"])
    bench.cluster.pod("new", "", {"app": "new"})
    bench.desired.give("uid-new", "10.42.1.9")
    assert not bench.passes(FRONT, "10.42.1.9")
    bench.desired.give("uid-front", "10.42.1.9")
    assert bench.passes(WEB, "10.42.1.9")


def name(words: str) -> str:
    return policy_rules._name(Key("", *words.split("/")))


# As Kubernetes means them.

LABELS = [{"app": "a"}, {"app": "b"}, {"app": "a", "tier": "x"}, {}]
SELECTORS = [
    {},
    {"matchLabels": {"app": "a"}},
    {"matchLabels": {"app": "b"}},
    {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]},
]
PORTS = [
    {"port": 80},
    {"protocol": "UDP"},
    {"port": 80, "endPort": 8080},
    {"port": 100, "endPort": 8200},
    {"port": "http"},
    {"port": "dns", "protocol": "UDP"},
    {"port": 53, "protocol": "UDP"},
]
BLOCKS = [
    {"cidr": "0.0.0.0/0"},
    {"cidr": "0.0.0.0/0", "except": ["10.42.0.0/16"]},
    {"cidr": "10.42.0.0/23", "except": ["10.42.1.3/32", "10.42.0.0/24"]},
    {"cidr": "192.0.2.0/24"},
    {"cidr": "fd00::/8"},
]
NAMED = [
    [],
    [{"name": "http", "containerPort": 8080}],
    [{"name": "http", "containerPort": 80}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}],
]
NAMESPACES = ("default", "b", "c")


def peer(rng: random.Random) -> dict:
    kind = rng.randrange(4)
    if kind == 3:
        return {"ipBlock": rng.choice(BLOCKS)}
    made = {"podSelector": rng.choice(SELECTORS)} if kind != 1 else {}
    return made | ({"namespaceSelector": rng.choice([{}, {"matchLabels": {"team": "x"}}])} if kind else {})


def rule(rng: random.Random, key: str) -> dict:
    made: dict = {}
    if rng.random() < 0.7:
        made["ports"] = rng.sample(PORTS, rng.randrange(1, 4))
    if rng.random() < 0.8:
        made[key] = [peer(rng) for _ in range(rng.randrange(1, 3))]
    return made


def disturb(rng: random.Random, cluster: Policies, existing: set[Key]) -> None:
    """Change something, as users and Pods do."""
    number = rng.randrange(6)
    where = rng.randrange(len(NAMESPACES))
    match rng.randrange(7):
        case 0:
            cluster.namespace(NAMESPACES[where], rng.choice([{}, {"team": "x"}]))
        case 1 | 2 | 3:
            written = cluster.pod(
                f"{NAMESPACES[where]}/pod-{number}",
                f"10.42.{where}.{number + 2}",
                rng.choice(LABELS),
                node=rng.choice(["n1", "n1", "n2"]),
                ports=rng.choice(NAMED),
                phase=rng.choice(["Running"] * 5 + ["Failed"]),
            )
            existing.add(written)
        case 4 | 5:
            existing.add(cluster.policy(f"{NAMESPACES[where]}/policy-{number % 3}", **spec(rng)))
        case _:
            for key in rng.sample(sorted(existing), min(len(existing), 2)):
                existing.discard(key)
                cluster.remove(key)


def spec(rng: random.Random) -> dict:
    made: dict = {"podSelector": rng.choice(SELECTORS)}
    if rng.random() < 0.7:
        made["ingress"] = [rule(rng, "from") for _ in range(rng.randrange(3))]
    if rng.random() < 0.7:
        made["egress"] = [rule(rng, "to") for _ in range(rng.randrange(3))]
    if rng.random() < 0.3:
        made["policyTypes"] = ["Egress"]
    return made


def packets(rng: random.Random, count: int) -> list[Packet]:
    known = [f"10.42.{where}.{number + 2}" for where in range(len(NAMESPACES)) for number in range(6)]
    known += [OUTSIDE, "198.51.100.1"]
    ports = [("TCP", 80), ("TCP", 8080), ("TCP", 8150), ("TCP", 99), ("UDP", 53), ("UDP", 80), ("TCP", 53)]
    return [
        Packet(rng.choice(known), rng.choice(known), protocol, port)
        for protocol, port in (rng.choice(ports) for _ in range(count))
    ]


@pytest.mark.parametrize("seed", range(25))
def test_what_passes_is_what_kubernetes_says_whatever_came_before(seed: int) -> None:
    rng = random.Random(seed)
    bench = Bench()
    existing: set[Key] = set()
    dropped = 0
    for _ in range(20):
        disturb(rng, bench.cluster, existing)
    for _ in range(30):
        for _ in range(rng.randrange(1, 5)):
            disturb(rng, bench.cluster, existing)
        bench.settle(lambda: disturb(rng, bench.cluster, existing) if rng.random() < 0.1 else None)
        bench.settle()
        rules = in_force(policy_rules.base(), bench.parts)
        for packet in packets(rng, 20):
            assert rules.passes(packet) == bench.cluster.allows(packet), packet
            dropped += not rules.passes(packet)
    assert dropped > 0
    fresh = Bench()
    fresh.cluster.store = bench.cluster.store
    fresh.desired = DesiredPolicies(bench.cluster.store, "n1", lambda: None)
    fresh.settle()
    assert fresh.parts == bench.parts, "what is in force is a function of what is stored"
