"""Speaking with containers of a Docker Engine: commands beside theirs, their own streams, and their ports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import aiohttp
from aiodocker.containers import DockerContainer
from aiodocker.exceptions import DockerError
from aiodocker.execs import Exec
from aiodocker.stream import Stream

from swarmlet.clock import Clock
from swarmlet.errors import EngineError
from swarmlet.runtime import dialling, docker_exec, runtime
from swarmlet.runtime.docker_link import CALL_SECONDS_MAX, EngineLink, shortened
from swarmlet.runtime.sessions import STDERR, STDOUT, Output, Pipe

EXEC_OUTPUT_BYTES_MAX = 16 * 1024
EXEC_END_SECONDS = 0.05
"""How often it is asked whether a command has ended whose output has."""
DETACH_KEYS = "ctrl-^,ctrl-_,ctrl-^"
"""The Engine keeps these keys for itself; those that it keeps by default (ctrl-p) mean something to a shell."""


class DockerSession:
    """A `sessions.Session` on a connection of the Engine's own: of a command, or of a container (`execution` None)."""

    def __init__(self, link: EngineLink, clock: Clock, container: DockerContainer, execution: Exec | None) -> None:
        self._link = link
        self._clock = clock
        self._container = container
        self._execution = execution
        self._stream: Stream | None = None

    async def open(self, stream: Stream) -> DockerSession:
        """Begin."""
        async with self._link.call(self._container.id):
            self._stream = await stream.__aenter__()  # it lives longer than any block could
        return self

    async def read(self) -> Output | None:
        assert self._stream is not None
        with self._failing():
            message = await self._stream.read_out()
        return None if message is None else Output(STDERR if message.stream == STDERR else STDOUT, message.data)

    async def write(self, data: bytes) -> None:
        assert self._stream is not None
        with contextlib.suppress(OSError, aiohttp.ClientError, AssertionError):  # aiodocker asserts that it is open
            await self._stream.write_in(data)

    async def end_input(self) -> None:
        response = self._stream._resp if self._stream else None  # noqa: SLF001  there is no public way
        if response is not None and response.connection is not None and response.connection.transport is not None:
            with contextlib.suppress(OSError):
                response.connection.transport.write_eof()

    async def resize(self, width: int, height: int) -> None:
        with contextlib.suppress(EngineError):  # it may not have begun, or have ended
            async with self._link.call(self._container.id):
                await (self._execution or self._container).resize(h=height, w=width)

    async def exit_code(self) -> int:
        if self._execution is None:
            return 0
        async with self._link.call(self._container.id, seconds=CALL_SECONDS_MAX):
            found = await self._execution.inspect()
        while found["Running"]:  # it may hear of the end later than we do, and a command may close what it prints to
            await self._clock.sleep(EXEC_END_SECONDS)
            async with self._link.call(self._container.id, seconds=CALL_SECONDS_MAX):
                found = await self._execution.inspect()
        return int(found["ExitCode"] or 0)

    async def close(self) -> None:
        if self._execution is not None:
            await asyncio.shield(_kill_exec(self._execution, self._container.id, self._clock))
        with contextlib.suppress(OSError, aiohttp.ClientError, AssertionError):
            if self._stream is not None:
                await self._stream.close()

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, aiohttp.ClientError, DockerError) as error:
            what = shortened(str(error))
            raise EngineError(f"the Docker Engine at {self._link.host} broke off: {what}") from error


class DockerSessions:
    """What speaks with the containers of one Engine."""

    def __init__(self, link: EngineLink, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    async def run(self, container_id: str, command: Sequence[str], *, timeout_seconds: float) -> runtime.ExecResult:
        """Run a command without input and wait for it."""
        output = b""
        async with self._link.call(container_id, seconds=timeout_seconds):
            execution = await self._container(container_id).exec(list(command))
            try:
                async with execution.start() as stream:
                    while (message := await stream.read_out()) is not None:
                        output = (output + message.data)[:EXEC_OUTPUT_BYTES_MAX]
                while (found := await execution.inspect())["Running"]:  # it may hear of the end later than we do
                    await self._clock.sleep(EXEC_END_SECONDS)
                return runtime.ExecResult(found["ExitCode"], output)
            except asyncio.CancelledError:  # also what the end of the time looks like from here
                await asyncio.shield(_kill_exec(execution, container_id, self._clock))
                raise

    async def start(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> DockerSession:
        """Run a command and stay with it."""
        container = self._container(container_id)
        async with self._link.call(container_id):
            execution = await container.exec(list(command), stdin=stdin, tty=tty, detach_keys=DETACH_KEYS)
        return await DockerSession(self._link, self._clock, container, execution).open(execution.start())

    async def attach(self, container_id: str, *, stdin: bool) -> DockerSession:
        """Join the streams of the container itself."""
        container = self._container(container_id)
        stream = container.attach(stdin=stdin, stdout=True, stderr=True, detach_keys=DETACH_KEYS)
        return await DockerSession(self._link, self._clock, container, None).open(stream)

    async def dial(self, container: runtime.Container, port: int, document: dict[str, Any]) -> Pipe:
        """Connect to a port of the Pod that a container is of; `document` is what the Engine shows of it."""
        pid = document["State"]["Pid"]
        if self._link.is_local and dialling.is_enterable(pid, container.id):
            return await dialling.dial(port, dialling.LOOPBACK, dialling.within(pid))
        return await dialling.dial(port, [container.address] if container.address else [])

    def _container(self, container_id: str) -> DockerContainer:
        return self._link.docker.containers.container(container_id)


async def _kill_exec(execution: Exec, container_id: str, clock: Clock) -> None:
    with contextlib.suppress(DockerError, OSError, aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(CALL_SECONDS_MAX):
            found = await execution.inspect()
            while found["Running"] and not found["Pid"]:  # what has just begun may be heard before its number is told
                await clock.sleep(EXEC_END_SECONDS)
                found = await execution.inspect()
        if found["Running"]:
            docker_exec.kill(found["Pid"], container_id)
