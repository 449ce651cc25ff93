"""The programs that the packet filter is asked by."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process

import pytest

from swarmlet.network.fabric import packet_filter
from swarmlet.network.fabric.links import FabricError


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[Process]:
    made: asyncio.Queue[Process] = asyncio.Queue()
    start = asyncio.create_subprocess_exec

    async def noted(*argv: str, **pipes: int) -> Process:
        process = await start(*argv, **pipes)
        made.put_nowait(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    return made


async def test_a_program_that_nobody_waits_for_any_more_is_ended(started: asyncio.Queue[Process]) -> None:
    task = asyncio.create_task(packet_filter._run("sleep", "600"))
    process = await started.get()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert process.returncode is not None


async def test_a_program_that_does_not_end_is_ended_and_told(
    started: asyncio.Queue[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packet_filter, "PROGRAM_SECONDS_MAX", 0.05)
    with pytest.raises(FabricError, match=r"sleep did not end in 0\.05 s"):
        await packet_filter._run("sleep", "600")
    assert (await started.get()).returncode is not None
