"""Addresses of Pods: each has one of its own, the same for as long as it lives."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from swarmlet.agent.machine.pod_addresses import READY_SECONDS_MAX, AddressBook, NoAddressError, PodAddresses
from swarmlet.config import Config, Network
from swarmlet.model import conditions, kinds
from swarmlet.model.container import Container
from swarmlet.model.core import Node
from swarmlet.model.nodes import NETWORK_UNAVAILABLE
from swarmlet.runtime import runtime
from swarmlet.runtime.runtime import ContainerSpec, PodIdentity, PodNetwork, State
from swarmlet.store.commands import Key
from tests.agent.home import IMAGE, NODE, Home
from tests.fakes.runtime import Engine

SUBNET = "10.42.7.0/24"
SUBNET_V6 = "fd00:10:42:7::/64"
SMALL = "10.42.7.0/29"
"""Room for five: the first is the node's, the second the bridge's, the last the broadcast."""


def spec(uid: str, **fields: object) -> ContainerSpec:
    return ContainerSpec(pod=PodIdentity(uid, "default", uid), name="main", **fields)  # type: ignore[arg-type]


def running(uid: str, address: str) -> runtime.Container:
    return runtime.Container(
        id=uid,
        pod=PodIdentity(uid, "default", uid),
        name="main",
        attempt=0,
        spec_hash="",
        state=State.RUNNING,
        address=address,
    )


async def opened(path: Path, subnet: str = SUBNET) -> PodAddresses:
    addresses = PodAddresses(path / "addresses.json")
    await addresses.open(subnet)
    return addresses


async def address_of(addresses: PodAddresses, uid: str) -> str:
    return (await addresses.with_address(spec(uid))).network.address


# The book


def test_each_has_its_own_and_nobody_the_nodes_the_bridges_or_the_broadcast() -> None:
    book, given = AddressBook(SMALL), []
    for uid in "abcde":
        address, book = book.taken(uid)
        given.append(address)
    assert given == [f"10.42.7.{number}" for number in range(2, 7)]
    with pytest.raises(NoAddressError, match=r"no IP addresses available in range set: 10\.42\.7\.2-10\.42\.7\.6"):
        book.taken("f")


def test_whoever_has_one_keeps_it() -> None:
    first, book = AddressBook(SUBNET).taken("a")
    assert book.taken("a") == (first, book)


def test_an_address_that_was_given_back_comes_again_last() -> None:
    book = AddressBook(SMALL)
    for uid in "ab":
        _, book = book.taken(uid)
    book, given = book.only({"b"}), []
    for uid in "cdef":
        address, book = book.taken(uid)
        given.append(address)
    assert given == ["10.42.7.4", "10.42.7.5", "10.42.7.6", "10.42.7.2"]


def test_what_runs_counts_more_than_what_is_written() -> None:
    book = AddressBook(SUBNET, {"a": "10.42.7.2"}).adopted([("b", "10.42.7.2"), ("c", "172.17.0.2")])
    assert book.held == {"b": "10.42.7.2"}


# The file


async def test_a_new_daemon_goes_on_where_the_old_one_stopped(tmp_path: Path) -> None:
    old = await opened(tmp_path)
    given = [await address_of(old, uid) for uid in "abc"]
    await old.release("c")
    new = await opened(tmp_path)
    assert [await address_of(new, uid) for uid in "ab"] == given[:2]
    assert await address_of(new, "d") not in given


async def test_without_its_file_a_daemon_learns_from_what_runs(tmp_path: Path) -> None:
    addresses = PodAddresses(tmp_path / "addresses.json")
    addresses.adopt([running("a", "10.42.7.2"), running("gone", "10.42.7.3")], {"a"})
    await addresses.open(SUBNET)
    assert [await address_of(addresses, uid) for uid in ("b", "a")] == ["10.42.7.3", "10.42.7.2"]


async def test_nobody_is_told_who_has_which_before_what_runs_is_known(tmp_path: Path) -> None:
    addresses = PodAddresses(tmp_path / "addresses.json")
    await addresses.open(SUBNET)
    told = asyncio.create_task(addresses.opened())
    await asyncio.sleep(1)
    assert not told.done(), "what runs would be taken for strangers"
    addresses.adopt([running("a", "10.42.7.2")], {"a"})
    assert await told == {"a": "10.42.7.2"}


async def test_those_whose_pods_went_while_no_daemon_ran_are_free(tmp_path: Path) -> None:
    old = await opened(tmp_path, SMALL)
    for uid in "abcde":
        await address_of(old, uid)
    new = PodAddresses(tmp_path / "addresses.json")
    new.adopt([], {"a", "b"})
    await new.open(SMALL)
    assert await address_of(new, "f") == "10.42.7.4"


@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
async def test_a_file_that_is_damaged_stops_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "addresses.json").write_bytes(content)
    assert await address_of(await opened(tmp_path), "a") == "10.42.7.2"


async def test_another_subnet_begins_a_book_of_its_own(tmp_path: Path) -> None:
    await address_of(await opened(tmp_path), "a")
    assert await address_of(await opened(tmp_path, "10.42.8.0/24"), "a") == "10.42.8.2"


async def test_an_address_that_cannot_be_written_down_is_not_given(tmp_path: Path) -> None:
    addresses = PodAddresses(tmp_path / "missing" / "addresses.json")
    await addresses.open(SUBNET)
    with pytest.raises(NoAddressError, match="No such file"):
        await address_of(addresses, "a")


async def test_an_address_is_given_when_its_guard_lets_it(tmp_path: Path) -> None:
    addresses, asked, allowed = await opened(tmp_path), [], asyncio.Event()

    async def guard(uid: str, address: str) -> None:
        asked.append((uid, address))
        await allowed.wait()

    addresses.guarded_by(guard)
    addresses.adopt([], {"a"})
    with pytest.raises(NoAddressError, match="network policies are not in force"):
        await address_of(addresses, "a")
    allowed.set()
    assert asked == [("a", await address_of(addresses, "a"))] * 2
    assert await addresses.opened() == {"a": "10.42.7.2"}


async def test_with_each_address_goes_one_of_the_other_family_where_the_node_has_both(tmp_path: Path) -> None:
    addresses = PodAddresses(tmp_path / "addresses.json")
    await addresses.open(SUBNET, SUBNET_V6)
    network = (await addresses.with_address(spec("a"))).network
    assert (network.address, network.address_v6) == ("10.42.7.2", "fd00:10:42:7::a2a:702")


async def test_many_at_once_have_different_ones(tmp_path: Path) -> None:
    addresses = await opened(tmp_path)
    given = await asyncio.gather(*(address_of(addresses, f"p{number}") for number in range(50)))
    assert len(set(given)) == 50


@pytest.mark.parametrize("fields", [{"sandbox": "s"}, {"network": PodNetwork(host_network=True)}])
async def test_who_has_no_network_of_its_own_gets_no_address(tmp_path: Path, fields: dict[str, object]) -> None:
    addresses = await opened(tmp_path)
    assert await addresses.with_address(spec("a", **fields)) == spec("a", **fields)


# The agent


@pytest.fixture
def networked(home: Home) -> Home:
    home.config = dataclasses.replace(Config(), network=Network(mode="vxlan"), data_dir=home.folder)
    return home


def condition(home: Home) -> tuple[str, str, str]:
    stored = home.replica.view.get(Key(kinds.NODE.resource, "", NODE))
    assert stored is not None
    assert isinstance(stored.object, Node)
    found = conditions.get(stored.object.status.conditions, NETWORK_UNAVAILABLE)
    return (found.status, found.reason, found.message) if found else ("", "", "")


async def test_a_pod_keeps_its_address_when_its_container_is_restarted(networked: Home, engine: Engine) -> None:
    async with networked.running():
        await networked.agent.network.open(SUBNET, SUBNET_V6)
        key = networked.bind()
        await asyncio.sleep(5)
        before = networked.status(key)
        assert [each.ip for each in before.pod_ips] == ["10.42.7.2", "fd00:10:42:7::a2a:702"]
        (container,) = engine.running("main")
        engine.kill(container.id)
        await asyncio.sleep(30)
        assert networked.is_ready(key)
        assert (before.pod_ip, networked.status(key).pod_ip) == ("10.42.7.2", "10.42.7.2")
        assert networked.status(key).pod_ips == before.pod_ips
        (again,) = engine.running("main")
        assert again.id != container.id


async def test_a_pod_waits_for_its_nodes_network_and_says_what_it_waits_for(networked: Home) -> None:
    async with networked.running():
        networked.agent.network.fail("the kernel has no vxlan")
        key = networked.bind()
        await asyncio.sleep(READY_SECONDS_MAX + 1)
        (status,) = networked.status(key).container_statuses
        assert status.state is not None
        assert status.state.waiting is not None
        assert status.state.waiting.message == "the Pod network is not ready: the kernel has no vxlan"
        await networked.agent.network.open(SUBNET, SUBNET_V6)
        await asyncio.sleep(30)
        assert networked.is_ready(key)


async def test_the_node_says_whether_its_network_is_there(networked: Home) -> None:
    async with networked.running():
        networked.agent.network.fail("the kernel has no vxlan")
        await asyncio.sleep(3)
        assert condition(networked) == ("True", "NoRouteCreated", "the kernel has no vxlan")
        await networked.agent.network.open(SUBNET, SUBNET_V6)
        await asyncio.sleep(3)
        assert condition(networked) == ("False", "RouteCreated", "the Pod network reaches the other nodes")
    networked.config = Config(data_dir=networked.folder)
    async with networked.running():
        await asyncio.sleep(3)
        assert condition(networked)[::2] == ("False", "this node has no Pod network")


async def test_a_node_without_a_pod_network_tells_of_none(home: Home) -> None:
    async with home.running():
        key = home.bind()
        await asyncio.sleep(5)
        assert home.is_ready(key)
        assert condition(home) == ("", "", "")


async def test_an_address_is_free_when_nothing_is_left_of_its_pod(networked: Home) -> None:
    async with networked.running():
        await networked.agent.network.open(SMALL, "")
        for number in range(8):
            key = networked.bind(f"web-{number}", containers=[Container(name="main", image=IMAGE)])
            await asyncio.sleep(5)
            assert networked.is_ready(key)
            networked.mark_deleted(key, grace_seconds=0)
            await asyncio.sleep(5)
