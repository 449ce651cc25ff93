"""What the Docker runtime does beyond the contract."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable

import pytest

from swarmlet.clock import SystemClock
from swarmlet.errors import EngineError
from swarmlet.runtime import docker, runtime
from tests.contract.runtime_contract import HOLD, shell
from tests.dockerd import BROKEN_RUNTIME, Dockerd

MakeRuntime = Callable[..., docker.DockerRuntime]


@pytest.fixture
async def make(dockerd: Dockerd) -> AsyncIterator[MakeRuntime]:
    made: list[docker.DockerRuntime] = []

    def new(**options: object) -> docker.DockerRuntime:
        made.append(
            docker.DockerRuntime(
                cluster_id="docker-tests",
                node_id="n",
                clock=SystemClock(),
                host=dockerd.host,
                **options,  # type: ignore[arg-type]
            )
        )
        return made[-1]

    yield new
    for each in made:
        for container in await each.list():
            await each.remove(container.id)
        await each.close()


def used_runtime(dockerd: Dockerd, container: runtime.Container) -> str:
    return str(dockerd.engine.json("GET", f"/containers/{container.id}/json")["HostConfig"]["Runtime"])


@pytest.mark.docker
@pytest.mark.slow
async def test_a_fast_engine_runtime_that_works_is_used(make: MakeRuntime, dockerd: Dockerd) -> None:
    registered = dockerd.engine.json("GET", "/info")["Runtimes"]
    container = await make().start(shell(HOLD))
    assert used_runtime(dockerd, container) == ("crun" if "crun" in registered else "runc")


@pytest.mark.docker
@pytest.mark.slow
async def test_one_that_does_not_work_is_given_up(
    make: MakeRuntime, dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "FAST_ENGINE_RUNTIME", BROKEN_RUNTIME)
    made = make()
    first, second = await made.start(shell(HOLD)), await made.start(shell(HOLD))
    assert {used_runtime(dockerd, first), used_runtime(dockerd, second)} == {"runc"}
    assert len(await made.list()) == 2


@pytest.mark.docker
@pytest.mark.slow
async def test_one_that_is_asked_for_is_used_or_named_as_missing(make: MakeRuntime, dockerd: Dockerd) -> None:
    container = await make(engine_runtime="runc").start(shell(HOLD))
    assert used_runtime(dockerd, container) == "runc"
    with pytest.raises(EngineError, match=r"container_runtime: the Docker Engine at .* has no kata; it has"):
        await make(engine_runtime="kata").start(shell(HOLD))


@pytest.mark.docker
@pytest.mark.slow
async def test_a_handler_of_a_pods_own_is_used_or_refused(make: MakeRuntime, dockerd: Dockerd) -> None:
    made = make()
    container = await made.start(dataclasses.replace(shell(HOLD), handler="runc"))
    assert used_runtime(dockerd, container) == "runc"
    with pytest.raises(runtime.EngineError, match="kata"):
        await made.start(dataclasses.replace(shell(HOLD), handler="kata"))


@pytest.mark.docker
@pytest.mark.slow
async def test_a_start_whose_answer_was_lost_is_made_good(make: MakeRuntime) -> None:
    made, spec = make(), shell(HOLD)
    first = await made.start(spec)
    second = await made.start(spec)
    assert [each.id for each in await made.list()] == [second.id]
    assert first.id != second.id


@pytest.mark.docker
@pytest.mark.slow
async def test_what_several_remove_at_once_is_removed(make: MakeRuntime) -> None:
    made = make()
    for attempt in range(5):
        container = await made.start(shell(HOLD, attempt=attempt))
        await asyncio.gather(*(made.remove(container.id) for _ in range(2)))
    assert await made.list() == []


async def test_an_engine_that_is_not_there_is_named() -> None:
    missing = docker.DockerRuntime(cluster_id="c", node_id="n", clock=SystemClock(), host="unix:///nowhere/docker.sock")
    with pytest.raises(EngineError, match=r"unix:///nowhere/docker\.sock cannot be reached"):
        await missing.info()
    with pytest.raises(EngineError):
        await missing.start(shell(HOLD))
    await missing.close()
