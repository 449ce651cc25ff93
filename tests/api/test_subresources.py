from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from swarmlet.api import log_options
from swarmlet.api.logs import PASSED_ON
from tests.api.conftest import START, Api, FakePods
from tests.api.documents import DEPLOYMENTS, JSON_PATCH, MERGE, NAMESPACES, PODS, TABLE, deployment, pod

WEB = f"{DEPLOYMENTS}/web"


@pytest.fixture
async def web(api: Api) -> dict:
    return (await api.read("POST", DEPLOYMENTS, json=deployment()))[1]


async def test_scale_is_read(api: Api, web: dict) -> None:
    _, scale = await api.read("GET", f"{WEB}/scale")
    assert (scale["apiVersion"], scale["kind"], scale["spec"]) == ("autoscaling/v1", "Scale", {"replicas": 3})
    assert scale["status"] == {"replicas": 0, "selector": "app=web"}
    assert scale["metadata"]["resourceVersion"] == web["metadata"]["resourceVersion"]


async def test_scale_is_a_table_of_its_own(api: Api, web: dict) -> None:
    _, table = await api.read("GET", f"{WEB}/scale", headers=TABLE)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert table["rows"][0]["cells"] == ["web", 3, 0, "0s"]


@pytest.mark.parametrize(
    ("headers", "patch"),
    [(MERGE, {"spec": {"replicas": 0}}), (JSON_PATCH, [{"op": "add", "path": "/spec/replicas", "value": 0}])],
)
async def test_scale_is_patched_down_to_nothing(api: Api, web: dict, headers: dict, patch: object) -> None:
    code, scale = await api.read("PATCH", f"{WEB}/scale", json=patch, headers=headers)
    assert (code, scale["kind"]) == (200, "Scale")
    _, found = await api.read("GET", WEB)
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (0, 2)


async def test_scale_is_put_on_the_condition_of_its_revision(api: Api, web: dict) -> None:
    _, scale = await api.read("GET", f"{WEB}/scale")
    assert (await api.read("PUT", f"{WEB}/scale", json=scale | {"spec": {"replicas": 7}}))[0] == 200
    assert (await api.read("PUT", f"{WEB}/scale", json=scale | {"spec": {"replicas": 8}}))[0] == 409
    assert (await api.read("GET", WEB))[1]["spec"]["replicas"] == 7


async def test_scale_below_nothing_is_invalid(api: Api, web: dict) -> None:
    code, status = await api.read("PATCH", f"{WEB}/scale", json={"spec": {"replicas": -1}}, headers=MERGE)
    assert (code, status["details"]["causes"][0]["field"]) == (422, "spec.replicas")


async def test_status_changes_and_the_rest_stays(api: Api, web: dict) -> None:
    told = {"replicas": 2, "readyReplicas": 2}
    patch = {"status": told, "spec": {"replicas": 9}, "metadata": {"labels": {"x": "y"}}}
    code, patched = await api.read("PATCH", f"{WEB}/status", json=patch, headers=MERGE)
    assert (code, patched["status"]) == (200, told)
    assert patched["spec"] == web["spec"]
    assert patched["metadata"]["labels"] == web["metadata"]["labels"]
    assert patched["metadata"]["generation"] == 1


async def test_a_pod_is_bound_once(api: Api) -> None:
    await api.read("POST", PODS, json=pod())
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p1"}, "target": {"name": "node-a"}}
    assert (await api.read("POST", f"{PODS}/p1/binding", json=binding))[0] == 201
    _, found = await api.read("GET", f"{PODS}/p1")
    assert found["spec"]["nodeName"] == "node-a"
    assert found["status"]["conditions"][0]["type"] == "PodScheduled"
    code, status = await api.read("POST", f"{PODS}/p1/binding", json=binding)
    assert code == 409
    assert 'already assigned to node "node-a"' in status["message"]


async def test_a_namespace_that_ends_goes_with_its_last_finalizer(api: Api) -> None:
    await api.read("POST", NAMESPACES, json={"metadata": {"name": "t1"}})
    _, ending = await api.read("DELETE", f"{NAMESPACES}/t1")
    ending["spec"]["finalizers"] = []
    assert (await api.read("PUT", f"{NAMESPACES}/t1/finalize", json=ending))[0] == 200
    assert (await api.read("GET", f"{NAMESPACES}/t1"))[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", WEB),
        ("PUT", DEPLOYMENTS),
        ("PATCH", DEPLOYMENTS),
        ("DELETE", f"{WEB}/scale"),
        ("PUT", f"{PODS}/p1/log"),
        ("GET", f"{PODS}/p1/binding"),
        ("POST", "/api/v1/pods"),
    ],
)
async def test_a_method_that_a_path_has_not_is_405(api: Api, web: dict, method: str, path: str) -> None:
    code, status = await api.read(method, path)
    assert (code, status["reason"]) == (405, "MethodNotAllowed")


@pytest.mark.parametrize(
    "path", ["/apis/%2F/%2F/%2F", f"{WEB}/nothing", f"{PODS}/p1/scale", "/apis/apps/v2/deployments", "/api/v1/pods/p1"]
)
async def test_a_path_that_is_not_served_is_404(api: Api, path: str) -> None:
    code, status = await api.read("GET", path)
    assert (code, status["message"]) == (404, "the server could not find the requested resource")


async def test_a_log_of_this_nodes_pod_comes_from_its_agent(api: Api, pods: FakePods) -> None:
    await api.read("POST", PODS, json=pod("p1", "node-a"))
    async with api.get(f"{PODS}/p1/log?tailLines=2&timestamps=true&sinceTime=2026-01-02T03:04:05Z") as response:
        assert response.content_type == "text/plain"
        assert await response.text() == "one\ntwo\n"
    ((container, options, previous),) = pods.asked
    assert (container, previous) == ("main", False)
    assert (options.tail_lines, options.timestamps, options.since, options.follow) == (2, True, START, False)


async def test_a_log_of_another_nodes_pod_is_fetched_there(api: Api, pods: FakePods) -> None:
    await api.read("POST", PODS, json=pod("p1", "node-b"))
    path = f"{PODS}/p1/log?container=main&follow=true"
    async with api.get(path) as response:
        assert await response.text() == "from node-b\n"
    assert pods.passed_on == [("node-b", path)]


async def test_a_log_that_was_passed_on_once_is_not_passed_on_again(api: Api, pods: FakePods) -> None:
    await api.read("POST", PODS, json=pod("p1", "node-b"))
    async with api.get(f"{PODS}/p1/log", headers={PASSED_ON: "1"}) as response:
        assert await response.text() == "one\ntwo\n"
    assert pods.passed_on == []


async def test_an_empty_log_is_an_empty_answer(api: Api, pods: FakePods) -> None:
    pods.chunks = []
    await api.read("POST", PODS, json=pod("p1", "node-a"))
    async with api.get(f"{PODS}/p1/log") as response:
        assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("container=nope", "container nope is not valid for pod p1"),
        ("sinceTime=yesterday", "sinceTime"),
        ("tailLines=few", "tailLines"),
        ("limitBytes=--1", "limitBytes"),
        ("follow=perhaps", "follow"),
    ],
)
async def test_a_log_option_that_cannot_be_read_is_400(api: Api, query: str, words: str) -> None:
    await api.read("POST", PODS, json=pod("p1", "node-a"))
    code, status = await api.read("GET", f"{PODS}/p1/log?{query}")
    assert code == 400
    assert words in status["message"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("tailLines=-1", "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("limitBytes=0", "limitBytes: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=0", "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=-5", "sinceSeconds: Invalid value: -5: must be greater than 0"),
        (
            "sinceTime=2026-01-02T03:04:05Z&sinceSeconds=0",
            ": Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
        ),
        ("stream=Stdout", "stream: Forbidden: may not be specified"),
        (
            "limitBytes=-1&stream=All",
            "[limitBytes: Invalid value: -1: must be greater than 0, stream: Forbidden: may not be specified]",
        ),
    ],
)
async def test_a_log_option_that_breaks_a_rule_is_422_in_kubernetes_words(
    api: Api, pods: FakePods, query: str, words: str
) -> None:
    await api.read("POST", PODS, json=pod("p1", "node-a"))
    code, status = await api.read("GET", f"{PODS}/p1/log?{query}")
    assert (code, status["message"]) == (422, f'PodLogOptions "p1" is invalid: {words}')
    assert pods.asked == []


async def test_the_most_that_a_log_can_be_asked_for_is_bounded(api: Api, pods: FakePods) -> None:
    await api.read("POST", PODS, json=pod("p1", "node-a"))
    much = str(2**60)
    async with api.get(f"{PODS}/p1/log?tailLines={much}&limitBytes={much}&sinceSeconds={much}") as response:
        assert response.status == 200
    ((_, options, _),) = pods.asked
    assert (options.tail_lines, options.limit_bytes) == (log_options.LINES_MAX, log_options.BYTES_MAX)
    assert options.since == START - timedelta(seconds=log_options.SECONDS_MAX)


async def test_the_log_of_a_pod_on_no_node_is_empty(api: Api) -> None:
    await api.read("POST", PODS, json=pod())
    async with api.get(f"{PODS}/p1/log?follow=true") as response:
        assert (response.status, await response.read()) == (204, b"")


async def test_a_reader_of_a_log_that_goes_away_closes_it(api: Api, pods: FakePods) -> None:
    pods.goes_on = True
    await api.read("POST", PODS, json=pod("p1", "node-a"))
    async with api.get(f"{PODS}/p1/log?follow=true") as response:
        assert await response.content.readline() == b"one\n"
        assert not pods.closed.is_set()
    async with asyncio.timeout(5):
        await pods.closed.wait()
