"""Services without the kernel's help: the proxy takes their connections on this machine and passes them on.

    proxy = Proxy(wanted, site, rng, cluster_address=proxy_addresses.same, told=events)
    await proxy.run()                           # until cancelled; its connections end with it

A change costs what its own Service costs. Where two Services ask for one front, the one whose key is first has it.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from swarmlet.network.proxy import fronts as proxy_fronts
from swarmlet.network.proxy.fronts import Front, Which
from swarmlet.network.proxy.mirror import Wanted
from swarmlet.network.proxy.site import Site
from swarmlet.network.proxy.targets import Target
from swarmlet.network.proxy.tcp import TcpFront
from swarmlet.network.proxy.udp import UdpFront
from swarmlet.network.services.desired import Port, Service
from swarmlet.network.services.events import Sink
from swarmlet.store.commands import Key

LOOK_SECONDS = 5.0
"""How often quiet connections are looked for, and ports tried again that were taken."""

log = structlog.get_logger(__name__)

Name = tuple[str, str]
"""A port's protocol and name: what tells it from the others of its Service."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A front that answers, and for whom."""

    front: TcpFront | UdpFront
    target: Target
    which: Which


class Proxy:
    """The fronts of one node. `refused` are those that it cannot have, and why."""

    def __init__(
        self,
        wanted: Wanted,
        site: Site,
        rng: random.Random,
        *,
        cluster_address: Callable[[str], str],
        told: Sink,
    ) -> None:
        self.refused: dict[Front, str] = {}
        self._wanted = wanted
        self._site = site
        self._rng = rng
        self._cluster_address = cluster_address
        self._told = told
        self._targets: dict[Key, dict[Name, Target]] = {}
        self._asked: dict[Key, dict[Front, tuple[Target, Which]]] = {}
        self._wishes: dict[Front, dict[Key, tuple[Target, Which]]] = {}
        self._open: dict[Front, _Open] = {}
        self._dirty: set[Key] = set()
        self._is_called = False

    async def run(self) -> None:
        """Follow the store until cancelled."""
        end = self._wanted.subscribe(self._note)
        self._note(())
        try:
            while True:
                await self._site.clock.sleep(LOOK_SECONDS)
                self._look()
        finally:
            end()
            self._dirty.clear()
            self._end()

    def _note(self, keys: Collection[Key]) -> None:
        self._dirty.update(keys or {*self._wanted.all_keys(), *self._targets})
        if not self._is_called:
            self._is_called = True
            self._site.loop.call_soon(self._settle)  # once for all changes of one moment

    def _settle(self) -> None:
        self._is_called = False
        keys, self._dirty = self._dirty, set()
        for key in sorted(keys):
            self._update(key, self._wanted.get(key))

    def _update(self, key: Key, service: Service | None) -> None:
        ports = service.ports if service else ()
        before = self._targets.pop(key, {})
        targets = {_name(port): before.get(_name(port)) or Target(self._rng) for port in ports}
        if targets:
            self._targets[key] = targets
        asked: dict[Front, tuple[Target, Which]] = {}
        if service:
            for port in ports:
                target = targets[_name(port)]
                target.update(service, port)
                fronts = proxy_fronts.of(service, port, self._cluster_address)
                asked |= {front: (target, which) for front, which in fronts.items()}
        for name in before.keys() - targets.keys():
            before[name].close()
        self._ask(key, asked)

    def _ask(self, key: Key, asked: dict[Front, tuple[Target, Which]]) -> None:
        before = self._asked.pop(key, {})
        if asked:
            self._asked[key] = asked
        for front in before.keys() - asked.keys():
            wishes = self._wishes[front]
            del wishes[key]
            if not wishes:
                del self._wishes[front]
        for front, wish in asked.items():
            self._wishes.setdefault(front, {})[key] = wish
        for front in sorted(before.keys() | asked.keys()):
            self._open_or_close(front)

    def _open_or_close(self, front: Front) -> None:
        wishes = self._wishes.get(front, {})
        wish = next(((key, *wishes[key]) for key in sorted(wishes)), None)
        if wish and not wish[2](wish[1]).endpoints:
            wish = None
        now = self._open.get(front)
        if now and not (wish and (now.target, now.which) == wish[1:]):
            now.front.close()
            del self._open[front]
        if wish is None:
            self.refused.pop(front, None)
        elif front not in self._open:
            self._try(front, *wish)

    def _try(self, front: Front, service: Key, target: Target, which: Which) -> None:
        kind = TcpFront if front.protocol == "TCP" else UdpFront
        try:
            made = kind(self._site, front.address, front.port, target, lambda: which(target))
        except OSError as error:
            if front not in self.refused and error.errno != errno.EADDRNOTAVAIL:  # that one is another machine's
                log.warning("service_port_refused", front=_words(front), error=str(error))
                self._told.port_refused(service, front, os.strerror(error.errno or 0))
            self.refused[front] = str(error)
            return
        self._open[front] = _Open(made, target, which)
        if self.refused.pop(front, None):
            log.info("service_port_opened", front=_words(front))

    def _look(self) -> None:
        for front in sorted(self.refused):
            self._open_or_close(front)
        for each in tuple(self._site.swept):
            each.sweep(LOOK_SECONDS)

    def _end(self) -> None:
        for key in sorted(self._targets):
            self._update(key, None)
        for each in tuple(self._site.swept):
            each.end()
        self._site.poll.close()


def _name(port: Port) -> Name:
    return port.protocol, port.name


def _words(front: Front) -> str:
    return f"{front.protocol} {front.address}:{front.port}"
