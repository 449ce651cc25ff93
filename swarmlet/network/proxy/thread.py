"""The proxy in a thread and an event loop of its own, told by the daemon's loop what Services there are.

The daemon's loop alone reads the store, and writes Events; nothing else is shared than what is handed over.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable

from swarmlet.clock import Clock
from swarmlet.network import own_loop
from swarmlet.network.proxy.fronting import Proxy
from swarmlet.network.proxy.fronts import Front
from swarmlet.network.proxy.mirror import Changes, Feed, Mirror, Wanted
from swarmlet.network.proxy.places import Places
from swarmlet.network.proxy.poll import Poll
from swarmlet.network.proxy.site import Site
from swarmlet.network.services.desired import Service
from swarmlet.network.services.events import Sink
from swarmlet.store.commands import Key

NAME = "swarmlet-proxy"
DWELL_SECONDS = 0.001
"""While traffic goes on, so much is waited for more of it, rather than go through the loop for each event."""


async def run(
    wanted: Wanted,
    seen: Callable[[Service], Service],
    *,
    clock: Clock,
    cluster_address: Callable[[str], str],
    told: Sink,
) -> None:
    """Serve until cancelled; `seen` makes of a Service what it is from this machine, in the loop of the caller."""
    daemons = asyncio.get_running_loop()
    feeds: list[Feed] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        mirror = Mirror()

        def tell(changes: Changes) -> None:
            with contextlib.suppress(RuntimeError):  # the thread has ended, and this is about to
                loop.call_soon_threadsafe(mirror.put, changes)

        site = Site(loop, Poll(loop, dwell_seconds=DWELL_SECONDS), clock, Places())
        rng = random.Random()  # noqa: S311  whose turn it is
        proxy = Proxy(mirror, site, rng, cluster_address=cluster_address, told=_Told(daemons, told))
        daemons.call_soon_threadsafe(lambda: feeds.append(Feed(wanted, seen, tell)))
        await proxy.run()

    try:
        await own_loop.run(main, NAME)
    finally:
        for feed in feeds:
            feed.close()


class _Told:
    """Hands over to the daemon's loop what the proxy has to tell."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sink: Sink) -> None:
        self._loop = loop
        self._sink = sink

    def port_refused(self, service: Key, front: Front, why: str) -> None:
        """Say that a Service's port cannot be had on this machine."""
        self._loop.call_soon_threadsafe(self._sink.port_refused, service, front, why)
