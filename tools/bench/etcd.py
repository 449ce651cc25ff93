"""Three etcd members on this machine's disk, and puts and linearizable reads through their leader."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp

from tools.bench import ports, rate
from tools.bench.grpc_channel import Channel
from tools.bench.rate import Rate, Work

PUT, RANGE = "/etcdserverpb.KV/Put", "/etcdserverpb.KV/Range"
START_SECONDS_MAX = 20
MEMBERS = 3
FILLING_MAX = 64


class Etcd:
    """A running cluster; `pids` are its members'."""

    def __init__(self, client_ports: list[int], pids: list[int]) -> None:
        self.pids = pids
        self._client_ports = client_ports

    async def leader_port(self) -> int:
        """Return the client port of the leader, once there is one."""
        async with aiohttp.ClientSession() as session, asyncio.timeout(START_SECONDS_MAX):
            while True:
                for port in self._client_ports:
                    with contextlib.suppress(aiohttp.ClientError):
                        async with session.post(f"http://127.0.0.1:{port}/v3/maintenance/status", json={}) as answer:
                            status = await answer.json()
                            if status.get("leader", "") == status.get("header", {}).get("member_id"):
                                return port
                await asyncio.sleep(0.1)


async def rate_over_grpc(peer: Etcd, value_bytes: int, *, clients: int, connections: int, seconds: float) -> Rate:
    """Put through the leader over gRPC."""
    async with Client.connected(await peer.leader_port(), connections=connections) as client:
        return await rate.measure(client.put(value_bytes), clients=clients, seconds=seconds)


async def rate_over_http(peer: Etcd, value_bytes: int, *, clients: int, seconds: float) -> Rate:
    """Put through the leader's HTTP/1.1 gateway, with the client library that our API is measured with."""
    connector = aiohttp.TCPConnector(limit=clients)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{await peer.leader_port()}", connector=connector) as session:
        return await rate.measure(_put_json(session, value_bytes), clients=clients, seconds=seconds)


def _put_json(session: aiohttp.ClientSession, value_bytes: int) -> Work:
    """Return the work of putting a value of so many bytes under a new key through the HTTP gateway."""
    value = base64.b64encode(b"x" * value_bytes).decode()
    names = itertools.count()

    async def work(_number: int) -> None:
        key = base64.b64encode(b"json/%d" % next(names)).decode()
        async with session.post("/v3/kv/put", json={"key": key, "value": value}) as answer:
            answer.raise_for_status()
            await answer.read()

    return work


def version() -> str:
    """Return what `etcd --version` says first; "" where it is not installed."""
    if shutil.which("etcd") is None:
        return ""
    done = subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Etcd]:
    """Start three members with etcd's own defaults and no TLS, which only helps them."""
    client_ports, peer_ports = ports.free(MEMBERS), ports.free(MEMBERS)
    members = ",".join(f"m{number}=http://127.0.0.1:{port}" for number, port in enumerate(peer_ports))
    processes = []
    try:
        for number in range(MEMBERS):
            client, peer = (f"http://127.0.0.1:{each[number]}" for each in (client_ports, peer_ports))
            argv = ["etcd", "--name", f"m{number}", "--data-dir", str(folder / f"etcd{number}")]
            argv += ["--listen-client-urls", client, "--advertise-client-urls", client]
            argv += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
            argv += ["--initial-cluster", members, "--logger", "zap", "--log-level", "error"]
            with (folder / f"etcd{number}.log").open("wb") as log:
                processes.append(await asyncio.create_subprocess_exec(*argv, stdout=log, stderr=log))
        etcd = Etcd(client_ports, [process.pid for process in processes])
        await etcd.leader_port()
        yield etcd
    finally:
        for process in processes:
            process.kill()
            await process.wait()


class Client:
    """Puts and reads at the leader over so many connections; the clients share them evenly."""

    def __init__(self, channels: list[Channel]) -> None:
        self._channels = channels
        self._names = itertools.count(1)

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, port: int, *, connections: int) -> AsyncIterator[Client]:
        channels = [await Channel.connect("127.0.0.1", port) for _ in range(connections)]
        try:
            yield cls(channels)
        finally:
            for channel in channels:
                channel.close()

    def put(self, value_bytes: int) -> Work:
        """Return the work of putting a value of so many bytes under a new key."""
        value = _field(2, b"x" * value_bytes)

        async def work(number: int) -> None:
            key = _field(1, b"bench/%010d" % next(self._names))
            await self._channels[number % len(self._channels)].call(PUT, key + value)

        return work

    async def fill(self, prefix: bytes, values: Sequence[bytes]) -> None:
        """Put the values under keys of their own, in order."""
        gate = asyncio.Semaphore(FILLING_MAX)

        async def put(number: int, value: bytes) -> None:
            async with gate:
                request = _field(1, b"%b%010d" % (prefix, number)) + _field(2, value)
                await self._channels[number % len(self._channels)].call(PUT, request)

        await asyncio.gather(*(put(number, value) for number, value in enumerate(values)))

    async def range(self, prefix: bytes) -> bytes:
        """Return the encoded answer to a linearizable read of all keys with a prefix."""
        end = prefix[:-1] + bytes((prefix[-1] + 1,))
        return await self._channels[0].call(RANGE, _field(1, prefix) + _field(2, end))

    def read(self) -> Work:
        """Return the work of reading the first key, linearizably: etcd's default."""
        request = _field(1, b"bench/%010d" % 1)

        async def work(number: int) -> None:
            await self._channels[number % len(self._channels)].call(RANGE, request)

        return work


def _field(number: int, content: bytes) -> bytes:
    """Encode one length-delimited protobuf field."""
    length, size = bytearray(), len(content)
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes((number << 3 | 2,)) + bytes(length) + content
