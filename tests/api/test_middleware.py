from __future__ import annotations

import asyncio

import pytest

from swarmlet.api import answers, middleware
from swarmlet.api.app import ApiServer
from swarmlet.errors import BugError
from swarmlet.identity.users import ANONYMOUS, AUTHENTICATED, User
from tests.api.conftest import Api, DirectReplica, FakeAuthenticator
from tests.api.documents import CONFIG_MAPS, DEPLOYMENTS, PODS, config_map


async def test_nobody_known_may_read_the_version_and_no_object(api: Api, authenticator: FakeAuthenticator) -> None:
    authenticator.user = ANONYMOUS
    assert (await api.read("GET", "/version"))[0] == 200
    code, status = await api.read("GET", DEPLOYMENTS)
    assert (code, status["reason"]) == (403, "Forbidden")
    assert status["message"] == (
        'deployments.apps is forbidden: User "system:anonymous" cannot list resource "deployments" '
        'in API group "apps" in the namespace "default"'
    )


@pytest.mark.parametrize("path", ["/status", "/bogus", "/api/v1/bogus"])
async def test_a_path_is_guarded_before_it_is_looked_for(api: Api, authenticator: FakeAuthenticator, path: str) -> None:
    authenticator.user = ANONYMOUS
    assert (await api.read("GET", path))[0] in (403, 404)
    assert (await api.read("GET", path))[0] == (404 if "/api/" in path else 403)


async def test_a_user_without_rights_may_discover_only(api: Api, authenticator: FakeAuthenticator) -> None:
    authenticator.user = User("eve", (AUTHENTICATED,))
    assert (await api.read("GET", "/apis/apps/v1"))[0] == 200
    assert (await api.read("POST", CONFIG_MAPS, json=config_map()))[0] == 403


async def test_a_bug_of_ours_is_a_500_that_tells_no_secret(
    api: Api, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise BugError("secret: hunter2")

    replica.before_propose = broken
    code, status = await api.read("POST", CONFIG_MAPS, json=config_map())
    assert (code, status["reason"]) == (500, "InternalError")
    assert "hunter2" not in str(status)


async def test_an_unforeseen_error_is_a_500_status(api: Api, replica: DirectReplica) -> None:
    def broken() -> None:
        raise KeyError("oops")

    replica.before_propose = broken
    code, status = await api.read("POST", CONFIG_MAPS, json=config_map())
    assert (code, status["kind"]) == (500, "Status")


async def test_over_the_limit_of_requests_the_answer_is_429(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "REQUESTS_MAX", 0)
    async with api.get(PODS) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "1")


async def test_a_request_that_hangs_is_answered_in_time(
    api: Api, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*, timeout_seconds: float = 5.0) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(middleware, "REQUEST_SECONDS_MAX", 0.01)
    monkeypatch.setattr(replica, "linearize", hang)
    code, status = await api.read("GET", PODS)
    assert (code, status["reason"]) == (504, "Timeout")


async def test_each_answer_has_an_id(api: Api) -> None:
    async with api.get("/version") as one, api.get("/version") as other:
        assert one.headers["Audit-Id"] != other.headers["Audit-Id"]


async def test_requests_are_counted_by_verb_resource_and_code(api: Api, server: ApiServer) -> None:
    await api.read("GET", f"{PODS}/nope")
    async with api.get("/metrics") as response:
        text = await response.text()
    assert 'swarmlet_api_requests_total{code="404",resource="pods",verb="get"} 1.0' in text


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ('unknown field "a.b"', '299 - "unknown field \\"a.b\\""'),
        ("back\\slash", '299 - "back\\\\slash"'),
        ("two\nlines and ü", '299 - "two lines and ?"'),
        ("\x1b[31mred", '299 - "?[31mred"'),
    ],
)
def test_a_warning_is_one_quoted_ascii_line(text: str, header: str) -> None:
    assert answers.warning_header(text) == header


async def test_only_what_is_read_may_last(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "REQUESTS_MAX", 0)
    assert (await api.read("POST", f"{CONFIG_MAPS}?watch=true", json=config_map()))[0] == 429
