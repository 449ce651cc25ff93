"""Mode "wireguard": keys, what a node is told of its peers, and how that is said to a kernel."""

from __future__ import annotations

import base64
import errno
import os
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from swarmlet.network.fabric import links as fabric_links
from swarmlet.network.fabric import plan as fabric
from swarmlet.network.fabric.links import FabricError
from swarmlet.network.fabric.plan import Member, Route
from swarmlet.network.wireguard import device as wireguard_device
from swarmlet.network.wireguard import keys
from swarmlet.network.wireguard.kernel import NetlinkWireguard, WireguardKernel
from swarmlet.network.wireguard.plan import DEVICE, Peer, Settings, Wireguard
from tests.network.kernel import Namespace
from tests.network.wireguard_userspace import UserspaceWireguard, needs_wireguard
from tests.network.wireguard_wire import Device, Socket

PRIVATE_A, PRIVATE_B = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=", "XasIfmJKikt54X+Lg4AO5m87sSkmGLb9HC+LJ/+I4Os="
PUBLIC_A, PUBLIC_B = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=", "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="
"""Those of RFC 7748, section 6.1."""
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
A = Member("id-a", "192.0.2.1", "10.42.0.0/24", "fd00::/64", PUBLIC_A)
B = Member("id-b", "192.0.2.2", "10.42.1.0/24", "fd00:0:0:1::/64", PUBLIC_B)
C = Member("id-c", "192.0.2.3", "10.42.2.0/24")
PEER = Peer(PUBLIC_B, "192.0.2.2", 51871, ("10.42.1.0/24", "fd00:0:0:1::/64"))
CLAMPED_A = base64.b64encode(keys._clamped(base64.b64decode(PRIVATE_A))).decode()
"""As a kernel tells it."""
PRIVATE_D = base64.b64encode(bytes(31) + b"d").decode()
PUBLIC_C = keys.public(base64.b64encode(bytes(31) + b"c").decode())


def wanted(*peers: Peer) -> Wireguard:
    return Wireguard(51871, ("10.42.0.0",), 1420, frozenset(peers))


WANTED = wanted(PEER)


def test_each_node_is_a_peer_with_its_own_subnets_and_one_that_told_no_key_is_none_yet() -> None:
    found = fabric.render("wireguard", A, [B, C], underlay_mtu=1500)
    assert found.wireguard == Wireguard(51871, ("10.42.0.0", "fd00::a2a:0"), 1420, frozenset({PEER}))
    assert found.bridge.mtu == 1420
    assert found.routes == {
        Route("10.42.1.0/24", "10.42.1.0", "10.42.0.0", over_vxlan=True),
        Route("fd00:0:0:1::/64", "fd00::1:0:0:a2a:100", "fd00::a2a:0", over_vxlan=True),
    }
    assert found.vxlan is None
    assert not found.neighbours


def test_a_key_is_kept_for_nobody_else_to_read(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    key = keys.current(tmp_path, now)
    assert keys.current(tmp_path, now) == key
    [file] = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    keys.forget(tmp_path)
    keys.forget(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_key_is_renewed_where_it_is_old_or_is_none(tmp_path: Path) -> None:
    key = keys.current(tmp_path, NOW)
    file = tmp_path / keys.FILE
    os.utime(file, (NOW.timestamp(), NOW.timestamp()))
    assert keys.current(tmp_path, NOW + timedelta(days=29)) == key
    renewed = keys.current(tmp_path, NOW + timedelta(days=30))
    assert renewed != key
    file.write_bytes(b"short")
    assert keys.current(tmp_path, datetime.now(UTC)) not in (key, renewed)


def test_a_key_reads_the_same_in_the_kernel(tmp_path: Path) -> None:
    for _ in range(8):
        octets = base64.b64decode(keys.current(tmp_path, NOW))
        assert (len(octets), octets[0] & 7, octets[31] >> 6) == (32, 0, 1)
        keys.forget(tmp_path)


def test_public_keys_are_those_of_the_standard() -> None:
    assert [keys.public(each) for each in (PRIVATE_A, PRIVATE_B)] == [PUBLIC_A, PUBLIC_B]


def test_settings_hide_the_private_key() -> None:
    assert PRIVATE_A not in repr(Settings(PRIVATE_A, 51871, frozenset()))


class DeviceContract:
    """What a kernel is to do when it is told so."""

    @pytest.fixture
    def kernel(self) -> WireguardKernel:
        raise NotImplementedError

    async def test_a_new_device_gets_key_port_and_peers_and_is_then_left_alone(self, kernel: WireguardKernel) -> None:
        found = await kernel.read(DEVICE)
        assert (found.private_key, found.peers) == ("", frozenset())
        assert await wireguard_device.settle(kernel, WANTED, PRIVATE_A) == ["key of swl.wg", "peer 192.0.2.2"]
        found = await kernel.read(DEVICE)
        assert (keys.public(found.private_key), found.port, found.peers) == (PUBLIC_A, 51871, {PEER})
        assert await wireguard_device.settle(kernel, WANTED, found.private_key) == []

    async def test_a_peer_that_has_another_key_or_is_gone_is_let_in_no_longer(self, kernel: WireguardKernel) -> None:
        await wireguard_device.settle(kernel, WANTED, CLAMPED_A)
        renewed = Peer(PUBLIC_C, "192.0.2.2", 51871, PEER.networks)
        done = await wireguard_device.settle(kernel, wanted(renewed), CLAMPED_A)
        assert done == [f"peer {PUBLIC_B} removed", "peer 192.0.2.2"]
        assert (await kernel.read(DEVICE)).peers == {renewed}
        await wireguard_device.settle(kernel, wanted(), CLAMPED_A)
        assert (await kernel.read(DEVICE)).peers == frozenset()

    @pytest.mark.parametrize(
        "damage",
        [
            Peer(PUBLIC_B, "192.0.2.2", 51871, ("0.0.0.0/0",)),
            Peer(PUBLIC_B, "192.0.2.66", 51871, PEER.networks),
            Peer(PUBLIC_C, "192.0.2.2", 51871, PEER.networks),
        ],
    )
    async def test_what_a_stranger_changed_is_as_before(self, kernel: WireguardKernel, damage: Peer) -> None:
        await wireguard_device.settle(kernel, WANTED, CLAMPED_A)
        await kernel.put(DEVICE, damage)
        await kernel.name(DEVICE, PRIVATE_D, 1234)
        await wireguard_device.settle(kernel, WANTED, CLAMPED_A)
        assert await kernel.read(DEVICE) == Settings(CLAMPED_A, 51871, frozenset({PEER}))


class TestBytesForTheKernel(DeviceContract):
    """The kernel's own messages, taken apart by hand."""

    @pytest.fixture
    def device(self) -> Device:
        return Device()

    @pytest.fixture
    def kernel(self, device: Device) -> WireguardKernel:
        return NetlinkWireguard(Socket(device))

    async def test_the_kernel_reads_what_is_meant(self, kernel: WireguardKernel, device: Device) -> None:
        await wireguard_device.settle(kernel, WANTED, PRIVATE_A)
        assert device.text() == {PUBLIC_B: ("192.0.2.2:51871", ["10.42.1.0/24", "fd00:0:0:1::/64"])}
        assert (device.private_key, device.port) == (base64.b64decode(PRIVATE_A), 51871)
        told = device.set_calls
        await wireguard_device.settle(kernel, WANTED, PRIVATE_A)
        assert device.set_calls == told


@pytest.mark.slow
@needs_wireguard
class TestUserspaceDevice(DeviceContract):
    @pytest.fixture
    def kernel(self) -> Iterator[WireguardKernel]:
        machine = Namespace()
        found = UserspaceWireguard(machine)
        yield found
        found.close()
        machine.close()


class Machine:
    """A machine with a Pod's address of its own, its device made by wireguard-go."""

    def __init__(self, number: int, folder: Path) -> None:
        self.namespace = Namespace()
        self.device = UserspaceWireguard(self.namespace)
        self.pod = f"10.42.{number}.2"
        self.folder = folder
        self.number = number
        self.key = self.renew()

    def renew(self) -> str:
        keys.forget(self.folder)
        self.key = keys.current(self.folder, datetime.now(UTC))
        return self.key

    @property
    def member(self) -> Member:
        public_key = keys.public(self.key)
        return Member(f"{self.number}", f"192.0.2.{self.number}", f"10.42.{self.number}.0/24", "", public_key)

    async def apply(self, other: Member) -> None:
        """Do what the fabric asks for; links and routes as `FabricLinks` lays them."""
        found = fabric.render("wireguard", self.member, [other], underlay_mtu=1500)
        assert found.wireguard is not None
        await wireguard_device.settle(self.device, found.wireguard, self.key)
        self.namespace.run(f"ip link set {DEVICE} mtu {found.wireguard.mtu} up")
        self.namespace.run(f"ip addr replace {found.wireguard.addresses[0]}/32 dev {DEVICE}")
        for each in found.routes:
            way = f"{each.subnet} via {each.gateway} dev {DEVICE} onlink src {each.source}"
            self.namespace.run(f"ip route replace {way}")

    def reaches(self, address: str, source: str = "") -> bool:
        ping = self.namespace.enter("busybox", "ping", "-c1", "-W1", "-I", source or self.pod, address)
        return subprocess.run(ping, check=False, capture_output=True).returncode == 0

    def close(self) -> None:
        self.device.close()
        self.namespace.close()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    for name in "ab":
        (tmp_path / name).mkdir()
    one, other = Machine(1, tmp_path / "a"), Machine(2, tmp_path / "b")
    one.namespace.run(f"ip link add eth0 type veth peer name eth0 netns {other.namespace.pid}")
    for each in (one, other):
        each.namespace.run(f"ip addr add {each.member.address}/24 dev eth0 && ip link set eth0 up")
        each.namespace.run(f"ip addr add {each.pod}/32 dev lo")
    yield one, other
    one.close()
    other.close()


@pytest.mark.slow
@needs_wireguard
async def test_packets_pass_by_these_keys_and_from_these_networks_alone(two: tuple[Machine, Machine]) -> None:
    one, other = two
    await one.apply(other.member)
    await other.apply(one.member)
    assert one.reaches(other.pod)
    assert other.reaches(one.pod)
    one.namespace.run("ip addr add 10.42.9.9/32 dev lo")
    other.namespace.run(f"ip route add 10.42.9.0/24 dev {DEVICE}")
    assert not one.reaches(other.pod, source="10.42.9.9"), "it is not this node's to send from"
    one.renew()
    await other.apply(one.member)
    assert not one.reaches(other.pod), "its old key is good no longer"
    await one.apply(other.member)
    assert one.reaches(other.pod)


async def test_a_kernel_without_wireguard_is_told_of_in_one_line_with_what_to_do() -> None:
    class Netlink:
        async def link(self, command: str, **fields: object) -> None:
            raise NetlinkError(errno.EOPNOTSUPP, "Operation not supported")

    step = fabric_links._Step(cast("Any", Netlink()), [], fabric_links.FAMILIES)
    with pytest.raises(FabricError, match=r"has no WireGuard: load it \(modprobe wireguard.*network.mode to vxlan"):
        await step.wireguard(WANTED, PRIVATE_A)


async def test_what_has_the_devices_name_and_is_none_is_somebody_elses() -> None:
    links = [{"ifname": DEVICE, "linkinfo": {"kind": "dummy"}, "index": 3}]
    step = fabric_links._Step(cast("Any", None), links, fabric_links.FAMILIES)
    with pytest.raises(FabricError, match=r"there is a link swl\.wg that is no wireguard device"):
        await step.wireguard(WANTED, PRIVATE_A)
    assert await step.wireguard(None, "") == 0


@pytest.mark.parametrize("mode", ["vxlan", "host-gw"])
async def test_another_mode_takes_the_device_away(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    told: list[tuple[str, dict[str, object]]] = []

    class Netlink:
        """A kernel with nothing but this device, to which all else can be done."""

        async def link(self, command: str, **fields: object) -> object:
            told.append((command, fields))
            if command != "dump":
                return None
            made = {"ifname": fields.get("ifname"), "index": 9, "state": "up", "mtu": 1450}
            ours = {"ifname": DEVICE, "linkinfo": {"kind": "wireguard"}, "index": 3}
            return rows(made if "ifname" in fields else ours)

        def __getattr__(self, name: str) -> object:
            async def do(command: str, **fields: object) -> object:
                return rows()

            return do

    async def rows(*found: object) -> AsyncIterator[object]:
        for each in found:
            yield each

    @asynccontextmanager
    async def netlink() -> AsyncIterator[Netlink]:
        yield Netlink()

    monkeypatch.setattr(fabric_links, "_netlink", netlink)
    found = fabric.render(mode, A, [B], underlay_mtu=1500)
    assert f"link {DEVICE} removed" in await fabric_links.FabricLinks().apply(found, fabric_links.Underlay(2, 1500))
    assert ("del", {"index": 3}) in told
