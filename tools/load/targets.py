"""Which Pods may be sent requests now, by a watch."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from swarmlet.client.client import Client, Scope
from swarmlet.client.watching import DELETED, Watch

Document = Mapping[str, Any]


class Targets:
    """The usable Pods of a selector: the names of all in `everywhere`, the addresses of one node's in `near`.

    `known` is set when they have been listed once.
    """

    def __init__(self, node: str) -> None:
        self.everywhere: set[str] = set()
        self.near: dict[str, str] = {}
        self.known = asyncio.Event()
        self._node = node

    async def follow(self, client: Client, scope: Scope) -> None:
        """Keep up with the cluster until cancelled."""
        watch = Watch(client, (await client.discover()).find("pods"), scope)
        for pod in (await watch.start()).get("items") or ():
            self.take(pod)
        self.known.set()
        async with aclosing(watch.events()) as events:
            async for event in events:
                self.take(event.object, gone=event.type == DELETED)

    def take(self, pod: Document, *, gone: bool = False) -> None:
        """Take note of how a Pod is."""
        name = pod["metadata"]["name"]
        if gone or not is_usable(pod):
            self.everywhere.discard(name)
            self.near.pop(name, None)
            return
        self.everywhere.add(name)
        if pod["spec"].get("nodeName") == self._node:
            self.near[name] = pod["status"]["podIP"]


def is_usable(pod: Document) -> bool:
    """Whether a load balancer would send to the Pod: it has an address, is ready and is not about to go."""
    status = pod.get("status") or {}
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())
    return ready and bool(status.get("podIP")) and not pod["metadata"].get("deletionTimestamp")
