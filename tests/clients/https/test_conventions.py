"""Kubernetes' API conventions, word by word: what client libraries are built on."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.clients.https.conftest import Https

MAPS = "/api/v1/namespaces/{namespace}/configmaps"
END = "k8s.io/initial-events-end"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def proves(*words: str) -> pytest.MarkDecorator:
    return pytest.mark.proves(*words, client="HTTPS")


def config(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


def made(https: Https, *names: str, label: str) -> str:
    """Make ConfigMaps with a label; return the version that the last write made."""
    answers = [https.ask("POST", MAPS, config(name, test=label)) for name in names]
    assert [each.status for each in answers] == [201] * len(names)
    return str(answers[-1].body["metadata"]["resourceVersion"])


@proves("sendInitialEvents (WatchList)", "allowWatchBookmarks")
def test_a_watch_begins_with_all_that_is_there_and_a_bookmark(https: Https) -> None:
    made(https, "here-1", "here-2", label="list")
    options = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    with https.watch(f"{MAPS}?labelSelector=test%3Dlist&{options}") as events:
        first = list(itertools.islice(events, 3))
        assert [(each["type"], each["object"]["metadata"].get("name")) for each in first[:2]] == [
            ("ADDED", "here-1"),
            ("ADDED", "here-2"),
        ]
        assert (first[2]["type"], first[2]["object"]["metadata"]["annotations"]) == ("BOOKMARK", {END: "true"})
        made(https, "here-3", label="list")
        later = next(each for each in events if each["type"] != "BOOKMARK")
        assert (later["type"], later["object"]["metadata"]["name"]) == ("ADDED", "here-3")


@proves("watch resourceVersion")
def test_a_watch_resumes_on_another_machine(https: Https) -> None:
    version = made(https, "seen", label="resume")
    made(https, "missed", label="resume")
    https.ask("DELETE", f"{MAPS}/seen")
    for node in ("h2", "h3"):
        path = f"{MAPS}?watch=true&labelSelector=test%3Dresume&resourceVersion={version}"
        with https.watch(path, node=node) as events:
            found = [(each["type"], each["object"]["metadata"]["name"]) for each in itertools.islice(events, 2)]
            assert found == [("ADDED", "missed"), ("DELETED", "seen")]


@proves("resourceVersionMatch", "resourceVersion=0")
def test_a_list_is_as_old_as_asked(https: Https) -> None:
    version = made(https, "old", label="match")
    made(https, "new", label="match")
    path = f"{MAPS}?labelSelector=test%3Dmatch"

    def names(query: str) -> list[str]:
        answer = https.ask("GET", f"{path}{query}", node="h2")
        assert answer.status == 200, answer.body
        return [each["metadata"]["name"] for each in answer.body["items"]]

    assert names(f"&resourceVersion={version}&resourceVersionMatch=Exact") == ["old"]
    assert "old" in names(f"&resourceVersion={version}&resourceVersionMatch=NotOlderThan")
    assert "old" in names("&resourceVersion=0")
    assert names("") == ["new", "old"]
    refused = https.ask("GET", f"{path}&resourceVersionMatch=Exact")
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    future = https.ask("GET", f"{path}&resourceVersion=99999999999&resourceVersionMatch=NotOlderThan&timeoutSeconds=1")
    assert future.status == 504
    assert "Too large resource version" in future.body["message"]


@proves("limit, continue")
def test_a_list_in_pieces_is_of_one_moment_on_all_machines(https: Https) -> None:
    made(https, "a", "b", "c", "d", "e", label="pieces")
    path = f"{MAPS}?labelSelector=test%3Dpieces&limit=2"
    first = https.ask("GET", path).body
    https.ask("DELETE", f"{MAPS}/d")
    made(https, "aa", label="pieces")
    second = https.ask("GET", f"{path}&continue={first['metadata']['continue']}", node="h2").body
    third = https.ask("GET", f"{path}&continue={second['metadata']['continue']}", node="h3").body
    names = [each["metadata"]["name"] for piece in (first, second, third) for each in piece["items"]]
    assert names == ["a", "b", "c", "d", "e"]
    assert "continue" not in third["metadata"]
    bad = https.ask("GET", f"{path}&continue=nonsense")
    assert (bad.status, bad.body["reason"]) == (400, "BadRequest")


@proves("generateName", "dryRun=All", "fieldValidation")
def test_a_create_follows_its_options(https: Https) -> None:
    drawn = https.ask("POST", MAPS, {"metadata": {"generateName": "drawn-"}})
    assert drawn.body["metadata"]["name"].startswith("drawn-")
    dry = https.ask("POST", f"{MAPS}?dryRun=All", config("dry"))
    assert (dry.status, dry.body["metadata"]["name"]) == (201, "dry")
    assert https.ask("GET", f"{MAPS}/dry", node="h2").status == 404
    wrong = config("wrong") | {"daat": {}}
    warned = https.ask("POST", f"{MAPS}?fieldValidation=Warn&dryRun=All", wrong)
    assert warned.headers["Warning"] == '299 - "unknown field \\"daat\\""'
    assert https.ask("POST", f"{MAPS}?fieldValidation=Ignore&dryRun=All", wrong).headers["Warning"] is None
    strict = https.ask("POST", f"{MAPS}?fieldValidation=Strict", wrong)
    assert strict.status == 400
    assert 'strict decoding error: unknown field "daat"' in strict.body["message"]


@proves("update with resourceVersion", "delete with preconditions", "deletecollection", "apply (YAML)")
def test_writes_hold_to_their_preconditions(https: Https) -> None:
    old = made(https, "written", label="writes")
    document = https.ask("GET", f"{MAPS}/written", node="h3").body
    document["data"] = {"a": "1"}
    assert https.ask("PUT", f"{MAPS}/written", document).status == 200
    late = https.ask("PUT", f"{MAPS}/written", document, node="h2")
    assert (late.status, late.body["reason"]) == (409, "Conflict")
    same = https.ask("GET", f"{MAPS}/written").body
    assert (
        https.ask("PUT", f"{MAPS}/written", same).body["metadata"]["resourceVersion"]
        == same["metadata"]["resourceVersion"]
    )
    options = {"preconditions": {"resourceVersion": old}}
    assert https.ask("DELETE", f"{MAPS}/written", options).body["reason"] == "Conflict"
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: written}\ndata: {b: '2'}\n"
    applied = https.ask("PATCH", f"{MAPS}/written?fieldManager=test", text, Content_Type="application/apply-patch+yaml")
    assert (applied.status, applied.body["data"]) == (200, {"a": "1", "b": "2"})
    gone = https.ask("DELETE", f"{MAPS}?labelSelector=test%3Dwrites")
    assert [each["metadata"]["name"] for each in gone.body["items"]] == ["written"]
    assert https.ask("GET", f"{MAPS}/written", node="h2").status == 404


@proves("Table", "PartialObjectMetadata")
def test_a_list_comes_in_the_form_that_is_asked_for(https: Https) -> None:
    made(https, "shown", label="forms")
    path = f"{MAPS}?labelSelector=test%3Dforms"
    table = https.ask("GET", path, Accept=TABLE).body
    assert (table["kind"], table["rows"][0]["cells"][:2]) == ("Table", ["shown", 0])
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    whole = https.ask("GET", f"{path}&includeObject=Object", Accept=TABLE).body
    assert whole["rows"][0]["object"]["kind"] == "ConfigMap"
    partial = https.ask("GET", path, Accept="application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io").body
    assert partial["kind"] == "PartialObjectMetadataList"
    assert set(partial["items"][0]) <= {"metadata", "kind", "apiVersion"}
    assert https.ask("GET", path, Accept="text/html").status == 406


@proves("scale, status, binding, eviction")
def test_subresources_are_written_apart(https: Https) -> None:
    template = {"metadata": {"labels": {"app": "sub"}}, "spec": {"containers": [{"name": "a", "image": "busybox:lab"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "sub"}}, "template": template}
    deployments = "/apis/apps/v1/namespaces/{namespace}/deployments"
    https.ask("POST", deployments, {"metadata": {"name": "sub"}, "spec": spec})
    status = https.ask(
        "PATCH",
        f"{deployments}/sub/status",
        {"spec": {"replicas": 9}, "metadata": {"labels": {"x": "y"}}},
        Content_Type="application/merge-patch+json",
    )
    assert status.body["spec"]["replicas"] == 0, "a status is no spec"
    scale = https.ask("GET", f"{deployments}/sub/scale", node="h2").body
    scale["spec"]["replicas"] = 2
    assert https.ask("PUT", f"{deployments}/sub/scale", scale).body["spec"] == {"replicas": 2}
    assert https.ask("GET", f"{deployments}/sub", node="h3").body["spec"]["replicas"] == 2
    https.ask("DELETE", f"{deployments}/sub")
    pods = "/api/v1/namespaces/{namespace}/pods"
    pod = {"metadata": {"name": "hand"}, "spec": template["spec"] | {"schedulerName": "nobody"}}
    https.ask("POST", pods, pod)
    target = {"metadata": {"name": "hand"}, "target": {"kind": "Node", "name": "h2"}}
    assert https.ask("POST", f"{pods}/hand/binding", target).status == 201
    assert https.ask("GET", f"{pods}/hand", node="h3").body["spec"]["nodeName"] == "h2"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "hand"}}
    assert https.ask("POST", f"{pods}/hand/eviction", eviction, node="h2").status == 201
    evicted = https.ask("GET", f"{pods}/hand")
    assert evicted.status == 404 or "deletionTimestamp" in evicted.body["metadata"]
