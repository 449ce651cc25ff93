"""What Services ask of this node, as the proxy's thread knows it: told by the daemon's, which alone reads the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from swarmlet.network.services.desired import Listener, Service
from swarmlet.store.commands import Key

Changes = Mapping[Key, Service | None]


class Wanted(Protocol):
    """What Services there are, and word of each change. `desired` says how it is meant."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the keys of Services that may be others; return what ends that."""

    def all_keys(self) -> Collection[Key]:
        """Return the keys of all Services."""

    def get(self, key: Key) -> Service | None:
        """Return a Service that has an address."""


class Mirror:
    """All of it is of the proxy's thread."""

    def __init__(self) -> None:
        self._services: dict[Key, Service] = {}
        self._listeners: list[Listener] = []

    def put(self, changes: Changes) -> None:
        """Know Services as they are now; None is one that is gone."""
        for key, service in changes.items():
            self._services.pop(key, None)
            if service is not None:
                self._services[key] = service
        for listener in self._listeners:
            listener(changes.keys())

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the keys of Services that may be others; return what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def all_keys(self) -> Collection[Key]:
        """Return the keys of all Services."""
        return self._services.keys()

    def get(self, key: Key) -> Service | None:
        """Return a Service that has an address."""
        return self._services.get(key)


class Feed:
    """Tells another thread. `seen` makes of a Service what it is from this machine. All of it is of the daemon's loop.

    What changes in one moment is told at once.
    """

    def __init__(self, wanted: Wanted, seen: Callable[[Service], Service], tell: Callable[[Changes], None]) -> None:
        self._wanted = wanted
        self._seen = seen
        self._tell = tell
        self._told: set[Key] = set()
        self._dirty: set[Key] = set()
        self._is_called = False
        self._end = wanted.subscribe(self._note)
        self._note(())

    def close(self) -> None:
        """Tell no more."""
        self._end()
        self._dirty.clear()

    def _note(self, keys: Collection[Key]) -> None:
        self._dirty.update(keys or {*self._wanted.all_keys(), *self._told})
        if not self._is_called:
            self._is_called = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_called = False
        keys, self._dirty = self._dirty, set()
        changes: dict[Key, Service | None] = {}
        for key in keys:
            service = self._wanted.get(key)
            if service is not None:
                changes[key] = self._seen(service)
                self._told.add(key)
            elif key in self._told:
                changes[key] = None
                self._told.remove(key)
        if changes:
            self._tell(changes)
