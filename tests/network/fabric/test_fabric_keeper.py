"""When the Pod network is looked at, what is told of it, and what goes when it is not wanted any more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import structlog

from swarmlet.config import Network
from swarmlet.controllers.work.drafts import update
from swarmlet.errors import UnavailableError
from swarmlet.model import kinds, node_subnets
from swarmlet.model.core import Node, NodeAddress, NodeStatus
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.node_subnets import ClusterNetwork, SubnetClaim
from swarmlet.model.objects import to_json
from swarmlet.network.fabric import keeper as fabric_keeper
from swarmlet.network.fabric.claim import FabricClaim
from swarmlet.network.fabric.keeper import LOOK_SECONDS, MARK_FILE, FabricKeeper
from swarmlet.network.fabric.links import FabricError, FabricLinks, Underlay
from swarmlet.network.fabric.packet_filter import FabricFilter
from swarmlet.network.fabric.plan import Fabric
from swarmlet.network.fabric.rules import Way
from swarmlet.network.wireguard import keys
from swarmlet.runtime.runtime import POD_NETWORK
from swarmlet.store.commands import Command, Delete, Key, Operation, Outcome, Put
from swarmlet.store.state import Store
from tests.fakes.runtime import Engine, FakeNetworks
from tests.network.fabric.test_fabric import A, B, store_with
from tests.virtual_time import VirtualClock

CLUSTER = Key(kinds.CLUSTER_NETWORK.resource, "", node_subnets.THE_CLUSTER)


class Machine:
    """A machine of a cluster of two, whose kernel does what it is told, or says why not."""

    def __init__(self, folder: Path) -> None:
        self.store: Store = store_with(
            ("a", A.node_id, A.address, A.subnet),
            ("b", B.node_id, B.address, B.subnet),
            claims={"10.42.0.0": A.node_id, "10.42.1.0": B.node_id},
        )
        network = ClusterNetwork(metadata=ObjectMeta(name=node_subnets.THE_CLUSTER))
        self.store.apply(Command(b"2" * 16, (Put(CLUSTER, to_json(network)),)))
        self.engine = Engine(VirtualClock())
        self.folder = folder
        self.applied: list[Fabric] = []
        self.kernels_answer = ""
        self.taken = ""
        self.told: list[str] = []
        self.removed = 0
        self.is_cut_off = False
        self.private_key = ""
        self.proposals = 0

    def keeper(self, config: Network | None = None) -> FabricKeeper:
        return FabricKeeper(
            config=config or Network(mode="vxlan"),
            data_dir=self.folder,
            node_name="a",
            replica=cast("Any", self),
            networks=FakeNetworks(self.engine, ("cluster", "a")),
            clock=VirtualClock(),
            opened=self._opened,
            failed=lambda problem: self.told.append(f"failed: {problem}"),
        )

    # What the keeper takes for its replica.

    @property
    def view(self) -> Store:
        return self.store

    async def linearize(self) -> None:
        if self.is_cut_off:
            raise UnavailableError("no quorum")

    async def propose(self, operations: Sequence[Operation]) -> tuple[Outcome, ...]:
        if self.is_cut_off:
            raise UnavailableError("no quorum")
        self.proposals += 1
        return self.store.apply(Command(f"proposal {self.proposals:07}".encode(), tuple(operations)))

    def wireguard_key(self, subnet: str = "10.42.0.0") -> str:
        stored = self.store.get(Key(kinds.SUBNET_CLAIM.resource, "", subnet))
        assert stored is not None
        return cast("SubnetClaim", stored.object).wireguard_key

    async def _opened(self, subnet: str, subnet_v6: str) -> None:
        self.told.append(f"opened: {subnet}{subnet_v6}")

    def check(self, cluster_cidr: str) -> None:
        if cluster_cidr == self.taken:
            raise FabricError("this machine is in it")

    def take(self, fabric: Fabric) -> list[str]:
        if self.kernels_answer:
            raise FabricError(self.kernels_answer)
        self.applied.append(fabric)
        return []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)

    async def underlay(self: FabricLinks, address: str) -> Underlay:
        return Underlay(2, 1500)

    async def check_free(self: FabricLinks, cluster_cidr: str) -> None:
        made.check(cluster_cidr)

    async def apply(self: FabricLinks, fabric: Fabric, underlay: Underlay, *, private_key: str = "") -> list[str]:
        made.private_key = private_key
        return made.take(fabric)

    async def filtered(self: FabricFilter, ways: Sequence[Way]) -> list[str]:
        return []

    async def let_forward(self: FabricFilter, *, is_dual: bool) -> list[str]:
        return []

    async def remove(self: object) -> None:
        made.removed += 1

    monkeypatch.setattr(fabric_keeper, "FabricClaim", lambda: FabricClaim(f"\0{tmp_path}"))
    monkeypatch.setattr(FabricLinks, "underlay", underlay)
    monkeypatch.setattr(FabricLinks, "check_free", check_free)
    monkeypatch.setattr(FabricLinks, "apply", apply)
    monkeypatch.setattr(FabricLinks, "remove", remove)
    monkeypatch.setattr(FabricFilter, "apply", filtered)
    monkeypatch.setattr(FabricFilter, "let_forward", let_forward)
    monkeypatch.setattr(FabricFilter, "remove", remove)
    return made


async def run_for(keeper: FabricKeeper, seconds: float) -> None:
    task = asyncio.create_task(keeper.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait([task])


async def test_a_network_that_stands_is_told_and_looked_at_again_and_again(machine: Machine) -> None:
    await run_for(machine.keeper(), 3 * LOOK_SECONDS + 0.1)
    assert machine.told == ["opened: 10.42.0.0/24"] * 4
    assert {route.subnet for fabric in machine.applied for route in fabric.routes} == {B.subnet}
    assert machine.engine.networks[POD_NETWORK][1].mtu == 1450


async def test_a_daemon_that_starts_touches_nothing_before_it_knows_the_cluster_as_it_is(machine: Machine) -> None:
    machine.is_cut_off = True
    task = asyncio.create_task(machine.keeper().run())
    await asyncio.sleep(5)
    assert not machine.applied
    machine.is_cut_off = False
    await asyncio.sleep(1.1)
    assert machine.applied
    task.cancel()
    await asyncio.wait([task])


async def test_a_node_that_goes_is_noticed_at_once(machine: Machine) -> None:
    task = asyncio.create_task(machine.keeper().run())
    await asyncio.sleep(0.1)
    machine.store.apply(Command(b"3" * 16, (Delete(Key(kinds.NODE.resource, "", "b")),)))
    await asyncio.sleep(0.1)
    assert [len(fabric.routes) for fabric in machine.applied] == [1, 0]
    task.cancel()
    await asyncio.wait([task])


async def test_what_is_wrong_is_told_until_it_is_right(machine: Machine) -> None:
    machine.kernels_answer = "netlink: Operation not permitted"
    task = asyncio.create_task(machine.keeper().run())
    await asyncio.sleep(0.1)
    machine.kernels_answer = ""
    await asyncio.sleep(LOOK_SECONDS)
    assert machine.told == ["failed: netlink: Operation not permitted", "opened: 10.42.0.0/24"]
    task.cancel()
    await asyncio.wait([task])


async def test_pods_with_addresses_of_ipv6_need_links_that_take_its_packets(machine: Machine) -> None:
    stored = machine.store.get(Key(kinds.NODE.resource, "", "a"))
    assert stored is not None
    node = cast("Any", stored.object)
    spec = msgspec.structs.replace(node.spec, pod_cidrs=(A.subnet, "fd00:10:42::/64"))
    machine.store.apply(Command(b"3" * 16, (update(stored, msgspec.structs.replace(node, spec=spec)),)))
    await run_for(machine.keeper(Network(mode="vxlan", mtu=1000)), 0.1)
    assert machine.told == ["failed: an MTU of 1000 is too little for IPv6, which needs 1280"]
    machine.told.clear()
    await run_for(machine.keeper(), 0.1)
    assert machine.told == ["opened: 10.42.0.0/24fd00:10:42::/64"]


async def test_a_node_without_a_subnet_waits_for_one(machine: Machine) -> None:
    machine.store.apply(Command(b"3" * 16, (Delete(CLUSTER),)))
    await run_for(machine.keeper(), 0.1)
    assert machine.told == ["failed: the node has no subnet yet"]


async def test_an_engine_that_is_away_takes_no_network_from_the_pods(machine: Machine) -> None:
    task = asyncio.create_task(machine.keeper().run())
    await asyncio.sleep(0.1)
    machine.engine.down = "no Engine"
    await asyncio.sleep(fabric_keeper.ENGINE_SECONDS + LOOK_SECONDS)
    assert {each.partition(":")[0] for each in machine.told} == {"opened"}
    task.cancel()
    await asyncio.wait([task])


async def test_of_two_daemons_on_a_machine_one_keeps_the_network_and_the_other_says_so(machine: Machine) -> None:
    first = asyncio.create_task(machine.keeper().run())
    await asyncio.sleep(0.1)
    assert machine.told == ["opened: 10.42.0.0/24"]
    second = asyncio.create_task(machine.keeper().run())
    await asyncio.sleep(0.1)
    assert machine.told[1].startswith("failed: another swarmlet daemon keeps the Pod network of this machine")
    first.cancel()
    await asyncio.wait([first])
    machine.told.clear()
    await asyncio.sleep(LOOK_SECONDS)
    assert machine.told == ["opened: 10.42.0.0/24"]
    second.cancel()
    await asyncio.wait([second])


async def test_a_network_that_an_earlier_life_of_the_machine_left_is_taken_over(machine: Machine) -> None:
    await run_for(machine.keeper(), 0.1)
    _, network = machine.engine.networks[POD_NETWORK]
    machine.engine.networks[POD_NETWORK] = (("cluster", "before"), network)
    await run_for(machine.keeper(), 0.1)
    assert machine.engine.networks[POD_NETWORK] == (("cluster", "a"), network)


async def test_a_bug_leaves_nobody_without_a_keeper(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fabric_keeper, "log", structlog.testing.CapturingLogger())
    machine.applied = None  # type: ignore[assignment]
    task = asyncio.create_task(machine.keeper().run())
    await asyncio.sleep(0.1)
    machine.applied = []
    await asyncio.sleep(LOOK_SECONDS)
    assert machine.told == ["opened: 10.42.0.0/24"]
    task.cancel()
    await asyncio.wait([task])


async def test_a_file_that_asks_for_other_addresses_is_told_of_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = structlog.testing.CapturingLogger()
    monkeypatch.setattr(fabric_keeper, "log", logger)
    await run_for(machine.keeper(Network(mode="vxlan", cluster_cidr="10.99.0.0/16")), 3 * LOOK_SECONDS)
    told = [call for call in logger.calls if call.args == ("cluster_cidr_differs",)]
    assert [call.kwargs for call in told] == [{"cluster": "10.42.0.0/16", "configured": "10.99.0.0/16"}]


async def test_what_was_set_up_goes_when_it_is_not_wanted_any_more_and_only_then(machine: Machine) -> None:
    await machine.keeper(Network()).clean_up()
    assert machine.removed == 0, "nothing was set up"
    await run_for(machine.keeper(), 0.1)
    assert (machine.folder / MARK_FILE).exists()
    await machine.keeper(Network()).clean_up()
    assert machine.removed == 2
    assert not machine.engine.networks
    assert not (machine.folder / MARK_FILE).exists()


async def test_a_machine_that_leaves_takes_it_away_though_its_folder_is_put_aside(machine: Machine) -> None:
    keeper = machine.keeper()
    await run_for(keeper, 0.1)
    (machine.folder / MARK_FILE).unlink()
    await keeper.remove()
    assert machine.removed == 2
    assert not machine.engine.networks


WIREGUARD = Network(mode="wireguard", wireguard_port=1234)


async def test_a_key_is_told_to_the_cluster_before_it_is_used_and_once(machine: Machine) -> None:
    machine.is_cut_off = True
    keeper = machine.keeper(WIREGUARD)
    with pytest.raises(UnavailableError):
        await keeper._step()
    assert machine.applied == []
    machine.is_cut_off = False
    await keeper._step()
    assert machine.wireguard_key() == keys.public(machine.private_key)
    assert machine.wireguard_key("10.42.1.0") == "", "that of the other is its own to tell"
    await keeper._step()
    assert machine.proposals == 1
    keeper._claim.release()


async def test_a_neighbours_new_key_is_noticed_at_once(machine: Machine) -> None:
    key = "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="
    task = asyncio.create_task(machine.keeper(WIREGUARD).run())
    await asyncio.sleep(0.1)
    claim = machine.store.get(Key(kinds.SUBNET_CLAIM.resource, "", "10.42.1.0"))
    assert claim is not None
    told = msgspec.structs.replace(cast("SubnetClaim", claim.object), wireguard_key=key)
    machine.store.apply(Command(b"3" * 16, (Put(claim.key, to_json(told)),)))
    await asyncio.sleep(0.1)
    task.cancel()
    before, after = [each.wireguard for each in machine.applied if each.wireguard][:: len(machine.applied) - 1]
    assert not before.peers
    assert [(each.public_key, each.address, each.port) for each in after.peers] == [(key, B.address, 1234)]


async def test_a_machine_that_leaves_keeps_no_key(machine: Machine) -> None:
    keeper = machine.keeper(WIREGUARD)
    await keeper._step()
    assert (machine.folder / keys.FILE).exists()
    await keeper.remove()
    keeper._claim.release()
    assert not (machine.folder / keys.FILE).exists()


async def test_nothing_is_made_where_the_machine_itself_is_in_the_pods_network(machine: Machine) -> None:
    machine.taken = node_subnets.CLUSTER_CIDR
    await run_for(machine.keeper(), LOOK_SECONDS)
    assert machine.told == ["failed: this machine is in it"]
    assert not machine.applied
    assert not machine.engine.networks


async def test_a_network_that_stands_is_not_given_up_for_a_new_address_of_the_machine(machine: Machine) -> None:
    keeper = asyncio.create_task(machine.keeper().run())
    await asyncio.sleep(LOOK_SECONDS / 2)
    machine.taken = node_subnets.CLUSTER_CIDR
    await asyncio.sleep(2 * LOOK_SECONDS)
    keeper.cancel()
    assert set(machine.told) == {"opened: 10.42.0.0/24"}


async def test_what_cannot_be_written_down_is_told_and_tried_again(machine: Machine) -> None:
    machine.folder = machine.folder / "full"
    keeper = asyncio.create_task(machine.keeper().run())
    await asyncio.sleep(LOOK_SECONDS)
    assert machine.told == [f"failed: {machine.folder / MARK_FILE}: No such file or directory"]
    machine.folder.mkdir()
    await asyncio.sleep(LOOK_SECONDS)
    keeper.cancel()
    assert machine.told[-1] == "opened: 10.42.0.0/24"


async def test_a_bug_in_who_is_told_leaves_the_network_its_keeper(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fabric_keeper, "log", structlog.testing.CapturingLogger())
    told, opened = [], machine._opened

    async def fails_once(subnet: str, subnet_v6: str) -> None:
        told.append(subnet)
        if len(told) == 1:
            raise KeyError(subnet)
        await opened(subnet, subnet_v6)

    monkeypatch.setattr(machine, "_opened", fails_once)
    await run_for(machine.keeper(), LOOK_SECONDS + 0.1)
    assert machine.told == ["opened: 10.42.0.0/24"]


async def test_a_machine_gives_the_cluster_its_addresses_where_no_leader_does(machine: Machine) -> None:
    machine.store.apply(Command(b"3" * 16, (Delete(CLUSTER),)))
    await run_for(machine.keeper(Network(mode="vxlan", cluster_cidr="10.42.0.0/20")), 2 * LOOK_SECONDS)
    stored = machine.store.get(CLUSTER)
    assert stored is not None
    assert cast("ClusterNetwork", stored.object).cluster_cidr == "10.42.0.0/20"
    assert machine.proposals == 1
    assert machine.told[-1] == "opened: 10.42.0.0/24"


async def test_a_machine_that_is_known_by_a_name_says_that_it_cannot_be_reached(machine: Machine) -> None:
    stored = machine.store.get(Key(kinds.NODE.resource, "", "a"))
    assert stored is not None
    node = cast("Node", stored.object)
    named = NodeStatus(addresses=(NodeAddress(type="InternalIP", address="one.example.com"),))
    machine.store.apply(Command(b"4" * 16, (update(stored, msgspec.structs.replace(node, status=named)),)))
    await run_for(machine.keeper(), 0.1)
    (told,) = machine.told
    assert told.endswith("by IPv4, and this one is known by one.example.com")


async def test_what_another_daemon_of_the_machine_keeps_now_is_left_to_it(machine: Machine, tmp_path: Path) -> None:
    await run_for(machine.keeper(), 0.1)
    other = FabricClaim(f"\0{tmp_path}")
    other.hold()
    await machine.keeper(Network()).clean_up()
    assert machine.removed == 0
    other.release()
    await machine.keeper(Network()).clean_up()
    assert machine.removed == 2
    other.hold()
    other.release()
