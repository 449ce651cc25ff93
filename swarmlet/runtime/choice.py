"""Which runtime this machine runs Pods on: the one that the configuration names, or what is there."""

from __future__ import annotations

import contextlib
from pathlib import Path

import structlog

from swarmlet import trees
from swarmlet.clock import Clock
from swarmlet.config import Config
from swarmlet.errors import EngineError
from swarmlet.runtime.docker import DockerRuntime
from swarmlet.runtime.process import ProcessRuntime
from swarmlet.runtime.runtime import Runtime

CONTAINERS_FOLDER = "processes"
CHOICE_FILE = "runtime"
"""What "auto" chose the first time: an Engine that starts after the daemon must not turn the machine to processes."""

log = structlog.get_logger()


async def choose(config: Config, *, cluster_id: str, node_id: str, clock: Clock) -> Runtime:
    """Return the runtime; "auto" is Docker where an Engine answers, else plain processes, said in one line.

    What "auto" has chosen it keeps. A runtime that is named or kept is returned whether it answers or not: the agent
    waits for it.
    """
    docker = DockerRuntime(
        cluster_id=cluster_id,
        node_id=node_id,
        clock=clock,
        host=config.docker_host,
        engine_runtime=config.container_runtime,
    )
    name = config.runtime
    if name == "auto":
        name = _kept(config.data_dir) or await _found(docker)
        _keep(config.data_dir, name)
    if name == "docker":
        return docker
    await docker.close()
    folder = config.data_dir / CONTAINERS_FOLDER
    return ProcessRuntime(cluster_id=cluster_id, node_id=node_id, clock=clock, folder=folder)


def forget(data_dir: Path) -> None:
    """Remove what the choice and the plain processes have left in a data folder: this machine runs no Pods any more."""
    (data_dir / CHOICE_FILE).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        trees.remove(data_dir / CONTAINERS_FOLDER)


async def _found(docker: DockerRuntime) -> str:
    try:
        await docker.info()
    except EngineError as error:
        log.warning("docker_not_found", host=docker.host, instead="process", error=str(error))
        return "process"
    return "docker"


def _kept(data_dir: Path) -> str:
    file = data_dir / CHOICE_FILE
    return file.read_text(encoding="ascii").strip() if file.exists() else ""


def _keep(data_dir: Path, name: str) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / CHOICE_FILE).write_text(name + "\n", encoding="ascii")
