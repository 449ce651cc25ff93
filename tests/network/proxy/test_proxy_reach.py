"""Which endpoints the proxy may try, and where it stands for cluster IPs."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import msgspec
import pytest

from swarmlet.model import kinds, objects
from swarmlet.model.core import Node, NodeAddress, NodeSpec, NodeStatus
from swarmlet.model.meta import ObjectMeta
from swarmlet.network.proxy.addresses import on_loopback
from swarmlet.network.proxy.reach import Reach
from swarmlet.network.services.desired import Endpoint
from swarmlet.store.commands import Key, Put
from tests.network.cluster import Cluster


@pytest.fixture
def reach() -> Reach:
    """What n1 sees: n2 has a Pod network, n3 has none, and n4 is another daemon of n1's own machine."""
    cluster = Cluster()
    for name, address, subnet in (
        ("n1", "192.0.2.1", "10.42.1.0/24"),
        ("n2", "192.0.2.2", "10.42.2.0/24"),
        ("n3", "192.0.2.3", ""),
        ("n4", "192.0.2.1", ""),
    ):
        node = Node(
            metadata=ObjectMeta(name=name, uid=f"uid-{name}"),
            spec=NodeSpec(pod_cidr=subnet, pod_cidrs=(subnet, "fd00:10:42:2::/64") if name == "n2" else ()),
            status=NodeStatus(addresses=(NodeAddress(type="InternalIP", address=address),)),
        )
        bare = msgspec.structs.replace(node, metadata=msgspec.structs.replace(node.metadata, resource_version=""))
        cluster.apply(Put(Key(kinds.NODE.resource, "", name), objects.to_json(bare)))
    return Reach(cluster.store, "n1")


@pytest.mark.parametrize(
    ("node", "address", "is_reached"),
    [
        ("n1", "127.42.1.1", True),  # its own
        ("n1", "172.17.0.2", True),
        ("n2", "10.42.2.7", True),  # by the Pod network
        ("n2", "fd00:10:42:2::a2a:207", True),
        ("n2", "fd00:10:42:3::a2a:307", False),
        ("n2", "172.17.0.2", False),  # of its Engine's own bridge, which this machine has too
        ("n2", "127.42.1.1", False),
        ("n3", "10.42.2.7", False),  # it has no part in the Pod network
        ("n3", "192.0.2.3", True),  # on the host's network
        ("n4", "127.42.1.1", True),
        ("", "198.51.100.1", True),  # outside the cluster
        ("gone", "198.51.100.1", True),
    ],
)
def test_an_endpoint_is_reached_where_its_address_means_the_same_here(reach, node, address, is_reached):
    assert reach(Endpoint(address, 80, node)) is is_reached


def test_each_cluster_ip_has_a_loopback_address_of_its_own():
    assert on_loopback("10.43.0.10") == "127.43.0.10"
    assert on_loopback("10.43.255.254") == "127.43.255.254"


SCRIPT = """
    import socket, subprocess
    from swarmlet.network.proxy import addresses
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    assert addresses.claim("10.43.0.0/16")
    assert addresses.claim("10.43.0.0/16"), "it is there already"
    with socket.create_server(("10.43.7.8", 80)):
        socket.create_connection(("10.43.7.8", 80), timeout=5).close()
    try:
        socket.create_connection(("10.43.7.9", 80), timeout=5)
    except ConnectionRefusedError:
        print("refused")
    addresses.release("10.43.0.0/16")
    addresses.release("10.43.0.0/16")
    print(subprocess.run(["ip", "route", "show", "table", "local", "10.43.0.0/16"], capture_output=True).stdout)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_with_the_privilege_the_cluster_ips_are_the_machines_own():
    argv = ["unshare", "--net", sys.executable, "-c", textwrap.dedent(SCRIPT)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.splitlines(), done.stderr) == (["refused", "b''"], "")


WITHOUT = """
    from swarmlet.network.proxy import addresses
    print(addresses.claim("10.43.0.0/16"), addresses.release("10.43.0.0/16"))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give it up")
def test_without_it_they_are_not():
    argv = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", sys.executable, "-c"]
    done = subprocess.run([*argv, textwrap.dedent(WITHOUT)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("False None", "")
