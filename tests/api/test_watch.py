from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from swarmlet.api.app import ApiServer
from swarmlet.api.reading import streams, watches
from swarmlet.api.reading.broadcasts import Interest
from swarmlet.api.reading.feeds import Feed
from swarmlet.store.commands import Key, Put
from tests.api.conftest import Api, DirectReplica
from tests.api.documents import CONFIG_MAPS, MERGE, PODS, TABLE, config_map, pod

Next = Callable[[], Awaitable[dict[str, Any]]]
INITIAL = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


@asynccontextmanager
async def watching(api: Api, path: str, **keywords: Any) -> AsyncIterator[Next]:
    async with api.get(path, **keywords) as response:
        assert response.status == 200, await response.text()

        async def following() -> dict[str, Any]:
            async with asyncio.timeout(5):
                line = await response.content.readline()
            return json.loads(line) if line else {}

        yield following


def told(event: dict[str, Any]) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"]["name"]


async def create(api: Api, name: str, **labels: str) -> dict[str, Any]:
    document = config_map(name)
    document["metadata"]["labels"] = labels
    code, created = await api.read("POST", CONFIG_MAPS, json=document)
    assert code == 201
    return created


async def test_a_watch_tells_what_happens_from_a_revision_on(api: Api) -> None:
    first = await create(api, "a")
    await create(api, "b")
    start = first["metadata"]["resourceVersion"]
    async with watching(api, f"{CONFIG_MAPS}?watch=true&resourceVersion={start}") as following:
        assert told(await following()) == ("ADDED", "b")
        await api.read("PATCH", f"{CONFIG_MAPS}/b", json={"data": {"x": "y"}}, headers=MERGE)
        assert told(await following()) == ("MODIFIED", "b")
        await api.read("DELETE", f"{CONFIG_MAPS}/a")
        gone = await following()
        assert told(gone) == ("DELETED", "a")
        assert int(gone["object"]["metadata"]["resourceVersion"]) > int(start)


async def test_a_watch_without_a_revision_begins_with_what_there_is(api: Api) -> None:
    await create(api, "a")
    async with watching(api, f"{CONFIG_MAPS}?watch=1") as following:
        assert told(await following()) == ("ADDED", "a")
        await create(api, "b")
        assert told(await following()) == ("ADDED", "b")


async def test_a_watch_may_be_asked_for_without_a_value(api: Api) -> None:
    await create(api, "a")
    async with watching(api, f"{CONFIG_MAPS}?watch") as following:
        assert told(await following()) == ("ADDED", "a")


async def test_initial_events_end_with_a_bookmark_that_says_so(api: Api, replica: DirectReplica) -> None:
    await create(api, "a")
    async with watching(api, f"{CONFIG_MAPS}?watch=true&{INITIAL}") as following:
        assert told(await following()) == ("ADDED", "a")
        bookmark = await following()
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["kind"] == "ConfigMap"
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert bookmark["object"]["metadata"]["resourceVersion"] == str(replica.store.revision)


async def test_initial_events_need_a_match(api: Api) -> None:
    code, status = await api.read("GET", f"{CONFIG_MAPS}?watch=true&sendInitialEvents=true")
    assert (code, status["reason"]) == (422, "Invalid")


async def test_an_object_that_leaves_the_selector_is_deleted_and_one_that_enters_added(api: Api) -> None:
    await create(api, "a", color="red")
    query = "watch=true&labelSelector=color%3Dred"
    async with watching(api, f"{CONFIG_MAPS}?{query}") as following:
        assert told(await following()) == ("ADDED", "a")
        await api.read("PATCH", f"{CONFIG_MAPS}/a", json={"metadata": {"labels": {"color": "blue"}}}, headers=MERGE)
        left = await following()
        assert told(left) == ("DELETED", "a")
        assert left["object"]["metadata"]["labels"] == {"color": "red"}
        await api.read("PATCH", f"{CONFIG_MAPS}/a", json={"metadata": {"labels": {"color": "red"}}}, headers=MERGE)
        assert told(await following()) == ("ADDED", "a")


async def test_a_watch_of_one_name_is_told_of_no_other(api: Api) -> None:
    async with watching(api, f"{CONFIG_MAPS}?watch=true&fieldSelector=metadata.name%3Db") as following:
        await create(api, "a")
        await create(api, "b")
        assert told(await following()) == ("ADDED", "b")


async def test_a_watch_of_a_namespace_is_told_of_no_other(api: Api) -> None:
    async with watching(api, f"{CONFIG_MAPS}?watch=true") as following:
        await api.read("POST", CONFIG_MAPS.replace("default", "other"), json=config_map("elsewhere"))
        await create(api, "here")
        assert told(await following()) == ("ADDED", "here")


async def test_a_watch_of_a_namespace_resumes_with_no_other(api: Api) -> None:
    start = (await create(api, "a"))["metadata"]["resourceVersion"]
    await api.read("POST", CONFIG_MAPS.replace("default", "other"), json=config_map("elsewhere"))
    await create(api, "here")
    async with watching(api, f"{CONFIG_MAPS}?watch=true&resourceVersion={start}") as following:
        assert told(await following()) == ("ADDED", "here")


async def test_table_events_are_rows_and_name_the_columns_once(api: Api) -> None:
    for name in ("p1", "p2"):
        await api.read("POST", PODS, json=pod(name))
    async with watching(api, f"{PODS}?watch=true", headers=TABLE) as following:
        first = await following()
        assert first["object"]["kind"] == "Table"
        assert first["object"]["rows"][0]["cells"][:3] == ["p1", "0/1", "Pending"]
        assert first["object"]["columnDefinitions"]
        assert (await following())["object"]["columnDefinitions"] is None
        await api.read("PATCH", f"{PODS}/p1", json={"metadata": {"labels": {"x": "y"}}}, headers=MERGE)
        assert (await following())["object"]["columnDefinitions"] is None


async def test_a_forgotten_revision_is_an_error_event_410(api: Api, replica: DirectReplica) -> None:
    await create(api, "a")
    replica.store.restore(replica.store.capture().encode_chunks())
    async with watching(api, f"{CONFIG_MAPS}?watch=true&resourceVersion=1") as following:
        event = await following()
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
        assert await following() == {}


async def test_an_installed_snapshot_cuts_the_watches(api: Api, replica: DirectReplica) -> None:
    async with watching(api, f"{CONFIG_MAPS}?watch=true") as following:
        replica.store.restore(replica.store.capture().encode_chunks())
        assert (await following())["object"]["reason"] == "Expired"
        assert await following() == {}


async def test_an_idle_watch_gets_bookmarks_that_move_on(
    api: Api, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "BOOKMARK_SECONDS", 0.01)
    async with watching(api, f"{CONFIG_MAPS}?watch=true&allowWatchBookmarks=true") as following:
        await api.read("POST", PODS, json=pod("p1"))
        seen = [(await following())["object"]["metadata"]["resourceVersion"] for _ in range(3)]
        assert seen[-1] == str(replica.store.revision)


async def test_a_watch_ends_when_its_time_is_over(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.Streamer, "_seconds", lambda _self, _options: 0.01)
    async with watching(api, f"{CONFIG_MAPS}?watch=true&timeoutSeconds=1") as following:
        assert await following() == {}


async def test_a_closed_server_ends_its_watches_without_an_error(api: Api, server: ApiServer) -> None:
    async with watching(api, f"{CONFIG_MAPS}?watch=true") as following:
        await server.app.shutdown()
        assert await following() == {}


async def test_a_client_that_goes_away_leaves_no_feed_behind(
    api: Api, server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = asyncio.Event()
    release = server._hub.release

    def note(interest: Interest, feed: Feed) -> None:
        release(interest, feed)
        released.set()

    monkeypatch.setattr(server._hub, "release", note)
    async with watching(api, f"{CONFIG_MAPS}?watch=true"):
        assert server._hub.count() == 1
    async with asyncio.timeout(5):
        await released.wait()
    assert server._hub.count() == 0


async def test_bookmarks_of_metadata_are_metadata(api: Api) -> None:
    headers = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
    async with watching(api, f"{CONFIG_MAPS}?watch=true&{INITIAL}", headers=headers) as following:
        bookmark = (await following())["object"]
        assert (bookmark["kind"], bookmark["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")


async def test_a_table_that_begins_with_no_row_names_the_columns_with_the_first(api: Api) -> None:
    async with watching(api, f"{PODS}?watch=true", headers=TABLE) as following:
        await api.read("POST", PODS, json=pod("p1"))
        assert (await following())["object"]["columnDefinitions"]
        await api.read("POST", PODS, json=pod("p2"))
        assert (await following())["object"]["columnDefinitions"] is None


async def test_many_initial_events_come_whole_and_before_what_follows(api: Api, replica: DirectReplica) -> None:
    names = [f"c{number:04}" for number in range(600)]
    for name in names:
        document = config_map(name) | {"metadata": {"name": name, "namespace": "default"}}
        replica.apply([Put(Key("configmaps", "default", name), json.dumps(document).encode())])
    async with watching(api, f"{CONFIG_MAPS}?watch=true") as following:
        await create(api, "later")
        seen = [told(await following()) for _ in range(601)]
    assert seen == [("ADDED", name) for name in [*names, "later"]]


async def test_a_watch_over_the_http_of_old_is_refused(api: Api, server: ApiServer) -> None:
    async with TestServer(server.app) as listening:
        reader, writer = await asyncio.open_connection(listening.host, listening.port)
        writer.write(f"GET {CONFIG_MAPS}?watch=true HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        assert b" 400 " in await reader.readline()
        writer.close()


async def test_a_watch_of_a_revision_to_come_is_refused(api: Api) -> None:
    code, status = await api.read("GET", f"{CONFIG_MAPS}?watch=true&resourceVersion=999999")
    assert (code, status["reason"]) == (504, "Timeout")
