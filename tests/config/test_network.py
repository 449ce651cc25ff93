"""The Pod network in the configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmlet import config
from swarmlet.errors import ConfigError


def network(tmp_path: Path, text: str) -> config.Network:
    file = tmp_path / "config.yaml"
    file.write_text(f"network: {text}")
    return config.load(file).network


def test_all_of_it_is_on_by_default_as_far_as_the_machine_can(tmp_path: Path) -> None:
    assert network(tmp_path, "{}") == config.Network(
        mode="auto", cluster_cidr="10.42.0.0/16", mtu=0, dns=True, services="auto", policies=True
    )


def test_an_overlay_with_addresses_of_its_own(tmp_path: Path) -> None:
    found = network(tmp_path, "{mode: host-gw, cluster_cidr: 172.20.0.0/14, mtu: 1400}")
    assert (found.mode, found.cluster_cidr, found.mtu) == ("host-gw", "172.20.0.0/14", 1400)


def test_both_families_as_kubernetes_spells_them(tmp_path: Path) -> None:
    found = network(tmp_path, '{mode: vxlan, cluster_cidr: "10.42.0.0/16,FD00:10:42:0::/56"}')
    assert found.cluster_cidr == "10.42.0.0/16,fd00:10:42::/56"


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("{mode: flannel}", "auto, none, vxlan, host-gw, wireguard"),
        ("{wireguard_port: 0}", "1 to 65535"),
        ("{cluster_cidr: 10.42.0.0/24}", "/12 to /22"),
        ("{cluster_cidr: 8.8.0.0/16}", "a private IPv4 network"),
        ("{cluster_cidr: 10.42.0.1/16}", "a private IPv4 network"),
        ("{cluster_cidr: 10.40.0.0/13}", "shares nothing with 10.43.0.0/16"),
        ('{cluster_cidr: "10.42.0.0/16,10.44.0.0/16"}', "after the comma, a private IPv6 network"),
        ('{cluster_cidr: "10.42.0.0/16,fd00:10:42::/57"}', "/8 to /56"),
        ('{cluster_cidr: "10.42.0.0/16,2600:10:42::/56"}', "a private IPv6 network"),
        ('{cluster_cidr: "10.42.0.0/16,fd00:10:43::/48"}', "shares nothing with fd00:10:43::/112"),
        ('{cluster_cidr: "10.42.0.0/16,fd00:10:42::/56,fd00:10:44::/56"}', "after the comma"),
        ("{mtu: 100}", "576 to 65535"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(tmp_path: Path, text: str, allowed: str) -> None:
    with pytest.raises(ConfigError, match=allowed):
        network(tmp_path, text)
