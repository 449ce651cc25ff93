"""What a hostile Pod gets at on three machines, with all that it could do were it root in its own network."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from swarmlet.runtime import pod_links
from tests.e2e import spaces
from tests.e2e.spaces import Space, container
from tests.e2e.test_network_policy import SERVE, WAIT, pod
from tests.network.frames import SPEAK
from tools.lab.cluster import Cluster, eventually

BOUND_SECONDS_MAX = 10.0
ASK_THE_API = """
import ssl, sys, urllib.error, urllib.request
context = ssl._create_unverified_context()
for way in ("api/v1/secrets", "api/v1/namespaces/default/pods", "apis/apps/v1/deployments"):
    try:
        print(urllib.request.urlopen(f"https://{sys.argv[1]}/{way}", timeout=3, context=context).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""


@pytest.fixture(scope="module")
def hostile(three_machines: Cluster) -> Iterator[Space]:
    """A "web", a "neighbour" and an "attacker" on h1."""
    with spaces.space(three_machines, "isolation") as space:
        space.apply(pod("web", "h1", SERVE) + pod("neighbour", "h1", WAIT) + pod("attacker", "h1", WAIT))
        for app in ("web", "neighbour", "attacker"):
            space.wait_running(app, 1)
        yield space


def address(space: Space, app: str) -> str:
    [found] = space.wait_running(app, 1)
    return str(found["status"]["podIP"])


def inside(space: Space, app: str) -> str:
    [found] = space.wait_running(app, 1)
    return container(found)


def bound(space: Space) -> dict[str, str]:
    """Return the chains of the ports of h1's bridge, by port."""
    told = space.cluster["h1"].machine.run("nft", "-j", "list", "map", "bridge", "swarmlet-ports", "ports").stdout
    [found] = [each["map"] for each in json.loads(told)["nftables"] if "map" in each]
    return {port: next(iter(verdict.values() or [None]))["target"] for port, verdict in found.get("elem", ())}


def links(space: Space) -> set[str]:
    told = space.cluster["h1"].machine.run("ip", "-j", "link", "show", "master", "swl0").stdout
    return {each["ifname"] for each in json.loads(told)}


def test_each_pod_has_a_port_that_takes_nothing_but_its_own(hostile: Space) -> None:
    eventually(lambda: bound(hostile).keys() == links(hostile), BOUND_SECONDS_MAX, "all ports are known")
    assert all(chain == f"port-{port}" for port, chain in bound(hostile).items())


def test_no_pod_takes_another_ones_traffic_nor_the_gateways(hostile: Space) -> None:
    eventually(lambda: bound(hostile).keys() == links(hostile), BOUND_SECONDS_MAX, "all ports are known")
    web, own = address(hostile, "web"), address(hostile, "attacker")
    gateway = f"{own.rpartition('.')[0]}.1"
    neighbour, attacker = inside(hostile, "neighbour"), inside(hostile, "attacker")
    url = [f"http://{web}:8080/"]
    assert hostile.fetched("h1", url, inside=neighbour) == ["web"]
    mac = pod_links.mac(own)
    for claimed in (web, gateway):
        hostile.run("h1", attacker, sys.executable, "-S", "-c", SPEAK, mac, mac, claimed, "arp")
    hostile.run("h1", attacker, sys.executable, "-S", "-c", SPEAK, pod_links.mac(web), pod_links.mac(web), own, "arp")
    known = hostile.run("h1", neighbour, "ip", "neigh")
    assert f"{web} dev eth0 lladdr {pod_links.mac(web)}" in known
    assert mac not in known
    assert mac not in hostile.run("h1", "", "ip", "neigh", "show", web)
    assert hostile.fetched("h1", url, inside=neighbour) == ["web"]


def test_machines_give_a_pod_nothing_but_the_api_which_asks_who_it_is(hostile: Space) -> None:
    attacker = inside(hostile, "attacker")
    machines = [hostile.cluster[node].machine for node in ("h1", "h2")]
    serving = (
        "sh",
        "-c",
        "mkdir -p /tmp/open && echo engine > /tmp/open/index.html && exec busybox httpd -f -p 2375 -h /tmp/open",
    )
    doors = [machine.popen(*serving) for machine in machines]
    try:
        urls = [f"http://{machine.address}:2375/" for machine in machines]
        eventually(
            lambda: hostile.fetched("h3", urls) == ["engine"] * 2, BOUND_SECONDS_MAX, "an Engine that asks nobody"
        )
        told = hostile.fetched("h1", urls, inside=attacker)
        assert all("timed out" in each for each in told), told
    finally:
        for door in doors:
            door.kill()
            door.wait()
    for machine in machines:
        codes = hostile.run("h1", attacker, sys.executable, "-S", "-c", ASK_THE_API, f"{machine.address}:7600").split()
        assert len(codes) == 3
        assert set(codes) <= {"401", "403"}
