"""The same objects from others: an HTTP server that only joins bytes, and etcd, which a Kubernetes API server reads."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

import aiohttp
import msgspec

from tools.bench import etcd
from tools.bench.kubernetes import costs
from tools.bench.kubernetes.costs import Cost

ROUNDS = 5
_PREFIX = b"bench/pods/"


class _List(msgspec.Struct):
    items: list[msgspec.Raw]


async def floor(document: bytes, parts: int) -> Cost:
    """Return what joining and sending a document costs."""
    with tempfile.NamedTemporaryFile(prefix="swarmlet-bench-") as file:
        file.write(document)
        file.flush()
        argv = [sys.executable, "-m", "tools.bench.kubernetes.floor", file.name, str(parts)]
        process = await asyncio.create_subprocess_exec(*argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        port = (await process.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

            async def read() -> tuple[int, int]:
                async with session.get("/") as answer:
                    return len(await answer.read()), 1

            cost = await costs.measure(read, [process.pid], rounds=ROUNDS)
        process.stdin.close()
        await process.wait()
        return cost


async def etcd_range(document: bytes) -> Cost | None:
    """Return what a range over a list's items costs etcd's three members; None where there is no etcd."""
    if not etcd.version():
        return None
    items = [bytes(each) for each in msgspec.json.decode(document, type=_List).items]
    with tempfile.TemporaryDirectory(prefix="swarmlet-bench-") as folder:
        async with (
            etcd.running(Path(folder)) as peer,
            etcd.Client.connected(await peer.leader_port(), connections=1) as client,
        ):
            await client.fill(_PREFIX, items)

            async def read() -> tuple[int, int]:
                return len(await client.range(_PREFIX)), 1

            return await costs.measure(read, peer.pids, rounds=ROUNDS)
