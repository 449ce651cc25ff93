"""What a stored Pod costs in memory: 30,000 of them, made and run through a store in a process of their own.

    python -m tools.bench.memory FILE      # a file of commands: prints bytes of resident memory a Pod

Each Pod is made pending and then written as it runs, and each version is read as the controllers of a leader read it.
Compared are the resident memory before the first command and after the last, free memory given back.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import msgspec

from swarmlet.controllers.work.drafts import creation
from swarmlet.model import kinds, objects
from swarmlet.model.pod import Pod
from swarmlet.model.pod_status import PodStatus
from swarmlet.store import commands
from swarmlet.store.commands import Command, Put
from swarmlet.store.replica import Change
from swarmlet.store.state import Store
from tools.bench.population import Population
from tools.bench.report import Report

BYTES_MAX = 6_000
CHILD_SECONDS_MAX = 120.0
_LENGTH_BYTES = 4


async def measure(report: Report) -> None:
    """Report what a Pod costs where it was read, and where it only lies."""
    with tempfile.NamedTemporaryFile(prefix="swarmlet-bench-") as file:
        json_bytes = await asyncio.to_thread(_write, cast("IO[bytes]", file))
        for name, how in (("read as a leader reads it", "read"), ("never read", "unread")):
            cost = int(await asyncio.to_thread(_child, file.name, how))
            told = f"{cost:,} bytes, {json_bytes:,.0f} of them JSON"
            report.judge(f"memory of a stored Pod, {name}", told, value=cost, at_most=BYTES_MAX, unit=" bytes")


def _write(file: IO[bytes]) -> float:
    """Write the commands that make all Pods and then let them run; return the bytes of a Pod's JSON on average."""
    population = Population()
    population.fill()
    pods = [cast("Pod", each.object) for each in population.store.list(kinds.POD.resource)]
    for pod in pods:
        bare = objects.with_metadata(pod, resource_version="")
        pending = msgspec.structs.replace(bare, status=PodStatus(phase="Pending", qos_class=pod.status.qos_class))
        for value in (pending, bare):
            put = creation(kinds.POD, value)
            data = commands.encode(Command(os.urandom(16), (Put(put.key, put.object),)))
            file.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    file.flush()
    return sum(len(each.json) for each in population.store.list(kinds.POD.resource)) / len(pods)


def _child(path: str, how: str) -> str:
    argv = [sys.executable, "-m", "tools.bench.memory", path, how]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=CHILD_SECONDS_MAX).stdout


def main() -> None:
    path, how = sys.argv[1:]
    store = Store()
    if how == "read":
        store.subscribe(_read)
    before = _resident_bytes()
    with Path(path).open("rb") as file:
        while length := file.read(_LENGTH_BYTES):
            store.apply_entry(file.read(int.from_bytes(length, "big")))
    print((_resident_bytes() - before) // len(store.list(kinds.POD.resource)))


def _read(changes: Sequence[Change]) -> None:
    for change in changes:
        assert change.new is not None
        assert change.new.object


def _resident_bytes() -> int:
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
