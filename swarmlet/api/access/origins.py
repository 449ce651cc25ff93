"""Who a change comes from: taken from the request that is being answered, put into each command that it proposes.

The way is a context variable, which follows a request through tasks as its user does not: between the middleware and
the proposal stand the readers, judges and writers of objects, to whom it makes no difference who asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar

import msgspec
from aiohttp import web

from swarmlet.api.middleware import USER, VERB, Handler
from swarmlet.clock import Clock
from swarmlet.identity.users import User
from swarmlet.store.commands import NOBODY, Operation, Origin, Outcome
from swarmlet.store.replica import Replica, ReplicaStatus, View

WHO_LENGTH_MAX = 128
AGENT_LENGTH_MAX = 64
"""Of the first word of a client's User-Agent: "kubectl/v1.35.0"."""
NOTE_LENGTH_MAX = 256

_READING = ("GET", "HEAD")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")

_current: ContextVar[Origin] = ContextVar("origin", default=NOBODY)


class Signer:
    """Says, while a request is answered, who asks."""

    def __init__(self, *, node_name: str, clock: Clock) -> None:
        self._node_name = node_name
        self._clock = clock

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Carry out one request (an aiohttp middleware); whoever wants it known has been authenticated."""
        user = request.get(USER)
        if user is None or request.method in _READING:
            return await handler(request)
        origin = Origin(
            who=clean(user.name, WHO_LENGTH_MAX),
            at=self._clock.now(),
            node=self._node_name,
            address=request.remote or "",
            agent=clean(next(iter(request.headers.get("User-Agent", "").split()), ""), AGENT_LENGTH_MAX),
            verb=request.get(VERB) or request.method.lower(),
            note=_impersonation(user),
        )
        token = _current.set(origin)
        try:
            return await handler(request)
        finally:
            _current.reset(token)


class Signed:
    """A replica that puts into each proposal who asks for it, unless that is said already."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    @property
    def view(self) -> View:
        return self._replica.view

    @property
    def is_leader(self) -> bool:
        return self._replica.is_leader

    async def propose(
        self,
        operations: Sequence[Operation],
        *,
        atomic: bool = True,
        timeout_seconds: float = 5.0,
        origin: Origin = NOBODY,
    ) -> tuple[Outcome, ...]:
        """Replicate the operations in the name of who asks."""
        return await self._replica.propose(
            operations,
            atomic=atomic,
            timeout_seconds=timeout_seconds,
            origin=_current.get() if origin is NOBODY else origin,
        )

    async def linearize(self, *, timeout_seconds: float = 5.0) -> None:
        await self._replica.linearize(timeout_seconds=timeout_seconds)

    async def add_member(self, node_id: str, address: str) -> None:
        await self._replica.add_member(node_id, address)

    async def remove_member(self, node_id: str) -> None:
        await self._replica.remove_member(node_id)

    async def transfer_leadership(self, to: str = "") -> None:
        await self._replica.transfer_leadership(to)

    def status(self) -> ReplicaStatus:
        return self._replica.status()

    def on_leadership(self, listener: Callable[[bool], None]) -> None:
        self._replica.on_leadership(listener)


def _impersonation(user: User) -> str:
    """Return the words that say who really asks, "" where that is the user."""
    return f"impersonated by {clean(user.impersonated_by, WHO_LENGTH_MAX)}" if user.impersonated_by else ""


def noted(note: str) -> Origin:
    """Return who asks, with a word on why."""
    origin = _current.get()
    whole = f"{origin.note}; {note}" if origin.note and note else origin.note or note
    return msgspec.structs.replace(origin, note=clean(whole, NOTE_LENGTH_MAX))


def named(who: str, note: str) -> Origin:
    """Return who a request has turned out to be from, though it showed no credentials of a user."""
    return msgspec.structs.replace(noted(note), who=clean(who, WHO_LENGTH_MAX))


def clean(text: str, length_max: int) -> str:
    """Return what may stand in a line of a terminal and in the log, cut to a length."""
    return _UNPRINTABLE.sub("?", text[:length_max])
