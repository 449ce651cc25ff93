"""The deputy as a process: it outlives who started it, needs no Engine to kill, and is seen when it hangs or dies."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from swarmlet.clock import SystemClock
from swarmlet.errors import EngineError
from swarmlet.model.singletons import KILL_SECONDS_MAX
from swarmlet.runtime.docker import DockerRuntime
from swarmlet.runtime.process import ProcessRuntime
from swarmlet.runtime.runtime import Lease
from swarmlet.runtime.watchdog import ALIVE_SECONDS_MAX, DeputyWatchdog
from tests.contract.runtime_contract import SLOW_TO_END, shell
from tests.dockerd import Dockerd

pytestmark = pytest.mark.slow

CLOCK = SystemClock()


@pytest.fixture
async def watchdog(tmp_path: Path) -> AsyncIterator[DeputyWatchdog]:
    watchdog = DeputyWatchdog(str(tmp_path), {"processes": str(tmp_path), "owner": "c/n"}, CLOCK)
    await watchdog.start()
    yield watchdog
    watchdog.retire()
    await until(lambda: not pids_of(watchdog), 5)


def pids_of(watchdog: DeputyWatchdog) -> list[int]:
    """Return the processes that watch the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if str(watchdog.folder).encode() in words:
            found.append(int(path.parent.name))
    return found


async def until(condition: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  it is another process's doing
            await asyncio.sleep(0.02)


def lease(seconds: float) -> Lease:
    now = CLOCK.monotonic()
    return Lease(now, now + seconds)


async def test_it_is_no_child_of_who_started_it_and_there_is_one(watchdog: DeputyWatchdog) -> None:
    (pid,) = pids_of(watchdog)
    assert os.getsid(pid) != os.getsid(0)
    await watchdog.start()
    assert pids_of(watchdog) == [pid]


async def test_one_that_hangs_is_not_taken_for_one_that_watches(watchdog: DeputyWatchdog) -> None:
    (pid,) = pids_of(watchdog)
    os.kill(pid, signal.SIGSTOP)
    try:
        await until(lambda: not watchdog.is_watching(), ALIVE_SECONDS_MAX + 1)
    finally:
        os.kill(pid, signal.SIGCONT)
    await until(watchdog.is_watching, 3)


async def test_one_that_was_killed_is_started_again_and_knows_the_lease(watchdog: DeputyWatchdog) -> None:
    given = lease(60)
    watchdog.renew(given)
    (pid,) = pids_of(watchdog)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not watchdog.is_watching(), ALIVE_SECONDS_MAX + 1)
    await watchdog.start()
    assert watchdog.last() == given
    assert pids_of(watchdog) != [pid]


async def test_one_of_other_orders_gives_way(watchdog: DeputyWatchdog, tmp_path: Path) -> None:
    (old,) = pids_of(watchdog)
    other = DeputyWatchdog(str(tmp_path), {"processes": str(tmp_path / "elsewhere"), "owner": "c/n"}, CLOCK)
    await other.start()
    await until(lambda: old not in pids_of(other) and len(pids_of(other)) == 1, 5)
    await until(other.is_watching, 3)


async def test_a_folder_of_somebody_else_is_not_trusted(tmp_path: Path) -> None:
    watchdog = DeputyWatchdog(f"{tmp_path}/mine", {"processes": "", "owner": ""}, CLOCK)
    watchdog.folder.symlink_to(tmp_path)
    try:
        with pytest.raises(EngineError, match="belongs to somebody else"):
            await watchdog.start()
    finally:
        watchdog.folder.unlink()


async def test_what_the_process_runtime_started_dies_with_all_its_group(tmp_path: Path) -> None:
    runtime = ProcessRuntime(cluster_id="c", node_id="n", clock=CLOCK, folder=tmp_path)
    watchdog = runtime.watchdog()
    await watchdog.start()
    watchdog.renew(lease(60))
    try:
        container = await runtime.start(shell(f"({SLOW_TO_END}) & {SLOW_TO_END}", strict=True))
        folder = runtime._get(container.id)
        group = folder.state()["pid"]
        watchdog.renew(lease(0.3))
        await until(lambda: not members(group), 0.3 + KILL_SECONDS_MAX)
        await runtime.remove(container.id)
    finally:
        watchdog.retire()
        await runtime.close()


def members(group: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(path.parent.name))
    return found


@pytest.mark.docker
async def test_an_engine_that_hangs_saves_no_container(dockerd: Dockerd) -> None:
    runtime = DockerRuntime(cluster_id="hangs", node_id="n", clock=CLOCK, host=dockerd.host)
    watchdog = runtime.watchdog()
    await watchdog.start()
    watchdog.renew(lease(60))
    try:
        container = await runtime.start(shell(SLOW_TO_END, strict=True))
        document = dockerd.engine.json("GET", f"/containers/{container.id}/json")
        pid = document["State"]["Pid"]
        await asyncio.sleep(2.5)  # it learns its processes once a second
        engine = dockerd._process.pid
        os.kill(engine, signal.SIGSTOP)
        try:
            watchdog.renew(lease(0.3))
            await until(lambda: not alive(pid), 0.3 + KILL_SECONDS_MAX)
        finally:
            os.kill(engine, signal.SIGCONT)
        await runtime.remove(container.id)
    finally:
        watchdog.retire()
        await runtime.close()


async def test_a_container_that_a_lease_let_start_during_a_look_lives(tmp_path: Path) -> None:
    asked: list[str] = []
    watchdog = DeputyWatchdog(str(tmp_path), {"docker": f"unix://{tmp_path}/engine", "labels": ["a=b"]}, CLOCK)

    async def answer(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path}")
        if request.path == "/containers/json" and len(asked) == 1:  # it is granted and used while the Engine looks
            watchdog.renew(lease(60))
            return web.json_response([{"Id": "1", "State": "created"}, {"Id": "2", "State": "running"}])
        return web.json_response([])

    engine = web.Application()
    engine.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(engine)
    await runner.setup()
    await web.UnixSite(runner, f"{tmp_path}/engine").start()
    try:
        await watchdog.start()
        await until(lambda: asked.count("GET /containers/json") > 1, 10)
        assert [call for call in asked if not call.startswith("GET ")] == []
    finally:
        watchdog.retire()
        await until(lambda: not pids_of(watchdog), 5)
        await runner.cleanup()


def alive(pid: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] not in "ZX"
