"""DNS on the wire: datagrams and TCP connections in, answers out, everything bounded (RFC 1035, 6891, 7766).

What was answered lately is sent again from memory, byte for byte, until the cluster's names change; so a flood of the
same question costs next to nothing, and one of different questions is held off by each asker's budget.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Callable

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import structlog

from swarmlet.clock import Clock
from swarmlet.network.dns import answers as dns_answers
from swarmlet.network.dns import budget as dns_budget
from swarmlet.network.dns import cache, metrics
from swarmlet.network.dns.answers import Answers
from swarmlet.network.dns.budget import Budget
from swarmlet.network.dns.cache import Question
from swarmlet.network.dns.metrics import DnsCounts
from swarmlet.network.dns.ready import ReadyAnswers
from swarmlet.network.dns.upstream import Upstream, UpstreamError

DATAGRAMS_PER_TURN = 32
TURN_SECONDS = 0.000_25
"""Read, or spent, before the daemon's other work has its turn, of which a write takes some twenty. That is thirty
answers which are at hand, or one that is made."""
DATAGRAM_BYTES_MAX = 4_096
RECEIVE_BUFFER_BYTES = 1024 * 1024
HEADER_BYTES = 12
MESSAGE_BYTES_MAX = 65_535
WAITING_MAX = 1_024
WAITING_PER_SOURCE_MAX = 128
CONNECTIONS_MAX = 256
CONNECTIONS_PER_SOURCE_MAX = 32
PIPELINED_MAX = 16
IDLE_SECONDS = 10.0
FREEBIND = getattr(socket, "IP_FREEBIND", 15)

log = structlog.get_logger(__name__)


class DnsServer:
    """Answers at one address, over UDP and TCP. `admits`: whether who asks from an address is answered at all."""

    def __init__(
        self,
        answers: Answers,
        upstream: Upstream,
        clock: Clock,
        budget: Budget | None = None,
        counts: DnsCounts | None = None,
        admits: Callable[[str], bool] | None = None,
    ) -> None:
        self._admits = admits
        self._counts = counts or DnsCounts()
        self._answers = answers
        self._upstream = upstream
        self._clock = clock
        self._budget = budget or Budget()
        self._ready = ReadyAnswers()
        self._datagrams: socket.socket | None = None
        self._listener: asyncio.Server | None = None
        self._waiting: dict[asyncio.Task[None], str] = {}
        self._askers: Counter[str] = Counter()
        self._connections: Counter[str] = Counter()

    async def open(self, address: str, port: int) -> int:
        """Listen at an IPv4 address that this machine may come to have only later; return the port.

        Raises `OSError` where somebody else listens there.
        """
        stream = _bound(socket.SOCK_STREAM, address, port)
        try:
            chosen = int(stream.getsockname()[1])
            self._datagrams = _bound(socket.SOCK_DGRAM, address, chosen)
            self._listener = await asyncio.start_server(self._serve_stream, sock=stream)
        except OSError:
            stream.close()
            await self.close()
            raise
        asyncio.get_running_loop().add_reader(self._datagrams, self._read)
        return chosen

    async def close(self) -> None:
        """Listen no longer; what waits for an answer gets none."""
        if self._datagrams is not None:
            asyncio.get_running_loop().remove_reader(self._datagrams)
            self._datagrams.close()
            self._datagrams = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        tasks = list(self._waiting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Datagrams.

    def _read(self) -> None:
        """Answer what has arrived, as far as this turn goes."""
        assert self._datagrams is not None
        until = self._clock.monotonic() + TURN_SECONDS
        for _ in range(DATAGRAMS_PER_TURN):
            try:
                data, source = self._datagrams.recvfrom(DATAGRAM_BYTES_MAX)
            except OSError:  # nothing more; or word of an answer that found nobody
                return
            self._take_datagram(data, source)
            if self._clock.monotonic() >= until:
                return

    def _take_datagram(self, data: bytes, source: tuple[str, int]) -> None:
        now = self._clock.monotonic()
        self._counts.queries[metrics.UDP] += 1
        if self._is_stranger(source[0]):
            return
        if not self._budget.take(source[0], dns_budget.READY_COST, now):
            self._counts.dropped[metrics.OVER_BUDGET] += 1
            return
        ready = self._ready.get(data[2:], self._answers.generation, now)
        if ready is not None:
            self._counts.hits[metrics.READY] += 1
            self._send(data[:2] + ready, source)
        elif self._budget.take(source[0], dns_budget.MADE_COST, now):
            self._make(data, source)
            self._budget.charge(source[0], self._clock.monotonic() - now)
        else:
            self._counts.dropped[metrics.OVER_BUDGET] += 1

    def _is_stranger(self, source: str) -> bool:
        if self._admits is None or self._admits(source):
            return False
        self._counts.dropped[metrics.STRANGER] += 1
        return True

    def _make(self, data: bytes, source: tuple[str, int]) -> None:
        query = _parsed(data)
        if query is None:
            self._send(_format_error(data), source)
            return
        response, question = self._answers.begin(query)
        if question is None:
            wire = _wire(response, dns_answers.room(query))
            lasting = None if response.flags & dns.flags.AA else cache.lifetime(response)
            self._ready.put(data[2:], wire[2:], self._answers.generation, self._clock.monotonic(), lasting)
            self._send(wire, source)
            self._budget.charge(source[0], 0.0, _records_of_others(response))
        elif self._has_room(source[0]):
            finishing = self._finish_datagram(query, response, question, source)
            task = asyncio.create_task(finishing, name="dns-query")
            self._waiting[task] = source[0]
            self._askers[source[0]] += 1
            task.add_done_callback(self._note_end)
        else:
            self._counts.dropped[metrics.TOO_MANY_WAITING] += 1

    async def _finish_datagram(
        self,
        query: dns.message.Message,
        response: dns.message.Message,
        question: Question,
        source: tuple[str, int],
    ) -> None:
        await self._ask(response, question)
        begun = self._clock.monotonic()
        self._send(_wire(response, dns_answers.room(query)), source)
        self._budget.charge(source[0], self._clock.monotonic() - begun, _records_of_others(response))

    async def _ask(self, response: dns.message.Message, question: Question) -> None:
        try:
            dns_answers.finish(response, await self._upstream.ask(question))
        except UpstreamError:
            dns_answers.fail(response)

    def _has_room(self, source: str) -> bool:
        return len(self._waiting) < WAITING_MAX and self._askers[source] < WAITING_PER_SOURCE_MAX

    def _note_end(self, task: asyncio.Task[None]) -> None:
        source = self._waiting.pop(task)
        self._release(source)
        if not task.cancelled() and (error := task.exception()):
            log.error("dns_query_failed", source=source, error=repr(error))

    def _release(self, source: str) -> None:
        self._askers[source] -= 1
        if not self._askers[source]:
            del self._askers[source]

    def _send(self, wire: bytes, source: tuple[str, int]) -> None:
        """Send an answer; where the kernel has no room for it, the client asks again."""
        if wire and self._datagrams is not None:
            self._counts.answered(wire)
            with contextlib.suppress(OSError):
                self._datagrams.sendto(wire, source)

    # Connections.

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = str((writer.get_extra_info("peername") or ("",))[0])
        if self._is_stranger(source):
            writer.close()
            return
        if self._connections.total() >= CONNECTIONS_MAX or self._connections[source] >= CONNECTIONS_PER_SOURCE_MAX:
            writer.close()
            return
        self._connections[source] += 1
        task = asyncio.current_task()
        assert task is not None
        self._waiting[task] = ""  # so that it ends with the server; it takes no asker's place
        try:
            await self._converse(reader, writer, source)
        except* (OSError, EOFError, TimeoutError):
            pass  # the client is gone, or silent for long
        finally:
            self._waiting.pop(task, None)
            self._connections[source] -= 1
            if not self._connections[source]:
                del self._connections[source]
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: str) -> None:
        """Answer the queries of one connection, each when it is ready (RFC 7766 §6.2.1.1)."""
        places = asyncio.Semaphore(PIPELINED_MAX)
        async with asyncio.TaskGroup() as group:
            while True:
                async with asyncio.timeout(IDLE_SECONDS):
                    (size,) = struct.unpack("!H", await reader.readexactly(2))
                    data = await reader.readexactly(size)
                    await places.acquire()
                self._counts.queries[metrics.TCP] += 1
                if not self._budget.take(source, dns_budget.MADE_COST, self._clock.monotonic()):
                    self._counts.dropped[metrics.OVER_BUDGET] += 1
                    raise EOFError("over its budget")
                answering = group.create_task(self._answer_stream(data, writer, source), name="dns-query")
                answering.add_done_callback(lambda _: places.release())

    async def _answer_stream(self, data: bytes, writer: asyncio.StreamWriter, source: str) -> None:
        begun = self._clock.monotonic()
        query = _parsed(data)
        records = 0
        if query is None:
            wire = _format_error(data)
        else:
            response, question = self._answers.begin(query)
            if question is not None:
                self._budget.charge(source, self._clock.monotonic() - begun)
                await self._ask_for(source, response, question)
                begun = self._clock.monotonic()
            wire = _wire(response, MESSAGE_BYTES_MAX)
            records = _records_of_others(response)
        self._budget.charge(source, self._clock.monotonic() - begun, records)
        if wire:
            self._counts.answered(wire)
            writer.write(struct.pack("!H", len(wire)) + wire)
            async with asyncio.timeout(IDLE_SECONDS):
                await writer.drain()

    async def _ask_for(self, source: str, response: dns.message.Message, question: Question) -> None:
        """Ask elsewhere, unless so many of one asker's questions wait already."""
        if not self._has_room(source):
            self._counts.dropped[metrics.TOO_MANY_WAITING] += 1
            dns_answers.fail(response)
            return
        self._askers[source] += 1
        try:
            await self._ask(response, question)
        finally:
            self._release(source)


def _bound(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        bound.setsockopt(socket.IPPROTO_IP, FREEBIND, 1)
        if kind == socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


def _parsed(data: bytes) -> dns.message.Message | None:
    """Return the query; None where it is none."""
    try:
        query = dns.message.from_wire(data)
    except (dns.exception.DNSException, ValueError):
        return None
    return None if query.flags & dns.flags.QR else query


def _records_of_others(response: dns.message.Message) -> int:
    """Return how many records another server gave; none of what the cluster knows itself."""
    if response.flags & dns.flags.AA:
        return 0
    return sum(len(row) for section in response.sections[1:] for row in section)


def _format_error(data: bytes) -> bytes:
    """Return the answer to what cannot be read; nothing where it is no query at all, or an answer."""
    if len(data) < HEADER_BYTES or data[2] & 0x80:
        return b""
    flags = 0x8000 | (data[2] & 0x79) << 8 | dns.rcode.FORMERR
    return data[:2] + struct.pack("!HHHHH", flags, 0, 0, 0, 0)


def _wire(response: dns.message.Message, bytes_max: int) -> bytes:
    """Return a response's bytes; where it does not fit, what fits and the word that there is more over TCP."""
    try:
        return response.to_wire(max_size=bytes_max, prefer_truncation=True)
    except dns.exception.TooBig:
        response.answer, response.authority, response.additional = [], [], []
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=bytes_max)
