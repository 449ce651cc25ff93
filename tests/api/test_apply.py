"""Server-side apply, and who owns what after every other write."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet.model import kinds
from swarmlet.model.core import Namespace
from swarmlet.model.meta import ObjectMeta
from tests.api.conftest import START, Api, DirectReplica, FakeClock
from tests.api.documents import CONFIG_MAPS, DEPLOYMENTS, JSON_PATCH, MERGE, PODS, config_map, deployment, pod

APPLY = {"Content-Type": "application/apply-patch+yaml"}
CONF = f"{CONFIG_MAPS}/conf"
WEB = f"{DEPLOYMENTS}/web"


async def apply(api: Api, path: str, document: Any, who: str = "alice", **query: str) -> tuple[int, Any]:
    return await api.read("PATCH", path, params={"fieldManager": who, **query}, json=document, headers=APPLY)


def owners(document: Any) -> list[tuple[str, str, str]]:
    entries = document["metadata"].get("managedFields", [])
    return [(each["manager"], each["operation"], each.get("subresource", "")) for each in entries]


def owned(document: Any, manager: str) -> Any:
    [entry] = [each for each in document["metadata"]["managedFields"] if each["manager"] == manager]
    return entry["fieldsV1"]


async def test_what_is_not_there_is_made(api: Api) -> None:
    code, made = await apply(api, CONF, config_map(a="1"))
    assert (code, made["data"]) == (201, {"a": "1"})
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "alice",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": "2026-01-02T03:04:05Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}},
        }
    ]


async def test_yaml_is_a_body_too(api: Api) -> None:
    data = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\ndata: {a: '1'}\n"
    assert (await api.read("PATCH", f"{CONF}?fieldManager=x", data=data, headers=APPLY))[0] == 201


async def test_applying_again_changes_nothing(api: Api, clock: FakeClock) -> None:
    _, made = await apply(api, WEB, deployment())
    await clock.sleep(60)
    code, again = await apply(api, WEB, deployment())
    assert (code, again) == (200, made)


async def test_a_field_left_out_goes_and_a_default_comes_back(api: Api) -> None:
    document = deployment()
    document["spec"]["revisionHistoryLimit"] = 3
    await apply(api, WEB, document)
    _, after = await apply(api, WEB, deployment())
    assert after["spec"]["revisionHistoryLimit"] == 10


async def test_a_conflict_names_field_and_manager(api: Api) -> None:
    await api.read("POST", f"{DEPLOYMENTS}?fieldManager=kubectl-create", json=deployment(replicas=3))
    code, status = await apply(api, WEB, deployment(replicas=4))
    assert (code, status["reason"]) == (409, "Conflict")
    told = 'conflict with "kubectl-create" using apps/v1'
    assert status["message"] == f"Apply failed with 1 conflict: {told}: .spec.replicas"
    cause = {"reason": "FieldManagerConflict", "message": told, "field": ".spec.replicas"}
    assert status["details"]["causes"] == [cause]
    code, forced = await apply(api, WEB, deployment(replicas=4), force="true")
    assert (code, forced["spec"]["replicas"]) == (200, 4)
    assert "f:replicas" not in owned(forced, "kubectl-create")["f:spec"]


async def test_scaling_is_owned_through_its_door(api: Api) -> None:
    await apply(api, WEB, deployment(replicas=3))
    await api.read("PATCH", f"{WEB}/scale?fieldManager=kubectl", json={"spec": {"replicas": 5}}, headers=MERGE)
    _, after = await api.read("GET", WEB)
    assert owners(after) == [("alice", "Apply", ""), ("kubectl", "Update", "scale")]
    assert owned(after, "kubectl") == {"f:spec": {"f:replicas": {}}}
    code, status = await apply(api, WEB, deployment(replicas=3))
    assert code == 409
    assert 'conflict with "kubectl" with subresource "scale" using apps/v1' in status["message"]


async def test_scale_itself_can_be_applied(api: Api) -> None:
    await api.read("POST", DEPLOYMENTS, json=deployment())
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 7}}
    code, status = await apply(api, f"{WEB}/scale", scale)
    assert code == 409, status
    code, scaled = await apply(api, f"{WEB}/scale", scale, force="true")
    assert (code, scaled["kind"], scaled["spec"]) == (200, "Scale", {"replicas": 7})
    _, after = await api.read("GET", WEB)
    assert ("alice", "Apply", "scale") in owners(after)


async def test_a_status_is_applied_by_itself(api: Api) -> None:
    await api.read("POST", PODS, json=pod())
    document = {"apiVersion": "v1", "kind": "Pod", "status": {"message": "m"}, "spec": {"nodeName": "elsewhere"}}
    code, after = await apply(api, f"{PODS}/p1/status", document, force="true")
    assert (code, after["status"]["message"], "nodeName" in after["spec"]) == (200, "m", False)
    assert ("alice", "Apply", "status") in owners(after)
    assert owned(after, "alice") == {"f:status": {"f:message": {}}}


async def test_a_status_in_an_apply_of_the_whole_is_nobodys(api: Api) -> None:
    _, made = await apply(api, WEB, {**deployment(), "status": {"replicas": 9}})
    assert "f:status" not in owned(made, "alice")
    assert made["status"].get("replicas") is None


async def test_an_apply_that_is_tried_changes_nothing(api: Api) -> None:
    code, made = await apply(api, CONF, config_map(a="1"), dryRun="All")
    assert (code, owners(made)) == (201, [("alice", "Apply", "")])
    assert (await api.read("GET", CONF))[0] == 404


@pytest.mark.parametrize(
    ("query", "document", "code", "told"),
    [
        ({}, config_map(), 422, "fieldManager: Required value: is required for apply patch"),
        ({"fieldManager": "x"}, {"kind": "ConfigMap"}, 400, "Object 'ApiVersion' is missing"),
        ({"fieldManager": "x"}, config_map("other"), 400, "does not match the name on the URL"),
        (
            {"fieldManager": "x"},
            {**config_map(), "metadata": {"managedFields": [{"manager": "x"}]}},
            400,
            "metadata.managedFields must be nil",
        ),
        ({"fieldManager": "x"}, {**config_map(), "metadata": {"uid": "u"}}, 409, "uid mismatch"),
        ({"fieldManager": "x"}, {**config_map(), "metadata": {"resourceVersion": "7"}}, 409, "has been modified"),
        ({"fieldManager": "x", "fieldValidation": "Strict"}, {**config_map(), "dta": {}}, 400, 'unknown field "dta"'),
    ],
)
async def test_what_is_wrong_is_said(api: Api, query: Any, document: Any, code: int, told: str) -> None:
    found, status = await api.read("PATCH", CONF, params=query, json=document, headers=APPLY)
    assert (found, told in status["message"]) == (code, True), status["message"]


async def test_force_is_for_an_apply_alone(api: Api) -> None:
    code, status = await api.read("PATCH", f"{CONF}?force=true", json={}, headers=MERGE)
    assert (code, status["reason"]) == (422, "Invalid")
    assert "force: Forbidden: may not be specified for non-apply patch" in status["message"]


async def test_a_writer_without_a_name_is_called_by_its_program(api: Api) -> None:
    _, made = await api.read("POST", CONFIG_MAPS, json=config_map(a="1"), headers={"User-Agent": "helm/v3 (linux)"})
    assert owners(made) == [("helm", "Update", "")]
    _, after = await api.read("PATCH", CONF, json={"data": {"b": "2"}}, headers=MERGE | {"User-Agent": ""})
    assert owners(after) == [("helm", "Update", ""), ("unknown", "Update", "")]


async def test_a_put_without_entries_keeps_them(api: Api) -> None:
    _, made = await apply(api, CONF, config_map(a="1"))
    code, after = await api.read("PUT", f"{CONF}?fieldManager=bob", json=config_map(a="1", b="2"))
    assert (code, owners(after)) == (200, [("alice", "Apply", ""), ("bob", "Update", "")])
    assert owned(after, "alice") == owned(made, "alice")


async def test_entries_can_be_rewritten_and_removed(api: Api) -> None:
    _, made = await apply(api, CONF, config_map(a="1"))
    renamed = [{**made["metadata"]["managedFields"][0], "manager": "bob"}]
    path = "/metadata/managedFields"
    _, after = await api.read(
        "PATCH", CONF, json=[{"op": "replace", "path": path, "value": renamed}], headers=JSON_PATCH
    )
    assert owners(after) == [("bob", "Apply", "")]
    _, after = await api.read("PATCH", CONF, json=[{"op": "replace", "path": path, "value": [{}]}], headers=JSON_PATCH)
    assert owners(after) == []
    _, after = await api.read("PATCH", CONF, json={"data": {"b": "2"}}, headers=MERGE)
    assert owners(after) == [], "what is not tracked stays so"


async def test_an_entry_of_no_known_operation_is_refused(api: Api) -> None:
    document = {**config_map(), "metadata": {"name": "conf", "managedFields": [{"manager": "x", "operation": "Eat"}]}}
    code, status = await api.read("POST", CONFIG_MAPS, json=document)
    assert code == 422
    assert status["details"]["causes"][0]["field"] == "metadata.managedFields[0].operation"


async def test_what_controllers_made_is_not_tracked_until_it_is_applied(api: Api, replica: DirectReplica) -> None:
    metadata = ObjectMeta(name="old", uid="u", creation_timestamp=START, labels={"a": "1"})
    replica.put(kinds.NAMESPACE, Namespace(metadata=metadata))
    path = "/api/v1/namespaces/old"
    _, after = await api.read("PATCH", path, json={"metadata": {"labels": {"b": "2"}}}, headers=MERGE)
    assert owners(after) == []
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "old", "labels": {"c": "3"}}}
    _, after = await apply(api, path, document)
    assert after["metadata"]["labels"].items() >= {"a": "1", "b": "2", "c": "3"}.items()
    assert owners(after) == [("alice", "Apply", ""), ("before-first-apply", "Update", "")]


async def test_an_object_that_comes_between_is_applied_to(api: Api, replica: DirectReplica) -> None:
    first = (await apply(api, CONF, config_map(a="1")))[1]
    await api.read("DELETE", CONF)

    def meddle() -> None:
        replica.before_propose = lambda: None
        stored = kinds.CONFIG_MAP.type(
            metadata=ObjectMeta(name="conf", namespace="default", uid="new"), data={"b": "2"}
        )
        replica.put(kinds.CONFIG_MAP, stored)

    replica.before_propose = meddle
    code, after = await apply(api, CONF, config_map(a="1"))
    assert (code, after["data"], after["metadata"]["uid"]) == (200, {"a": "1", "b": "2"}, "new")
    assert first["metadata"]["uid"] != "new"
