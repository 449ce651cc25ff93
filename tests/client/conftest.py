"""A server that answers what a test scripts, and a client of it on a clock that only remembers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from swarmlet.client.client import Client
from swarmlet.client.connection import Connection
from swarmlet.client.discovery import Resource
from swarmlet.client.endpoints import Endpoint

PODS = Resource(group="", version="v1", kind="Pod", plural="pods", singular="pod", namespaced=True)


class InstantClock:
    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC)

    def monotonic(self) -> float:
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


Answer = Callable[[web.Request], Any]


class Script:
    """Answers in turn; the last one again and again."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[web.Request] = []

    def then(self, document: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Script:
        self.answers.append(lambda _request: web.json_response(document, status=status, headers=headers))
        return self

    def refuse(self, code: int, reason: str, message: str, **headers: str) -> Script:
        document = {"kind": "Status", "code": code, "reason": reason, "message": message}
        return self.then(
            document, status=code, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )

    def stream(self, *events: dict[str, Any]) -> Script:
        body = b"".join(json.dumps(event).encode() + b"\n" for event in events)
        self.answers.append(lambda _request: web.Response(body=body))
        return self

    def break_off(self) -> Script:
        async def answer(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        self.answers.append(answer)
        return self

    async def handle(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        made = answer(request)
        return made if isinstance(made, web.StreamResponse) else await made


class Fixture:
    def __init__(self) -> None:
        self.script = Script()
        self.clock = InstantClock()
        self.warnings: list[str] = []
        self.connection: Connection
        self.client: Client


async def served(script: Script) -> TestServer:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    server = TestServer(app)
    await server.start_server()
    return server


@pytest.fixture
async def world() -> AsyncIterator[Fixture]:
    made = Fixture()
    server = await served(made.script)
    endpoint = Endpoint(urls=(str(server.make_url("")).rstrip("/"),))
    async with Connection(endpoint, clock=made.clock, warn=made.warnings.append) as made.connection:
        made.client = Client(made.connection)
        yield made
    await server.close()
