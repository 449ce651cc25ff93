"""What every runtime promises to those who speak with a container: a command's streams, its own, its ports."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
from collections.abc import AsyncIterator

import pytest

from swarmlet.errors import EngineError
from swarmlet.runtime import runtime
from swarmlet.runtime.runtime import ContainerSpec
from swarmlet.runtime.sessions import STDERR, STDOUT, Output, Session
from tests.contract.runtime_contract import HOLD, RuntimeContract, shell, until

MEGABYTE = 1024 * 1024
SECONDS_MAX = 30.0
PORT = 8080
ECHO = f"""
import socket, os
server = socket.create_server((os.environ["POD_IP"], {PORT}))
while True:
    connection, _ = server.accept()
    while data := connection.recv(65536): connection.sendall(data)
    connection.close()
"""


@contextlib.asynccontextmanager
async def closing(session: Session) -> AsyncIterator[Session]:
    try:
        async with asyncio.timeout(SECONDS_MAX):
            yield session
    finally:
        await session.close()


async def read_all(session: Session) -> dict[int, bytes]:
    """Return what was printed, by stream."""
    found = {STDOUT: b"", STDERR: b""}
    while (output := await session.read()) is not None:
        found[output.stream] += output.data
    return found


class SessionsContract(RuntimeContract):
    """Subclasses give `new_runtime`, as for the contract that this goes on with."""

    async def test_a_command_tells_its_streams_apart_and_its_exit_code(self, rt: runtime.Runtime) -> None:
        container = await rt.start(shell(HOLD))
        command = ("sh", "-c", "echo out; echo err >&2; exit 5")
        async with closing(await rt.open_exec(container.id, command, stdin=False, tty=False)) as session:
            assert await read_all(session) == {STDOUT: b"out\n", STDERR: b"err\n"}
            assert await session.exit_code() == 5

    async def test_what_a_command_is_given_it_reads_to_the_end(self, rt: runtime.Runtime) -> None:
        container = await rt.start(shell(HOLD))
        given = bytes(range(256)) * (2 * MEGABYTE // 256)
        async with closing(await rt.open_exec(container.id, ("cat",), stdin=True, tty=False)) as session:

            async def give() -> None:
                for at in range(0, len(given), 65_536):
                    await session.write(given[at : at + 65_536])
                await session.end_input()

            found, _ = await asyncio.gather(read_all(session), give())
            assert found[STDOUT] == given
            assert await session.exit_code() == 0

    async def test_a_terminal_has_the_size_that_it_is_told(self, rt: runtime.Runtime) -> None:
        container = await rt.start(shell(HOLD))
        command = ("sh", "-c", "read x; stty size")
        async with closing(await rt.open_exec(container.id, command, stdin=True, tty=True)) as session:
            await session.resize(100, 30)
            await session.write(b"go\n")
            found = await read_all(session)
            assert b"30 100\r\n" in found[STDOUT]
            assert await session.exit_code() == 0

    async def test_a_command_that_nobody_waits_for_is_ended(self, rt: runtime.Runtime) -> None:
        if not self.real:
            return
        container = await rt.start(shell(HOLD))
        session = await rt.open_exec(container.id, ("sh", "-c", "echo $$; exec sleep 1000"), stdin=False, tty=False)
        async with closing(session):
            printed = await session.read()
        assert isinstance(printed, Output)
        alive = ("kill", "-0", printed.data.decode().strip())

        async def has_ended() -> bool:
            return (await rt.exec(container.id, alive, timeout_seconds=10)).exit_code != 0

        await until(has_ended, seconds=10)

    async def test_a_program_that_is_not_there_is_told_in_words(self, rt: runtime.Runtime) -> None:
        if not self.real:
            return
        container = await rt.start(shell(HOLD))
        if not self.has_images:
            with pytest.raises(EngineError, match="no-such-program"):
                await rt.open_exec(container.id, ("no-such-program",), stdin=False, tty=False)
        for tty in (True, False) if self.has_images else (True,):
            async with closing(await rt.open_exec(container.id, ("no-such-program",), stdin=False, tty=tty)) as session:
                printed = await read_all(session)
                assert b"no-such-program" in printed[STDOUT] + printed[STDERR]
                assert await session.exit_code() in (126, 127)

    async def test_who_attaches_sees_what_is_printed_from_then_on(self, rt: runtime.Runtime) -> None:
        container = await rt.start(shell("sleep 0.8; echo later; sleep 0.3"))
        async with closing(await rt.attach(container.id, stdin=False)) as session:
            assert await read_all(session) == {STDOUT: b"later\n", STDERR: b""}
            assert await session.exit_code() == 0

    async def test_a_container_that_reads_is_given_what_is_attached(self, rt: runtime.Runtime) -> None:
        if not (self.real and self.has_images):
            return
        container = await rt.start(shell("read x; echo got $x; sleep 1000", stdin=True))
        async with closing(await rt.attach(container.id, stdin=True)) as session:
            await session.write(b"hello\n")
            assert await session.read() == Output(STDOUT, b"got hello\n")

    async def test_a_port_of_a_pod_is_reached_from_within(self, rt: runtime.Runtime) -> None:
        container = await rt.start(self.listening())

        async def ask() -> bytes | None:
            try:
                reader, writer = await rt.dial(container.id, PORT)
            except EngineError:
                return None  # it does not listen yet
            try:
                writer.write(b"x" * MEGABYTE)
                writer.write_eof()
                return await reader.read()
            finally:
                writer.close()

        answers: list[bytes] = []

        async def answered() -> bool:
            answer = await ask()
            answers.extend([answer] if answer is not None else [])
            return bool(answers)

        await until(answered, seconds=SECONDS_MAX)
        assert answers[0] == b"x" * MEGABYTE

    async def test_a_port_where_nobody_listens_is_told(self, rt: runtime.Runtime) -> None:
        container = await rt.start(shell(HOLD))
        with pytest.raises(EngineError, match=r"failed to connect to localhost:81 inside the pod: .*refused"):
            await rt.dial(container.id, 81)

    def listening(self) -> ContainerSpec:
        """Return a container that sends back what comes in."""
        if not self.real:
            return shell(HOLD)
        if self.has_images:
            return shell(f"exec busybox nc -ll -p {PORT} -e cat")
        return dataclasses.replace(shell(""), command=(sys.executable, "-c", ECHO))
