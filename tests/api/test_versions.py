"""A kind in several versions: written, read, patched, watched and listed in either."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.documents import JSON_PATCH, MERGE, TABLE
from tests.api.test_apply import apply, owned
from tests.api.test_watch import watching

PLURAL = "namespaces/default/horizontalpodautoscalers"
ONE, TWO = f"/apis/autoscaling/v1/{PLURAL}", f"/apis/autoscaling/v2/{PLURAL}"
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
METRICS = "autoscaling.alpha.kubernetes.io/metrics"
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}


def autoscaler(version: str = "v1", **spec: Any) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 9, **spec},
    }


async def made(api: Api, **spec: Any) -> dict[str, Any]:
    code, document = await api.read("POST", ONE, json=autoscaler(**spec))
    assert code == 201, document
    return document


async def read(api: Api, path: str) -> dict[str, Any]:
    code, document = await api.read("GET", f"{path}/web")
    assert code == 200, document
    return document


async def test_what_is_made_in_one_version_is_there_in_the_other(api: Api) -> None:
    created = await made(api, targetCPUUtilizationPercentage=70)
    assert (created["apiVersion"], created["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 70)
    assert created["spec"]["minReplicas"] == created["metadata"]["generation"] == 1
    assert await read(api, ONE) == created
    other = await read(api, TWO)
    assert other["apiVersion"] == "autoscaling/v2"
    assert other["spec"]["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 70}
    assert other["metadata"] == created["metadata"]


async def test_who_names_no_target_gets_kubernetes_own(api: Api) -> None:
    assert (await made(api))["spec"]["targetCPUUtilizationPercentage"] == 80


async def test_a_list_and_a_table_are_of_the_version_that_was_asked(api: Api) -> None:
    await made(api, targetCPUUtilizationPercentage=70)
    _, listed = await api.read("GET", ONE)
    assert (listed["kind"], listed["apiVersion"]) == ("HorizontalPodAutoscalerList", "autoscaling/v1")
    assert [each["spec"]["targetCPUUtilizationPercentage"] for each in listed["items"]] == [70]
    _, table = await api.read("GET", ONE, headers=TABLE)
    assert table["rows"][0]["cells"][:3] == ["web", "Deployment/web", "cpu: <unknown>/70%"]
    _, chosen = await api.read("GET", ONE, params={"fieldSelector": "metadata.name=other"})
    assert chosen["items"] == []


async def test_a_put_in_version_1_keeps_what_only_version_2_says(api: Api) -> None:
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    document = autoscaler("v2", metrics=[MEMORY, cpu], behavior=behavior)
    assert (await api.read("POST", TWO, json=document))[0] == 201
    before = await read(api, TWO)
    shown = await read(api, ONE)
    assert json.loads(shown["metadata"]["annotations"][METRICS])[0]["resource"]["targetAverageValue"] == "1Gi"
    assert (await api.read("PUT", f"{ONE}/web", json=shown))[1] == shown
    assert await read(api, TWO) == before
    shown["spec"]["maxReplicas"] = 5
    assert (await api.read("PUT", f"{ONE}/web", json=shown))[0] == 200
    after = await read(api, TWO)
    assert after["spec"] == before["spec"] | {"maxReplicas": 5}
    assert after["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("headers", "patch"),
    [
        (MERGE, {"spec": {"targetCPUUtilizationPercentage": 33}}),
        (STRATEGIC, {"spec": {"targetCPUUtilizationPercentage": 33}}),
        (JSON_PATCH, [{"op": "replace", "path": "/spec/targetCPUUtilizationPercentage", "value": 33}]),
    ],
)
async def test_a_patch_is_of_the_version_that_it_names(api: Api, headers: dict[str, str], patch: Any) -> None:
    await made(api, targetCPUUtilizationPercentage=70)
    code, changed = await api.read("PATCH", f"{ONE}/web", json=patch, headers=headers)
    assert (code, changed["spec"]["targetCPUUtilizationPercentage"]) == (200, 33)
    metrics = (await read(api, TWO))["spec"]["metrics"]
    assert [each["resource"]["target"]["averageUtilization"] for each in metrics] == [33]


async def test_fields_have_their_owners_in_either_version(api: Api) -> None:
    document = autoscaler(targetCPUUtilizationPercentage=70)
    code, applied = await apply(api, f"{ONE}/web", document)
    assert (code, applied["apiVersion"]) == (201, "autoscaling/v1")
    assert set(owned(applied, "alice")["f:spec"]) == {"f:scaleTargetRef", "f:maxReplicas", "f:metrics"}
    assert (await apply(api, f"{ONE}/web", document))[1] == applied
    code, refused = await apply(api, f"{TWO}/web", autoscaler("v2", maxReplicas=4), "bob")
    assert (code, refused["reason"]) == (409, "Conflict")
    assert refused["details"]["causes"][0]["field"] == ".spec.maxReplicas"
    code, forced = await apply(api, f"{TWO}/web", autoscaler("v2", maxReplicas=4), "bob", force="true")
    assert (code, forced["spec"]["maxReplicas"]) == (200, 4)
    code, refused = await apply(api, f"{ONE}/web", document)
    assert code == 409


async def test_a_dry_run_shows_the_version_that_was_asked(api: Api) -> None:
    await made(api)
    patch = {"spec": {"targetCPUUtilizationPercentage": 33}}
    _, shown = await api.read("PATCH", f"{ONE}/web?dryRun=All", json=patch, headers=MERGE)
    assert (shown["apiVersion"], shown["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 33)
    assert (await read(api, ONE))["spec"]["targetCPUUtilizationPercentage"] == 80


async def test_a_watch_tells_in_its_version(api: Api) -> None:
    created = await made(api)
    start = created["metadata"]["resourceVersion"]
    async with watching(api, f"{ONE}?watch=true&resourceVersion={start}") as following:
        patch = [{"op": "replace", "path": "/spec/maxReplicas", "value": 7}]
        await api.read("PATCH", f"{TWO}/web", json=patch, headers=JSON_PATCH)
        event = await following()
    assert (event["type"], event["object"]["apiVersion"]) == ("MODIFIED", "autoscaling/v1")
    assert event["object"]["spec"]["targetCPUUtilizationPercentage"] == 80


async def test_watches_in_both_versions_see_the_same_change(api: Api) -> None:
    start = (await made(api))["metadata"]["resourceVersion"]
    asked = f"watch=true&resourceVersion={start}"
    async with watching(api, f"{ONE}?{asked}") as one, watching(api, f"{TWO}?{asked}") as two:
        await api.read("DELETE", f"{ONE}/web")
        events = await one(), await two()
    assert [each["type"] for each in events] == ["DELETED", "DELETED"]
    assert [each["object"]["apiVersion"] for each in events] == ["autoscaling/v1", "autoscaling/v2"]


async def test_a_status_written_in_version_1_is_the_same_status(api: Api) -> None:
    await made(api)
    patch = {"status": {"currentReplicas": 2, "desiredReplicas": 2, "currentCPUUtilizationPercentage": 41}}
    code, changed = await api.read("PATCH", f"{ONE}/web/status", json=patch, headers=MERGE)
    assert (code, changed["status"]["currentCPUUtilizationPercentage"]) == (200, 41)
    current = (await read(api, TWO))["status"]["currentMetrics"][0]["resource"]["current"]
    assert current == {"averageUtilization": 41}


async def test_what_is_wrong_is_told(api: Api) -> None:
    strict = {"fieldValidation": "Strict"}
    code, refused = await api.read("POST", ONE, params=strict, json=autoscaler(metrics=[MEMORY]))
    assert (code, 'unknown field "spec.metrics"' in refused["message"]) == (400, True)
    code, refused = await api.read("POST", ONE, json=autoscaler(targetCPUUtilizationPercentage=0))
    assert code == 422
    assert refused["details"]["causes"][0]["field"] == "spec.metrics[0].resource.target.averageUtilization"
    code, refused = await api.read("POST", ONE, json=autoscaler("v2"))
    assert code == 400


async def test_a_delete_in_either_version_is_one(api: Api) -> None:
    await made(api)
    assert (await api.read("DELETE", f"{ONE}/web"))[0] == 200
    assert (await api.read("GET", f"{TWO}/web"))[0] == 404
    await made(api)
    _, deleted = await api.read("DELETE", ONE)
    assert [each["apiVersion"] for each in deleted["items"]] == ["autoscaling/v1"]


async def test_an_event_of_the_new_recorder_is_one_of_cores(api: Api) -> None:
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "default"},
        "eventTime": "2026-01-02T03:04:05.000001Z",
        "reportingController": "example.com/app",
        "reportingInstance": "app-1",
        "action": "Pulling",
        "reason": "Pulled",
        "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
        "note": "it is here",
        "type": "Normal",
    }
    path = "namespaces/default/events"
    code, created = await api.read("POST", f"/apis/events.k8s.io/v1/{path}", json=event)
    assert (code, created["note"], created["apiVersion"]) == (201, "it is here", "events.k8s.io/v1")
    for asked, count in (("regarding.name=p,reportingController=example.com/app", 1), ("regarding.name=q", 0)):
        _, found = await api.read("GET", f"/apis/events.k8s.io/v1/{path}", params={"fieldSelector": asked})
        assert len(found["items"]) == count
    _, found = await api.read("GET", f"/api/v1/{path}", params={"fieldSelector": "involvedObject.name=p"})
    assert [(each["message"], each["reportingComponent"]) for each in found["items"]] == [
        ("it is here", "example.com/app")
    ]
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-02T03:04:06.000001Z"}}
    code, changed = await api.read("PATCH", f"/apis/events.k8s.io/v1/{path}/e", json=series, headers=STRATEGIC)
    assert (code, changed["series"]["count"]) == (200, 2)


async def test_discovery_names_both_and_prefers_the_newer(api: Api) -> None:
    _, group = await api.read("GET", "/apis/autoscaling")
    assert [each["version"] for each in group["versions"]] == ["v2", "v1"]
    assert group["preferredVersion"]["version"] == "v2"
    _, found = await api.read("GET", "/apis/autoscaling/v1")
    assert [each["name"] for each in found["resources"]] == [
        "horizontalpodautoscalers",
        "horizontalpodautoscalers/status",
    ]
