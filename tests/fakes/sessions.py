"""Sessions in memory: a toy shell's output, `cat`, and the size of a terminal."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from swarmlet.runtime.sessions import STDERR, STDOUT, Output, Pipe
from tests.fakes.shell import Shell

STTY = "read x; stty size"


class CommandSession:
    """A command's session; `run` prints and returns the exit code."""

    def __init__(self, run: Callable[[CommandSession], Awaitable[int]]) -> None:
        self.size = (0, 0)
        self.input: asyncio.Queue[bytes] = asyncio.Queue(1)
        self.printed: asyncio.Queue[Output | None] = asyncio.Queue()
        self._run = run
        self._task = asyncio.get_running_loop().create_task(self._run_to_end())

    async def _run_to_end(self) -> int:
        code = await self._run(self)
        self.printed.put_nowait(None)
        return code

    async def read(self) -> Output | None:
        return await self.printed.get()

    async def write(self, data: bytes) -> None:
        await self.input.put(data)

    async def end_input(self) -> None:
        await self.input.put(b"")

    async def resize(self, width: int, height: int) -> None:
        self.size = (width, height)

    async def exit_code(self) -> int:
        return await self._task

    async def close(self) -> None:
        self._task.cancel()

    def say(self, stream: int, data: bytes) -> None:
        self.printed.put_nowait(Output(stream, data))


def command(words: Sequence[str], env: Mapping[str, str], sleep: Callable[[float], Awaitable[None]]) -> CommandSession:
    """Begin a command: `cat`, what tells the size of its terminal, or what the toy shell knows."""

    async def run(session: CommandSession) -> int:
        if words[-1] == "cat":
            while data := await session.input.get():
                session.say(STDOUT, data)
            return 0
        if words[-1] == STTY:
            await session.input.get()
            session.say(STDOUT, f"{session.size[1]} {session.size[0]}\r\n".encode())
            return 0
        shell = Shell(
            words,
            env,
            lambda path: "",
            lambda text: session.say(STDOUT, f"{text}\n".encode()),
            sleep,
            lambda text: session.say(STDERR, f"{text}\n".encode()),
        )
        return await shell.run()

    return CommandSession(run)


class AttachedSession:
    """What a container prints from now on."""

    def __init__(self, lines: list[tuple[datetime, str]], ended: asyncio.Event) -> None:
        self._lines = lines
        self._seen = len(lines)
        self._ended = ended

    async def read(self) -> Output | None:
        while self._seen == len(self._lines):
            if self._ended.is_set():
                return None
            await asyncio.sleep(0.01)
        self._seen += 1
        return Output(STDOUT, f"{self._lines[self._seen - 1][1]}\n".encode())

    async def write(self, data: bytes) -> None: ...

    async def end_input(self) -> None: ...

    async def resize(self, width: int, height: int) -> None: ...

    async def exit_code(self) -> int:
        return 0

    async def close(self) -> None: ...


async def echo() -> Pipe:
    """Return a connection that sends back what it is sent, and ends when that does."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=theirs)

    async def run() -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    pipe = await asyncio.open_connection(sock=ours)
    pipe[1].echo = asyncio.get_running_loop().create_task(run())  # type: ignore[attr-defined]  it is kept as long
    return pipe
