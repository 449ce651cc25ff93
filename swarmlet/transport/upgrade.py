"""How an HTTP/1.1 request on the daemon's port becomes a link, on both sides.

GET /swarmlet/v1/peer          101 Switching Protocols
Upgrade: swarmlet-peer/1       Upgrade: swarmlet-peer/1
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from aiohttp import web

from swarmlet.errors import CutOffError, SwarmletError, UnauthorizedError, UnavailableError
from swarmlet.identity import incarnation
from swarmlet.identity.incarnation import HEADER, Incarnation, Relation
from swarmlet.transport.link import Link

PATH = "/swarmlet/v1/peer"
PROTOCOL = "swarmlet-peer/1"
CLUSTER_HEADER = "Swarmlet-Cluster"
NODE_HEADER = "Swarmlet-Node"
ANSWER_BYTES_MAX = 16 * 1024

_ACCEPT = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: {PROTOCOL}\r\nConnection: Upgrade\r\n\r\n".encode()


class Dialling(asyncio.Protocol):
    """The dialling side: asks for the upgrade, and hands the connection to a link once it is granted."""

    def __init__(
        self,
        *,
        cluster_id: str,
        node_id: str,
        incarnation: Incarnation,
        host: str,
        check: Callable[[ssl.SSLObject], None],
        link: Link,
    ) -> None:
        self._check = check
        self._incarnation = incarnation
        self._link = link
        self._answer = b""
        self._transport: asyncio.Transport | None = None
        self._request = (
            f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL}\r\n"
            f"{CLUSTER_HEADER}: {cluster_id}\r\n{NODE_HEADER}: {node_id}\r\n{HEADER}: {incarnation}\r\n\r\n"
        ).encode()
        self.granted: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
        # A connection that fails while it is made is told to who makes it; nobody waits for this any more then.
        self.granted.add_done_callback(lambda granted: granted.cancelled() or granted.exception())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        try:
            self._check(transport.get_extra_info("ssl_object"))
        except SwarmletError as error:
            self._refuse(error)
        else:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        if not end and len(self._answer) <= ANSWER_BYTES_MAX:
            return
        status = head.split(b"\r\n", 1)[0].split(b" ")
        if len(status) < 2 or status[1] != b"101":
            self._refuse(_cut_off(self._incarnation, head) or _refusal(status, rest))
            return
        assert self._transport is not None
        self._transport.set_protocol(self._link)
        self._link.connection_made(self._transport)
        if not self.granted.done():
            self.granted.set_result(self._link)
        if rest:
            self._link.data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        self._refuse(UnavailableError(f"the connection closed before it was accepted: {exc or 'end of file'}"))

    def _refuse(self, error: SwarmletError) -> None:
        if not self.granted.done():
            self.granted.set_exception(error)
        if self._transport is not None:
            self._transport.abort()


def _refusal(status: list[bytes], body: bytes) -> SwarmletError:
    reason = body.decode(errors="replace").strip()[:200]
    if status[1:2] in ([b"401"], [b"403"]):
        return UnauthorizedError(reason or "refused by the peer")
    return UnavailableError(f"the peer answered {b' '.join(status[1:]).decode(errors='replace')}: {reason}")


def _cut_off(ours: Incarnation, head: bytes) -> CutOffError | None:
    """Return what a refusal means that names a later incarnation than ours; None where it names none."""
    headers = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    told = next((value for name, _, value in headers if name.strip().lower() == HEADER.lower().encode()), b"")
    theirs = incarnation.parse(told.decode(errors="replace").strip())
    return went_on(theirs) if theirs and ours.relation(theirs) is Relation.NEWER else None


def went_on(incarnation: Incarnation) -> CutOffError:
    """Return what a machine learns that belongs to an earlier incarnation than this one."""
    return CutOffError(f"the cluster was recovered without this machine at {incarnation.began}")


async def accept(request: web.Request, link: Link) -> web.StreamResponse:
    """Turn a checked request into `link`; return once the link has ended.

    aiohttp knows nothing of the protocol that takes over its transport, so the 101 is written past it, and it is told
    when the connection is gone.
    """
    transport, http = request.transport, request.protocol
    if transport is None or transport.is_closing():
        return web.Response(status=400, text="the connection is gone")
    transport.write(_ACCEPT)
    transport.set_protocol(link)
    link.connection_made(transport)
    try:
        await link.ended.wait()
    finally:
        link.close()
        http.connection_lost(None)
    return web.Response()  # nobody is there to read it


def check_request(request: web.Request, *, cluster_id: str, certified: tuple[str, str]) -> None:
    """Raise `UnauthorizedError` unless the request comes from the node it says, of this cluster, for a link."""
    claimed = (request.headers.get(CLUSTER_HEADER, ""), request.headers.get(NODE_HEADER, ""))
    if claimed != certified:
        raise UnauthorizedError(
            f"the certificate is node {certified[1]}'s of cluster {certified[0]}, not {claimed[1]}'s"
        )
    if certified[0] != cluster_id:
        raise UnauthorizedError(f"this is cluster {cluster_id}, not {certified[0]}")


def check_incarnation(request: web.Request, ours: Incarnation) -> None:
    """Raise `CutOffError` where the one who asks lives in a later incarnation, `UnauthorizedError` in any other."""
    theirs = incarnation.parse(request.headers.get(HEADER, ""))
    relation = ours.relation(theirs) if theirs else Relation.RIVAL
    if theirs and relation is Relation.NEWER:
        raise went_on(theirs)
    if relation is Relation.OLDER:
        raise UnauthorizedError(f"the cluster was recovered without this machine at {ours.began}; let it join anew")
    if relation is Relation.RIVAL:
        raise UnauthorizedError(
            "two clusters came of this one: it was recovered on both machines; keep one, and let the other's machines "
            "join anew"
        )


def is_upgrade(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "") == PROTOCOL
