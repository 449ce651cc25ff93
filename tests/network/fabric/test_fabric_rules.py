"""What the packet filter is told for the Pod network, by what it says that it has."""

from __future__ import annotations

import pytest

from swarmlet.network.fabric import rules as fabric_rules

CIDR = "10.42.0.0/16"
OPEN = "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"
DOCKER = """-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
-N DOCKER
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -j RETURN
"""
OURS = """-N SWARMLET-FORWARD
-A DOCKER-USER -j SWARMLET-FORWARD
-A SWARMLET-FORWARD -s 10.42.0.0/16 -d 10.42.0.0/16 -j ACCEPT
-A SWARMLET-FORWARD -d 10.42.0.0/16 -m conntrack --ctstate DNAT -j ACCEPT
-A SWARMLET-FORWARD -s 10.42.0.0/16 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
"""


def test_where_all_is_forwarded_nothing_is_asked_for() -> None:
    assert not fabric_rules.forwarding(OPEN, CIDR)


def test_beside_docker_the_chain_that_it_keeps_for_others_leads_to_ours() -> None:
    asked = fabric_rules.forwarding(DOCKER, CIDR).splitlines()
    assert (asked[0], asked[-1]) == ("*filter", "COMMIT")
    assert "-I DOCKER-USER 1 -j SWARMLET-FORWARD" in asked
    assert "-A SWARMLET-FORWARD -s 10.42.0.0/16 -d 10.42.0.0/16 -j ACCEPT" in asked


def test_what_the_machines_owner_has_closed_there_stays_closed() -> None:
    closed = "-A DOCKER-USER -i eth0 ! -s 192.0.2.0/24 -j DROP\n"
    before = DOCKER.replace("-A DOCKER-USER", f"{closed}-A DOCKER-USER")
    assert "-I DOCKER-USER 2 -j SWARMLET-FORWARD" in fabric_rules.forwarding(before, CIDR).splitlines()
    without_return = DOCKER.replace("-A DOCKER-USER -j RETURN\n", closed)
    assert "-A DOCKER-USER -j SWARMLET-FORWARD" in fabric_rules.forwarding(without_return, CIDR).splitlines()


def test_without_docker_the_kernels_own_chain_does() -> None:
    assert "-I FORWARD -j SWARMLET-FORWARD" in fabric_rules.forwarding("-P FORWARD DROP\n", CIDR)


def test_rules_that_are_there_are_let_be() -> None:
    assert not fabric_rules.forwarding(DOCKER + OURS, CIDR)


@pytest.mark.parametrize("lost", OURS.splitlines()[1:])
def test_each_that_was_taken_away_comes_back(lost: str) -> None:
    left = (DOCKER + OURS).replace(lost + "\n", "")
    assert lost.split(" ", 2)[2] in fabric_rules.forwarding(left, CIDR)


def test_the_jump_is_not_made_twice() -> None:
    left = DOCKER + OURS.replace("--ctstate DNAT", "--ctstate NEW")
    assert "-I " not in fabric_rules.forwarding(left, CIDR)


def test_our_chain_goes_with_all_that_leads_to_it() -> None:
    asked = fabric_rules.no_forwarding(DOCKER + OURS)
    assert "-D DOCKER-USER -j SWARMLET-FORWARD" in asked
    assert "-X SWARMLET-FORWARD" in asked
    assert not fabric_rules.no_forwarding(DOCKER)


def test_only_what_leaves_the_cluster_goes_under_the_nodes_name() -> None:
    (way,) = fabric_rules.ways("10.42.7.0/24", "", CIDR)
    rule = next(line for line in fabric_rules.table(way).splitlines() if "masquerade" in line)
    assert rule.split() == [
        "ip", "saddr", "10.42.7.0/24", "ip", "daddr", "!=", CIDR, "oifname", "!=", '"swl0"', "masquerade",
    ]  # fmt: skip


def test_each_family_has_a_table_of_its_own_addresses() -> None:
    v4, v6 = fabric_rules.ways("10.42.7.0/24", "fd00:10:42:7::/64", f"{CIDR},fd00:10:42::/56")
    assert v4.cluster_cidr == CIDR
    assert "ip6 saddr fd00:10:42:7::/64 ip6 daddr != fd00:10:42::/56" in fabric_rules.table(v6)
