"""The agent on a real Engine: healing, adoption, an Engine that restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from swarmlet.clock import SystemClock
from swarmlet.model.container import Container
from swarmlet.runtime.docker import DockerRuntime
from swarmlet.runtime.runtime import LogOptions
from swarmlet.store.commands import Key
from tests.agent.home import Home
from tests.dockerd import IMAGE, OTHER_IMAGE, Dockerd

pytestmark = [pytest.mark.docker, pytest.mark.slow]

SECONDS_MAX = 60.0
HOLD = Container(name="main", image=IMAGE, command=("hold",))


@pytest.fixture
async def docker_home(dockerd: Dockerd, tmp_path: Path) -> AsyncIterator[Home]:
    clock = SystemClock()
    runtime = DockerRuntime(cluster_id="agent-tests", node_id=tmp_path.name, clock=clock, host=dockerd.host)
    yield Home(runtime, clock, tmp_path)
    for container in await runtime.list():
        await runtime.remove(container.id)
    await runtime.close()


def container_id(home: Home, key: Key) -> str:
    return home.status(key).container_statuses[0].container_id.removeprefix("docker://")


def names_of(dockerd: Dockerd, pod: str) -> list[str]:
    containers = dockerd.engine.json("GET", "/containers/json?all=1")
    return [each["Names"][0] for each in containers if each["Labels"].get("io.swarmlet/pod-name") == pod]


async def kill(dockerd: Dockerd, container: str) -> None:
    await asyncio.to_thread(dockerd.engine.json, "POST", f"/containers/{container}/kill")


async def test_docker_kill_is_healed(docker_home: Home, dockerd: Dockerd) -> None:
    home = docker_home
    key = home.bind(containers=[HOLD])
    async with home.running():
        await home.until(lambda: home.is_ready(key), SECONDS_MAX)
        await kill(dockerd, container_id(home, key))
        await home.until(lambda: home.restarts(key) == 1 and home.is_ready(key), SECONDS_MAX)
    assert home.status(key).container_statuses[0].last_state.terminated.exit_code == 137


async def test_a_restarted_daemon_adopts_and_keeps_the_count(docker_home: Home, dockerd: Dockerd) -> None:
    home = docker_home
    key = home.bind(containers=[HOLD])
    async with home.running():
        await home.until(lambda: home.is_ready(key), SECONDS_MAX)
        await kill(dockerd, container_id(home, key))
        await home.until(lambda: home.restarts(key) == 1 and home.is_ready(key), SECONDS_MAX)
    before = container_id(home, key)
    async with home.running():
        later = home.bind("later", containers=[HOLD])
        await home.until(lambda: home.is_ready(later), SECONDS_MAX)
        assert container_id(home, key) == before
        assert home.restarts(key) == 1


async def test_what_died_while_the_daemon_was_away_is_restarted_and_what_is_nobodys_removed(
    docker_home: Home, dockerd: Dockerd
) -> None:
    home = docker_home
    kept, dropped = home.bind("kept", containers=[HOLD]), home.bind("dropped", containers=[HOLD])
    async with home.running():
        await home.until(lambda: home.is_ready(kept) and home.is_ready(dropped), SECONDS_MAX)
    await kill(dockerd, container_id(home, kept))
    home.delete_at_once(dropped)
    async with home.running():
        await home.until(lambda: home.restarts(kept) == 1 and home.is_ready(kept), SECONDS_MAX)
        await home.until(lambda: not names_of(dockerd, "dropped"), SECONDS_MAX)


async def test_containers_of_a_pod_share_localhost(docker_home: Home) -> None:
    home = docker_home
    serve = Container(name="serve", image=IMAGE, command=("httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/www"))
    fetch = "until wget -q -O - http://127.0.0.1:8080/; do sleep 0.05; done; sleep 1000"
    client = Container(name="client", image=OTHER_IMAGE, command=("sh", "-c", fetch))
    key = home.bind(containers=[serve, client])
    async with home.running():
        await home.until(lambda: home.is_ready(key), SECONDS_MAX)
        async with asyncio.timeout(SECONDS_MAX):
            async for data in home.agent.streams.logs("default", "web", "client", LogOptions(follow=True)):
                assert data == b"swarmlet\n" or b"refused" in data
                if data == b"swarmlet\n":
                    break


async def test_an_engine_that_restarts_is_found_again(docker_home: Home, dockerd: Dockerd) -> None:
    home = docker_home
    key = home.bind(containers=[HOLD])
    async with home.running():
        await home.until(lambda: home.is_ready(key), SECONDS_MAX)
        before = container_id(home, key)
        await asyncio.to_thread(dockerd.stop)
        await asyncio.to_thread(dockerd.start)
        later = home.bind("later", containers=[HOLD])
        await home.until(lambda: home.is_ready(later), SECONDS_MAX)
        assert container_id(home, key) == before  # live-restore keeps it
        await kill(dockerd, before)
        await home.until(lambda: home.restarts(key) == 1 and home.is_ready(key), SECONDS_MAX)
