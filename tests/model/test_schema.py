from __future__ import annotations

import re

import msgspec
import pytest

from swarmlet.model import kinds, schema

PUBLISHED = (*kinds.SERVED, *kinds.OTHER_VERSIONS, *kinds.REVIEWS)


def test_lists_know_how_they_are_merged():
    containers = schema.fields("io.k8s.api.core.v1.PodSpec")["containers"]
    assert (containers.merge_key, containers.strategies) == ("name", ("merge",))
    assert (containers.list_type, containers.list_keys) == ("map", ("name",))
    assert containers.definition == "io.k8s.api.core.v1.Container"


def test_definitions_have_no_descriptions_in_memory():
    assert "description" not in schema.definitions()["io.k8s.api.core.v1.Pod"]
    assert "message" in schema.fields("io.k8s.api.apps.v1.DeploymentCondition")


@pytest.mark.parametrize(
    "group_version", sorted({kind.api_version for kind in (*kinds.SERVED, *kinds.OTHER_VERSIONS, *kinds.REVIEWS)})
)
def test_published_schemas_are_complete_described_and_name_their_kinds(group_version):
    schemas = schema.openapi_v3_schemas(group_version)
    text = msgspec.json.encode(schemas).decode()
    references = set(re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', text))
    assert references <= set(schemas)
    assert not re.search(r'"\$ref":"(?!#/components/schemas/)', text)
    for kind in PUBLISHED:
        if kind.api_version == group_version:
            published = schemas[schema.definition_of_kind(kind)]
            gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
            assert gvk in published["x-kubernetes-group-version-kind"]
            assert published["description"]


def test_a_reference_with_words_beside_it_stands_in_an_all_of():
    schemas = schema.openapi_v3_schemas("apps/v1")
    strategy = schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"]
    assert strategy["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy"}]
    assert "$ref" not in strategy


def test_fields_that_are_named_as_keywords_are_there() -> None:
    assert {"type", "enum", "oneOf", "properties"} <= set(schema.fields(schema.JSON_SCHEMA))
