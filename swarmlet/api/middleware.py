"""What happens around every request: identity, limits, errors as Status, warnings, metrics.

Outermost first: `Observer` (request id, counts), `errors`, `Limits`, `Guard` (who, and may they).
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from swarmlet.api import answers, bodies, queries, status, targets
from swarmlet.api.access.impersonation import impersonated
from swarmlet.clock import Clock
from swarmlet.errors import (
    BugError,
    BusyError,
    CallerError,
    InvalidError,
    NotFoundError,
    OutcomeUnknownError,
    SwarmletError,
    TooLargeError,
    UnauthorizedError,
)
from swarmlet.identity.access import BACKUP_PATH, Attributes
from swarmlet.identity.users import User
from swarmlet.store.catalogue import Catalogue
from swarmlet.store.replica import Replica

REQUESTS_MAX = 512
"""Answered at once by one daemon; more get 429. Watches and followed logs count apart."""
LONG_REQUESTS_MAX = 4_096
REQUEST_SECONDS_MAX = 60.0
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""Told in metrics; a client may make up any other, and labels are for ever."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)

_LASTING = ("watch", "follow")
"""What makes a request last."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Authorize = Callable[[User, Attributes], None]

USER = web.RequestKey("user", User)
TARGET = web.RequestKey("target", targets.Target)
VERB = web.RequestKey("verb", str)

log = structlog.get_logger()


class Authenticator(Protocol):
    """What the API asks of `identity.users.Authenticator`."""

    def authenticate(
        self, connection: ssl.SSLObject | ssl.SSLSocket | None, authorization: str = "", *, local: bool = False
    ) -> User:
        """Return the user behind a request; raise `UnauthorizedError` for a credential that is wrong."""


class Observer:
    """Gives each request an id, and counts and times it."""

    def __init__(self, *, clock: Clock, rng: random.Random, registry: CollectorRegistry) -> None:
        self._clock = clock
        self._rng = rng
        labels = ("verb", "resource", "code")
        self._requests = Counter("swarmlet_api_requests", "API requests answered.", labels, registry=registry)
        self._seconds = Histogram(
            "swarmlet_api_request_seconds",
            "Time to answer an API request; watches and logs are not timed.",
            ("verb",),
            registry=registry,
            buckets=BUCKETS,
        )

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Carry out one request (an aiohttp middleware)."""
        started = self._clock.monotonic()
        response = await handler(request)
        verb = request.get(VERB) or (request.method.lower() if request.method in METHODS else "other")
        target = request.get(TARGET)
        self._requests.labels(verb, target.kind.resource if target else "", response.status).inc()
        if not is_long(request):
            self._seconds.labels(verb).observe(self._clock.monotonic() - started)
        if not response.prepared:
            response.headers["Audit-Id"] = f"{self._rng.getrandbits(64):016x}"
        return response


async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Make a Status of every error, and headers of the warnings."""
    warnings: list[str] = []
    request[answers.WARNINGS] = warnings
    try:
        response = await handler(request)
    except BugError as error:
        log.exception("request_failed", method=request.method, path=request.path)
        response = failure(request, error)
    except SwarmletError as error:
        response = failure(request, error)
    except web.HTTPException as error:
        response = failure(request, _from_http(error))
    except Exception:  # the top of every request: whatever fails below is ours, and it must not end the connection
        log.exception("request_failed", method=request.method, path=request.path)
        response = failure(request, SwarmletError("internal error; the daemon's log has the details"))
    if not response.prepared:
        answers.add_warnings(response, warnings)
        await answers.compress(request, response)
    return response


class Limits:
    """Bounds how many requests are under way and how long each may take."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._short = 0
        self._long = 0
        gauge = Gauge("swarmlet_api_requests_running", "API requests under way.", ("kind",), registry=registry)
        gauge.labels("short").set_function(lambda: self._short)
        gauge.labels("long").set_function(lambda: self._long)

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Carry out one request (an aiohttp middleware)."""
        return await (self._stream(request, handler) if is_long(request) else self._answer(request, handler))

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._short >= REQUESTS_MAX:
            raise BusyError("too many requests at once, try again later")
        self._short += 1
        try:
            async with asyncio.timeout(REQUEST_SECONDS_MAX):
                return await handler(request)
        except TimeoutError as error:
            raise OutcomeUnknownError(f"not done within {REQUEST_SECONDS_MAX:.0f} s") from error
        finally:
            self._short -= 1

    async def _stream(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._long >= LONG_REQUESTS_MAX:
            raise BusyError("too many watches and logs at once, try again later")
        self._long += 1
        try:
            return await handler(request)
        finally:
            self._long -= 1


class Guard:
    """Finds out who asks and whether they may. `unguarded` paths see to that themselves (joining, peer links)."""

    def __init__(
        self, *, authenticator: Authenticator, authorize: Authorize, replica: Replica, unguarded: frozenset[str]
    ) -> None:
        self._authenticator = authenticator
        self._replica = replica
        self._catalogue = Catalogue(replica.view)
        self._authorize = authorize
        self._unguarded = unguarded

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Carry out one request (an aiohttp middleware)."""
        if request.path not in self._unguarded:
            request[USER] = user = impersonated(request, self._user(request), self._authorize)
            self._authorize(user, await self._attributes(request))
        return await handler(request)

    async def _attributes(self, request: web.Request) -> Attributes:
        if not targets.is_resource_path(request.rel_url.raw_path):  # an encoded slash parts nothing, as for the router
            return Attributes(verb=request.method.lower(), path=request.path)
        target = await self._target(request.rel_url.raw_path)
        verb = targets.verb_of(target, request.method, request.query)
        request[TARGET] = target
        request[VERB] = verb
        return targets.attributes(targets.selected(target, verb, request.query), verb, request.path)

    async def _target(self, path: str) -> targets.Target:
        """Return what a path names; a kind that is not known here may have come a moment ago, through another node."""
        try:
            return targets.parse(path, self._catalogue)
        except NotFoundError:
            if not targets.may_be_custom(path):
                raise
        await self._replica.linearize()
        return targets.parse(path, self._catalogue)

    def _user(self, request: web.Request) -> User:
        transport = request.transport
        if transport is None:
            raise UnauthorizedError("the connection is gone")
        connection = transport.get_extra_info("ssl_object")
        door = transport.get_extra_info("socket")
        local = door is not None and door.family == socket.AF_UNIX
        return self._authenticator.authenticate(connection, request.headers.get("Authorization", ""), local=local)


def is_long(request: web.Request) -> bool:
    """Whether a request may last: a watch, a followed log, an upgraded connection, a backup."""
    query = request.query
    if request.path == BACKUP_PATH:
        return True
    if any(name in query for name in _LASTING):
        return request.method == "GET" and any(query.get(name, "0") not in queries.FALSE for name in _LASTING)
    return "Upgrade" in request.headers


def failure(request: web.Request, error: SwarmletError) -> web.Response:
    """Return the response that tells `error`."""
    code = status.code_of(error)
    if code >= 500:
        log.warning("request_refused", method=request.method, path=request.path, reason=error.reason, error=str(error))
    target = request.get(TARGET)
    names: dict[str, str] = {}
    if target:
        what = target.kind.kind if isinstance(error, InvalidError) else target.kind.plural
        names = {"name": target.name, "group": target.kind.group, "kind": what}
    return answers.json(status.failure(error, **names), code=code, headers=status.headers_of(error))


def _from_http(error: web.HTTPException) -> SwarmletError:
    """Translate what aiohttp raises by itself."""
    if isinstance(error, web.HTTPNotFound):
        return NotFoundError(targets.NO_SUCH_RESOURCE)
    if isinstance(error, web.HTTPMethodNotAllowed):
        return status.MethodNotAllowedError("the server does not allow this method on the requested resource")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return TooLargeError(f"the request body is over the limit of {bodies.BODY_BYTES_MAX} bytes")
    return CallerError(error.text or error.reason or "bad request")
