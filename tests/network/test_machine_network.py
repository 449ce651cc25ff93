"""What a machine does for the network, put together: what it says of itself, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from swarmlet.clock import SystemClock
from swarmlet.config import Config, Network
from swarmlet.model import cluster_dns, objects, service_defaults
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.services import Service, ServiceSpec
from swarmlet.network import choice, nftables
from swarmlet.network.dns import node as node_dns
from swarmlet.network.fabric.claim import FabricClaim
from swarmlet.network.fabric.links import FabricError
from swarmlet.network.fabric.packet_filter import FabricFilter
from swarmlet.network.machine_network import MachineNetwork
from swarmlet.store.commands import Put
from tests.network.kernel import Namespace, machine, needs_kernel
from tests.network.policies.asked import Policies
from tests.network.services.test_kernel_services import inside, until


class Replica:
    def __init__(self, cluster: Policies) -> None:
        self.view = cluster.store

    async def linearize(self) -> None:
        pass


class Addresses:
    """No Pod has one yet."""

    async def opened(self) -> Mapping[str, str]:
        return {}

    def guarded_by(self, guard: Callable[[str, str], Awaitable[None]]) -> None:
        pass


def made(tmp_path: Path, *, attaches: bool, may_filter: bool, fault: str = "") -> MachineNetwork:
    cluster = Policies()
    cluster.network()
    cluster.node("n1", "192.0.2.1", "10.42.1.0/24")
    metadata = ObjectMeta(
        name=cluster_dns.NAME,
        namespace=cluster_dns.NAMESPACE,
        uid="uid-dns",
        labels={cluster_dns.PROXY_NAME_LABEL: cluster_dns.PROXY},
    )
    service = Service(metadata=metadata, spec=ServiceSpec(cluster_ip=cluster_dns.ADDRESS))
    cluster.apply(Put(node_dns.SERVICE, objects.to_json(service_defaults.service(service))))
    chosen = choice.choose(Network(), attaches=attaches, may_filter=may_filter, address="192.0.2.1")
    return MachineNetwork(
        choice=chosen,
        config=Config(data_dir=tmp_path, resolv_conf=tmp_path / "resolv.conf"),
        node_name="n1",
        replica=Replica(cluster),
        clock=SystemClock(),
        addresses=Addresses() if chosen.network.mode != choice.NO_NETWORK else None,
        fault=lambda: fault,
    )


def test_a_machine_that_may_do_nothing_says_what_it_does_without(tmp_path: Path) -> None:
    told = made(tmp_path, attaches=True, may_filter=False, fault="not asked for").report()
    assert told.pop("why").keys() == {"mode", "services", "dns", "policies"}
    assert told == {
        "mode": "none",
        "services": "userspace",
        "dns": False,
        "dns_address": "",
        "policies": False,
        "faults": {},
    }


def test_what_is_wrong_now_is_told_beside_what_is_on(tmp_path: Path) -> None:
    told = made(tmp_path, attaches=True, may_filter=True, fault="no nft").report()
    assert (told["mode"], told["services"], told["policies"]) == ("vxlan", "nftables", True)
    assert told["faults"] == {"mode": "no nft", "policies": "not made yet"}


@pytest.fixture
def node() -> Iterator[Namespace]:
    with machine() as found, inside(found.node.pid):
        yield found.node


@needs_kernel
@pytest.mark.slow
async def test_all_of_it_stands_and_a_machine_that_leaves_keeps_nothing_of_it(node: Namespace, tmp_path: Path) -> None:
    before = node.run("nft list tables; ip route show table all; ip link")
    network = made(tmp_path, attaches=True, may_filter=True)
    tasks = network.start()
    await until(lambda: network.report()["faults"] == {} and network.report()["dns_address"] == cluster_dns.ADDRESS)
    tables = node.run("nft list tables")
    assert "swarmlet-services" in tables
    assert "swarmlet-policies" in tables
    assert cluster_dns.ADDRESS in node.run("ip addr show swarmlet-dns")
    for each in tasks:
        each.cancel()
    await asyncio.wait(tasks)
    assert node.run("nft list tables") == tables, "a daemon that only stops lets all of it be"
    await network.remove()
    assert node.run("nft list tables; ip route show table all; ip link") == before


@needs_kernel
@pytest.mark.slow
@pytest.mark.parametrize("is_kept", [True, False])
async def test_what_is_on_a_machine_goes_unless_another_daemon_keeps_its_network(
    node: Namespace, tmp_path: Path, is_kept: bool
) -> None:
    node.run("nft add table ip swarmlet-services; nft add table ip swarmlet-policies; nft add table ip another")
    claim = FabricClaim()
    if is_kept:
        claim.hold()
    tasks = made(tmp_path, attaches=False, may_filter=False).start()
    await until(lambda: "10.43.0.0/16" in node.run("ip route show table local"))
    if not is_kept:
        await until(lambda: "swarmlet" not in node.run("nft list tables"))
    found = {line.split()[-1] for line in node.run("nft list tables").splitlines()}
    for each in tasks:
        each.cancel()
    await asyncio.wait(tasks)
    claim.release()
    assert found == {"another"} | ({"swarmlet-services", "swarmlet-policies"} if is_kept else set())


async def test_a_machine_without_nft_is_told_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(FabricError, match="program nft is not on this machine: install it, or set network"):
        await FabricFilter().remove()
    with pytest.raises(OSError, match="program nft is not on this machine: install it"):
        await nftables.run("list ruleset")
