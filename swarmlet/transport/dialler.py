"""Keeps our link to one other daemon up: dials, checks who answers, and dials again whenever the link has ended."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from swarmlet.errors import CutOffError, SwarmletError, UnauthorizedError
from swarmlet.identity.authority import NodeIdentity
from swarmlet.identity.incarnation import Incarnation
from swarmlet.transport.link import Link
from swarmlet.transport.upgrade import Dialling

log = structlog.get_logger()

CONNECT_SECONDS_MAX = 3.0
RETRY_SECONDS_MIN = 0.05
RETRY_SECONDS_MAX = 2.0

Identify = Callable[[ssl.SSLObject], NodeIdentity]
"""Return whose verified certificate the other side showed; raise `UnauthorizedError` where it is no node's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are to others, and how we learn who they are."""

    node_id: str
    cluster_id: str
    incarnation: Incarnation
    context: ssl.SSLContext
    identify: Identify


class Dialler:
    """`link` is the open link to `node` at `address`, or None; `run` keeps it so."""

    def __init__(
        self,
        *,
        node: str,
        address: str,
        credentials: Credentials,
        rng: random.Random,
        new_link: Callable[[str], Link],
        opened: Callable[[str], None],
        cut_off: Callable[[CutOffError], None],
    ) -> None:
        self.node = node
        self.address = address
        self.link: Link | None = None
        self._credentials = credentials
        self._rng = rng
        self._new_link = new_link
        self._opened = opened
        self._cut_off = cut_off
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Dial now where we wait before the next attempt: the node has shown that it is there."""
        self._hurry.set()

    def move(self, address: str) -> None:
        """Leave the old address for another."""
        if address != self.address:
            self.address = address
            self.close()
            self.hurry()

    def close(self) -> None:
        if self.link:
            self.link.close()

    async def run(self) -> None:
        """Keep the link up until cancelled, ever more patiently while that fails."""
        pause, problem = RETRY_SECONDS_MIN, ""
        while True:
            self._hurry.clear()
            try:
                link = await self.dial()
            except CutOffError as error:
                self._cut_off(error)
                return
            except (OSError, SwarmletError, TimeoutError, ValueError) as error:
                pause = min(2 * pause, RETRY_SECONDS_MAX)
                if str(error) != problem:
                    problem = str(error)
                    log.warning("peer_unreachable", peer=self.node, address=self.address, error=problem)
            else:
                pause, problem = RETRY_SECONDS_MIN, ""
                if link.is_open:
                    self.link = link
                    self._opened(self.node)
                await link.ended.wait()
            await self._pause(pause * self._rng.uniform(0.5, 1.0))

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return

    async def dial(self) -> Link:
        """Return a link on which both sides know each other.

        Raises `OSError` or `TimeoutError` where nobody answers, `UnauthorizedError` where one refuses the other.
        """
        host, _, port = self.address.rpartition(":")
        dialling = Dialling(
            cluster_id=self._credentials.cluster_id,
            node_id=self._credentials.node_id,
            incarnation=self._credentials.incarnation,
            host=self.address,
            check=self._check,
            link=self._new_link(self.node),
        )
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: dialling, host.strip("[]"), int(port), ssl=self._credentials.context
            )
            try:
                return await dialling.granted
            except BaseException:
                transport.abort()
                raise

    def _check(self, connection: ssl.SSLObject) -> None:
        identity, cluster_id = self._credentials.identify(connection), self._credentials.cluster_id
        if (identity.cluster_id, identity.node_id) != (cluster_id, self.node):
            raise UnauthorizedError(
                f"called node {self.node} of cluster {cluster_id}, but node {identity.node_id} of cluster "
                f"{identity.cluster_id} answers there"
            )
