"""Whatever is sent, the answer is no 5xx, is a Status where it is an error, and the store stays sound."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Coroutine
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from swarmlet.api.app import ApiServer, Sources
from swarmlet.api.operations.reports import ClusterInfo
from swarmlet.model import kinds
from swarmlet.model.core import Namespace
from swarmlet.model.meta import ObjectMeta
from tests.api.conftest import START, DirectReplica, FakeAuthenticator, FakeClock, FakeLeases, FakePods, FakeUsage
from tests.api.documents import CONFIG_MAPS, DEPLOYMENTS, JSON_PATCH, MERGE, PODS, STRATEGIC, deployment, pod
from tests.api.test_apply import APPLY

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=12)
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
PATHS = st.sampled_from(
    [
        "",
        "metadata",
        "metadata.labels",
        "metadata.name",
        "metadata.finalizers",
        "metadata.ownerReferences",
        "metadata.resourceVersion",
        "metadata.creationTimestamp",
        "metadata.generateName",
        "spec",
        "spec.replicas",
        "spec.selector",
        "spec.selector.matchLabels",
        "spec.template",
        "spec.template.spec.containers",
        "spec.template.spec.volumes",
        "spec.template.spec.tolerations",
        "spec.strategy",
        "status",
        "kind",
        "apiVersion",
    ]
)
NAMES = st.sampled_from(
    [
        "limit",
        "continue",
        "labelSelector",
        "fieldSelector",
        "resourceVersion",
        "resourceVersionMatch",
        "dryRun",
        "fieldValidation",
        "fieldManager",
        "includeObject",
        "gracePeriodSeconds",
        "propagationPolicy",
        "timeoutSeconds",
        "sendInitialEvents",
        "pretty",
        "container",
        "tailLines",
        "sinceTime",
    ]
)
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]) | SCALARS,
            "path": st.sampled_from(
                ["/spec/replicas", "/metadata/labels/x", "/spec/template/spec/containers/9", "", "/", "x"]
            )
            | SCALARS,
            "from": st.sampled_from(["/spec", "/metadata"]) | SCALARS,
            "value": JSON,
        },
    ),
    max_size=3,
)
QUERIES = st.dictionaries(NAMES, st.text(max_size=20) | st.integers(-5, 10**25).map(str), max_size=3)
pytestmark = pytest.mark.slow
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def scenario(requests: list[tuple[str, str, Any, dict[str, str]]]) -> None:
    replica = DirectReplica()
    replica.put(kinds.NAMESPACE, Namespace(metadata=ObjectMeta(name="default")))
    pods = FakePods()
    server = ApiServer(
        replica=replica,
        authenticator=FakeAuthenticator(),
        info=ClusterInfo(cluster_id="c", node_id="n", node_name="a", started=START),
        sources=Sources(pods=pods, door=pods, leases=FakeLeases(), usage=FakeUsage()),
        clock=FakeClock(),
        rng=random.Random(1),
        registry=CollectorRegistry(),
    )
    async with TestClient(TestServer(server.app)) as client:
        await client.post(DEPLOYMENTS, json=deployment())
        await client.post(PODS, json=pod("p1", "a"))
        for method, path, body, headers in requests:
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            async with client.request(method, path, data=data, headers=headers) as response:
                told = f"{method} {path} {headers} {data!r} -> {response.status}"
                assert response.status < 500 or response.status == 504, told
                if response.status >= 400 and method != "HEAD":
                    assert (await response.json())["kind"] == "Status", told
    replica.store.validate()


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def placed(document: dict[str, Any], path: str, value: Any) -> Any:
    """Return the document with `value` at a dotted path."""
    if not path:
        return value
    *parents, last = path.split(".")
    inner = document
    for name in parents:
        inner = inner.setdefault(name, {})
    inner[last] = value
    return document


@FUZZ
@given(path=PATHS, value=JSON)
def test_no_document_is_worth_a_5xx(path: str, value: Any) -> None:
    document = placed(deployment("other"), path, value)
    web = f"{DEPLOYMENTS}/web"
    run(
        scenario(
            [
                ("POST", DEPLOYMENTS, document, {"Content-Type": "application/json"}),
                ("PUT", web, placed(deployment(), path, value), {"Content-Type": "application/json"}),
                ("PATCH", web, placed({}, path, value), MERGE),
                ("PATCH", web, placed({}, path, value), STRATEGIC),
                ("PATCH", f"{web}/scale", placed({}, path, value), MERGE),
                ("PATCH", f"{web}/status", placed({}, path, value), MERGE),
                ("POST", f"{PODS}/p1/binding", value, {"Content-Type": "application/json"}),
                ("DELETE", web, value, {"Content-Type": "application/json"}),
            ]
        )
    )


ENTRIES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "manager": st.text(max_size=8) | SCALARS,
            "operation": st.sampled_from(["Apply", "Update"]) | SCALARS,
            "apiVersion": st.sampled_from(["apps/v1", "v1"]) | SCALARS,
            "time": st.just("2026-01-02T03:04:05Z") | SCALARS,
            "fieldsType": st.just("FieldsV1") | SCALARS,
            "fieldsV1": st.dictionaries(
                st.sampled_from(["f:spec", "f:metadata", 'k:{"name":"main"}', "k:1", 'v:"x"', "v:[{}]", "i:1", "."]),
                JSON,
            )
            | JSON,
        },
    ),
    max_size=3,
)


@settings(FUZZ, max_examples=25)
@given(path=PATHS | st.just("metadata.managedFields"), value=JSON | st.lists(st.sampled_from(["a", "b", None, 1, {}])))
def test_nothing_that_is_applied_is_worth_a_5xx(path: str, value: Any) -> None:
    web, forced = f"{DEPLOYMENTS}/web", "?fieldManager=x&force=true"
    requests = [
        ("PATCH", f"{DEPLOYMENTS}/{name}{part}{forced}", placed(deployment(name), path, value), APPLY)
        for name in ("web", "other")
        for part in ("", "/status", "/scale")
    ]
    again = ("PATCH", f"{web}?fieldManager=y", deployment(replicas=7), APPLY)
    run(scenario([*requests, again, ("PATCH", f"{web}{forced}", {**deployment(), "spec": {}}, APPLY)]))


@settings(FUZZ, max_examples=25)
@given(entries=ENTRIES)
def test_no_entries_of_owners_are_worth_a_5xx(entries: Any) -> None:
    web = f"{DEPLOYMENTS}/web"
    document = placed(deployment(), "metadata.managedFields", entries)
    json_headers = {"Content-Type": "application/json"}
    run(
        scenario(
            [
                ("POST", DEPLOYMENTS, placed(deployment("other"), "metadata.managedFields", entries), json_headers),
                ("PUT", web, document, json_headers),
                ("PATCH", f"{web}?fieldManager=x&force=true", deployment(replicas=2), APPLY),
                ("PATCH", f"{web}?fieldManager=y", {**deployment(), "spec": {"paused": True}}, APPLY),
            ]
        )
    )


@FUZZ
@given(operations=OPERATIONS)
def test_no_json_patch_is_worth_a_5xx(operations: Any) -> None:
    run(scenario([("PATCH", f"{DEPLOYMENTS}/web", operations, JSON_PATCH)]))


@FUZZ
@given(query=QUERIES, accept=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_no_query_is_worth_a_5xx(query: dict[str, str], accept: str) -> None:
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    requests = [
        (method, f"{path}?{text}", None, {"Accept": accept})
        for method, path in (
            ("GET", PODS),
            ("GET", f"{PODS}/p1"),
            ("GET", f"{PODS}/p1/log"),
            ("GET", f"{DEPLOYMENTS}/web/scale"),
            ("DELETE", f"{PODS}/p1"),
            ("DELETE", CONFIG_MAPS),
        )
    ]
    run(scenario(requests))


@FUZZ
@given(
    path=st.lists(
        st.sampled_from(
            ["api", "apis", "v1", "apps", "namespaces", "default", "pods", "deployments", "web", "log", ".."]
        )
        | st.text(min_size=1, max_size=6),
        max_size=8,
    ),
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
)
def test_no_path_is_worth_a_5xx(path: list[str], method: str) -> None:
    run(scenario([(method, "/" + "/".join(quote(part, safe="") for part in path), None, {})]))


@FUZZ
@given(body=st.binary(max_size=200), media=st.sampled_from(["application/json", "application/yaml", "text/plain"]))
def test_no_bytes_are_worth_a_5xx(body: bytes, media: str) -> None:
    headers = {"Content-Type": media}
    run(scenario([("POST", CONFIG_MAPS, body, headers), ("DELETE", f"{PODS}/p1", body, headers)]))


def test_a_body_nested_without_end_is_a_400() -> None:
    headers = {"Content-Type": "application/json"}
    deep = b'{"data":' * 20_000 + b"1" + b"}" * 20_000
    bomb = b"a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\n"
    yaml = {"Content-Type": "application/yaml"}
    run(
        scenario(
            [
                ("POST", CONFIG_MAPS, deep, headers),
                ("PATCH", f"{DEPLOYMENTS}/web", deep, MERGE),
                ("POST", CONFIG_MAPS, b"[" * 1_000_000, yaml),
                ("POST", CONFIG_MAPS, bomb, yaml),
            ]
        )
    )
