"""What a runtime gives to those who speak with a container: the streams of a command, or of the container itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

STDOUT, STDERR = 1, 2
READ_BYTES = 64 * 1024
DIAL_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Output:
    """What was printed, and where: `STDOUT` or `STDERR`; all that a terminal shows is `STDOUT`."""

    stream: int
    data: bytes


class Session(Protocol):
    """The streams of one command, until `close`. Each method but `close` raises `EngineError` where the engine fails.

    Reading and writing wait for each other's other end: nothing is kept beyond a small bound.
    """

    async def read(self) -> Output | None:
        """Return what was printed next, None where nothing more will be."""

    async def write(self, data: bytes) -> None:
        """Hand over input, once there is room; fine where nobody reads it any more."""

    async def end_input(self) -> None:
        """There is no more input."""

    async def resize(self, width: int, height: int) -> None:
        """Tell the terminal its size in characters; fine where there is no terminal."""

    async def exit_code(self) -> int:
        """Return how the command ended, after `read` has returned None; 0 for a container that one was attached to."""

    async def close(self) -> None:
        """Let go. A command that still runs is killed; a container that one was attached to runs on."""


Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]
"""A connection to a port."""
