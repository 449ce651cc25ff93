"""Containers on a Docker Engine (20.10 or younger); with its link and its sessions the only user of aiodocker."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any

import aiohttp
import structlog
from aiodocker.exceptions import DockerError

from swarmlet.clock import Clock
from swarmlet.errors import EngineError
from swarmlet.runtime import (
    docker_documents,
    docker_link,
    docker_networks,
    docker_sessions,
    docker_usage,
    log_stream,
    runtime,
    sandbox_image,
    watchdog,
)
from swarmlet.runtime.credentials import Credentials
from swarmlet.runtime.docker_link import CALL_SECONDS_MAX
from swarmlet.runtime.runtime import Container, ContainerGoneError, ContainerSpec, StartError, State
from swarmlet.runtime.sessions import Pipe, Session

DEFAULT_HOST = "unix:///var/run/docker.sock"
FAST_ENGINE_RUNTIME = "crun"
ENGINE_RUNTIME_AUTO = "auto"
START_SECONDS_MAX = 120.0
PULL_SECONDS_MAX = 1_800.0
PULL_SILENCE_SECONDS_MAX = 120.0
RECONNECT_SECONDS = 1.0
EVENT_BYTES_MAX = 256 * 1024
CHANGES = ("die", "destroy")
CONFLICT = 409

MakeDocument = Callable[[ContainerSpec, Mapping[str, str], str], dict[str, Any]]

log = structlog.get_logger()


def resolve_host(configured: str = "") -> str:
    """Return where the Engine listens: as configured, else DOCKER_HOST, else its usual socket."""
    return configured or os.environ.get("DOCKER_HOST", "") or DEFAULT_HOST


class DockerRuntime:
    """A `runtime.Runtime`. `engine_runtime`: "auto" (crun where the Engine has it), or the name of one it has.

    At most `starts_max` containers are started at a time (0: as many as the machine has cores): more only makes each
    of them wait longer.
    """

    def __init__(
        self,
        *,
        cluster_id: str,
        node_id: str,
        clock: Clock,
        host: str = "",
        engine_runtime: str = ENGINE_RUNTIME_AUTO,
        starts_max: int = 0,
    ) -> None:
        self.host = resolve_host(host)
        self._owner = {docker_documents.CLUSTER_LABEL: cluster_id, docker_documents.NODE_LABEL: node_id}
        self._clock = clock
        self._engine_runtime_wanted = engine_runtime
        self._engine_runtime: str | None = None
        self._proven = False
        self._lowers_oom_scores: bool | None = None  # not known before the first try
        self._starts = asyncio.Semaphore(starts_max or os.cpu_count() or 1)
        self._removals = asyncio.Semaphore(starts_max or os.cpu_count() or 1)
        self._sandbox_image_lock = asyncio.Lock()
        self._link = docker_link.EngineLink(self.host)
        self._sessions = docker_sessions.DockerSessions(self._link, clock)
        self._meters = docker_usage.ContainerMeters(inspect=self._show, stats=self._stats)

    async def info(self) -> runtime.RuntimeInfo:
        async with self._link.call("info"):
            info = await self._link.docker.system.info()
        if self._engine_runtime is None:
            self._engine_runtime = self._choose_engine_runtime(info["Runtimes"])
        return runtime.RuntimeInfo(
            scheme="docker",
            version=f"docker://{info['ServerVersion']}",
            cpus=info["NCPU"],
            memory_bytes=info["MemTotal"],
            os_image=info["OperatingSystem"],
            kernel_version=info["KernelVersion"],
            architecture=info["Architecture"],
            is_local=self._link.is_local,
            data_root=info["DockerRootDir"] if self._link.is_local else "",
            confines_with=_confines_with(info.get("SecurityOptions") or ()),
        )

    async def list(self) -> Sequence[Container]:
        async with self._link.call("list"):
            found = await self._link.docker.containers.list(all=True, filters=self._mine())
        containers = []
        for each in found:
            with contextlib.suppress(ContainerGoneError):
                containers.append(await self.inspect(each.id))
        return containers

    async def start_sandbox(self, spec: ContainerSpec) -> Container:
        await self._ensure_sandbox_image()
        return await self._start_on_best_runtime(spec, docker_documents.sandbox_document)

    async def start(self, spec: ContainerSpec) -> Container:
        return await self._start_on_best_runtime(spec, docker_documents.container_document)

    async def stop(self, container_id: str, *, grace_seconds: float) -> Container:
        grace = max(0, round(grace_seconds))
        async with self._link.call(container_id, seconds=grace + CALL_SECONDS_MAX):
            await self._link.docker.containers.container(container_id).stop(t=grace)
        return await self.inspect(container_id)

    async def remove(self, container_id: str) -> None:
        async with self._removals:
            with contextlib.suppress(ContainerGoneError):
                async with self._link.call(container_id, seconds=START_SECONDS_MAX):
                    container = self._link.docker.containers.container(container_id)
                    try:
                        await container.delete(force=True, v=True)
                    except DockerError as error:
                        if error.status != CONFLICT or "already in progress" not in error.message:
                            raise
                        await container.wait(condition="removed")  # the deputy, say, was first

    async def inspect(self, container_id: str) -> Container:
        return docker_documents.from_inspect(await self._show(container_id))

    async def exec(self, container_id: str, command: Sequence[str], *, timeout_seconds: float) -> runtime.ExecResult:
        return await self._sessions.run(container_id, command, timeout_seconds=timeout_seconds)

    async def open_exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Session:
        return await self._sessions.start(container_id, command, stdin=stdin, tty=tty)

    async def attach(self, container_id: str, *, stdin: bool) -> Session:
        return await self._sessions.attach(container_id, stdin=stdin)

    async def dial(self, container_id: str, port: int) -> Pipe:
        document = await self._show(container_id)
        return await self._sessions.dial(docker_documents.from_inspect(document), port, document)

    async def usage(self, container_ids: Collection[str]) -> runtime.Measurement:
        return await self._meters.measure(container_ids)

    async def written_bytes(self, container_ids: Collection[str]) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for container_id in container_ids:  # one at a time: others wait for the same disk
            with contextlib.suppress(ContainerGoneError):
                async with self._link.call(container_id, seconds=START_SECONDS_MAX):
                    document = await self._link.docker.containers.container(container_id).show(size=True)
                found[container_id] = document["SizeRw"] + await asyncio.to_thread(_log_bytes, document["LogPath"])
        return found

    async def images(self) -> Sequence[runtime.Image]:
        async with self._link.call("images"):
            found = await self._link.docker.images.list()
        return [docker_documents.image(each) for each in found]

    async def remove_image(self, name: str) -> None:
        with contextlib.suppress(runtime.ImageMissingError):
            async with self._link.call(
                name, runtime.ImageInUseError, missing=runtime.ImageMissingError, seconds=START_SECONDS_MAX
            ):
                await self._link.docker.images.delete(name)

    async def image_id(self, image: str) -> str:
        async with self._link.call(image, missing=runtime.ImageMissingError):
            return str((await self._link.docker.images.inspect(image))["Id"])

    async def image_user(self, image: str) -> str:
        async with self._link.call(image, missing=runtime.ImageMissingError):
            return str(((await self._link.docker.images.inspect(image)).get("Config") or {}).get("User") or "")

    async def pull(self, image: str, progress: runtime.Progress, credentials: Credentials | None = None) -> str:
        async with self._link.call(image, runtime.PullError, missing=runtime.PullError, seconds=PULL_SECONDS_MAX):
            lines = aiter(
                self._link.docker.images.pull(**docker_documents.pull_arguments(image, credentials), stream=True)
            )
            while (line := await self._next_line(image, lines)) is not None:
                progress(" ".join(str(line[key]) for key in ("id", "status", "progress") if line.get(key)))
        return await self.image_id(image)

    async def logs(self, container_id: str, options: runtime.LogOptions) -> AsyncIterator[bytes]:
        found = await self._show(container_id)
        params = {
            "stdout": "1",
            "stderr": "1",
            "follow": "1" if options.follow else "0",
            "timestamps": "1" if options.timestamps else "0",
            "tail": "all" if options.tail_lines is None else str(options.tail_lines),
            "since": f"{options.since.timestamp():.6f}" if options.since else "0",
        }
        async with self._link.stream(f"containers/{container_id}/logs", params) as response:
            chunks = response.content.iter_any()
            payload = chunks if found["Config"]["Tty"] else log_stream.demultiplexed(chunks)
            async for data in log_stream.limited(payload, options.limit_bytes):
                yield data

    async def watch(self) -> AsyncIterator[Container | None]:
        while True:
            try:
                async with self._link.stream(
                    "events", {"filters": self._mine(type=["container"], event=CHANGES)}
                ) as response:
                    yield None
                    async for container in self._changes(response):
                        yield container
            except (EngineError, OSError, aiohttp.ClientError, ValueError) as error:
                log.warning("engine_watch_lost", host=self.host, error=str(error))
            await self._clock.sleep(RECONNECT_SECONDS)

    def networks(self) -> docker_networks.DockerNetworks | None:
        return docker_networks.DockerNetworks(self._link, self._owner) if self._link.is_local else None

    def watchdog(self) -> runtime.Watchdog:
        labels = [f"{key}={value}" for key, value in self._owner.items()] + [docker_documents.STRICT_LABEL]
        return watchdog.DeputyWatchdog(" ".join(labels), {"docker": self.host, "labels": labels}, self._clock)

    async def close(self) -> None:
        await self._link.close()

    # Starting

    async def _start_on_best_runtime(self, spec: ContainerSpec, make: MakeDocument) -> Container:
        """Start with the Engine's fast runtime, and without it where it turns out not to work on this machine."""
        if spec.handler:
            return await self._start_as_it_may(spec, make, spec.handler)
        if self._engine_runtime is None:
            await self.info()
        chosen = self._engine_runtime or ""
        try:
            container = await self._start_as_it_may(spec, make, chosen)
        except StartError as error:
            if not chosen or self._proven or self._engine_runtime_wanted != ENGINE_RUNTIME_AUTO:
                raise
            container = await self._start_as_it_may(spec, make, "")
            self._engine_runtime = ""
            log.warning("engine_runtime_given_up", runtime=chosen, error=str(error))
        self._proven = True
        return container

    async def _start_as_it_may(self, spec: ContainerSpec, make: MakeDocument, engine_runtime: str) -> Container:
        """Start with the OOM score that is asked for; an Engine inside a container may not be able to lower any."""
        name = docker_documents.container_name(spec)
        if spec.oom_score_adj < 0 and self._lowers_oom_scores is not False:
            try:
                container = await self._create_and_start(make(spec, self._owner, engine_runtime), name)
            except StartError:
                if self._lowers_oom_scores:
                    raise
            else:
                self._lowers_oom_scores = True
                return container
        raised = dataclasses.replace(spec, oom_score_adj=max(0, spec.oom_score_adj))
        container = await self._create_and_start(make(raised, self._owner, engine_runtime), name)
        if spec.oom_score_adj < 0 and self._lowers_oom_scores is None:
            self._lowers_oom_scores = False
            log.warning("oom_scores_not_lowered", host=self.host)
        return container

    async def _create_and_start(self, document: Mapping[str, Any], name: str) -> Container:
        async with self._starts:
            container_id = await self._create(document, name)
            try:
                async with self._link.call(name, StartError, missing=StartError, seconds=START_SECONDS_MAX):
                    await self._link.docker.containers.container(container_id).start()
            except BaseException:
                with contextlib.suppress(EngineError):
                    await asyncio.shield(self.remove(container_id))
                raise
        return await self.inspect(container_id)

    async def _create(self, document: Mapping[str, Any], name: str) -> str:
        missing = runtime.ImageMissingError
        async with self._link.call(name, runtime.CreateError, missing=missing, seconds=START_SECONDS_MAX):
            try:
                return str((await self._link.docker.containers.create(dict(document), name=name)).id)
            except DockerError as error:
                if error.status != CONFLICT or "already in use" not in error.message:
                    raise
            await self.remove(name)  # a create of ours whose answer was lost
            return str((await self._link.docker.containers.create(dict(document), name=name)).id)

    async def _next_line(self, image: str, lines: AsyncIterator[dict[str, Any]]) -> dict[str, Any] | None:
        try:
            return await asyncio.wait_for(anext(lines, None), PULL_SILENCE_SECONDS_MAX)
        except TimeoutError:
            raise runtime.PullError(f"no progress of {image} in {PULL_SILENCE_SECONDS_MAX:g} s") from None

    def _choose_engine_runtime(self, registered: Mapping[str, Any]) -> str:
        wanted = self._engine_runtime_wanted
        if wanted == ENGINE_RUNTIME_AUTO:
            return FAST_ENGINE_RUNTIME if FAST_ENGINE_RUNTIME in registered else ""
        if wanted not in registered:
            raise EngineError(
                f"container_runtime: the Docker Engine at {self.host} has no {wanted}; "
                f"it has {', '.join(sorted(registered))} (dockerd --add-runtime {wanted}=/usr/bin/{wanted} adds it)"
            )
        return wanted

    async def _ensure_sandbox_image(self) -> None:
        image = f"{sandbox_image.REPOSITORY}:{sandbox_image.TAG}"
        async with self._sandbox_image_lock:
            with contextlib.suppress(runtime.ImageMissingError):
                await self.image_id(image)
                return
            archive = sandbox_image.archive((await self.info()).architecture)
            params = {
                "fromSrc": "-",
                "repo": sandbox_image.REPOSITORY,
                "tag": sandbox_image.TAG,
                "changes": f'ENTRYPOINT ["/{sandbox_image.PROGRAM}"]',
            }
            async with self._link.stream("images/create", params, method="POST", data=archive) as response:
                await response.read()

    # Talking to the Engine

    async def _show(self, container_id: str) -> dict[str, Any]:
        async with self._link.call(container_id):
            found: dict[str, Any] = await self._link.docker.containers.container(container_id).show()
        return found

    async def _stats(self, container_id: str) -> dict[str, Any]:
        params = {"stream": "0", "one-shot": "1"}
        async with (
            self._link.call(container_id),
            self._link.stream(f"containers/{container_id}/stats", params) as response,
        ):
            found: dict[str, Any] = await response.json()
        return found

    async def _changes(self, response: aiohttp.ClientResponse) -> AsyncIterator[Container]:
        async for line in log_stream.lines(response.content.iter_any(), EVENT_BYTES_MAX):
            event = json.loads(line)
            if event["Action"] == "destroy":
                yield docker_documents.from_event(event, State.REMOVED)
                continue
            try:
                yield await self.inspect(event["Actor"]["ID"])
            except ContainerGoneError:
                yield docker_documents.from_event(event, State.EXITED)

    def _mine(self, **filters: Sequence[str]) -> str:
        return json.dumps({"label": [f"{key}={value}" for key, value in self._owner.items()], **filters})


def _confines_with(options: Sequence[str]) -> frozenset[str]:
    """Read the Engine's "name=seccomp,profile=builtin" and the like."""
    return frozenset(option.partition(",")[0].removeprefix("name=") for option in options)


def _log_bytes(path: str) -> int:
    """Return the size of a container's log files, as far as they are on this machine."""
    files = (f"{path}.{number}" if number else path for number in range(int(docker_documents.LOG_FILES_MAX)))
    found = 0
    for file in files if path else ():
        with contextlib.suppress(OSError):
            found += os.stat(file).st_size  # noqa: PTH116  a path of the Engine's
    return found
