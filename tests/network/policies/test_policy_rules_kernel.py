"""The rules of NetworkPolicies in a real kernel: what passes, and that what is in force comes of what is stored."""

from __future__ import annotations

import random
import re

import pytest

from swarmlet.model.services import ServicePort
from swarmlet.network.policies import rules as policy_rules
from swarmlet.network.ruleset import Table
from swarmlet.network.services import rules as service_rules
from swarmlet.network.services.desired import DesiredServices
from swarmlet.store.commands import Key
from tests.network.cluster import endpoint
from tests.network.cluster import key as service_key
from tests.network.kernel import Machine, machine, needs_kernel
from tests.network.policies.test_policy_rules import Bench, chosen, disturb
from tests.network.services.test_service_rules_kernel import GROUND

pytestmark = [needs_kernel, pytest.mark.slow]

WEB, FRONT, OTHER = (f"10.42.{number}.2" for number in (1, 2, 3))


class KernelBench(Bench):
    """A machine whose kernel follows a store. The Pod "web" serves; "front" and "other" ask."""

    def __init__(self, made: Machine) -> None:
        super().__init__()
        self.machine = made
        made.nft(self.table.whole())

    def apply(self) -> None:
        if script := self.settle():
            self.machine.nft(script)

    def listed(self) -> list[list[str]]:
        """Return the table's sets and chains, each as its words, in no order that depends on when they were made."""
        listing = self.machine.node.run(f"nft list table ip {policy_rules.TABLE}")
        body = listing.split("{", 1)[1].rsplit("}", 1)[0]
        return sorted(_ordered(block) for block in re.split(r"\n(?=\t\S)(?!\t\})", body) if block.strip())


def _ordered(block: str) -> list[str]:
    words = block.replace(",", " ").split()
    return words if words[0] == "chain" else sorted(words)


@pytest.fixture
def bench():
    with machine() as made:
        yield KernelBench(made)


@pytest.fixture
def served(bench: KernelBench) -> KernelBench:
    for number, name in enumerate(("web", "front", "other"), 1):
        bench.machine.pod(number)
        ports = [{"name": "http", "containerPort": 8080}] if name == "web" else []
        bench.cluster.pod(name, f"10.42.{number}.2", {"app": name}, ports=ports)
    bench.cluster.namespace("default", {})
    for port in (8080, 9000):
        bench.machine.pods[WEB].serve("web", port)
    return bench


def test_who_is_allowed_passes_and_its_answers_do_and_nobody_else(served: KernelBench) -> None:
    rules = [
        {"from": [chosen(app="front")], "ports": [{"port": "http"}, {"port": 8000, "endPort": 8100, "protocol": "UDP"}]}
    ]
    served.cluster.policy("web", **chosen(app="web"), ingress=rules, policyTypes=["Ingress", "Egress"])
    served.apply()
    front, other = served.machine.pods[FRONT], served.machine.pods[OTHER]
    assert front.ask(WEB, 8080) == {"web 10.42.2.2": 1}
    assert front.ask(WEB, 8080, kind="udp") == {"web 10.42.2.2": 1}
    assert front.ask(WEB, 9000) == {"silence": 1}
    assert other.ask(WEB, 8080) == {"silence": 1}
    assert served.machine.outside.ask(WEB, 8080) == {"silence": 1}
    assert served.machine.node.ask(WEB, 8080) == {"web 10.42.1.1": 1}, "probes come from the node"


def test_what_is_established_goes_on_when_a_policy_comes(served: KernelBench) -> None:
    served.apply()
    talk = served.machine.pods[OTHER].talk(WEB, 8080)
    served.cluster.policy("deny", podSelector={}, policyTypes=["Ingress", "Egress"])
    served.apply()
    assert talk.say("still here") == "still here"
    assert served.machine.pods[OTHER].ask(WEB, 8080) == {"silence": 1}


def test_a_block_lets_in_those_outside_its_exceptions(served: KernelBench) -> None:
    block = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.42.2.0/24", "203.0.113.0/24"]}}
    served.cluster.policy("web", **chosen(app="web"), ingress=[{"from": [block], "ports": [{"port": 8080}]}])
    served.apply()
    assert served.machine.outside.ask(WEB, 8080) == {"web 192.0.2.99": 1}
    assert served.machine.pods[OTHER].ask(WEB, 8080) == {"web 10.42.3.2": 1}
    assert served.machine.pods[FRONT].ask(WEB, 8080) == {"silence": 1}


def test_egress_is_held_at_the_sender(served: KernelBench) -> None:
    to_web = [{"to": [chosen(app="web")], "ports": [{"port": "http"}]}]
    served.cluster.policy("front", **chosen(app="front"), policyTypes=["Egress"], egress=to_web)
    served.apply()
    served.machine.outside.serve("outside", 80)
    front = served.machine.pods[FRONT]
    assert front.ask(WEB, 8080) == {"web 10.42.2.2": 1}
    assert front.ask(WEB, 9000) == {"silence": 1}
    assert front.ask("192.0.2.99", 80) == {"silence": 1}
    assert served.machine.pods[OTHER].ask("192.0.2.99", 80) == {"outside 10.42.3.2": 1}


def test_services_are_translated_before_so_policies_are_about_the_pods_behind_them(served: KernelBench) -> None:
    vip, client = "10.43.0.1", "192.0.2.99"
    published = ServicePort(name="http", protocol="TCP", port=80, node_port=30080)
    served.cluster.service("web", published, type="NodePort")
    served.cluster.slice("web-a", endpoint(WEB))
    table = Table(service_rules.TABLE, service_rules.base(GROUND))
    service = DesiredServices(served.cluster.store, "n1").get(service_key("web"))
    assert service is not None
    table.update({service_key("web"): service_rules.render(service, GROUND)})
    served.machine.nft(table.whole())
    front, other, web = (served.machine.pods[each] for each in (FRONT, OTHER, WEB))
    outside = served.machine.outside
    assert [each.names(vip) for each in (front, other, web)] == [{"web"}] * 3

    to_web = [{"to": [chosen(app="web")], "ports": [{"port": 8080}]}]
    served.cluster.policy("front", **chosen(app="front"), egress=to_web, policyTypes=["Egress"])
    served.cluster.policy("web", **chosen(app="web"), ingress=[{"from": [chosen(app="front")]}])
    served.apply()
    assert front.names(vip) == {"web"}, "80 is the Service's port, and 8080 that of the Pod"
    assert other.names(vip) == {"silence"}
    assert web.names(vip) == {"web"}, "a Pod always reaches itself"
    assert outside.names("192.0.2.1", 30080) == {"silence"}

    block = {"ipBlock": {"cidr": "192.0.2.0/24", "except": [f"{client}/32"]}}
    served.cluster.policy("web", **chosen(app="web"), ingress=[{"from": [chosen(app="front"), block]}])
    served.apply()
    assert outside.names("192.0.2.1", 30080) == {"silence"}
    served.cluster.policy("web", **chosen(app="web"), ingress=[{"from": [{"ipBlock": {"cidr": f"{client}/32"}}]}])
    served.apply()
    assert outside.names("192.0.2.1", 30080) == {"web"}
    assert front.names(vip) == {"silence"}


@pytest.mark.parametrize("seed", range(3))
def test_changes_lead_to_the_same_rules_as_a_table_made_anew(bench: KernelBench, seed: int) -> None:
    rng = random.Random(seed)
    existing: set[Key] = set()
    for _ in range(25):
        for _ in range(rng.randrange(1, 6)):
            disturb(rng, bench.cluster, existing)
        bench.apply()
    stepwise = bench.listed()
    bench.machine.nft(bench.table.whole())
    assert stepwise == bench.listed()
