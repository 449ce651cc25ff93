"""What containers say about their end: the file that each is given for it, or the end of its log.

Source: kubernetes pkg/kubelet/kuberuntime (getTerminatedContainerLogMessage, readLastStringFromContainerLogs).
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.errors import SwarmletError
from swarmlet.model.container import Container
from swarmlet.model.pod import Pod
from swarmlet.runtime import runtime
from swarmlet.runtime.runtime import State

MESSAGE_BYTES_MAX = 4096
POD_MESSAGES_BYTES_MAX = 12 * 1024
LOG_BYTES_MAX = 2048
LOG_LINES_MAX = 80
LOG_SECONDS_MAX = 2.0
FOLDER = "_termination"
"""Among a Pod's volumes, where no volume can have its name."""
FALLBACK = "FallbackToLogsOnError"

log = structlog.get_logger()


class Terminations:
    """The last words of this node's containers; `info` is what their runtime last said of itself.

    Files are made and read in threads.
    """

    def __init__(
        self, runtime_: runtime.Runtime, info: Callable[[], runtime.RuntimeInfo | None], volumes: Volumes
    ) -> None:
        self._runtime = runtime_
        self._find_info = info
        self._volumes = volumes

    async def with_file(self, pod: Pod, container: Container, spec: runtime.ContainerSpec) -> runtime.ContainerSpec:
        """Give a container that is about to start an empty file of its own for its message, where it can be mounted."""
        info = self._find_info()
        assert info is not None, "nothing is started before the engine has answered"
        if not container.termination_message_path or not info.is_local:
            return spec
        path = self._path(pod, container.name, spec.attempt)
        await asyncio.to_thread(_make_empty, path)
        mount = runtime.Mount(str(path), container.termination_message_path)
        return dataclasses.replace(spec, mounts=(*spec.mounts, mount))

    async def with_messages(self, pod: Pod, containers: Sequence[runtime.Container]) -> list[runtime.Container]:
        """Return the containers, those that have ended with what they had to say."""
        return [await self.with_message(pod, each) for each in containers]

    async def with_message(self, pod: Pod, ended: runtime.Container) -> runtime.Container:
        """Return a container with what it had to say, where it has ended; what cannot be read is left out."""
        every = (*pod.spec.init_containers, *pod.spec.containers)
        container = next((each for each in every if each.name == ended.name), None)
        if ended.state is not State.EXITED or container is None or not container.termination_message_path:
            return ended
        size = min(MESSAGE_BYTES_MAX, POD_MESSAGES_BYTES_MAX // len(every))
        data = await asyncio.to_thread(_read_end, self._path(pod, container.name, ended.attempt), size)
        if not data and ended.exit_code and container.termination_message_policy == FALLBACK:
            data = (await self._log_end(ended.id))[-size:]
        return dataclasses.replace(ended, message=data.decode(errors="replace")) if data else ended

    async def _log_end(self, container_id: str) -> bytes:
        data = b""
        try:
            async with asyncio.timeout(LOG_SECONDS_MAX):
                async for chunk in self._runtime.logs(container_id, runtime.LogOptions(tail_lines=LOG_LINES_MAX)):
                    data = (data + chunk)[-LOG_BYTES_MAX:]
        except (SwarmletError, TimeoutError) as error:
            log.info("termination_log_unread", container=container_id, error=str(error))
        return data

    def _path(self, pod: Pod, name: str, attempt: int) -> Path:
        return self._volumes.folder(pod.metadata.uid) / FOLDER / f"{name}.{attempt}"


def _make_empty(path: Path) -> None:
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    for old in path.parent.glob(f"{path.stem}.*"):  # of attempts that are told of already
        old.unlink()
    path.touch()
    path.chmod(0o666)  # whoever the container runs as


def _read_end(path: Path, size: int) -> bytes:
    """Return the last bytes of a file that the container may have written to, b"" where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read(size)
    except OSError:
        return b""
