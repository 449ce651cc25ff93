"""Structural schemas: which are sound, and what they make of documents."""

from typing import Any

import pytest

from swarmlet.errors import TooLargeError
from swarmlet.model import json_path, structural, structural_values
from swarmlet.model.problems import Problems
from swarmlet.model.rules import structural as rules

TEXT = {"type": "string"}


def told(schema: dict[str, Any], value: Any) -> list[str]:
    problems = Problems()
    structural_values.check(schema, value, problems.at("spec"))
    return [f"{path}: {message}" for path, message in problems.causes]


def refused(schema: dict[str, Any]) -> list[str]:
    problems = Problems()
    rules.schema(schema, problems.at("schema"))
    return [f"{path}: {message}" for path, message in problems.causes]


def root(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "integer"}, "a", 'spec: Invalid value: "string": spec in body must be of type integer: "string"'),
        ({"type": "integer"}, True, 'spec: Invalid value: "boolean": spec in body must be of type integer: "boolean"'),
        (TEXT, None, 'spec: Invalid value: "null": spec in body must be of type string: "null"'),
        (
            {"type": "integer", "maximum": 3},
            4,
            "spec: Invalid value: 4: spec in body should be less than or equal to 3",
        ),
        ({**TEXT, "maxLength": 2}, "abc", "spec: Too long: may not be more than 2 bytes"),
        ({**TEXT, "pattern": "^a$"}, "b", "spec: Invalid value: \"b\": spec in body should match '^a$'"),
        ({**TEXT, "enum": ["a"]}, "b", 'spec: Unsupported value: "b": supported values: "a"'),
        ({**TEXT, "format": "ipv4"}, "x", 'spec: Invalid value: "x": spec in body must be of type ipv4: "x"'),
        ({"type": "array", "maxItems": 1}, [1, 2], "spec: Too many: 2: must have at most 1 items"),
        ({"type": "array", "x-kubernetes-list-type": "set"}, ["a", "a"], 'spec[1]: Duplicate value: "a"'),
        ({**root(a=TEXT), "required": ["a"]}, {}, "spec.a: Required value"),
        (
            {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], **root(a=TEXT, b=TEXT)},
            {"a": "1", "b": "2"},
            (
                'spec: Invalid value: "object": "spec" must validate one and only one schema (oneOf). '
                "Found 2 valid alternatives"
            ),
        ),
    ],
)
def test_a_broken_rule_is_told_in_kubernetes_words(schema: dict[str, Any], value: Any, expected: str) -> None:
    assert told(schema, value) == [expected]


def test_what_keeps_the_rules_is_fine() -> None:
    assert told({"x-kubernetes-int-or-string": True}, "80%") == []
    assert told({"type": "number"}, 1) == []
    assert told({**TEXT, "nullable": True}, None) == []
    assert told({**TEXT, "format": "date-time"}, "2026-01-02T03:04:05Z") == []


def test_pruning_keeps_what_is_known_and_what_is_to_be_preserved() -> None:
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"b": root(c=TEXT)}}
    schema = root(spec=root(a=TEXT, free=free, labels={"type": "object", "additionalProperties": TEXT}))
    spec = {"a": "1", "x": 2, "free": {"any": 1, "b": {"c": "1", "d": 2}}, "labels": {"k": "v"}}
    kept, unknown = structural.pruned(schema, {"spec": spec})
    assert kept == {"spec": {"a": "1", "free": {"any": 1, "b": {"c": "1"}}, "labels": {"k": "v"}}}
    assert unknown == ["spec.x", "spec.free.b.d"]


def test_defaults_stand_where_nothing_does_and_only_in_what_is_there() -> None:
    schema = root(spec=root(a={**TEXT, "default": "x"}, n={**TEXT, "default": "y", "nullable": True}))
    assert structural.with_defaults(schema, {"spec": {"a": None, "n": None}}) == {"spec": {"a": "x", "n": None}}
    assert structural.with_defaults(schema, {}) == {}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "array", "items": TEXT}, 'schema.type: Invalid value: "array": must be object at the root'),
        (root(a={}), "schema.properties[a].type: Required value: must not be empty for specified object fields"),
        (root(a={"$ref": "#/b", **TEXT}), "schema.properties[a].$ref: Forbidden: $ref is not supported"),
        (root(a={**TEXT, "default": 1}), 'must be of type string: "integer"'),
        (root(a={**TEXT, "pattern": "("}), "must be a valid regular expression, but isn't"),
        (
            {**root(a=TEXT), "additionalProperties": TEXT},
            "schema.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            {**root(a=TEXT), "anyOf": [{"properties": {"a": TEXT}}]},
            "schema.anyOf[0].properties[a].type: Forbidden: must be empty to be structural",
        ),
        (
            {**root(), "anyOf": [{"properties": {"a": {"minLength": 1}}}]},
            "schema.anyOf[0].properties[a]: Required value: because it is defined in schema.anyOf[0].properties[a]",
        ),
    ],
)
def test_a_schema_that_is_not_structural_is_refused(schema: dict[str, Any], expected: str) -> None:
    [message] = refused(schema)
    assert expected in message


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ('.conditions[?(@.type=="Ready")].status', ["True"]),
        (".items[1]", [2]),
        (".items[*]", [1, 2]),
        (r".labels.a\.b/c", ["x"]),
        (".nothing", []),
    ],
)
def test_json_paths(path: str, found: list[Any]) -> None:
    document = {"conditions": [{"type": "Ready", "status": "True"}], "items": [1, 2], "labels": {"a.b/c": "x"}}
    assert json_path.parse(path).find(document) == found


def test_defaults_make_no_mountain_of_a_molehill() -> None:
    many = {"type": "array", "items": {"type": "integer"}, "default": list(range(1_000))}
    schema = root(list={"type": "array", "items": root(many=many)})
    assert structural.with_defaults(schema, {"list": [{}] * 3})["list"][2]["many"][999] == 999
    with pytest.raises(TooLargeError, match="the defaults of its kind add more than 3145728 bytes"):
        structural.with_defaults(schema, {"list": [{}] * 10_000})
