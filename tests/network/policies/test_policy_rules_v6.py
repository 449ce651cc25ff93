"""NetworkPolicies for IPv6 in a real kernel, on the bridge that the Pods of a node share: who reaches whom."""

from __future__ import annotations

import pytest

from swarmlet.model.ip_families import IPV6
from swarmlet.network.policies import rules as policy_rules
from swarmlet.network.policies.desired import DesiredPolicies
from swarmlet.network.ruleset import Part, Table
from swarmlet.store.commands import Key
from tests.network.kernel import Machine, Namespace, machine, needs_kernel
from tests.network.policies.asked import Policies
from tests.network.policies.test_policy_rules import chosen

pytestmark = [needs_kernel, pytest.mark.slow]

WEB, FRONT, OTHER = (f"fd00:10:42:200::{number}" for number in (2, 3, 4))
OUTSIDE = "2001:db8::99"


class Bench:
    """Three Pods on one bridge, each with an address of both families; "web" serves. The rules are those of IPv6."""

    def __init__(self, made: Machine) -> None:
        self.machine = made
        self.cluster = Policies()
        self.cluster.namespace("default", {})
        self.desired = DesiredPolicies(self.cluster.store, "n1", lambda: None, IPV6)
        self.table = Table(policy_rules.TABLE, policy_rules.base(IPV6), family="ip6")
        made.nft(self.table.whole())
        self.pods: dict[str, Namespace] = {}
        for number, name in enumerate(("web", "front", "other"), 2):
            self.pods[name] = made.bridged(number)
            ports = [{"name": "http", "containerPort": 8080}] if name == "web" else []
            addresses = (f"10.42.200.{number}", f"fd00:10:42:200::{number}")
            self.cluster.pod(name, addresses[0], {"app": name}, ports=ports, ips=addresses)

    def policy(self, **spec: object) -> None:
        self.cluster.policy("p", **spec)
        parts: dict[Key, Part] = {}
        for _ in self.desired.settle(parts):
            pass
        self.machine.nft(self.table.update(parts))

    def reaches(self, name: str, address: str = WEB) -> bool:
        asker = self.pods.get(name, self.machine.outside)
        return asker.names(address, 8080) != {"silence"}


@pytest.fixture
def bench():
    with machine() as made:
        yield Bench(made)


def test_only_who_is_let_in_comes_in_and_neighbours_are_found_all_the_same(bench: Bench) -> None:
    bench.policy(**chosen(app="web"), ingress=[{"from": [chosen(app="front")], "ports": [{"port": "http"}]}])
    assert (bench.reaches("front"), bench.reaches("other"), bench.reaches("outside")) == (True, False, False)
    assert bench.pods["other"].names("10.42.200.2", 8080) == {"p2"}, "the table of IPv4 says something else"


def test_blocks_of_its_own_family_count(bench: Bench) -> None:
    blocks = [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0", "except": [f"{OTHER}/128"]}}]
    bench.policy(**chosen(app="web"), ingress=[{"from": blocks}])
    assert (bench.reaches("front"), bench.reaches("other"), bench.reaches("outside")) == (True, False, True)


def test_what_a_pod_may_not_send_does_not_leave_it(bench: Bench) -> None:
    bench.policy(
        **chosen(app="other"), egress=[{"to": [{"ipBlock": {"cidr": f"{FRONT}/128"}}]}], policyTypes=["Egress"]
    )
    assert (bench.reaches("other", FRONT), bench.reaches("other", WEB)) == (True, False)


def test_nobody_goes_round_a_policy_by_the_address_of_a_link(bench: Bench) -> None:
    bench.policy(podSelector={})
    [address] = bench.pods["web"].run("ip -6 -o addr show dev eth0 scope link | sed 's/.* inet6 //; s/\\/.*//'").split()
    assert not bench.reaches("other", f"{address}%eth0")
