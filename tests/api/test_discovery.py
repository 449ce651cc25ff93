from __future__ import annotations

import re

import msgspec
import pytest

from swarmlet.api.discovery import openapi
from swarmlet.model import kinds, schema
from swarmlet.protobuf import openapi_v2
from tests.api.conftest import Api

GVK = "x-kubernetes-group-version-kind"

AGGREGATED = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}


async def test_the_version_is_one_that_clients_accept(api: Api) -> None:
    _, version = await api.read("GET", "/version")
    assert version["gitVersion"].startswith(f"v{version['major']}.{version['minor']}.0+swarmlet-")


async def test_plain_and_aggregated_discovery_tell_the_same_kinds(api: Api) -> None:
    plain = {
        (entry["name"], entry["kind"], entry["namespaced"])
        for path in dict.fromkeys(f"/apis/{k.api_version}" if k.group else "/api/v1" for k in kinds.IN_API)
        for entry in (await api.read("GET", path))[1]["resources"]
        if "/" not in entry["name"]
    }
    aggregated = {
        (entry["resource"], entry["responseKind"]["kind"], entry["scope"] == "Namespaced")
        for path in ("/api", "/apis")
        for group in (await api.read("GET", path, headers=AGGREGATED))[1]["items"]
        for version in group["versions"]
        for entry in version["resources"]
    }
    assert plain == aggregated == {(kind.plural, kind.kind, kind.namespaced) for kind in kinds.IN_API}


async def test_aggregated_discovery_says_what_it_is(api: Api) -> None:
    async with api.get("/apis", headers=AGGREGATED) as response:
        assert "as=APIGroupDiscoveryList" in response.headers["Content-Type"]


async def test_what_only_daemons_see_is_not_served(api: Api) -> None:
    for path in ("/apis/internal.swarmlet.io/v1", "/apis/internal.swarmlet.io/v1/tokens"):
        assert (await api.read("GET", path))[0] == 404


async def test_scale_is_announced_with_its_own_kind(api: Api) -> None:
    _, listed = await api.read("GET", "/apis/apps/v1")
    (scale,) = (entry for entry in listed["resources"] if entry["name"] == "deployments/scale")
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")


async def test_openapi_v2_has_every_kind_and_all_that_it_refers_to(api: Api) -> None:
    _, document = await api.read("GET", "/openapi/v2")
    definitions = document["definitions"]
    named = [tuple(gvk.values()) for each in definitions.values() for gvk in each.get(GVK, ())]
    assert {(kind.group, kind.kind, kind.version) for kind in openapi.PUBLISHED} <= set(named)
    references = set(re.findall(r'"\$ref":"([^"]+)"', msgspec.json.encode(document).decode()))
    assert {each.removeprefix("#/definitions/") for each in references} <= set(definitions)
    quantity, port = definitions[schema.QUANTITY], definitions[schema.INT_OR_STRING]
    assert (quantity["type"], port["type"], port["format"]) == ("string", "string", "int-or-string")
    strategy = definitions["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"]
    assert strategy["$ref"] == "#/definitions/io.k8s.api.apps.v1.DeploymentStrategy"
    assert strategy["description"]


async def test_openapi_v2_says_what_a_patch_takes(api: Api) -> None:
    _, document = await api.read("GET", "/openapi/v2")
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch[GVK] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    taken = {each["name"] for each in patch["parameters"]}
    assert taken == {"dryRun", "fieldManager", "fieldValidation", "force", "body"}
    assert "application/apply-patch+yaml" in patch["consumes"]


async def test_openapi_v2_is_the_same_in_protobuf_and_kept_by_its_hash(api: Api) -> None:
    _, document = await api.read("GET", "/openapi/v2")
    headers = {"Accept": "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}
    async with api.get("/openapi/v2", headers=headers) as response:
        assert response.content_type == "application/octet-stream"
        assert await response.read() == openapi_v2.encode(document)
        tag = response.headers["ETag"]
    async with api.get("/openapi/v2", headers=headers | {"If-None-Match": tag}) as response:
        assert (response.status, await response.read()) == (304, b"")
    async with api.get("/openapi/v2", headers={"If-None-Match": tag}) as response:
        assert response.status == 200


async def test_openapi_documents_are_kept_by_their_hash(api: Api) -> None:
    _, index = await api.read("GET", "/openapi/v3")
    path = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    async with api.get(path) as response:
        assert response.headers["Cache-Control"] == "public, immutable"
        document = await response.json()
        tag = response.headers["ETag"]
    async with api.get("/openapi/v3/apis/apps/v1", headers={"If-None-Match": tag}) as response:
        assert response.status == 304
        assert response.headers["Cache-Control"] == "public"
    assert "io.k8s.api.apps.v1.Deployment" in document["components"]["schemas"]


@pytest.mark.parametrize("kind", kinds.SERVED, ids=lambda kind: kind.kind)
async def test_each_kind_has_a_patch_that_takes_dry_run_and_validation(api: Api, kind: kinds.Kind) -> None:
    place = f"apis/{kind.api_version}" if kind.group else f"api/{kind.api_version}"
    _, document = await api.read("GET", f"/openapi/v3/{place}")
    patches = [
        item["patch"]
        for item in document["paths"].values()
        if "patch" in item and item["patch"]["x-kubernetes-group-version-kind"]["kind"] == kind.kind
    ]
    (patch,) = patches
    assert {parameter["name"] for parameter in patch["parameters"]} >= {"dryRun", "fieldValidation"}
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
