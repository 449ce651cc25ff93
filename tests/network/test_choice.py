"""By which way Services are reached."""

from __future__ import annotations

import pytest

from swarmlet import config
from swarmlet.errors import ConfigError
from swarmlet.network import choice


@pytest.mark.parametrize("usable", [True, False])
@pytest.mark.parametrize("asked", ["off", "nftables", "userspace"])
def test_what_is_asked_for_by_name_is_had_whatever_the_kernel(asked, usable):
    assert choice.choose(asked, lambda: usable).way == asked


def test_left_to_itself_it_takes_the_kernel_where_it_can():
    assert choice.choose("auto", lambda: True).way == "nftables"
    fallen_back = choice.choose("auto", lambda: False)
    assert fallen_back.way == "userspace"
    assert "privilege" in fallen_back.why


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
