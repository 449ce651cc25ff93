"""Requests that nobody sends who means well: bombs, nonsense and too much of everything, for every door of the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.api.documents import CONFIG_MAPS, DEPLOYMENTS, JSON_PATCH, MERGE, NAMESPACES, PODS, STRATEGIC, config_map

APPLY = {"Content-Type": "application/apply-patch+yaml"}
JSON = {"Content-Type": "application/json"}
YAML = {"Content-Type": "application/yaml"}
MIB = 1024 * 1024
WEB = f"{CONFIG_MAPS}/web"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
TOKENS = "/apis/authentication.k8s.io/v1/tokenreviews"

Hostile = tuple[str, str, dict[str, str], bytes]

BODIES = (
    b"[" * (MIB - 1),
    b'{"data":' * 100_000 + b"1" + b"}" * 100_000,
    b'{"metadata":{"name":"x"},"data":{"a":' + b"9" * 100_000 + b"}}",
    b'{"metadata":{"name":"x"},"data":{"a":NaN,"b":Infinity}}',
    b'{"metadata":{"name":"x"},"data":{"a":1e999999999}}',
    b'{"metadata":{"name":"x"},"data":{"a":"\\ud800","b":"\\u0000","c":"\xff\xfe"}}',
    b'{"metadata":{"name":"x"},"metadata":{"name":"y"},"data":{"a":"1","a":"2"}}',
    json.dumps({"metadata": {"name": "x", "labels": {"k" * MIB: "v"}}}).encode(),
    json.dumps({"metadata": {"name": "n" * MIB, "finalizers": ["f"] * 50_000}}).encode(),
    json.dumps({"metadata": {"name": "x", "managedFields": [{"fieldsV1": {"f:" + "a" * 1000: {}}}] * 500}}).encode(),
    json.dumps([config_map()] * 1_000).encode(),
    b"a: &a [x,x,x,x,x,x,x,x]\n" + b"".join(b"b%d: &b%d [*a,*a]\n" % (n, n) for n in range(30)),
    b"!!python/object/apply:os.system ['true']",
    b"? [complex, key]\n: 1\n? {a: b}\n: 2\n",
    b"- " * 5_000 + b"x",
    b"{" * 50_000,
    b"a: |\n" + b"  x\n" * 200_000,
    b"\x00" * 1_000,
    b"k8s\x00" + b"\xff" * 10_000,
    b"",
)
DOUBLING = [{"op": "copy", "from": "/metadata", "path": f"/metadata/{number}"} for number in range(60)]
PATCHES: tuple[Any, ...] = (
    DOUBLING,
    [{"op": "add", "path": "/a" * 5_000, "value": 1}],
    [{"op": "add", "path": "/data/" + "x" * MIB, "value": "1"}],
    [{"op": "add", "path": "/metadata/finalizers/99999999999999999999", "value": "a"}],
    [{"op": "test", "path": "", "value": {"a": list(range(1_000))}}] * 1_000,
    [{"op": "add", "path": "/x", "value": []}, *[{"op": "add", "path": "/x/0", "value": 1}] * 9_000],
    [{"op": "replace", "path": "/metadata", "value": None}],
    [{"op": "remove", "path": "/kind"}] * 10_001,
    {"metadata": {"$patch": "explode"}, "$retainKeys": 7, "$setElementOrder/data": {"a": 1}},
    {"metadata": {"$deleteFromPrimitiveList/finalizers": "x", "finalizers": [{"$patch": "delete"}]}},
    {"data": {str(number): None for number in range(20_000)}},
    {"metadata": {"ownerReferences": [{"$patch": "replace"}, {"uid": {"a": 1}}]}},
)
QUERIES = (
    "labelSelector=" + "a" * 6_000,
    "labelSelector=" + "a%20in%20(" + "b," * 2_000 + ")",
    "fieldSelector=" + "metadata.name%3D" * 300,
    "limit=-1",
    "limit=99999999999999999999999999",
    "continue=" + "%FF" * 1_000,
    "resourceVersion=-1&resourceVersionMatch=Exact",
    "resourceVersion=99999999999999999999",
    "watch=1&timeoutSeconds=1&resourceVersion=1e9",
    "watch=perhaps",
    "timeoutSeconds=-99999999999999999999&watch=0",
    "dryRun=Some&fieldValidation=Maybe&fieldManager=" + "m" * 2_000,
    "a=" + "&a=" * 2_000,
    "%00=%00&labelSelector=%00",
)
PATHS = (
    "/api/v1/namespaces/default/pods/..%2f..%2fsecrets",
    "/api/v1/namespaces/%2e%2e/pods",
    "/api/v1/namespaces/default/pods/%00",
    "/api/v1/namespaces/default/pods/%F0%9F%98%80%FF",
    "/api/v1/namespaces/" + "a/" * 2_000,
    "/apis/" + "a." * 2_000 + "/v1/x",
    "//api//v1//pods",
    "/apis/%2F/%2F/%2F",
    "/openapi/v3/apis/..%2f..",
)
HEADERS: tuple[dict[str, str], ...] = (
    {"Accept": "application/json;as=Table;v=v9;g=x,*/*;q=nan"},
    {"Accept": ";;;===,,," * 300},
    {"Accept": "application/vnd.kubernetes.protobuf"},
    {"Content-Type": "application/json; charset=utf-99"},
    {"Content-Type": "text/html"},
    {"Content-Encoding": "gzip", **JSON},
    {"Accept-Encoding": "gzip;q=x, br;q=-1"},
    {"If-None-Match": '"' * 2_000},
    {"Authorization": "Bearer " + "a." * 2_000},
    {"Impersonate-User": "root"},
    {"Upgrade": "websocket", "Connection": "Upgrade"},
    {"Upgrade": "SPDY/3.1", "Connection": "Upgrade"},
    {"X-Swarmlet-Passed-On": "1"},
)


def requests() -> Iterator[Hostile]:
    """Yield them all; about 500."""
    yield from _bodies()
    yield from _patches()
    yield from _addresses()
    for headers in HEADERS:
        for path in (CONFIG_MAPS, f"{PODS}/web/exec?command=x&stdout=1", "/openapi/v2", "/apis"):
            yield "GET", path, headers, b""
        yield "POST", CONFIG_MAPS, headers, json.dumps(config_map("made")).encode()


def _bodies() -> Iterator[Hostile]:
    for body in BODIES:
        for media in (JSON, YAML, {"Content-Type": "application/vnd.kubernetes.protobuf"}):
            yield "POST", CONFIG_MAPS, media, body
        for path in (WEB, f"{DEPLOYMENTS}/web/scale", f"{DEPLOYMENTS}/web/status", f"{NAMESPACES}/default/finalize"):
            yield "PUT", path, JSON, body
        for path in (f"{PODS}/web/eviction", f"{PODS}/web/binding", REVIEWS, TOKENS):
            yield "POST", path, JSON, body
        yield "DELETE", f"{CONFIG_MAPS}/none", JSON, body


def _patches() -> Iterator[Hostile]:
    for body in (*BODIES, *(json.dumps(patch).encode() for patch in PATCHES)):
        for media in (MERGE, STRATEGIC, JSON_PATCH, APPLY):
            yield "PATCH", f"{WEB}?fieldManager=x", media, body


def _addresses() -> Iterator[Hostile]:
    for query in QUERIES:
        for path in (PODS, WEB, f"{PODS}/web/log"):
            yield "GET", f"{path}?{query}", {}, b""
        yield "POST", f"{CONFIG_MAPS}?{query}", JSON, json.dumps(config_map("made")).encode()
    for path in PATHS:
        for method in ("GET", "PUT", "DELETE", "OPTIONS"):
            yield method, path, JSON, b"{}"
