"""Speaking with the processes of the process runtime: a command beside theirs, on pipes or on a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from collections.abc import AsyncGenerator, Mapping, Sequence

from swarmlet.errors import EngineError
from swarmlet.runtime import terminal
from swarmlet.runtime.sessions import READ_BYTES, STDERR, STDOUT, Output

SIGNALLED = 128
OUTPUTS_WAITING_MAX = 2

_SIZE = struct.Struct("HHHH")


class ProcessSession:
    """A `sessions.Session` of a child process. `terminal_fd` is this end of its terminal, None where it has none."""

    def __init__(
        self,
        child: asyncio.subprocess.Process,
        outputs: Mapping[int, asyncio.StreamReader | None],
        writer: asyncio.StreamWriter | None,
        terminal_fd: int | None = None,
    ) -> None:
        self._child = child
        self._writer = writer
        self._terminal_fd = terminal_fd
        self._printed: asyncio.Queue[Output | None] = asyncio.Queue(OUTPUTS_WAITING_MAX)
        self._reading = asyncio.create_task(self._read_all(outputs))

    async def read(self) -> Output | None:
        return await self._printed.get()

    async def write(self, data: bytes) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.write(data)
                await self._writer.drain()

    async def end_input(self) -> None:
        if self._writer is not None and self._terminal_fd is None:
            self._writer.close()

    async def resize(self, width: int, height: int) -> None:
        if self._terminal_fd is not None:
            fcntl.ioctl(self._terminal_fd, termios.TIOCSWINSZ, _SIZE.pack(height, width, 0, 0))

    async def exit_code(self) -> int:
        code = await self._child.wait()
        return SIGNALLED - code if code < 0 else code

    async def close(self) -> None:
        self._reading.cancel()
        if self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
        if self._writer is not None:
            self._writer.close()
        if self._terminal_fd is not None:
            os.close(self._terminal_fd)
            self._terminal_fd = None

    async def _read_all(self, outputs: Mapping[int, asyncio.StreamReader | None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for stream, reader in outputs.items():
                if reader is not None:
                    tasks.create_task(self._read(stream, reader))
        await self._printed.put(None)

    async def _read(self, stream: int, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):  # a terminal that nobody holds any more tells so by an error
            while data := await reader.read(READ_BYTES):
                await self._printed.put(Output(stream, data))


class LogSession:
    """A `sessions.Session` that shows what a process prints from now on, of which the shim alone holds the pipes."""

    def __init__(self, lines: AsyncGenerator[bytes, None]) -> None:
        self._lines = lines

    async def read(self) -> Output | None:
        data = await anext(self._lines, None)
        return None if data is None else Output(STDOUT, data)

    async def write(self, data: bytes) -> None:
        """Nobody reads it: who wants to write is refused."""

    async def end_input(self) -> None:
        """There was none."""

    async def resize(self, width: int, height: int) -> None:
        """There is no terminal."""

    async def exit_code(self) -> int:
        return 0

    async def close(self) -> None:
        await self._lines.aclose()


async def start(command: Sequence[str], *, env: Mapping[str, str], cwd: str, stdin: bool, tty: bool) -> ProcessSession:
    """Run a command and stay with it; raise `EngineError` where it cannot be run."""
    try:
        return await (_on_terminal(command, env, cwd) if tty else _on_pipes(command, env, cwd, stdin=stdin))
    except OSError as error:
        raise EngineError(f"exec: {command[0]}: {error.strerror}") from error


async def _on_pipes(command: Sequence[str], env: Mapping[str, str], cwd: str, *, stdin: bool) -> ProcessSession:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=pipe if stdin else asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        env=env,
        cwd=cwd,
        start_new_session=True,
        limit=READ_BYTES,
    )
    return ProcessSession(child, {STDOUT: child.stdout, STDERR: child.stderr}, child.stdin)


async def _on_terminal(command: Sequence[str], env: Mapping[str, str], cwd: str) -> ProcessSession:
    ours, theirs = pty.openpty()
    try:
        argv = [sys.executable, "-I", "-S", terminal.__file__, *command]
        child = await asyncio.create_subprocess_exec(
            *argv, stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=cwd, start_new_session=True
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    reader, writer = await _streams(ours)
    return ProcessSession(child, {STDOUT: reader}, writer, ours)


async def _streams(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return the streams of a terminal, each on a descriptor of its own."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(READ_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(descriptor), "rb", 0))
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(os.dup(descriptor), "wb", 0)
    )
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)
