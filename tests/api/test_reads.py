from __future__ import annotations

import gzip

import pytest

from tests.api.conftest import Api, DirectReplica
from tests.api.documents import CONFIG_MAPS, DEPLOYMENTS, PODS, TABLE, config_map, deployment, pod


@pytest.fixture
async def maps(api: Api) -> list[str]:
    names = [f"m{index}" for index in range(5)]
    for index, name in enumerate(names):
        document = config_map(name)
        document["metadata"]["labels"] = {"parity": "even" if index % 2 == 0 else "odd"}
        assert (await api.read("POST", CONFIG_MAPS, json=document))[0] == 201
    return names


def names_of(listed: dict) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


async def test_a_missing_object_is_a_404_status_that_names_it(api: Api) -> None:
    code, status = await api.read("GET", f"{DEPLOYMENTS}/nope")
    assert code == 404
    assert status["message"] == 'deployments.apps "nope" not found'
    assert status["details"] == {"name": "nope", "group": "apps", "kind": "deployments"}


async def test_a_list_holds_what_was_created_in_order(api: Api, maps: list[str]) -> None:
    _, listed = await api.read("GET", CONFIG_MAPS)
    assert listed["kind"] == "ConfigMapList"
    assert names_of(listed) == maps


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("labelSelector=parity%3Deven", ["m0", "m2", "m4"]),
        ("labelSelector=parity in (odd)", ["m1", "m3"]),
        ("labelSelector=!parity", []),
        ("fieldSelector=metadata.name%3Dm3", ["m3"]),
        ("fieldSelector=metadata.name!%3Dm3&labelSelector=parity%3Dodd", ["m1"]),
    ],
)
async def test_selectors_choose(api: Api, maps: list[str], query: str, expected: list[str]) -> None:
    _, listed = await api.read("GET", f"{CONFIG_MAPS}?{query}")
    assert names_of(listed) == expected


@pytest.mark.parametrize(
    "query", ["labelSelector=a%3D%3D%3Db", "fieldSelector=spec.nodeName%3Dx", "limit=-1", "limit=x"]
)
async def test_a_query_that_makes_no_sense_is_a_400(api: Api, query: str) -> None:
    code, status = await api.read("GET", f"{CONFIG_MAPS}?{query}")
    assert (code, status["reason"]) == (400, "BadRequest")


async def test_pages_show_the_moment_of_the_first_one(api: Api, maps: list[str]) -> None:
    _, first = await api.read("GET", f"{CONFIG_MAPS}?limit=2")
    assert first["metadata"]["remainingItemCount"] == 3
    await api.read("DELETE", f"{CONFIG_MAPS}/m2")
    await api.read("POST", CONFIG_MAPS, json=config_map("m25"))
    await api.read("DELETE", f"{CONFIG_MAPS}/m25")
    await api.read("POST", CONFIG_MAPS, json=config_map("m2", again="yes"))
    await api.read(
        "PATCH",
        f"{CONFIG_MAPS}/m4",
        json=[{"op": "add", "path": "/data", "value": {"a": "b"}}],
        headers={"Content-Type": "application/json-patch+json"},
    )
    _, second = await api.read("GET", CONFIG_MAPS, params={"limit": "2", "continue": first["metadata"]["continue"]})
    _, third = await api.read("GET", CONFIG_MAPS, params={"limit": "2", "continue": second["metadata"]["continue"]})
    assert names_of(first) + names_of(second) + names_of(third) == maps
    assert {page["metadata"]["resourceVersion"] for page in (first, second, third)} == {
        first["metadata"]["resourceVersion"]
    }
    assert "data" not in second["items"][0]
    assert "data" not in third["items"][0]
    assert "continue" not in third["metadata"]


async def test_a_page_from_before_the_window_is_gone(api: Api, replica: DirectReplica, maps: list[str]) -> None:
    _, first = await api.read("GET", f"{CONFIG_MAPS}?limit=2")
    await api.read("DELETE", f"{CONFIG_MAPS}/m2")
    replica.store.restore(replica.store.capture().encode_chunks())
    code, status = await api.read("GET", CONFIG_MAPS, params={"continue": first["metadata"]["continue"]})
    assert (code, status["reason"]) == (410, "Expired")
    assert "start a new list without the continue parameter" in status["message"]


@pytest.mark.parametrize("token", ["x", "eA==", "k///", "kwECAw=="])
async def test_a_continue_token_of_nobodys_making_is_refused(api: Api, token: str) -> None:
    code, _ = await api.read("GET", CONFIG_MAPS, params={"continue": token})
    assert code == 400


async def test_an_exact_revision_shows_the_past(api: Api, maps: list[str]) -> None:
    _, before = await api.read("GET", CONFIG_MAPS)
    revision = before["metadata"]["resourceVersion"]
    await api.read("DELETE", f"{CONFIG_MAPS}/m0")
    _, then = await api.read("GET", f"{CONFIG_MAPS}?resourceVersion={revision}&resourceVersionMatch=Exact")
    assert names_of(then) == maps


async def test_a_revision_from_the_future_is_a_timeout(api: Api, maps: list[str]) -> None:
    code, status = await api.read("GET", f"{CONFIG_MAPS}?resourceVersion=999999")
    assert (code, status["reason"]) == (504, "Timeout")


async def test_without_quorum_a_read_is_503_unless_any_state_will_do(
    api: Api, replica: DirectReplica, maps: list[str]
) -> None:
    replica.has_quorum = False
    async with api.get(CONFIG_MAPS) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        assert (await response.json())["reason"] == "ServiceUnavailable"
    assert (await api.read("GET", f"{CONFIG_MAPS}?resourceVersion=0"))[0] == 200


async def test_a_table_has_columns_rows_and_metadata_of_each(api: Api) -> None:
    await api.read("POST", DEPLOYMENTS, json=deployment())
    _, table = await api.read("GET", DEPLOYMENTS, headers=TABLE)
    assert [column["name"] for column in table["columnDefinitions"] if not column["priority"]] == [
        "Name",
        "Ready",
        "Up-to-date",
        "Available",
        "Age",
    ]
    assert table["rows"][0]["cells"] == ["web", "0/3", 0, 0, "0s", "main", "web:1", "app=web"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert table["rows"][0]["object"]["metadata"]["name"] == "web"


@pytest.mark.parametrize(("include", "kind"), [("Object", "Deployment"), ("None", None)])
async def test_a_table_brings_the_object_as_asked(api: Api, include: str, kind: str | None) -> None:
    await api.read("POST", DEPLOYMENTS, json=deployment())
    _, table = await api.read("GET", f"{DEPLOYMENTS}?includeObject={include}", headers=TABLE)
    found = table["rows"][0]["object"]
    assert (found and found["kind"]) == kind


async def test_metadata_alone_is_served(api: Api) -> None:
    await api.read("POST", DEPLOYMENTS, json=deployment())
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    _, listed = await api.read("GET", DEPLOYMENTS, headers=accept)
    assert listed["kind"] == "PartialObjectMetadataList"
    assert set(listed["items"][0]) == {"kind", "apiVersion", "metadata"}


async def test_a_client_that_prefers_protobuf_gets_json(api: Api) -> None:
    accept = {"Accept": "application/vnd.kubernetes.protobuf,application/json"}
    async with api.get(DEPLOYMENTS, headers=accept) as response:
        assert response.content_type == "application/json"


async def test_who_accepts_no_form_that_is_written_is_told_which_are(api: Api) -> None:
    for accept in ("application/vnd.kubernetes.protobuf", "application/json;as=Chair;g=meta.k8s.io;v=v1"):
        code, status = await api.read("GET", DEPLOYMENTS, headers={"Accept": accept})
        assert (code, status["reason"]) == (406, "NotAcceptable")
        assert status["message"].startswith("only the following media types are accepted: application/json")


async def test_virtual_leases_are_listed_with_the_stored_ones(api: Api) -> None:
    leases = "/apis/coordination.k8s.io/v1"
    document = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "mine"}}
    await api.read("POST", f"{leases}/namespaces/default/leases", json=document)
    _, everywhere = await api.read("GET", f"{leases}/leases")
    assert names_of(everywhere) == ["mine", "node-a"]
    code, lease = await api.read("GET", f"{leases}/namespaces/kube-node-lease/leases/node-a")
    assert (code, lease["spec"]["holderIdentity"]) == (200, "node-a")


async def test_a_large_answer_is_compressed_for_a_distant_client(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmlet.api.answers._is_near", lambda _request: False)
    for index in range(3):
        await api.read("POST", CONFIG_MAPS, json=config_map(f"big{index}", text="x" * 100_000))
    async with api.get(CONFIG_MAPS, headers={"Accept-Encoding": "gzip"}, auto_decompress=False) as response:
        data = await response.read()
        assert response.headers["Content-Encoding"] == "gzip"
    assert len(data) < 10_000
    assert gzip.decompress(data).endswith(b"]}")


async def test_pods_of_a_node_are_found_by_field(api: Api) -> None:
    await api.read("POST", PODS, json=pod("a", "node-a"))
    await api.read("POST", PODS, json=pod("b"))
    _, listed = await api.read("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-a,status.phase!%3DFailed")
    assert names_of(listed) == ["a"]


async def test_virtual_leases_are_paged_in_order(api: Api) -> None:
    leases = "/apis/coordination.k8s.io/v1"
    for namespace, name in (("other", "z"), ("default", "a")):
        document = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}}
        await api.read("POST", f"{leases}/namespaces/{namespace}/leases", json=document)
    seen, token = [], ""
    for _ in range(3):
        _, page = await api.read("GET", f"{leases}/leases", params={"limit": "1", "continue": token})
        seen += names_of(page)
        token = page["metadata"].get("continue", "")
    assert (seen, token) == (["a", "node-a", "z"], "")
