from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest

from swarmlet import errors
from swarmlet.client import watching
from swarmlet.client.client import TABLE
from swarmlet.client.watching import Watch
from tests.client.conftest import PODS, Fixture


def pod(name: str, revision: int) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": name, "namespace": "d", "resourceVersion": str(revision)}}


def listed(revision: int, *items: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "PodList", "metadata": {"resourceVersion": str(revision)}, "items": list(items)}


def event(type_: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": type_, "object": item}


EXPIRED = event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})


async def seen(watch: Watch, count: int) -> list[tuple[str, str]]:
    found = []
    async with aclosing(watch.events()) as events:
        async for each in events:
            found.append((each.type, watching.key(each.object)[1]))
            if len(found) == count:
                break
    return found


async def test_changes_follow_the_list(world: Fixture) -> None:
    world.script.then(listed(5, pod("a", 3))).stream(event("MODIFIED", pod("a", 6)), event("DELETED", pod("a", 7)))
    watch = Watch(world.client, PODS)
    assert [item["metadata"]["name"] for item in (await watch.start())["items"]] == ["a"]
    assert await seen(watch, 2) == [("MODIFIED", "a"), ("DELETED", "a")]
    assert world.script.requests[1].query["resourceVersion"] == "5"


async def test_a_watch_resumes_where_it_stopped_bookmarks_counted(world: Fixture) -> None:
    bookmark = event("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "9"}})
    world.script.then(listed(5)).stream(event("ADDED", pod("a", 6)), bookmark).stream(event("ADDED", pod("b", 10)))
    watch = Watch(world.client, PODS)
    await watch.start()
    assert await seen(watch, 2) == [("ADDED", "a"), ("ADDED", "b")]
    assert world.script.requests[2].query["resourceVersion"] == "9"


async def test_what_was_forgotten_is_made_whole_from_a_new_list(world: Fixture) -> None:
    world.script.then(listed(5, pod("kept", 1), pod("changed", 2), pod("gone", 3))).stream(EXPIRED)
    world.script.then(listed(50, pod("kept", 1), pod("changed", 40), pod("new", 41))).stream(
        event("ADDED", pod("newest", 51))
    )
    watch = Watch(world.client, PODS)
    await watch.start()
    assert await seen(watch, 4) == [("DELETED", "gone"), ("MODIFIED", "changed"), ("ADDED", "new"), ("ADDED", "newest")]
    assert world.script.requests[3].query["resourceVersion"] == "50"


async def test_a_server_that_fails_for_good_ends_the_watch(world: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "FAILURES_MAX", 3)
    world.script.then(listed(5)).refuse(503, "ServiceUnavailable", "no quorum")
    watch = Watch(world.client, PODS)
    await watch.start()
    with pytest.raises(errors.UnavailableError):
        await seen(watch, 1)


async def test_rows_of_tables_are_told_apart_by_their_objects(world: Fixture) -> None:
    def row(name: str, revision: int) -> dict[str, Any]:
        return {"cells": [name], "object": pod(name, revision)}

    def table(*rows: dict[str, Any], revision: int = 0) -> dict[str, Any]:
        return {"kind": "Table", "metadata": {"resourceVersion": str(revision or "")}, "rows": list(rows)}

    world.script.then(table(row("a", 1), row("b", 2), revision=5)).stream(EXPIRED)
    world.script.then(table(row("a", 9), revision=10)).stream(event("ADDED", table(row("c", 11))))
    watch = Watch(world.client, PODS, accept=TABLE)
    await watch.start()
    assert await seen(watch, 3) == [("DELETED", "b"), ("MODIFIED", "a"), ("ADDED", "c")]


async def test_lines_are_put_together_from_pieces() -> None:
    async def pieces():
        for piece in (b"on", b"e\ntwo\n\nth", b"ree"):
            yield piece

    assert [line async for line in watching.lines(pieces())] == [b"one", b"two", b"three"]
