"""Daemons that speak over real TLS sockets."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from swarmlet.errors import (
    ConflictError,
    DiskError,
    NotFoundError,
    OutcomeUnknownError,
    UnauthorizedError,
    UnavailableError,
)
from swarmlet.identity import tls
from swarmlet.identity.authority import Authority, NodeIdentity
from swarmlet.transport import dialler, link
from swarmlet.transport.dialler import Dialler
from swarmlet.transport.frames import Reply, Send
from tests.transport.daemons import CLUSTER, Daemon, node_id, running

N1, N2 = node_id(1), node_id(2)
OTHER_CLUSTER = "badbadbadbadbad0"


@pytest.fixture
def ca() -> Authority:
    return Authority.create(CLUSTER, datetime.now(UTC))


@pytest.fixture
def pair(tmp_path: Path, ca: Authority) -> tuple[Daemon, Daemon]:
    return Daemon(tmp_path, 1, ca), Daemon(tmp_path, 2, ca)


async def echo(sender: str, payload: bytes) -> bytes:
    return sender.encode() + b":" + payload


async def forever(_sender: str, _payload: bytes) -> bytes:
    await asyncio.Event().wait()
    return b""


async def test_a_call_is_answered_with_the_sender_known(pair: tuple[Daemon, Daemon]) -> None:
    a, b = pair
    b.peers.on_call("echo", echo)
    async with running(a, b):
        assert await a.peers.call(N2, "echo", b"hello", timeout_seconds=5) == f"{N1}:hello".encode()


async def test_messages_arrive_in_order(pair: tuple[Daemon, Daemon]) -> None:
    a, b = pair
    got: list[bytes] = []
    done = asyncio.Event()

    def take(_sender: str, payload: bytes) -> None:
        got.append(payload)
        if len(got) == 500:
            done.set()

    b.peers.on_message("raft", take)
    async with running(a, b):
        for number in range(500):
            a.peers.send(N2, "raft", str(number).encode())
        await asyncio.wait_for(done.wait(), 5)
    assert got == [str(number).encode() for number in range(500)]


async def test_megabytes_pass_in_both_directions(pair: tuple[Daemon, Daemon]) -> None:
    a, b = pair
    b.peers.on_call("echo", echo)
    payload = bytes(range(256)) * 4 * 4096
    async with running(a, b):
        assert (await a.peers.call(N2, "echo", payload, timeout_seconds=10))[-len(payload) :] == payload


async def test_a_call_to_oneself_is_answered_without_a_link(pair: tuple[Daemon, Daemon]) -> None:
    a, _ = pair
    a.peers.on_call("echo", echo)
    assert await a.peers.call(N1, "echo", b"x", timeout_seconds=1) == f"{N1}:x".encode()


async def test_an_error_of_the_handler_is_raised_at_the_caller(pair: tuple[Daemon, Daemon]) -> None:
    a, b = pair

    async def refuse(_sender: str, _payload: bytes) -> bytes:
        raise ConflictError("two of three voters are down")

    b.peers.on_call("remove", refuse)
    async with running(a, b):
        with pytest.raises(ConflictError, match="two of three voters are down"):
            await a.peers.call(N2, "remove", b"", timeout_seconds=5)


async def test_a_failed_disk_of_the_peer_is_no_failure_of_ours(pair: tuple[Daemon, Daemon]) -> None:
    a, b = pair

    async def fail(_sender: str, _payload: bytes) -> bytes:
        raise DiskError("No space left on device")

    b.peers.on_call("snapshot", fail)
    async with running(a, b):
        with pytest.raises(OutcomeUnknownError, match="No space left on device"):
            await a.peers.call(N2, "snapshot", b"", timeout_seconds=5)


async def test_a_bug_in_the_handler_is_an_unknown_outcome_and_the_link_stays(pair: tuple[Daemon, Daemon]) -> None:
    a, b = pair

    async def fail(_sender: str, _payload: bytes) -> bytes:
        raise ZeroDivisionError

    b.peers.on_call("fail", fail)
    b.peers.on_call("echo", echo)
    async with running(a, b):
        with pytest.raises(OutcomeUnknownError, match="failed at fail"):
            await a.peers.call(N2, "fail", b"", timeout_seconds=5)
        assert await a.peers.call(N2, "echo", b"", timeout_seconds=5)


async def test_a_method_nobody_answers_is_said_so(pair: tuple[Daemon, Daemon]) -> None:
    a, b = pair
    async with running(a, b):
        with pytest.raises(NotFoundError, match="answers no call 'nonsense'"):
            await a.peers.call(N2, "nonsense", b"", timeout_seconds=5)


async def test_a_call_without_a_link_was_surely_not_delivered(pair: tuple[Daemon, Daemon]) -> None:
    a, _ = pair
    with pytest.raises(UnavailableError, match="no link"):
        await a.peers.call(N2, "echo", b"", timeout_seconds=1)


async def test_an_answer_counts_only_from_who_was_asked(
    pair: tuple[Daemon, Daemon], tmp_path: Path, ca: Authority
) -> None:
    a, b = pair
    forger = Daemon(tmp_path, 3, ca)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def answer_late(_sender: str, _payload: bytes) -> bytes:
        asked.set()
        await go_on.wait()
        return b"true"

    a.peers.on_message("seen", lambda _sender, _payload: go_on.set())
    b.peers.on_call("late", answer_late)
    async with running(a, b, forger):
        call = asyncio.create_task(a.peers.call(N2, "late", b"", timeout_seconds=5))
        await asked.wait()
        to_a = forger.peers._link_to(N1)
        assert to_a
        to_a.send(Reply(a.peers._last_call, b"forged"))
        to_a.send(Send("seen", b""))
        assert await call == b"true"


async def test_a_call_whose_time_runs_out_has_an_unknown_outcome(pair: tuple[Daemon, Daemon]) -> None:
    a, b = pair
    b.peers.on_call("forever", forever)
    async with running(a, b):
        with pytest.raises(OutcomeUnknownError, match="did not answer forever"):
            await a.peers.call(N2, "forever", b"", timeout_seconds=0.05)


async def test_a_link_that_breaks_ends_its_calls_and_is_told(pair: tuple[Daemon, Daemon]) -> None:
    a, b = pair
    b.peers.on_call("forever", forever)
    async with running(a, b):
        call = asyncio.create_task(a.peers.call(N2, "forever", b"", timeout_seconds=30))
        await asyncio.sleep(0)
        await b.stop()
        with pytest.raises((OutcomeUnknownError, UnavailableError)):
            await call
        await a.until(N2, up=False)
        assert not a.peers.is_connected(N2)


async def test_a_daemon_that_comes_back_is_linked_again_in_both_directions(pair: tuple[Daemon, Daemon]) -> None:
    a, b = pair
    async with running(a, b):
        await b.stop()
        await a.until(N2, up=False)
        a.events.clear()
        b.peers = b.new_peers()
        b.peers.on_call("echo", echo)
        b.peers.set_addresses({N1: a.address})
        await b.start()
        await a.until(N2, up=True)
        assert await a.peers.call(N2, "echo", b"again", timeout_seconds=5)


async def test_a_daemon_that_dials_us_is_dialled_back_without_waiting(
    pair: tuple[Daemon, Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = pair
    monkeypatch.setattr(dialler, "RETRY_SECONDS_MIN", 60)
    monkeypatch.setattr(dialler, "RETRY_SECONDS_MAX", 60)
    async with running(a, b):
        await b.stop()
        await a.until(N2, up=False)
        a.events.clear()
        b.peers = b.new_peers()
        b.peers.set_addresses({N1: a.address})
        await b.start()
        await a.until(N2, up=True)


async def test_a_node_taken_off_the_addresses_is_cut_off(pair: tuple[Daemon, Daemon]) -> None:
    a, b = pair
    async with running(a, b):
        a.peers.set_addresses({N1: a.address})
        await b.until(N1, up=False)
        assert not a.peers.is_connected(N2)


async def test_a_silent_link_is_closed(pair: tuple[Daemon, Daemon], monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = pair
    monkeypatch.setattr(link, "PING_SECONDS", 0.02)
    monkeypatch.setattr(link, "SILENCE_SECONDS_MAX", 0.1)
    async with running(a, b):
        monkeypatch.setattr(link.Link, "data_received", lambda self, data: None)
        a.events.clear()
        await a.until(N2, up=False)


async def test_a_live_link_is_kept_open_by_pings(pair: tuple[Daemon, Daemon], monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = pair
    monkeypatch.setattr(link, "PING_SECONDS", 0.02)
    monkeypatch.setattr(link, "SILENCE_SECONDS_MAX", 0.1)
    b.peers.on_call("forever", forever)
    async with running(a, b):
        with pytest.raises(OutcomeUnknownError, match="did not answer"):
            await a.peers.call(N2, "forever", b"", timeout_seconds=0.2)
        assert a.peers.is_connected(N2)


@pytest.mark.parametrize(
    ("heard_ago", "sent_ago", "pings"),
    [(0.1, 0.1, False), (1.5, 0.1, True), (0.1, 1.5, True), (1.5, 1.5, True)],
)
async def test_a_link_is_pinged_unless_both_sides_have_spoken(heard_ago: float, sent_ago: float, pings: bool) -> None:
    one = link.Link("peer", dialled=True, receive=lambda *_: None, closed=lambda _: None)
    one.connection_made(FakeTransport())
    now = asyncio.get_running_loop().time()
    one._heard_at, one._sent_at = now - heard_ago, now - sent_ago
    one._look()
    assert bool(one._outgoing) is pings
    one.close()


class FakeTransport(asyncio.Transport):
    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None: ...


# Who is let in.


async def refused(listener: Daemon, caller: Daemon, **lies: object) -> BaseException:
    """Dial once, with some credentials replaced; return why no link came about."""
    await listener.start()
    dialling = Dialler(
        node=listener.node_id,
        address=listener.address,
        credentials=dataclasses.replace(caller.peers._credentials, **lies),
        rng=random.Random(1),
        new_link=lambda peer: caller.peers._new_link(peer, dialled=True),
        opened=lambda peer: None,
        cut_off=caller.peers._end,
    )
    try:
        with pytest.raises((OSError, UnauthorizedError, UnavailableError)) as caught:
            await dialling.dial()
        assert not listener.peers.links()
        return caught.value
    finally:
        await listener.stop()


async def test_a_node_of_another_cluster_is_refused(tmp_path: Path, ca: Authority) -> None:
    stranger = Daemon(tmp_path, 1, ca, cluster_id=OTHER_CLUSTER)
    assert f"of cluster {OTHER_CLUSTER}" in str(await refused(Daemon(tmp_path, 2, ca), stranger))


async def test_the_listener_refuses_a_node_of_another_cluster_by_itself(tmp_path: Path, ca: Authority) -> None:
    stranger, listener = Daemon(tmp_path, 1, ca, cluster_id=OTHER_CLUSTER), Daemon(tmp_path, 2, ca)
    gullible = NodeIdentity(cluster_id=OTHER_CLUSTER, node_id=N2, name="whoever")
    error = await refused(listener, stranger, identify=lambda connection: gullible)
    assert f"this is cluster {CLUSTER}" in str(error)


async def test_a_node_that_claims_another_id_is_refused(tmp_path: Path, ca: Authority) -> None:
    error = await refused(Daemon(tmp_path, 2, ca), Daemon(tmp_path, 1, ca), node_id=node_id(3))
    assert f"the certificate is node {N1}'s" in str(error)


async def test_a_caller_without_certificate_is_refused(tmp_path: Path, ca: Authority) -> None:
    anonymous = tls.client_context(ca.certificate_pem)
    error = await refused(Daemon(tmp_path, 2, ca), Daemon(tmp_path, 1, ca), context=anonymous)
    assert isinstance(error, UnauthorizedError)


async def test_a_certificate_of_another_authority_is_refused(tmp_path: Path, ca: Authority) -> None:
    foreign = Daemon(tmp_path, 1, Authority.create(CLUSTER, datetime.now(UTC)))
    assert isinstance(await refused(Daemon(tmp_path, 2, ca), foreign), ssl.SSLError)


async def test_a_node_that_answers_at_anothers_address_is_refused(tmp_path: Path, ca: Authority) -> None:
    listener, caller = Daemon(tmp_path, 2, ca), Daemon(tmp_path, 1, ca)
    await listener.start()
    caller.peers.set_addresses({node_id(3): listener.address})
    with pytest.raises(UnauthorizedError, match=f"but node {N2}"):
        await caller.peers._diallers[node_id(3)].dial()
    await listener.stop()


async def test_a_node_that_moves_is_dialled_where_it_is(pair: tuple[Daemon, Daemon]) -> None:
    a, b = pair
    async with running(a, b):
        await b.stop()
        b._port = 0
        b.peers = b.new_peers()
        await b.start()
        a.events.clear()
        a.peers.set_addresses({N2: b.address})
        await a.until(N2, up=True)
