"""Probes, last words and the end for want of memory, on a real Engine with each of its runtimes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from swarmlet.clock import SystemClock
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.probes import ExecAction, Probe
from swarmlet.runtime.docker import DockerRuntime
from tests.agent.home import Home
from tests.agent.test_probes import probe
from tests.dockerd import IMAGE, Dockerd

pytestmark = [pytest.mark.docker, pytest.mark.slow]

SECONDS_MAX = 60.0
MEMORY_HOG = "sleep 0.5; x=x; while true; do x=$x$x; done"
LIMIT = ResourceRequirements(limits={"memory": "16Mi"})


@pytest.fixture
async def docker_home(dockerd: Dockerd, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Home]:
    clock = SystemClock()
    engine_runtime = getattr(request, "param", "auto")
    if engine_runtime == "crun" and shutil.which("crun") is None:
        pytest.skip("needs crun")
    runtime = DockerRuntime(
        cluster_id="probe-tests", node_id=tmp_path.name, clock=clock, host=dockerd.host, engine_runtime=engine_runtime
    )
    yield Home(runtime, clock, tmp_path)
    for container in await runtime.list():
        await runtime.remove(container.id)
    await runtime.close()


def shell(script: str, **fields: Any) -> Container:
    given = {"termination_message_path": "/dev/termination-log", "termination_message_policy": "File"}
    return Container(name="main", image=IMAGE, command=("sh", "-c", script), **(given | fields))


def by_exec(script: str, **fields: Any) -> Probe:
    return probe(http_get=None, exec=ExecAction(command=("sh", "-c", script)), **fields)


@pytest.mark.parametrize("docker_home", ["crun", "runc"], indirect=True)
async def test_a_container_killed_for_memory_says_so_and_restarts(docker_home: Home) -> None:
    home = docker_home
    key = home.bind(containers=[shell(MEMORY_HOG, resources=LIMIT)])
    async with home.running():
        await home.until(lambda: home.restarts(key) >= 1, SECONDS_MAX)
        last = home.status(key).container_statuses[0].last_state.terminated
    assert (last.reason, last.exit_code) == ("OOMKilled", 137)


@pytest.mark.parametrize("docker_home", ["crun", "runc"], indirect=True)
async def test_a_child_killed_for_memory_is_told_of_the_container_too(docker_home: Home) -> None:
    """The kernel takes the whole container, as for Kubernetes, or only the child: what it says must be true."""
    home = docker_home
    key = home.bind(containers=[shell(f"sh -c '{MEMORY_HOG}'; exit 9", resources=LIMIT)], restart_policy="Never")
    async with home.running():
        await home.until(lambda: home.status(key).phase == "Failed", SECONDS_MAX)
        ended = home.status(key).container_statuses[0].state.terminated
    assert ended.reason == "OOMKilled"


async def test_last_words_are_read_from_their_file_or_from_the_log(docker_home: Home) -> None:
    home = docker_home
    written = shell("echo out of beans > /dev/termination-log; exit 3")
    logged = shell("echo no file, but a log; exit 3", termination_message_policy="FallbackToLogsOnError")
    large = shell("head -c 9000 /dev/zero | tr '\\0' x > /dev/termination-log; exit 3")
    keys = [
        home.bind(name, containers=[each], restart_policy="Never")
        for name, each in (("written", written), ("logged", logged), ("large", large))
    ]
    async with home.running():
        await home.until(lambda: all(home.status(key).phase == "Failed" for key in keys), SECONDS_MAX)
    messages = [home.status(key).container_statuses[0].state.terminated.message for key in keys]
    assert messages == ["out of beans\n", "no file, but a log\n", "x" * 4096]


async def test_readiness_is_asked_in_the_container(docker_home: Home) -> None:
    home = docker_home
    key = home.bind(containers=[shell("sleep 1; touch /tmp/ready; sleep 1000", readiness_probe=by_exec(
        "test -e /tmp/ready", period_seconds=1, timeout_seconds=5))])  # fmt: skip
    async with home.running():
        await home.until(lambda: home.status(key).phase == "Running", SECONDS_MAX)
        assert not home.is_ready(key)
        assert 0.5 < await home.until(lambda: home.is_ready(key), SECONDS_MAX) < 5


async def test_a_command_that_hangs_is_ended_and_leaves_nothing_behind(docker_home: Home, dockerd: Dockerd) -> None:
    home = docker_home
    hangs = by_exec("sleep 777; true", period_seconds=60, timeout_seconds=1)
    key = home.bind(containers=[shell("sleep 1000", readiness_probe=hangs)])

    def commands() -> list[str]:
        container = home.status(key).container_statuses[0].container_id.removeprefix("docker://")
        return [each[-1] for each in dockerd.engine.json("GET", f"/containers/{container}/top")["Processes"]]

    async with home.running():
        await home.until(lambda: home.status(key).phase == "Running", SECONDS_MAX)
        await home.until(lambda: bool(home.events("Unhealthy")), SECONDS_MAX)
        left = await asyncio.to_thread(commands)
    assert [each for each in left if "777" in each] == []
    assert "command timed out" in home.events("Unhealthy")[0].message
