"""A client's channels joined with a command's streams, until the command ends or the client is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from swarmlet.api.streaming.remotes import Remote, Wanted
from swarmlet.errors import SwarmletError
from swarmlet.runtime.sessions import Session
from swarmlet.streams import outcome

Begin = Callable[[], Awaitable[Session]]

log = structlog.get_logger()


async def hold(remote: Remote, begin: Begin, wanted: Wanted, what: str) -> None:
    """Begin a command and carry its bytes; return once it has ended and that was told, or the client is gone.

    `what` is what could not be done where it cannot begin: "executing command in", "attaching to".
    """
    listening = asyncio.create_task(remote.run())
    talking = asyncio.create_task(_talk(remote, begin, wanted, what))
    try:
        await asyncio.wait((listening, talking), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (talking, listening):
            task.cancel()
        for result in await asyncio.gather(talking, listening, return_exceptions=True):
            if isinstance(result, Exception):
                log.info("stream_ended", reason=str(result) or type(result).__name__)


async def _talk(remote: Remote, begin: Begin, wanted: Wanted, what: str) -> None:
    try:
        session = await begin()
    except SwarmletError as error:
        await remote.finish(outcome.failed(f"error {what} container: {error}"))
        return
    tasks = [asyncio.create_task(_give_input(remote, session))] if wanted.stdin else []
    tasks += [asyncio.create_task(_resize(remote, session))] if wanted.tty else []
    try:
        status = await _show(remote, session)
        await remote.finish(status)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.shield(session.close())


async def _show(remote: Remote, session: Session) -> bytes:
    """Show what is printed; return the Status of the end."""
    try:
        while (output := await session.read()) is not None:
            await remote.write(output.stream, output.data)
        return outcome.exited(await session.exit_code())
    except SwarmletError as error:
        return outcome.failed(str(error))


async def _give_input(remote: Remote, session: Session) -> None:
    with contextlib.suppress(SwarmletError, ConnectionError):
        while data := await remote.read_input():
            await session.write(data)
        await session.end_input()


async def _resize(remote: Remote, session: Session) -> None:
    with contextlib.suppress(SwarmletError, ConnectionError):
        while (size := await remote.read_size()) is not None:
            await session.resize(size.width, size.height)
