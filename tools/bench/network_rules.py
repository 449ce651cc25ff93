"""What rules a machine of the benchmark has: none, one, Docker's, or all of ours."""

from __future__ import annotations

from collections.abc import Sequence

from swarmlet.model.node_subnets import CLUSTER_CIDR, SERVICE_CIDR
from swarmlet.network.fabric import plan as fabric
from swarmlet.network.fabric import rules as fabric_rules
from swarmlet.network.fabric.plan import Member
from swarmlet.network.policies import isolation_rules
from swarmlet.network.policies import rules as policy_rules
from swarmlet.network.ruleset import Table
from swarmlet.network.services import rules as service_rules
from swarmlet.network.services.desired import DesiredServices, Endpoint, Port, Service
from swarmlet.network.services.rules import Ground
from swarmlet.store.commands import Key
from tools.bench.services import Population

NONE = "flush ruleset\n"
STATUS_PORT = 7601
PAGE_PORT = 80
NODE_PORT = 32_700
SERVICES = 1_000
"""Beside those that are measured."""


def one_rule(cluster_ip: str, published: str, endpoint: str) -> str:
    """Return the least that leads a Service's address and a published port to an endpoint: the floor."""
    return (
        f"{NONE}table ip floor {{\nchain prerouting {{\ntype nat hook prerouting priority dstnat;\n"
        f"ip daddr {cluster_ip} tcp dport {PAGE_PORT} dnat to {endpoint}:{PAGE_PORT}\n"
        f"ip daddr {published} tcp dport {NODE_PORT} dnat to {endpoint}:{PAGE_PORT}\n}}\n}}\n"
    )


def dockers(endpoint: str, subnet: str) -> str:
    """Return what Docker 20.10 gives iptables-restore for one published port, on the bridge that is here."""
    bridge = fabric.BRIDGE
    return f"""*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s {subnet} ! -o {bridge} -j MASQUERADE
-A POSTROUTING -s {endpoint}/32 -d {endpoint}/32 -p tcp -m tcp --dport {PAGE_PORT} -j MASQUERADE
-A DOCKER -i {bridge} -j RETURN
-A DOCKER ! -i {bridge} -p tcp -m tcp --dport {NODE_PORT} -j DNAT --to-destination {endpoint}:{PAGE_PORT}
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o {bridge} -j DOCKER
-A FORWARD -i {bridge} ! -o {bridge} -j ACCEPT
-A FORWARD -i {bridge} -o {bridge} -j ACCEPT
-A DOCKER -d {endpoint}/32 ! -i {bridge} -o {bridge} -p tcp -m tcp --dport {PAGE_PORT} -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i {bridge} ! -o {bridge} -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o {bridge} -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""


def service(number: int, *endpoints: str, node_port: int = 0) -> Service:
    """Return a Service with the cluster IP of that number whose endpoints serve the page."""
    found = tuple(Endpoint(each, PAGE_PORT) for each in endpoints)
    port = Port("http", "TCP", PAGE_PORT, node_port, found, found, found)
    return Service(Key("services", "bench", f"web-{number}"), cluster_ip(number), ports=(port,))


def cluster_ip(number: int) -> str:
    """Return the address of a Service that is measured; those beside them have others."""
    return f"10.43.99.{number}"


def ours(own: Member, members: Sequence[Member], pods: Sequence[str], services: Sequence[Service]) -> str:
    """Return all that a daemon gives nft on this machine: the fabric's, Services', policies' and isolation's."""
    isolation = isolation_rules.base(
        fabric.BRIDGE, CLUSTER_CIDR, overlay=(fabric.VXLAN_PORT, fabric.VXLAN_ID), status_port=STATUS_PORT
    )
    guard = Table(isolation_rules.TABLE, isolation, family=isolation_rules.FAMILY)
    guard.update({Key("pods", "", each): isolation_rules.pod_part(each) for each in pods})
    guard.update({Key("nodes", "", each.node_id): isolation_rules.member_part(each.address) for each in members})
    policies = Table(policy_rules.TABLE, policy_rules.base())
    tables = (_services(own, services), policies.whole(), guard.whole())
    fabrics = (fabric_rules.table(way) for way in fabric_rules.ways(own.subnet, own.subnet_v6, CLUSTER_CIDR))
    return "".join([NONE, *fabrics, *tables])


def _services(own: Member, services: Sequence[Service]) -> str:
    ground = Ground(pod_network=CLUSTER_CIDR, service_network=SERVICE_CIDR, node=own.node_id)
    table = Table(service_rules.TABLE, service_rules.base(ground))
    others = DesiredServices(Population(SERVICES).store, own.node_id)
    told = [*services, *(found for key in others.all_keys() if (found := others.get(key)))]
    table.update({each.key: service_rules.render(each, ground) for each in told})
    return table.whole()
