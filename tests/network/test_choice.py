"""What of the network a machine has."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet import config
from swarmlet.config import Network
from swarmlet.errors import ConfigError
from swarmlet.network import choice

ALL = Network(mode="vxlan", services="nftables", dns=True, policies=True)


def chosen(attaches: bool = True, may_filter: bool = True, address: str = "192.0.2.1", **asked: Any) -> choice.Choice:
    return choice.choose(Network(**asked), attaches=attaches, may_filter=may_filter, address=address)


def test_a_machine_that_can_do_all_of_it_does_and_says_which_way_services_go():
    assert chosen() == choice.Choice(ALL, {"services": "the kernel balances"})


def test_a_runtime_without_a_network_has_services_through_the_proxy_and_says_why():
    found = chosen(attaches=False)
    assert found.network == Network(mode="none", services="userspace", dns=True, policies=False)
    assert found.why["mode"] == choice.NOT_ATTACHED
    assert set(found.why) == {"mode", "services", "policies"}


@pytest.mark.parametrize("address", ["2001:db8::1", "one.example.com"])
def test_a_machine_that_is_known_by_no_address_of_ipv4_goes_on_without_a_pod_network(address):
    found = chosen(address=address)
    assert found.network == Network(mode="none", services="userspace", dns=True, policies=False)
    assert address in found.why["mode"]
    assert chosen(address=address, mode="vxlan").network.mode == "vxlan", "it was asked for, and its Node says why not"


@pytest.mark.parametrize("attaches", [True, False])
def test_without_the_privilege_nothing_of_the_machines_network_is_touched(attaches):
    found = chosen(attaches=attaches, may_filter=False)
    assert found.network == Network(mode="none", services="userspace", dns=False, policies=False)
    assert found.why["dns"] == choice.NOT_PERMITTED
    assert found.why["mode"] == (choice.NOT_PERMITTED if attaches else choice.NOT_ATTACHED)


@pytest.mark.parametrize("mode", ["vxlan", "host-gw"])
@pytest.mark.parametrize("may_filter", [True, False])
def test_a_mode_that_is_named_is_had_so_that_its_failure_is_heard_of(mode, may_filter):
    assert chosen(may_filter=may_filter, mode=mode).network.mode == mode


def test_no_runtime_without_a_network_gets_one_by_name():
    assert chosen(attaches=False, mode="vxlan").network.mode == "none"
    assert chosen(attaches=False, mode="vxlan").why["mode"] == choice.NOT_ATTACHED


@pytest.mark.parametrize("may_filter", [True, False])
@pytest.mark.parametrize("mode", ["auto", "none"])
@pytest.mark.parametrize("asked", ["off", "nftables", "userspace"])
def test_a_way_of_services_that_is_named_is_had(asked, mode, may_filter):
    found = chosen(may_filter=may_filter, mode=mode, services=asked)
    assert found.network.services == asked
    assert found.why["services"] == f"network.services is {asked}"


def test_what_is_not_wanted_is_off_and_the_configuration_is_why():
    found = chosen(mode="none", services="off", dns=False, policies=False)
    assert found.network == Network(mode="none", services="off", dns=False, policies=False)
    assert found.why == {
        "mode": "network.mode is none",
        "services": "network.services is off",
        "dns": "network.dns is false",
        "policies": "network.policies is false",
    }


@pytest.mark.parametrize(
    ("text", "asked"), [("off", "off"), ('"off"', "off"), ("auto", "auto"), ("nftables", "nftables")]
)
def test_the_configuration_says_what_is_asked_for(tmp_path, text, asked):
    file = tmp_path / "config.yaml"
    file.write_text(f"network: {{services: {text}}}")
    assert config.load(file).network.services == asked


def test_a_way_that_there_is_not_is_refused_by_its_key(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("network: {services: ipvs}")
    with pytest.raises(ConfigError, match=r"network\.services: found 'ipvs'; allowed: one of off, auto, nftables"):
        config.load(file)
