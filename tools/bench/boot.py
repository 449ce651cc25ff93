"""From `swarmlet run` to a daemon that is ready, with 100,000 objects on its disk."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import tempfile
import time
from pathlib import Path

import aiohttp
import yaml

from swarmlet.config import CONSENSUS_FOLDER
from swarmlet.consensus.disk import Batch
from swarmlet.consensus.snapshot_file import Header
from swarmlet.consensus.sqlite_disk import SqliteDisk
from swarmlet.raft.messages import Entry, SnapshotMeta
from swarmlet.store import commands
from swarmlet.store.commands import Command, Put
from swarmlet.store.state import Store
from tools.bench import objects, ports
from tools.bench.report import Report
from tools.lab.cluster import BIN

OBJECTS = 100_000
VALUE_BYTES = 256
TAIL = 10_000
"""Entries behind the snapshot, as many as there may be before another one is taken: all of them are applied anew."""
READY_SECONDS_MAX = 60
SECONDS_MAX = 3.0
ROUNDS = 3


async def measure(report: Report) -> None:
    """Start a daemon alone on a large disk, several times; the best counts."""
    with tempfile.TemporaryDirectory(prefix="swarmlet-bench-") as name:
        daemon = _Daemon(Path(name))
        daemon.init()
        empty = [await daemon.start() for _ in range(ROUNDS)]
        await _fill(daemon.folder / "data" / CONSENSUS_FOLDER)
        taken = [await daemon.start() for _ in range(ROUNDS)]
    report.judge(
        f"start to ready, {OBJECTS:,} objects",
        f"{min(taken):.2f} s",
        beside=f"{min(empty):.2f} s with none",
        value=min(taken),
        at_most=SECONDS_MAX,
        unit=" s",
    )


class _Daemon:
    """A daemon of a cluster of one, on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._port, self._status_port = ports.free(2)
        self._config = folder / "swarmlet.yaml"
        document = {
            "data_dir": str(folder / "data"),
            "node_name": "alone",
            "listen": f"127.0.0.1:{self._port}",
            "advertise": f"127.0.0.1:{self._port}",
            "status_listen": f"127.0.0.1:{self._status_port}",
            "runtime": "process",
            "network": {"mode": "none", "dns": False, "services": "off", "policies": False},
        }
        self._config.write_text(yaml.safe_dump(document), encoding="utf-8")

    def _command(self, *arguments: str) -> list[str]:
        return [str(BIN / "swarmlet"), *arguments, "--config", str(self._config)]

    def init(self) -> None:
        subprocess.run([*self._command("init"), "--no-start"], check=True, stdout=subprocess.DEVNULL)

    async def start(self) -> float:
        """Start it, return the seconds until it is ready, and end it."""
        start = time.monotonic()
        with (self.folder / "daemon.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(*self._command("run"), stdout=log, stderr=log)
        try:
            await self._ready()
            return time.monotonic() - start
        finally:
            process.terminate()
            await process.wait()

    async def _ready(self) -> None:
        async with aiohttp.ClientSession() as session, asyncio.timeout(READY_SECONDS_MAX):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{self._status_port}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.01)


async def _fill(folder: Path) -> None:
    """Write a state of so many objects as the disk's snapshot, and a tail of the log behind it."""
    disk = SqliteDisk(folder)
    contents = await disk.load()
    store = Store()
    store.restore(await disk.read_state())
    for entry in contents.entries:
        store.apply_entry(entry.data)
    value = "x" * VALUE_BYTES
    for number in range(OBJECTS - TAIL):
        store.apply(Command(b"", (objects.config_map(f"boot-{number}", value),)))
    last = contents.entries[-1]
    meta = SnapshotMeta(last.index, last.term, contents.snapshot.meta.membership)
    await disk.save_snapshot(Header(meta, contents.snapshot.addresses), store.capture().encode_chunks(), trim_to=0)
    rng = random.Random(0)  # noqa: S311  request ids: nothing secret comes from it
    tail = tuple(
        Entry(last.index + 1 + number, last.term, _entry(rng, objects.config_map(f"tail-{number}", value)))
        for number in range(TAIL)
    )
    await disk.persist(Batch(entries=tail))
    disk.close()


def _entry(rng: random.Random, put: Put) -> bytes:
    return commands.encode(Command(rng.randbytes(16), (put,)))
