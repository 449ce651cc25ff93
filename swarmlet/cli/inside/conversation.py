"""This terminal joined with a command in a Pod, over the channels of a websocket."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import struct
import sys
import termios
import threading
import tty
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from swarmlet.errors import PeerError, UnavailableError
from swarmlet.streams import channels, liveness, outcome, websockets

if TYPE_CHECKING:
    import aiohttp

    from swarmlet.cli.session import Session

READ_BYTES = 32 * 1024
STDIN, STDOUT, STDERR = 0, 1, 2
_SIZE = struct.Struct("HHHH")

Write = Callable[[int, bytes], None]
"""Takes what came on a channel, `channels.STDOUT` or `channels.STDERR`. It may take its time, in a thread."""
Query = Sequence[tuple[str, str]]


class Input:
    """What is to be given to a command, read in a thread: asyncio cannot wait for files, and no read can be ended."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, daemon=True).start()

    async def next(self) -> bytes:
        """Return the next piece, b"" at the end."""
        return await self._pieces.get()

    def _run(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
            while True:
                data = self._read()
                asyncio.run_coroutine_threadsafe(self._pieces.put(data), self._loop).result()
                if not data:
                    return


def stdin() -> bytes:
    """Read some of this process's input."""
    return os.read(STDIN, READ_BYTES)


def show(channel: int, data: bytes) -> None:
    """Print what came on a channel, as it is."""
    descriptor = STDERR if channel == channels.STDERR else STDOUT
    while data:
        data = data[os.write(descriptor, data) :]


async def hold(
    session: Session,
    path: str,
    query: Query,
    *,
    read: Callable[[], bytes] | None,
    write: Write,
    on_terminal: bool = False,
) -> int:
    """Hold a conversation until the command ends; return its exit code.

    Args:
        session: the way to the API.
        path: what the API calls the container.
        query: what it is to do with it.
        read: gives its input, None where it has none.
        write: takes what it prints.
        on_terminal: whether this process's terminal is the command's.

    Raises:
        PeerError: the command could not be run.
        UnavailableError: the connection broke before its end was told.
    """
    async with (
        session.api.connection.websocket(path, query, channels.EXEC_PROTOCOLS) as websocket,
        _alongside(websocket, session, read, on_terminal=on_terminal),
    ):
        return await _listen(websocket, write)


async def _listen(websocket: aiohttp.ClientWebSocketResponse, write: Write) -> int:
    while (text := await websockets.next_message(websocket)) is not None:
        channel, data = channels.split(text)
        if channel in (channels.STDOUT, channels.STDERR) and data:
            await asyncio.to_thread(write, channel, data)
        elif channel == channels.ERROR and data:
            code, message = outcome.read(data)
            if code is None:
                raise PeerError(message)
            return code
    raise UnavailableError("the connection to the pod broke before the command's end was told")


@contextlib.asynccontextmanager
async def _alongside(
    websocket: aiohttp.ClientWebSocketResponse,
    session: Session,
    read: Callable[[], bytes] | None,
    *,
    on_terminal: bool,
) -> AsyncIterator[None]:
    """Give input and sizes, for as long as the block lasts; end it where nobody is at the other end."""
    tasks = [asyncio.create_task(_end_when_lost(websocket, session))]
    if read is not None:
        tasks.append(asyncio.create_task(_give(websocket, Input(read))))
    try:
        with _raw_terminal(websocket, tasks) if on_terminal else contextlib.nullcontext():
            yield
    finally:
        for task in tasks:
            task.cancel()


async def _give(websocket: aiohttp.ClientWebSocketResponse, given: Input) -> None:
    with contextlib.suppress(OSError):  # that the connection broke is told to who listens
        while data := await given.next():
            await websockets.send(websocket, channels.STDIN, data)
        if websocket.protocol == channels.V5:
            await websocket.send_bytes(bytes((channels.CLOSE, channels.STDIN)))


async def _end_when_lost(websocket: aiohttp.ClientWebSocketResponse, session: Session) -> None:
    sock = websocket.get_extra_info("socket")
    await liveness.until_lost(sock, session.clock)
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _raw_terminal(websocket: aiohttp.ClientWebSocketResponse, tasks: list[asyncio.Task[None]]) -> Iterator[None]:
    """Let every key through to the command, and tell it how large this terminal is, whenever that changes."""
    loop = asyncio.get_running_loop()
    before = termios.tcgetattr(STDIN)

    def tell_size() -> None:
        tasks.append(loop.create_task(_send_size(websocket)))

    tty.setraw(STDIN)
    loop.add_signal_handler(signal.SIGWINCH, tell_size)
    tell_size()
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
        termios.tcsetattr(STDIN, termios.TCSADRAIN, before)


async def _send_size(websocket: aiohttp.ClientWebSocketResponse) -> None:
    height, width, _, _ = _SIZE.unpack(fcntl.ioctl(STDIN, termios.TIOCGWINSZ, bytes(_SIZE.size)))
    with contextlib.suppress(OSError):
        size = msgspec.json.encode(channels.Size(width=width, height=height))
        await websocket.send_bytes(channels.message(channels.RESIZE, size))


def has_terminal() -> bool:
    """Whether this process's input is a terminal."""
    return sys.stdin is not None and os.isatty(STDIN)
