"""What links between daemons promise to consensus. Each test class below gives it another network."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import pytest

from swarmlet.errors import ConflictError, DiskError, NotFoundError, OutcomeUnknownError, UnavailableError
from swarmlet.transport.peers import Peers

MESSAGES = 300
SECONDS_MAX = 10.0


class Node(Protocol):
    """One daemon's peers, and the link events that they have told."""

    node_id: str
    address: str
    peers: Any
    """A `Peers`, with `is_connected`."""
    events: list[tuple[str, bool]]

    async def until(self, node: str, up: bool) -> None:
        """Wait for the latest link event of `node` to be `up`."""


class World(Protocol):
    """Two nodes, not yet started. `a` and `b` know of each other once `start` has returned, and are linked."""

    a: Node
    b: Node

    def run(self, test: Coroutine[Any, Any, None]) -> None: ...

    async def start(self) -> None: ...

    async def stop(self, node: Node) -> None:
        """The daemon ends: its links close."""

    async def start_again(self, node: Node, prepare: Callable[[Peers], None]) -> None:
        """Another life of the daemon, with fresh peers, which `prepare` makes ready."""

    async def end(self) -> None: ...


def promise(test: Callable[[Any, World], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a test of a coroutine that runs in the world's own time."""

    @functools.wraps(test)
    def wrapped(self: Any, world: World) -> None:
        async def body() -> None:
            try:
                async with asyncio.timeout(SECONDS_MAX):
                    await test(self, world)
            finally:
                await world.end()

        world.run(body())

    del wrapped.__wrapped__  # type: ignore[attr-defined]  else pytest takes it for a coroutine
    return wrapped


async def echo(sender: str, payload: bytes) -> bytes:
    return sender.encode() + b":" + payload


async def forever(_sender: str, _payload: bytes) -> bytes:
    await asyncio.Event().wait()
    return b""


def failing(error: Exception) -> Callable[[str, bytes], Coroutine[Any, Any, bytes]]:
    async def fail(_sender: str, _payload: bytes) -> bytes:
        raise error

    return fail


class PeersContract:
    """Subclasses give `world`."""

    @promise
    async def test_messages_arrive_in_order_with_their_sender(self, world: World) -> None:
        got: list[tuple[str, bytes]] = []
        done = asyncio.Event()

        def take(sender: str, payload: bytes) -> None:
            got.append((sender, payload))
            if len(got) == MESSAGES:
                done.set()

        world.b.peers.on_message("raft", take)
        await world.start()
        for number in range(MESSAGES):
            world.a.peers.send(world.b.node_id, "raft", b"%d" % number)
        await done.wait()
        assert got == [(world.a.node_id, b"%d" % number) for number in range(MESSAGES)]

    @promise
    async def test_a_message_to_nobody_is_dropped(self, world: World) -> None:
        await world.start()
        world.a.peers.send("ffffffffffffffff", "raft", b"lost")
        world.a.peers.send(world.b.node_id, "a channel that nobody listens on", b"lost")

    @promise
    async def test_a_call_is_answered_with_the_sender_known(self, world: World) -> None:
        world.b.peers.on_call("echo", echo)
        await world.start()
        reply = await world.a.peers.call(world.b.node_id, "echo", b"hello", timeout_seconds=5)
        assert reply == world.a.node_id.encode() + b":hello"

    @promise
    async def test_calls_do_not_wait_for_each_other(self, world: World) -> None:
        world.b.peers.on_call("echo", echo)
        world.b.peers.on_call("forever", forever)
        await world.start()
        slow = asyncio.create_task(world.a.peers.call(world.b.node_id, "forever", b"", timeout_seconds=5))
        await world.a.peers.call(world.b.node_id, "echo", b"", timeout_seconds=5)
        assert not slow.done()
        slow.cancel()

    @promise
    async def test_a_call_to_oneself_is_answered_without_a_link(self, world: World) -> None:
        world.a.peers.on_call("echo", echo)
        node = world.a.node_id
        assert await world.a.peers.call(node, "echo", b"x", timeout_seconds=1) == node.encode() + b":x"

    @promise
    async def test_an_error_of_the_handler_is_raised_at_the_caller(self, world: World) -> None:
        world.b.peers.on_call("remove", failing(ConflictError("two of three voters are down")))
        await world.start()
        with pytest.raises(ConflictError, match="two of three voters are down"):
            await world.a.peers.call(world.b.node_id, "remove", b"", timeout_seconds=5)

    @promise
    async def test_a_failed_disk_of_the_peer_is_no_failure_of_ours(self, world: World) -> None:
        world.b.peers.on_call("snapshot", failing(DiskError("No space left on device")))
        await world.start()
        with pytest.raises(OutcomeUnknownError, match="No space left on device"):
            await world.a.peers.call(world.b.node_id, "snapshot", b"", timeout_seconds=5)

    @promise
    async def test_a_method_nobody_answers_is_said_so(self, world: World) -> None:
        await world.start()
        with pytest.raises(NotFoundError, match="answers no call 'nonsense'"):
            await world.a.peers.call(world.b.node_id, "nonsense", b"", timeout_seconds=5)

    @promise
    async def test_a_call_without_a_link_was_surely_not_delivered(self, world: World) -> None:
        with pytest.raises(UnavailableError, match="no link"):
            await world.a.peers.call(world.b.node_id, "echo", b"", timeout_seconds=1)

    @promise
    async def test_a_call_whose_time_runs_out_has_an_unknown_outcome(self, world: World) -> None:
        world.b.peers.on_call("forever", forever)
        await world.start()
        with pytest.raises(OutcomeUnknownError, match="did not answer forever"):
            await world.a.peers.call(world.b.node_id, "forever", b"", timeout_seconds=0.05)

    @promise
    async def test_a_link_that_breaks_ends_its_calls_and_is_told(self, world: World) -> None:
        asked = asyncio.Event()

        async def hang(_sender: str, _payload: bytes) -> bytes:
            asked.set()
            await asyncio.Event().wait()
            return b""

        world.b.peers.on_call("forever", hang)
        await world.start()
        call = asyncio.create_task(world.a.peers.call(world.b.node_id, "forever", b"", timeout_seconds=30))
        await asked.wait()
        await world.stop(world.b)
        with pytest.raises(OutcomeUnknownError):
            await call
        await world.a.until(world.b.node_id, up=False)
        assert not world.a.peers.is_connected(world.b.node_id)

    @promise
    async def test_a_daemon_that_comes_back_is_linked_again(self, world: World) -> None:
        await world.start()
        await world.stop(world.b)
        await world.a.until(world.b.node_id, up=False)
        world.a.events.clear()
        await world.start_again(world.b, lambda peers: peers.on_call("echo", echo))
        await world.a.until(world.b.node_id, up=True)
        assert await world.a.peers.call(world.b.node_id, "echo", b"again", timeout_seconds=5)

    @promise
    async def test_a_node_taken_off_the_addresses_is_cut_off(self, world: World) -> None:
        await world.start()
        world.a.peers.set_addresses({world.a.node_id: world.a.address})
        await world.b.until(world.a.node_id, up=False)
        assert not world.a.peers.is_connected(world.b.node_id)
