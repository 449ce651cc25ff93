"""The proxy's sockets, in a poll of their own: the event loop knows that one file, and not each of them.

asyncio makes an object of each event and passes it through several layers. Here an event is one call, and a turn of
the loop serves as many as there are while traffic goes on, up to a bound.
Source: epoll(7), "What happens if you register an epoll file descriptor in another epoll".
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

EVENTS_MAX = 256
"""Taken from the kernel at a time."""
ROUNDS_MAX = 50
"""In a turn of the loop, before others have theirs."""

_NOT_IN, _NOT_OUT = ~select.EPOLLIN, ~select.EPOLLOUT

Call = Callable[[], None]


class _File:
    """Whom a file's events are for. It outlives its removal by the round that it was told in: numbers are reused."""

    __slots__ = ("reader", "writer")

    def __init__(self) -> None:
        self.reader: Call | None = None
        self.writer: Call | None = None

    @property
    def wanted(self) -> int:
        return (select.EPOLLIN if self.reader else 0) | (select.EPOLLOUT if self.writer else 0)


class Poll:
    """Calls whom a file is ready for. All files are numbers; `forget` them before they are closed.

    `dwell_seconds`: how long a turn waits for what comes next. Only for who has a loop of his own.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, dwell_seconds: float = 0) -> None:
        self._loop = loop
        self._dwell_seconds = dwell_seconds
        self._epoll = select.epoll()
        self._files: dict[int, _File] = {}
        loop.add_reader(self._epoll.fileno(), self._turn)

    def close(self) -> None:
        """Look at nothing any more."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def on_readable(self, file: int, call: Call | None) -> None:
        """Call this whenever there is something to read, an end or an error; None: no longer."""
        found = self._files.get(file) or _File()
        before, found.reader = found.wanted, call
        self._want(file, found, before)

    def on_writable(self, file: int, call: Call | None) -> None:
        """Call this whenever there is room to write, or an error; None: no longer."""
        found = self._files.get(file) or _File()
        before, found.writer = found.wanted, call
        self._want(file, found, before)

    def forget(self, file: int) -> None:
        """Call nobody any more for a file that is closed next: the kernel then forgets it by itself."""
        found = self._files.pop(file, None)
        if found:
            found.reader = found.writer = None

    def _want(self, file: int, found: _File, before: int) -> None:
        wanted = found.wanted
        if wanted == before:
            return
        if not before:
            self._files[file] = found
            self._epoll.register(file, wanted)
        elif wanted:
            self._epoll.modify(file, wanted)
        else:
            del self._files[file]
            self._epoll.unregister(file)

    def _turn(self) -> None:
        files, poll, wait = self._files, self._epoll.poll, 0.0
        for _ in range(ROUNDS_MAX):
            events = poll(wait, EVENTS_MAX)
            if not events:
                return
            for found, what in [(files[file], what) for file, what in events]:
                if what & _NOT_OUT and found.reader:
                    found.reader()
                if what & _NOT_IN and found.writer:
                    found.writer()
            wait = self._dwell_seconds
