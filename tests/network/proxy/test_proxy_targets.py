"""Where a port of a Service leads on a machine that reaches only some of its endpoints."""

from __future__ import annotations

import dataclasses
import random

from swarmlet.network.proxy import reach
from swarmlet.network.proxy.targets import Target
from swarmlet.network.services.desired import Endpoint, Port, Service, usable
from swarmlet.store.commands import Key

WEB = Service(Key("services", "default", "web"), "10.43.0.9")
LEAVING = Endpoint("127.42.1.1", 80, "n1", ready=False, terminating=True)
NEXT = Endpoint("127.42.1.2", 80, "n1", ready=False, serving=False)
ELSEWHERE = Endpoint("127.42.2.1", 80, "n2")


def addresses(*endpoints: Endpoint) -> list[str]:
    """Return where n1 leads, which has no way to Pods of others."""
    port = Port("http", "TCP", 80, endpoints=endpoints, everywhere=usable(endpoints))
    service = dataclasses.replace(WEB, ports=(port,))
    [seen] = reach.seen(service, lambda each: each.node == "n1").ports
    target = Target(random.Random(1))
    target.update(service, seen)
    return [each.address for each in target.internal.endpoints]


def test_one_about_to_go_serves_until_the_next_is_ready_here_though_one_is_elsewhere() -> None:
    assert addresses(LEAVING, NEXT, ELSEWHERE) == [LEAVING.address]


def test_the_ready_ones_of_here_come_first() -> None:
    here = Endpoint("127.42.1.2", 80, "n1")
    assert addresses(LEAVING, here, ELSEWHERE) == [here.address]


def test_where_nobody_serves_here_nobody_is_led_to() -> None:
    assert addresses(NEXT, ELSEWHERE) == []
