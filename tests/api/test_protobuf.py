"""A body in protobuf is answered as the same document in JSON is."""

from __future__ import annotations

import random
from typing import Any

import pytest

from swarmlet.api.bodies import PROTOBUF
from swarmlet.model import kinds
from swarmlet.model.kinds import Kind
from swarmlet.protobuf import schema
from tests.api.conftest import Api
from tests.api.documents import CONFIG_MAPS, DEPLOYMENTS, PODS, config_map, deployment, pod
from tests.protobuf import encoding
from tests.protobuf.documents import some_document

HEADERS = {"Content-Type": PROTOBUF}
SEEDS = range(6)
SPOKEN = [kind for kind in kinds.SERVED + kinds.OTHER_VERSIONS if schema.message_of(kind.api_version, kind.kind)]
"""The kinds that clients speak protobuf of: definitions of custom ones they send as JSON."""


def path_of(kind: Kind) -> str:
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    return f"{root}/namespaces/default/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"


def some_object(rng: random.Random, kind: Kind) -> dict[str, Any]:
    found = some_document(rng, schema.message_of(kind.api_version, kind.kind), 6)
    found["metadata"] = {"name": "web", "labels": {"a": "b"}}
    return found | {"apiVersion": kind.api_version, "kind": kind.kind}


def essence(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what is new in each."""
    ours = {"uid", "creationTimestamp", "managedFields", "resourceVersion"}
    metadata = {key: value for key, value in answer.get("metadata", {}).items() if key not in ours}
    return answer | {"metadata": metadata}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SPOKEN, ids=lambda kind: kind.kind)
async def test_some_objects_of_every_kind_are_answered_as_in_json(api: Api, kind: Kind) -> None:
    for seed in SEEDS:
        document = some_object(random.Random(seed), kind)
        path = f"{path_of(kind)}?dryRun=All&fieldValidation=Strict"
        code, told = await api.read("POST", path, json=document)
        assert code < 500
        again, answer = await api.read("POST", path, data=encoding.body(document), headers=HEADERS)
        assert (again, essence(answer)) == (code, essence(told)), document


async def test_an_object_is_created_updated_and_deleted(api: Api) -> None:
    code, made = await api.read("POST", DEPLOYMENTS, data=encoding.body(deployment()), headers=HEADERS)
    assert (code, made["spec"]["replicas"]) == (201, 3)
    changed = deployment(replicas=0)
    changed["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
    code, updated = await api.read("PUT", f"{DEPLOYMENTS}/web", data=encoding.body(changed), headers=HEADERS)
    assert (code, updated["spec"]["replicas"]) == (200, 0)
    code, refused = await api.read("PUT", f"{DEPLOYMENTS}/web", data=encoding.body(changed), headers=HEADERS)
    assert (code, refused["reason"]) == (409, "Conflict")
    stranger = {"uid": "another"}
    options = {"apiVersion": "apps/v1", "kind": "DeleteOptions", "preconditions": stranger}
    assert (await api.read("DELETE", f"{DEPLOYMENTS}/web", data=encoding.body(options), headers=HEADERS))[0] == 409
    del options["preconditions"]
    assert (await api.read("DELETE", f"{DEPLOYMENTS}/web", data=encoding.body(options), headers=HEADERS))[0] == 200
    assert (await api.read("GET", f"{DEPLOYMENTS}/web"))[0] == 404


async def test_subresources_take_it_too(api: Api) -> None:
    await api.read("POST", DEPLOYMENTS, json=deployment())
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 7}}
    code, scaled = await api.read("PUT", f"{DEPLOYMENTS}/web/scale", data=encoding.body(scale), headers=HEADERS)
    assert (code, scaled["spec"]["replicas"]) == (200, 7)
    await api.read("POST", PODS, json=pod("p1"))
    target = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p1"},
        "target": {"kind": "Node", "name": "n"},
    }
    assert (await api.read("POST", f"{PODS}/p1/binding", data=encoding.body(target), headers=HEADERS))[0] == 201
    assert (await api.read("GET", f"{PODS}/p1"))[1]["spec"]["nodeName"] == "n"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p1"}}
    assert (await api.read("POST", f"{PODS}/p1/eviction", data=encoding.body(eviction), headers=HEADERS))[0] == 201


async def test_a_kind_that_does_not_belong_there_is_refused(api: Api) -> None:
    code, status = await api.read("POST", CONFIG_MAPS, data=encoding.body(deployment()), headers=HEADERS)
    assert code == 400
    assert "(apps/v1) does not match the expected API version (v1)" in status["message"]
    code, status = await api.read("POST", CONFIG_MAPS, data=b"k8s\0\xff", headers=HEADERS)
    assert (code, status["message"]) == (400, "the body is not valid protobuf: unexpected EOF")
    code, status = await api.read("PATCH", f"{CONFIG_MAPS}/a", data=encoding.body(config_map()), headers=HEADERS)
    assert code == 415, "and it is no form of patch"
