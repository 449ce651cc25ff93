"""Which runtime a machine gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmlet.clock import SystemClock
from swarmlet.config import Config
from swarmlet.runtime import choice
from swarmlet.runtime.docker import DockerRuntime
from swarmlet.runtime.process import ProcessRuntime
from swarmlet.runtime.runtime import Runtime
from tests.dockerd import Dockerd

NOWHERE = "unix:///nowhere/docker.sock"


async def chosen(folder: Path, runtime: str, host: str) -> Runtime:
    config = Config(data_dir=folder, runtime=runtime, docker_host=host)
    made = await choice.choose(config, cluster_id="c", node_id="n", clock=SystemClock())
    await made.close()
    return made


@pytest.mark.docker
@pytest.mark.slow
async def test_docker_is_taken_where_an_engine_answers(tmp_path: Path, dockerd: Dockerd) -> None:
    assert isinstance(await chosen(tmp_path, "auto", dockerd.host), DockerRuntime)


async def test_plain_processes_are_taken_where_none_does(tmp_path: Path) -> None:
    assert isinstance(await chosen(tmp_path, "auto", NOWHERE), ProcessRuntime)


async def test_what_the_configuration_names_is_taken(tmp_path: Path) -> None:
    assert isinstance(await chosen(tmp_path, "docker", NOWHERE), DockerRuntime)
    assert isinstance(await chosen(tmp_path, "process", NOWHERE), ProcessRuntime)


@pytest.mark.docker
@pytest.mark.slow
async def test_what_was_chosen_once_is_kept(tmp_path: Path, dockerd: Dockerd) -> None:
    assert isinstance(await chosen(tmp_path, "auto", dockerd.host), DockerRuntime)
    assert isinstance(await chosen(tmp_path, "auto", NOWHERE), DockerRuntime)


async def test_a_machine_that_has_left_chooses_anew(tmp_path: Path) -> None:
    await chosen(tmp_path, "auto", NOWHERE)
    choice.forget(tmp_path)
    assert not (tmp_path / choice.CHOICE_FILE).exists()
