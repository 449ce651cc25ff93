from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator

import pytest

from swarmlet.config import Config
from swarmlet.errors import ConfigError
from swarmlet.identity import addresses

CONFIG = Config(node_name="alpha", listen="127.0.0.1:0", status_listen="127.0.0.1:0")


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_free_ports_pass() -> None:
    addresses.check_ports(CONFIG)


@pytest.mark.parametrize("key", ["listen", "status_listen"])
def test_a_port_in_use_is_named_with_its_key(key: str, taken: str) -> None:
    with pytest.raises(ConfigError, match=f"^{key}: cannot listen on {taken}"):
        addresses.check_ports(dataclasses.replace(CONFIG, **{key: taken}))


def test_an_address_that_is_not_this_machines_is_refused() -> None:
    with pytest.raises(ConfigError, match="listen"):
        addresses.check_ports(dataclasses.replace(CONFIG, listen="192.0.2.1:7600"))


def test_the_configured_address_is_told() -> None:
    assert addresses.advertised(dataclasses.replace(CONFIG, advertise="h1:7000")) == "h1:7000"


def test_a_single_address_that_is_listened_on_is_told() -> None:
    assert addresses.advertised(dataclasses.replace(CONFIG, listen="127.0.0.7:7600")) == "127.0.0.7:7600"


def test_the_address_that_faces_the_peer_is_told() -> None:
    config = dataclasses.replace(CONFIG, listen="0.0.0.0:7605")
    assert addresses.advertised(config, "127.0.0.1:7600") == "127.0.0.1:7605"
