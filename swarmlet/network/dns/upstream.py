"""Asks the machine's own name servers what the cluster does not know.

Each question is sent from a port of its own under a random number, so that nobody who does not see it can answer
(RFC 5452); the same question asked by many is sent once. A server that does not answer is left alone for a while, and
where all are, the answer "no" comes at once. But a name may be silent where its server is not: so a server that did not
answer is asked for what any knows first, else whoever has such a name could cut the whole node off.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import struct
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import structlog

from swarmlet.clock import Clock
from swarmlet.errors import SwarmletError
from swarmlet.network.dns import metrics
from swarmlet.network.dns.cache import Cache, Question
from swarmlet.network.dns.metrics import DnsCounts

PORT = 53
EDNS_BYTES = 1232
"""Of an answer over UDP: what passes every path unfragmented (DNS flag day 2020)."""
TRY_SECONDS = 1.5
QUESTION_SECONDS_MAX = 4.0
DEAD_SECONDS = 5.0
"""How long a server that did not answer is asked nothing, while others do."""
SERVERS_MAX = 8
IN_FLIGHT_MAX = 512
RESOLV_CONF_BYTES_MAX = 64 * 1024
STREAM_BYTES_MAX = 16 * 1024
"""Of an answer over TCP: to read one of 64 KiB takes a quarter of a second."""
READ_AT_ONCE_MAX = 1
"""Of answers over TCP, each in a thread."""
LOOK_SECONDS = 1.0
"""How often resolv.conf is looked at, at most."""

KNOWN_TO_ANY = Question(dns.name.root, dns.rdatatype.NS)
FAILURES = (TimeoutError, OSError, EOFError, dns.exception.DNSException)

log = structlog.get_logger(__name__)


class UpstreamError(SwarmletError):
    """No server has given an answer that can be passed on."""


@dataclass(frozen=True, slots=True)
class Server:
    """A name server of this machine."""

    address: str
    port: int = PORT


class ResolvConf:
    """The servers of a resolv.conf(5), read again when it has changed; `own()` are this daemon's, and left out.

    Of several files the first that names a server counts.
    """

    def __init__(self, paths: Sequence[Path], own: Callable[[], Collection[str]], clock: Clock) -> None:
        self._paths = paths
        self._own = own
        self._clock = clock
        self._looked = float("-inf")
        self._stamp: tuple[tuple[int, int, int] | None, ...] = ()
        self._found: tuple[str, ...] = ()

    def __call__(self) -> tuple[Server, ...]:
        """Return the servers in their order."""
        if self._clock.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = self._clock.monotonic()
            self._look()
        own = self._own()
        return tuple(Server(each) for each in self._found if each not in own)[:SERVERS_MAX]

    def _look(self) -> None:
        stamp = tuple(_stamp(path) for path in self._paths)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        self._found = next(filter(None, (_read(path) for path in self._paths)), ())
        log.info("upstreams_read", servers=list(self._found))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _read(path: Path) -> tuple[str, ...]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(RESOLV_CONF_BYTES_MAX).splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines]
    return tuple(each[1] for each in words if each[:1] == ["nameserver"] and len(each) > 1 and _is_address(each[1]))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Upstream:
    """Asks `servers()`, and keeps what they say."""

    def __init__(
        self,
        servers: Callable[[], Sequence[Server]],
        clock: Clock,
        cache: Cache | None = None,
        counts: DnsCounts | None = None,
    ) -> None:
        self._counts = counts or DnsCounts()
        self._servers = servers
        self._clock = clock
        self._cache = Cache() if cache is None else cache
        self._asked: dict[Question, asyncio.Task[dns.message.Message]] = {}
        self._dead: dict[Server, float] = {}
        self._doubted: dict[Server, asyncio.Task[None]] = {}
        self._reading = asyncio.Semaphore(READ_AT_ONCE_MAX)

    def cached(self, question: Question) -> dns.message.Message | None:
        """Return what is known already."""
        found = self._cache.get(question, self._clock.monotonic())
        self._counts.hits[metrics.UPSTREAM] += found is not None
        return found

    async def ask(self, question: Question) -> dns.message.Message:
        """Return an answer, cached or fresh; raise `UpstreamError` where there is none."""
        found = self.cached(question)
        if found is not None:
            return found
        task = self._asked.get(question)
        if task is None:
            if len(self._asked) >= IN_FLIGHT_MAX:
                raise UpstreamError(f"{IN_FLIGHT_MAX} questions wait for an answer already")
            task = asyncio.create_task(self._ask(question), name="dns-upstream")
            self._asked[question] = task
            task.add_done_callback(lambda done: self._note_end(question, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End what is under way."""
        tasks = [*self._asked.values(), *self._doubted.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _note_end(self, question: Question, task: asyncio.Task[dns.message.Message]) -> None:
        self._asked.pop(question, None)
        if not task.cancelled():
            task.exception()  # whoever waits has it; nobody may wait any more

    async def _ask(self, question: Question) -> dns.message.Message:
        self._counts.asked += 1
        servers = self._alive()
        reason = "no name server of this machine answers" if servers else "this machine has no live name server"
        refusal: dns.message.Message | None = None
        deadline = self._clock.monotonic() + QUESTION_SECONDS_MAX
        for server in servers:
            left = min(TRY_SECONDS, deadline - self._clock.monotonic())
            if left <= 0:
                break
            try:
                async with asyncio.timeout(left):
                    answer, size = await _exchange(server, question, self._reading)
            except FAILURES as error:
                self._doubt(server, error)
                continue
            self._dead.pop(server, None)
            if answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                self._cache.put(question, answer, size, self._clock.monotonic())
                return answer
            refusal = answer
        if refusal is not None:
            return refusal
        self._counts.failed += 1
        raise UpstreamError(reason)

    def _alive(self) -> list[Server]:
        """Return whom to ask, those last that are doubted."""
        now = self._clock.monotonic()
        servers = self._servers()
        self._dead = {server: until for server, until in self._dead.items() if until > now and server in servers}
        return sorted((each for each in servers if each not in self._dead), key=self._doubted.__contains__)

    def _doubt(self, server: Server, error: Exception) -> None:
        """Leave a server alone where nobody listens; else see whether it is the server that is silent, or a name."""
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            self._leave(server, error)
        elif server not in self._doubted:
            self._doubted[server] = asyncio.create_task(self._try(server), name="dns-upstream-try")

    async def _try(self, server: Server) -> None:
        try:
            async with asyncio.timeout(TRY_SECONDS):
                await _exchange(server, KNOWN_TO_ANY, self._reading)
        except FAILURES as error:
            self._leave(server, error)
        finally:
            del self._doubted[server]

    def _leave(self, server: Server, error: Exception) -> None:
        self._dead[server] = self._clock.monotonic() + DEAD_SECONDS
        log.info("upstream_silent", server=server.address, error=str(error) or "timed out")


async def _exchange(server: Server, question: Question, reading: asyncio.Semaphore) -> tuple[dns.message.Message, int]:
    """Return the server's answer and its size, asked again over TCP where it does not fit UDP."""
    query = dns.message.make_query(
        question.name, question.kind, use_edns=0, want_dnssec=question.secure, payload=EDNS_BYTES
    )
    query.id = secrets.randbits(16)
    answer, size = await _over_udp(server, query)
    if answer.flags & dns.flags.TC:
        return await _over_tcp(server, query, reading)
    return answer, size


class _Waiter(asyncio.DatagramProtocol):
    """Waits for the one datagram that answers a query; any other is no answer."""

    def __init__(self, query: dns.message.Message) -> None:
        self._query = query
        self.answer: asyncio.Future[tuple[dns.message.Message, int]] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002  the socket hears one address only
        with contextlib.suppress(dns.exception.DNSException):
            message = dns.message.from_wire(data, ignore_trailing=True)
            if self._query.is_response(message) and not self.answer.done():
                self.answer.set_result((message, len(data)))

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _over_udp(server: Server, query: dns.message.Message) -> tuple[dns.message.Message, int]:
    transport, waiter = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Waiter(query), remote_addr=(server.address, server.port)
    )
    try:
        transport.sendto(query.to_wire())
        return await waiter.answer
    finally:
        transport.close()


async def _over_tcp(
    server: Server, query: dns.message.Message, reading: asyncio.Semaphore
) -> tuple[dns.message.Message, int]:
    reader, writer = await asyncio.open_connection(server.address, server.port)
    try:
        wire = query.to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        if size > STREAM_BYTES_MAX:
            raise EOFError(f"an answer of {size} bytes: at most {STREAM_BYTES_MAX} are read")
        answer = await reader.readexactly(size)
    finally:
        writer.close()
    async with reading:
        message = await asyncio.to_thread(dns.message.from_wire, answer)
    if not query.is_response(message):
        raise EOFError("an answer to another question")
    return message, size
