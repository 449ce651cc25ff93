from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from swarmlet.client import discovery
from swarmlet.client.discovery import Catalogue, UnknownTypeError
from tests.client.conftest import Fixture


def aggregated(group: str, version: str, **entry: Any) -> dict[str, Any]:
    versions = [{"version": version, "resources": [entry]}]
    return {"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": group}, "versions": versions}]}


PODS = aggregated(
    "",
    "v1",
    resource="pods",
    responseKind={"kind": "Pod"},
    scope="Namespaced",
    singularResource="pod",
    shortNames=["po"],
    categories=["all"],
)
DEPLOYMENTS = aggregated(
    "apps",
    "v1",
    resource="deployments",
    responseKind={"kind": "Deployment"},
    scope="Namespaced",
    categories=["all"],
    subresources=[{"subresource": "scale"}],
)


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(discovery.from_aggregated(PODS) + discovery.from_aggregated(DEPLOYMENTS))


@pytest.mark.parametrize("name", ["pods", "pod", "po", "Pod", "PODS"])
def test_a_kind_is_found_by_any_of_its_names(catalogue: Catalogue, name: str) -> None:
    assert catalogue.find(name).kind == "Pod"


@pytest.mark.parametrize("name", ["deployments.apps", "deployment.apps", "deployments.v1.apps"])
def test_a_kind_is_found_with_its_group(catalogue: Catalogue, name: str) -> None:
    assert catalogue.find(name).full_name == "deployment.apps"


def test_categories_and_lists_name_several_each_once(catalogue: Catalogue) -> None:
    assert [each.kind for each in catalogue.find_all("all")] == ["Pod", "Deployment"]
    assert [each.kind for each in catalogue.find_all("deployments,po,all")] == ["Deployment", "Pod"]


def test_a_name_that_is_not_known_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownTypeError, match=r'no resource type "pdos"; did you mean pods\?'):
        catalogue.find("pdos")


def test_paths_lead_to_collections_objects_and_their_parts(catalogue: Catalogue) -> None:
    deployments = catalogue.find("deployments")
    assert deployments.path() == "/apis/apps/v1/deployments"
    path = deployments.path(namespace="n", name="web", subresource="scale")
    assert path == "/apis/apps/v1/namespaces/n/deployments/web/scale"


async def test_aggregated_discovery_takes_two_requests(world: Fixture) -> None:
    world.script.answers = [lambda request: _json(PODS if request.path == "/api" else DEPLOYMENTS)]
    found = await world.client.discover()
    assert [(each.kind, each.subresources) for each in found.resources] == [("Pod", set()), ("Deployment", {"scale"})]
    assert len(world.script.requests) == 2


async def test_a_server_that_does_not_aggregate_is_asked_group_by_group(world: Fixture) -> None:
    answers = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "groups": [{"preferredVersion": {"groupVersion": "apps/v1"}}]},
        "/api/v1": {"groupVersion": "v1", "resources": [{"name": "pods", "kind": "Pod", "namespaced": True}]},
        "/apis/apps/v1": {
            "groupVersion": "apps/v1",
            "resources": [
                {"name": "deployments", "kind": "Deployment"},
                {"name": "deployments/scale", "kind": "Scale"},
            ],
        },
    }
    world.script.answers = [lambda request: _json(answers[request.path])]
    found = await world.client.discover()
    assert [(each.api_version, each.subresources) for each in found.resources] == [
        ("v1", set()),
        ("apps/v1", {"scale"}),
    ]


def _json(document: Any):
    return web.json_response(document)
