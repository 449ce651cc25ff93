"""DNS on the wire: a real server on the loopback, asked with dnspython, before a made-up world of other servers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self

import dns.asyncquery
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarmlet.clock import SystemClock
from swarmlet.network.dns import server, upstream
from swarmlet.network.dns.answers import Answers
from swarmlet.network.dns.budget import MADE_COST, WINDOW_SECONDS, Budget
from swarmlet.network.dns.cache import Cache, Question
from swarmlet.network.dns.metrics import DnsCounts
from swarmlet.network.dns.records import ClusterRecords
from swarmlet.network.dns.server import DnsServer
from swarmlet.network.dns.upstream import ResolvConf, Server, Upstream, UpstreamError
from swarmlet.network.services.desired import DesiredServices
from tests.network.cluster import Cluster, endpoint

HERE = "127.0.0.1"
WEB = "web.default.svc.cluster.local"
DB = "db.default.svc.cluster.local"
PLENTY = 10**9


class Elsewhere(asyncio.DatagramProtocol):
    """Another name server, over UDP and TCP: `answer` makes each response, or none. `asked` are the names."""

    def __init__(self, answer: Callable[[dns.message.Message, bool], dns.message.Message | None]) -> None:
        self._answer = answer
        self.asked: list[str] = []
        self.ids: list[int] = []
        self.sources: list[int] = []
        self._udp: asyncio.DatagramTransport | None = None

    async def open(self) -> Server:
        self._tcp = await asyncio.start_server(self._converse, HERE, 0)
        self._port = self._tcp.sockets[0].getsockname()[1]
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, (HERE, self._port))
        return Server(HERE, self._port)

    async def close(self) -> None:
        self._udp.close()
        self._tcp.close()

    def connection_made(self, transport) -> None:
        self._udp = transport

    def datagram_received(self, data: bytes, addr) -> None:
        self.sources.append(addr[1])
        response = self._respond(data, tcp=False)
        if response is not None:
            self._udp.sendto(response.to_wire(), addr)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        response = self._respond(await reader.readexactly(size), tcp=True)
        wire = response.to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)
        writer.close()

    def _respond(self, data: bytes, *, tcp: bool) -> dns.message.Message | None:
        query = dns.message.from_wire(data)
        self.asked.append(str(query.question[0].name))
        self.ids.append(query.id)
        return self._answer(query, tcp)


def says(address: str = "192.0.2.7", ttl: int = 60) -> Callable[..., dns.message.Message]:
    def answer(query: dns.message.Message, tcp: bool) -> dns.message.Message:
        response = dns.message.make_response(query)
        name = query.question[0].name
        response.answer.append(dns.rrset.from_text(name, ttl, "IN", "A", address))
        return response

    return answer


def silent(query: dns.message.Message, tcp: bool) -> None:
    return None


def unknown(query: dns.message.Message, tcp: bool) -> dns.message.Message:
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.NXDOMAIN)
    response.authority.append(dns.rrset.from_text("example.", 900, "IN", "SOA", "ns. hostmaster. 1 2 3 4 30"))
    return response


class Later(SystemClock):
    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class Bench:
    """A DNS server, what it answers from, and how it is asked."""

    def __init__(self, *servers: Server, budget: Budget | None = None, clock: SystemClock | None = None) -> None:
        self.cluster = Cluster()
        self.cluster.service("web", cluster_ip="10.43.0.9")
        self.cluster.service("db", cluster_ip="None")
        self.clock = clock or SystemClock()
        self.counts = DnsCounts()
        self.upstream = Upstream(lambda: servers, self.clock, counts=self.counts)
        self.records = ClusterRecords(self.cluster.store, DesiredServices(self.cluster.store, "n1"))
        answers = Answers(self.records, self.upstream.cached)
        budget = budget or Budget(PLENTY, PLENTY)
        self.server = DnsServer(answers, self.upstream, self.clock, budget, self.counts)
        self.port = 0

    async def __aenter__(self) -> Self:
        self.port = await self.server.open(HERE, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()
        await self.upstream.close()

    async def ask(self, name: str, kind: str = "A", *, tcp: bool = False, **options: object) -> dns.message.Message:
        return await self.send(dns.message.make_query(name, kind, **options), tcp=tcp)

    async def send(self, query: dns.message.Message, *, tcp: bool = False) -> dns.message.Message:
        way = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        return await way(query, HERE, port=self.port, timeout=5)

    def raw(self) -> socket.socket:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.setblocking(False)
        client.connect((HERE, self.port))
        return client


def texts(response: dns.message.Message) -> list[str]:
    return [str(each) for row in response.answer for each in row]


async def ended(name: str) -> None:
    """Wait for the tasks of that name."""
    tasks = [each for each in asyncio.all_tasks() if each.get_name() == name]
    await asyncio.gather(*tasks)


@contextlib.asynccontextmanager
async def elsewhere(*answers: Callable[..., dns.message.Message | None]) -> AsyncIterator[list[Elsewhere]]:
    others = [Elsewhere(each) for each in answers]
    for each in others:
        each.server = await each.open()
    try:
        yield others
    finally:
        for each in others:
            await each.close()


@pytest.mark.parametrize("tcp", [False, True])
async def test_the_clusters_names_are_answered_with_authority(tcp: bool) -> None:
    async with Bench() as bench:
        response = await bench.ask(WEB, tcp=tcp)
        assert texts(response) == ["10.43.0.9"]
        assert response.flags & dns.flags.AA
        assert response.flags & dns.flags.RA
        missing = await bench.ask("nobody.default.svc.cluster.local", tcp=tcp)
        assert (missing.rcode(), missing.authority[0].rdtype) == (dns.rcode.NXDOMAIN, dns.rdatatype.SOA)
        empty = await bench.ask(WEB, "AAAA", tcp=tcp)
        assert (empty.rcode(), texts(empty), len(empty.authority)) == (dns.rcode.NOERROR, [], 1)


async def test_who_asks_for_signatures_is_answered_in_kind() -> None:
    async with Bench() as bench:
        assert (await bench.ask(WEB, want_dnssec=True)).ednsflags == dns.flags.DO
        assert (await bench.ask(WEB, use_edns=0)).ednsflags == 0
        assert (await bench.ask(WEB)).edns == -1


async def test_the_same_question_is_answered_anew_once_the_cluster_has_changed() -> None:
    async with Bench() as bench:
        bench.cluster.slice("s1", endpoint("10.42.0.2"), of="db")
        assert [texts(await bench.ask(DB)) for _ in range(2)] == [["10.42.0.2"]] * 2
        bench.cluster.slice("s1", endpoint("10.42.0.2", ready=False), endpoint("10.42.0.3"), of="db")
        assert texts(await bench.ask(DB)) == ["10.42.0.3"]


async def test_what_does_not_fit_a_datagram_is_cut_and_whole_over_tcp() -> None:
    async with Bench() as bench:
        bench.cluster.slice("s1", *(endpoint(f"10.42.0.{number}") for number in range(1, 101)), of="db")
        plain = dns.message.make_query(DB, "A", use_edns=False)
        for query, room in ((plain, 512), (dns.message.make_query(DB, "A", payload=4096), 1232)):
            cut = await bench.send(query)
            assert cut.flags & dns.flags.TC
            assert len(cut.to_wire()) <= room
        whole = await bench.send(plain, tcp=True)
        assert (len(texts(whole)), bool(whole.flags & dns.flags.TC)) == (100, False)


@pytest.mark.parametrize(
    ("change", "rcode"),
    [
        (lambda query: query.set_opcode(dns.opcode.STATUS), dns.rcode.NOTIMP),
        (lambda query: query.use_edns(1), dns.rcode.BADVERS),
        (lambda query: query.question.clear(), dns.rcode.FORMERR),
    ],
)
async def test_what_is_no_plain_question_is_refused(change: Callable[..., None], rcode: dns.rcode.Rcode) -> None:
    async with Bench() as bench:
        query = dns.message.make_query(WEB, "A")
        change(query)
        assert (await bench.send(query)).rcode() == rcode


async def test_any_other_class_and_transfers_get_next_to_nothing() -> None:
    async with Bench() as bench:
        assert texts(await bench.ask(DB, "ANY")) == ['"RFC8482" ""']
        assert (await bench.ask(WEB, rdclass="CH")).rcode() == dns.rcode.REFUSED
        assert (await bench.ask("cluster.local", "MAILB")).rcode() == dns.rcode.NOTIMP


async def test_garbage_is_refused_or_dropped_and_an_answer_never_answered() -> None:
    async with Bench() as bench:
        client, loop = bench.raw(), asyncio.get_running_loop()
        answer = dns.message.make_response(dns.message.make_query(WEB, "A")).to_wire()
        assert server._parsed(answer) is None
        for dropped in (b"", b"\x00\x01\x02", answer):
            client.send(dropped)
        client.send(b"\xab\xcd\x01\x00\x00\x01" + b"\x00" * 6)
        reply = await asyncio.wait_for(loop.sock_recv(client, 2048), 5)
        client.close()
        assert (reply[:2], reply[3] & 0xF, len(reply)) == (b"\xab\xcd", dns.rcode.FORMERR, 12)


@given(st.binary(max_size=600), st.binary(min_size=2, max_size=2))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
def test_no_bytes_whatever_break_the_reader(data: bytes, flags: bytes) -> None:
    for wire in (data, b"\x12\x34" + flags + b"\x00\x01\x00\x00\x00\x00\x00\x00" + data):
        query = server._parsed(wire)
        if query is None:
            assert len(server._format_error(wire)) in (0, 12)
            continue
        answers = Answers(RECORDS, lambda question: None)
        response, _ = answers.begin(query)
        assert len(server._wire(response, 512)) <= 512


RECORDS = ClusterRecords(Cluster().store, DesiredServices(Cluster().store, "n1"))


async def test_queries_on_one_connection_overtake_a_slow_one() -> None:
    async with elsewhere(silent) as (other,), Bench(other.server) as bench:
        reader, writer = await asyncio.open_connection(HERE, bench.port)
        for number, name in ((1, "slow.example"), (2, WEB), (3, DB)):
            query = dns.message.make_query(name, "A", id=number)
            wire = query.to_wire()
            writer.write(struct.pack("!H", len(wire)) + wire)
        numbers = []
        for _ in range(2):
            (size,) = struct.unpack("!H", await asyncio.wait_for(reader.readexactly(2), 5))
            numbers.append(dns.message.from_wire(await reader.readexactly(size)).id)
        writer.close()
        assert sorted(numbers) == [2, 3]


async def test_connections_are_bounded_for_each_asker() -> None:
    async with Bench() as bench:
        pairs = [await asyncio.open_connection(HERE, bench.port) for _ in range(server.CONNECTIONS_PER_SOURCE_MAX + 1)]
        ended = [asyncio.create_task(reader.read(1)) for reader, _ in pairs]
        done, _ = await asyncio.wait(ended, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == 1
        for _, writer in pairs:
            writer.close()
        await asyncio.wait(ended, timeout=5)


async def test_other_names_are_asked_elsewhere_once_however_many_ask() -> None:
    async with elsewhere(says()) as (other,), Bench(other.server) as bench:
        found = await asyncio.gather(*(bench.ask("www.example") for _ in range(20)))
        again = await bench.ask("WWW.example")
        assert {tuple(texts(each)) for each in (*found, again)} == {("192.0.2.7",)}
        assert other.asked == ["www.example."]
        assert not again.flags & dns.flags.AA


async def test_each_question_elsewhere_has_a_port_and_a_number_of_its_own() -> None:
    async with elsewhere(says()) as (other,), Bench(other.server) as bench:
        await asyncio.gather(*(bench.ask(f"h{number}.example") for number in range(20)))
        assert len(set(other.ids)) > 15
        assert len(set(other.sources)) > 15


async def test_an_external_name_is_followed() -> None:
    async with elsewhere(says()) as (other,), Bench(other.server) as bench:
        bench.cluster.service("ext", type="ExternalName", external_name="www.example", cluster_ip="")
        bench.cluster.service("alias", type="ExternalName", external_name=WEB, cluster_ip="")
        bench.cluster.service(
            "loop", type="ExternalName", external_name="loop.default.svc.cluster.local", cluster_ip=""
        )
        assert texts(await bench.ask("ext.default.svc.cluster.local")) == ["www.example.", "192.0.2.7"]
        assert texts(await bench.ask("alias.default.svc.cluster.local")) == [f"{WEB}.", "10.43.0.9"]
        assert texts(await bench.ask("ext.default.svc.cluster.local", "CNAME")) == ["www.example."]
        assert (await bench.ask("loop.default.svc.cluster.local")).rcode() == dns.rcode.SERVFAIL


async def test_a_cut_answer_is_asked_for_again_over_tcp() -> None:
    def answer(query: dns.message.Message, tcp: bool) -> dns.message.Message:
        response = says()(query, tcp)
        if not tcp:
            response.answer.clear()
            response.flags |= dns.flags.TC
        return response

    async with elsewhere(answer) as (other,), Bench(other.server) as bench:
        assert texts(await bench.ask("www.example")) == ["192.0.2.7"]


async def test_an_external_name_that_is_no_name_is_a_failure_of_its_own() -> None:
    async with Bench() as bench:
        bench.cluster.service("long", type="ExternalName", external_name=f"{'a' * 64}.example", cluster_ip="")
        for tcp in (False, True):
            found = await bench.ask("long.default.svc.cluster.local", tcp=tcp)
            assert found.rcode() == dns.rcode.SERVFAIL


async def test_a_silent_server_is_passed_over_and_then_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "TRY_SECONDS", 0.05)
    async with elsewhere(silent, says()) as (dead, alive), Bench(dead.server, alive.server) as bench:
        for name in ("a.example", "b.example"):
            assert texts(await bench.ask(name)) == ["192.0.2.7"]
        assert (dead.asked, alive.asked) == (["a.example.", "."], ["a.example.", "b.example."])


async def test_a_name_that_is_silent_does_not_silence_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "TRY_SECONDS", 0.05)

    def answer(query: dns.message.Message, tcp: bool) -> dns.message.Message | None:
        is_slow = str(query.question[0].name) == "slow.example."
        return None if is_slow else says()(query, tcp)

    async with elsewhere(answer) as (other,), Bench(other.server) as bench:
        assert (await bench.ask("slow.example")).rcode() == dns.rcode.SERVFAIL
        for name in ("a.example", "b.example"):
            assert texts(await bench.ask(name)) == ["192.0.2.7"]
            await ended("dns-upstream-try")


async def test_an_answer_that_is_too_long_to_read_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(query: dns.message.Message, tcp: bool) -> dns.message.Message:
        response = says()(query, tcp)
        response.flags |= 0 if tcp else dns.flags.TC
        return response

    monkeypatch.setattr(upstream, "STREAM_BYTES_MAX", 20)
    async with elsewhere(answer) as (other,), Bench(other.server) as bench:
        assert (await bench.ask("www.example")).rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize("tcp", [False, True])
async def test_questions_that_wait_are_bounded_for_each_asker(tcp: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "WAITING_PER_SOURCE_MAX", 2)
    async with elsewhere(silent) as (other,), Bench(other.server) as bench:
        asking = [asyncio.create_task(bench.ask(f"h{number}.example", tcp=tcp)) for number in range(4)]
        while bench.counts.dropped["too_many_waiting"] < 2:  # noqa: ASYNC110  a server is watched, which tells nobody
            await asyncio.sleep(0)
        assert len(other.asked) <= 2
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_where_nobody_answers_the_answer_no_comes_and_the_next_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "TRY_SECONDS", 0.05)
    async with elsewhere(silent) as (dead,), Bench(dead.server) as bench:
        for name in ("a.example", "b.example"):
            assert (await bench.ask(name)).rcode() == dns.rcode.SERVFAIL
            await ended("dns-upstream-try")
        assert dead.asked == ["a.example.", "."]
        assert texts(await bench.ask(WEB)) == ["10.43.0.9"]


async def test_an_answer_under_another_number_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def forged(query: dns.message.Message, tcp: bool) -> dns.message.Message:
        response = says()(query, tcp)
        response.id ^= 1
        return response

    monkeypatch.setattr(upstream, "TRY_SECONDS", 0.05)
    async with elsewhere(forged) as (other,), Bench(other.server) as bench:
        assert (await bench.ask("www.example")).rcode() == dns.rcode.SERVFAIL


async def test_who_does_not_want_others_to_be_asked_is_told_so() -> None:
    async with elsewhere(says()) as (other,), Bench(other.server) as bench:
        assert (await bench.ask("www.example", flags=0)).rcode() == dns.rcode.REFUSED
        assert other.asked == []


@pytest.mark.parametrize(("different", "answered"), [(True, 4), (False, 79)])
async def test_a_flood_from_one_leaves_the_others_their_answers(different: bool, answered: int) -> None:
    budget = Budget(source_units=104, total_units=PLENTY)  # an answer that is made takes 26, another like it 1
    async with Bench(budget=budget, clock=Later()) as bench:
        flood = bench.raw()
        for number in range(200):
            name = f"x{number if different else 0}.default.svc.cluster.local"
            flood.send(dns.message.make_query(name, "A", id=number).to_wire())
        query = dns.message.make_query(WEB, "A")
        response = await dns.asyncquery.udp(query, HERE, port=bench.port, source="127.0.0.2", timeout=5)
        assert texts(response) == ["10.43.0.9"]
        got = 0
        with contextlib.suppress(BlockingIOError):
            while flood.recv(2048):
                got += 1
        flood.close()
        assert got == answered


@pytest.mark.parametrize("tcp", [False, True])
async def test_who_asks_for_much_of_others_may_ask_for_less(tcp: bool) -> None:
    def much(query: dns.message.Message, tcp: bool) -> dns.message.Message:
        response = dns.message.make_response(query)
        addresses = [f"192.0.2.{number}" for number in range(20)]
        response.answer.append(dns.rrset.from_text_list(query.question[0].name, 60, "IN", "A", addresses))
        return response

    budget = Budget(source_units=100, total_units=PLENTY)
    async with elsewhere(much) as (other,), Bench(other.server, budget=budget, clock=Later()) as bench:
        assert len(texts(await bench.ask("www.example", tcp=tcp))) == 20
        with pytest.raises((TimeoutError, EOFError)):
            await asyncio.wait_for(bench.send(dns.message.make_query(WEB, "A"), tcp=tcp), 0.5)
        assert bench.counts.dropped["over_budget"] == 1


def test_a_budget_is_of_one_window_and_of_one_asker() -> None:
    budget = Budget(source_units=10, total_units=15)
    assert [budget.take("a", 5, 0.0) for _ in range(3)] == [True, True, False]
    assert budget.take("b", 5, WINDOW_SECONDS / 2)
    assert not budget.take("c", 5, WINDOW_SECONDS / 2)
    assert budget.take("a", 5, WINDOW_SECONDS * 1.1)


def test_an_answer_that_took_long_costs_more_but_not_all() -> None:
    budget = Budget(source_units=300, total_units=PLENTY)
    assert budget.take("a", MADE_COST, 0.0)
    budget.charge("a", 0.0001)
    assert budget.take("a", MADE_COST, 0.0)
    budget.charge("a", 1.0)
    assert budget.take("a", MADE_COST, 0.0)
    assert not budget.take("a", MADE_COST, 0.0)
    assert budget.take("b", MADE_COST, 0.0)


def test_what_others_gave_is_paid_for_and_no_one_else_pays_for_it() -> None:
    budget = Budget(source_units=300, total_units=400)
    assert budget.take("a", MADE_COST, 0.0)
    budget.charge("a", 0.0, records=100)
    assert budget.take("b", MADE_COST, 0.0)
    assert not budget.take("a", MADE_COST, WINDOW_SECONDS), "what is too much for one window is owed"
    assert budget.take("a", MADE_COST, 4 * WINDOW_SECONDS)


def question(name: str) -> Question:
    return Question(dns.name.from_text(name), dns.rdatatype.A)


def test_answers_are_kept_for_their_time_and_say_what_is_left_of_it() -> None:
    cache = Cache()
    message = says(ttl=60)(dns.message.make_query("www.example", "A"), False)
    cache.put(question("www.example"), message, 100, now=1000.0)
    assert cache.get(question("www.example"), 1010.5).answer[0].ttl == 50
    assert cache.get(question("www.example"), 1060.0) is None
    assert message.answer[0].ttl == 60


def test_a_no_is_kept_as_its_soa_allows_and_a_failure_never() -> None:
    cache = Cache()
    query = dns.message.make_query("nobody.example", "A")
    cache.put(question("nobody.example"), unknown(query, False), 100, now=0.0)
    assert cache.get(question("nobody.example"), 29.0).rcode() == dns.rcode.NXDOMAIN
    assert cache.get(question("nobody.example"), 30.0) is None
    failed = dns.message.make_response(query)
    failed.set_rcode(dns.rcode.SERVFAIL)
    for message in (failed, dns.message.make_response(query)):
        cache.put(question("nobody.example"), message, 100, now=0.0)
    assert len(cache) == 0


@pytest.mark.parametrize("limits", [{"entries_max": 2}, {"bytes_max": 200}])
def test_the_cache_forgets_what_was_asked_longest_ago(limits: dict[str, int]) -> None:
    cache = Cache(**limits)
    message = says()(dns.message.make_query("www.example", "A"), False)
    for name in ("a", "b"):
        cache.put(question(name), message, 100, now=0.0)
    cache.get(question("a"), 1.0)
    cache.put(question("c"), message, 100, now=1.0)
    assert [cache.get(question(name), 2.0) is not None for name in "abc"] == [True, False, True]


def test_resolv_conf_is_read_again_and_never_leads_to_ourselves(tmp_path: Path) -> None:
    path, clock = tmp_path / "resolv.conf", Later()
    path.write_text("nameserver 10.43.0.10\nnameserver 192.0.2.1\nnameserver nonsense\nsearch lan\n")
    servers = ResolvConf((path, tmp_path / "none"), lambda: ("10.43.0.10",), clock)
    assert servers() == (Server("192.0.2.1"),)
    path.write_text("nameserver 192.0.2.2\n")
    assert servers() == (Server("192.0.2.1"),)
    clock.seconds = 1.5
    assert servers() == (Server("192.0.2.2"),)
    path.unlink()
    clock.seconds = 3
    assert servers() == ()


async def test_no_servers_at_all_is_an_error_at_once() -> None:
    with pytest.raises(UpstreamError):
        await Upstream(tuple, SystemClock()).ask(question("www.example"))
