"""What of IPv6 goes with what of IPv4: one thing with one, so that whoever is alone to have the one has the other."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from swarmlet.model import ip_families, node_subnets
from swarmlet.model.ip_families import IPV4, IPV6

DUAL = "10.42.0.0/16,fd00:10:42::/56"
V6 = ipaddress.IPv6Network("fd00:10:42::/56")


def test_a_cluster_of_one_family_has_nothing_of_the_other() -> None:
    assert ip_families.families("10.42.0.0/16") == (IPV4,)
    assert ip_families.subnets("10.42.7.0/24", "10.42.0.0/16") == ("10.42.7.0/24",)
    assert ip_families.with_v6("10.42.7.2", "") == ip_families.with_v6("", "fd00:10:42:7::/64") == ""


def test_no_two_subnets_have_the_same_and_each_is_the_clusters() -> None:
    found = [ip_families.subnets(each, DUAL)[1] for each in node_subnets.subnets(DUAL)]
    assert len(set(found)) == len(found) == 256
    assert all(ipaddress.IPv6Network(each).subnet_of(V6) for each in found)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_no_two_pods_have_the_same(one: int, other: int) -> None:
    def address_of(number: int) -> str:
        address = ipaddress.IPv4Network("10.42.0.0/16")[number]
        _, subnet = ip_families.subnets(str(ipaddress.IPv4Network(f"{address}/24", strict=False)), DUAL)
        found = ip_families.with_v6(str(address), subnet)
        assert ipaddress.IPv6Address(found) in ipaddress.IPv6Network(subnet)
        assert int(ipaddress.IPv6Address(found)) & 0xFFFFFFFF == int(address)
        return found

    assert (address_of(one) == address_of(other)) is (one == other)


def test_networks_of_a_family_are_told_once() -> None:
    ranges = ["10.0.0.0/9", "2001:db8::/33", "10.128.0.0/9", "2001:db8:8000::/33"]
    assert ip_families.collapsed(IPV4, ranges) == ["10.0.0.0/8"]
    assert ip_families.collapsed(IPV6, ranges) == ["2001:db8::/32"]
