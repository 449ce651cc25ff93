"""Three `replica` processes on loopback, over TLS as daemons are, and one client process: the one that runs this."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from swarmlet.consensus import wire
from swarmlet.consensus.bootstrap import bootstrap
from swarmlet.consensus.sqlite_disk import SqliteDisk
from swarmlet.errors import PeerError
from swarmlet.identity import authority, tls
from swarmlet.identity.authority import Authority, NodeIdentity
from swarmlet.identity.state import Member, NodeFiles, NodeState
from swarmlet.store import commands
from swarmlet.store.commands import Command, Put
from swarmlet.transport.tls_peers import TlsPeers
from tools.bench import objects, ports, replica
from tools.bench.rate import Rate, Work
from tools.bench.replica import Burst, Report

CLUSTER = "be0c000000000000"
CLIENT = f"{0xC:016x}"
CALL_SECONDS_MAX = 30.0
START_SECONDS_MAX = 30.0
SIZE = 3
FILL_BATCH = 25
FILL_CONCURRENCY = 8


class Process:
    """One replica: its files, and the process while it runs."""

    def __init__(self, folder: Path, member: Member, options: tuple[str, ...]) -> None:
        self.folder = folder
        self.member = member
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.folder.with_suffix(".log").open("ab") as log:
            argv = [sys.executable, "-m", "tools.bench.replica", str(self.folder), *self._options]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)

    def end(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None


class Replicas:
    """The processes, and calls to them."""

    def __init__(self, folder: Path, options: tuple[str, ...] = ()) -> None:
        self._ca = Authority.create(CLUSTER, datetime.now(UTC))
        self._rng = random.Random(0)  # noqa: S311  request ids: nothing secret comes from it
        self._count = 0
        self._folder = folder
        addresses = [f"127.0.0.1:{port}" for port in ports.free(SIZE)]
        members = [Member(node_id=f"{number:016x}", address=each) for number, each in enumerate(addresses, 1)]
        self.processes = {member.node_id: Process(folder / member.node_id[-1], member, options) for member in members}
        for process in self.processes.values():
            self._write_files(process.folder, process.member, members)
        self.peers = self.links_of("client", CLIENT)
        self.peers.set_addresses({member.node_id: member.address for member in members})

    def _write_files(self, folder: Path, member: Member, members: list[Member]) -> NodeFiles:
        """Write what a node knows of itself, with a certificate of the cluster's authority."""
        state = NodeState(
            cluster_id=CLUSTER,
            node_id=member.node_id,
            name=f"node-{member.node_id[-1]}",
            advertise=member.address,
            peers=tuple(other for other in members if other is not member),
        )
        key = authority.new_key()
        identity = NodeIdentity(cluster_id=CLUSTER, node_id=state.node_id, name=state.name)
        certificate = self._ca.sign_node(authority.new_request(key), identity, "127.0.0.1", datetime.now(UTC))
        files = NodeFiles(folder)
        files.prepare()
        files.save(state, authority_pem=self._ca.certificate_pem, certificate_pem=certificate, key_pem=key)
        return files

    def links_of(self, name: str, node_id: str) -> TlsPeers:
        """Return links of a node that is no member: it calls the others as a daemon that forwards a write does."""
        members = [process.member for process in self.processes.values()]
        files = self._write_files(self._folder / name, Member(node_id=node_id, address="127.0.0.1:1"), members)
        return TlsPeers(
            node_id=node_id,
            cluster_id=CLUSTER,
            client_context=tls.peer_context(files),
            identify=tls.peer_identity,
            rng=self._rng,
        )

    async def form(self) -> None:
        """Make a cluster of the first, let the others join it, wait until all vote."""
        first, *others = self.processes.values()
        disk = SqliteDisk(first.folder / replica.CONSENSUS_FOLDER)
        await bootstrap(
            disk=disk,
            cluster_id=CLUSTER,
            node_id=first.member.node_id,
            address=first.member.address,
            operations=(),
            rng=self._rng,
        )
        disk.close()
        first.start()
        await self.until(first, lambda report: bool(report.leader))
        for process in others:
            member = wire.MemberRequest(process.member.node_id, process.member.address)
            await self._call(first, wire.ADD_MEMBER, wire.encode(member))
            process.start()
            await self.until(process, lambda report: bool(report.leader))
        await self.until(first, lambda report: report.voters == SIZE)

    async def _call(self, process: Process, method: str, payload: bytes) -> bytes:
        return await self.peers.call(process.member.node_id, method, payload, timeout_seconds=CALL_SECONDS_MAX)

    async def report(self, process: Process) -> Report:
        return msgspec.msgpack.decode(await self._call(process, replica.STATUS, b""), type=Report)

    async def forget_pauses(self) -> None:
        for process in self.processes.values():
            if process.process is not None:
                await self._call(process, replica.FORGET_PAUSES, b"")

    async def until(self, process: Process, condition: Callable[[Report], bool]) -> Report:
        """Wait until a replica answers and its report is as wanted."""
        async with asyncio.timeout(START_SECONDS_MAX):
            while True:
                with contextlib.suppress(PeerError):
                    report = await self.report(process)
                    if condition(report):
                        return report
                await asyncio.sleep(0.05)

    async def leader(self) -> Process:
        """Return the process that leads."""
        report = await self.until(next(iter(self.processes.values())), lambda report: bool(report.leader))
        return self.processes[report.leader]

    # Work.

    def propose(self, to: Process, value_bytes: int) -> Work:
        """Return the work of creating a ConfigMap with a value of so many bytes under a new name."""
        value = "x" * value_bytes

        async def work(_number: int) -> None:
            self._count += 1
            await self._call(
                to, wire.PROPOSE, commands.encode(self._command((objects.config_map(_name(self._count), value),)))
            )

        return work

    async def write(self, to: Process) -> None:
        """Have a replica write something, which it does through whoever leads."""
        self._count += 1
        await self._call(to, replica.WRITE, msgspec.msgpack.encode(objects.config_map(_name(self._count), "")))

    async def put(self, to: Process, operations: tuple[Put, ...]) -> None:
        """Write in one command."""
        await self._call(to, wire.PROPOSE, commands.encode(self._command(operations)))

    def _command(self, operations: tuple[Put, ...]) -> Command:
        return Command(self._rng.randbytes(16), operations)

    def read(self, of: Process) -> Work:
        """Return the work of reading the first object, linearizably."""
        payload = msgspec.msgpack.encode(objects.key(_name(1)))

        async def work(_number: int) -> None:
            assert await self._call(of, replica.READ, payload)

        return work

    async def burst(self, at: Process, burst: Burst) -> Rate:
        """Let a replica put load on itself; return what it saw."""
        return msgspec.msgpack.decode(await self._call(at, replica.BURST, msgspec.msgpack.encode(burst)), type=Rate)

    async def fill(self, to: Process, *, count: int, value_bytes: int) -> None:
        """Create so many objects, `FILL_BATCH` to a command, a few commands at a time."""
        value = "x" * value_bytes
        free = asyncio.Semaphore(FILL_CONCURRENCY)

        async def batch(first: int) -> None:
            puts = tuple(objects.config_map(_name(number), value) for number in range(first, first + FILL_BATCH))
            async with free:
                await self._call(to, wire.PROPOSE, commands.encode(self._command(puts)))

        first, self._count = self._count + 1, self._count + count
        await asyncio.gather(*(batch(number) for number in range(first, first + count, FILL_BATCH)))


def _name(number: int) -> str:
    return f"bench-{number}"


@contextlib.asynccontextmanager
async def running(folder: Path, *options: str) -> AsyncIterator[Replicas]:
    """Form the cluster, each process with the options, and end them whatever happens."""
    replicas = Replicas(folder, options)
    links = asyncio.create_task(replicas.peers.run())
    try:
        await replicas.form()
        yield replicas
    finally:
        for process in replicas.processes.values():
            process.end()
        links.cancel()
        await asyncio.gather(links, return_exceptions=True)
