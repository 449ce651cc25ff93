"""What all fronts of the proxy stand on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from swarmlet.clock import Clock
from swarmlet.network.proxy.places import Places
from swarmlet.network.proxy.poll import Poll


class Swept(Protocol):
    """What ends by itself after a time in which nothing came through it."""

    def sweep(self, seconds: float) -> None:
        """Take note that `seconds` went by since the last call."""

    def end(self) -> None:
        """End at once."""


@dataclass(frozen=True, slots=True)
class Site:
    """The event loop and the poll of all sockets, the time, the room that there is, and what is swept at times."""

    loop: asyncio.AbstractEventLoop
    poll: Poll
    clock: Clock
    places: Places
    swept: set[Swept] = field(default_factory=set)


class Quiet:
    """For how long nothing came."""

    __slots__ = ("seconds", "touched")

    def __init__(self) -> None:
        self.touched = True
        self.seconds = 0.0

    def after(self, seconds: float) -> float:
        """Take note that `seconds` went by, and return for how long it was quiet."""
        self.seconds = 0.0 if self.touched else self.seconds + seconds
        self.touched = False
        return self.seconds
