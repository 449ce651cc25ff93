from __future__ import annotations

import socket
from pathlib import Path

import pytest

from swarmlet import errors
from swarmlet.client import connection, endpoints
from swarmlet.client.client import MERGE_PATCH, Client, Scope
from swarmlet.client.connection import Connection, Request
from swarmlet.client.endpoints import Endpoint
from tests.client.conftest import PODS, Fixture, Script, served

READ = Request(method="GET", path="/version")
WRITE = Request(method="POST", path="/api/v1/pods", body={"a": 1})


def free_url() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_the_servers_words_become_our_error(world: Fixture) -> None:
    world.script.refuse(404, "NotFound", 'pods "x" not found')
    with pytest.raises(errors.NotFoundError, match=r'^pods "x" not found$'):
        await world.client.get(PODS, "x", namespace="default")
    assert await world.client.find(PODS, "x", namespace="default") is None
    assert world.script.requests[0].path == "/api/v1/namespaces/default/pods/x"


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (409, "AlreadyExists", errors.AlreadyExistsError),
        (409, "Conflict", errors.ConflictError),
        (403, "Forbidden", errors.ForbiddenError),
        (410, "Expired", errors.ExpiredError),
        (422, "Invalid", errors.InvalidError),
        (504, "Timeout", errors.OutcomeUnknownError),
        (418, "Teapot", errors.CallerError),
        (500, "", errors.PeerError),
    ],
)
async def test_every_refusal_has_its_class(world: Fixture, code: int, reason: str, kind: type[Exception]) -> None:
    world.script.refuse(code, reason, "no")
    with pytest.raises(kind):
        await world.connection.json(WRITE)
    assert len(world.script.requests) == 1


@pytest.mark.parametrize("request_", [READ, WRITE])
async def test_not_now_is_asked_again_after_the_time_named(world: Fixture, request_: Request) -> None:
    world.script.refuse(503, "ServiceUnavailable", "no quorum", Retry_After="1").then({"fine": True})
    assert await world.connection.json(request_) == {"fine": True}
    assert world.clock.slept == [1.0]


async def test_not_now_for_ever_ends_with_the_servers_words(world: Fixture) -> None:
    world.script.refuse(503, "ServiceUnavailable", "no quorum", Retry_After="1000")
    with pytest.raises(errors.UnavailableError, match="no quorum"):
        await world.connection.json(WRITE)
    assert len(world.script.requests) == connection.ROUNDS_MAX
    assert max(world.clock.slept) <= connection.RETRY_SECONDS_MAX


async def test_a_read_that_breaks_off_is_repeated(world: Fixture) -> None:
    world.script.break_off().then({"fine": True})
    assert await world.connection.json(READ) == {"fine": True}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_that_breaks_off_is_not_repeated(world: Fixture, method: str) -> None:
    world.script.break_off().then({"fine": True})
    with pytest.raises(errors.OutcomeUnknownError, match="may or may not have taken effect"):
        await world.connection.json(Request(method=method, path="/api/v1/pods/x", body={"a": 1}))
    assert len(world.script.requests) == 1


async def test_the_next_server_is_asked_where_one_does_not_answer_or_has_no_quorum(world: Fixture) -> None:
    minority, majority = Script(), world.script
    minority.refuse(503, "ServiceUnavailable", "no quorum", Retry_After="1")
    majority.then({"fine": True})
    server = await served(minority)
    urls = (free_url(), str(server.make_url("")).rstrip("/"), world.connection.endpoint.urls[0])
    async with Connection(Endpoint(urls=urls), clock=world.clock, warn=world.warnings.append) as link:
        assert await link.json(WRITE) == {"fine": True}
        assert await link.json(WRITE) == {"fine": True}
    await server.close()
    assert (len(minority.requests), len(majority.requests), world.clock.slept) == (1, 2, [])


async def test_an_absent_socket_is_told_with_what_to_do(tmp_path: Path, world: Fixture) -> None:
    endpoint = endpoints.local(tmp_path / "none.sock")
    async with Connection(endpoint, clock=world.clock, warn=world.warnings.append) as link:
        with pytest.raises(errors.UnavailableError, match=r"no daemon answers at .*none\.sock \(No such file"):
            await link.json(READ)
    assert world.clock.slept == []


async def test_an_answer_over_the_limit_is_refused(world: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_BYTES_MAX", 10)
    world.script.then({"a": "b" * 20})
    with pytest.raises(errors.PeerError, match="over 10 bytes"):
        await world.connection.json(READ)


async def test_warnings_are_told_once(world: Fixture) -> None:
    world.script.then({}, headers={"Warning": '299 - "unknown field \\"a\\"", 299 - "other"'})
    await world.connection.json(READ)
    await world.connection.json(READ)
    assert world.warnings == ['unknown field "a"', "other"]


async def test_a_list_is_read_page_by_page(world: Fixture) -> None:
    world.script.then({"items": [1], "metadata": {"continue": "c", "resourceVersion": "5"}}).then({"items": [2]})
    listed = await Client(world.connection).list(PODS, Scope(namespace="a", labels="x=y"))
    assert listed["items"] == [1, 2]
    first, second = world.script.requests
    assert (first.query["labelSelector"], second.query["continue"]) == ("x=y", "c")


async def test_a_patch_says_what_it_is(world: Fixture) -> None:
    world.script.then({})
    await world.client.patch(PODS, "a/b", {"spec": {}}, namespace="n")
    (request,) = world.script.requests
    assert (request.method, request.headers["Content-Type"]) == ("PATCH", MERGE_PATCH)
    assert request.raw_path.split("?")[0] == "/api/v1/namespaces/n/pods/a%2Fb"
