"""The columns and cells of kinds that users bring."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from swarmlet.api.tables import columns
from swarmlet.model import apiextensions, custom, decode, kinds
from swarmlet.model.apiextensions import CustomResourceDefinition
from swarmlet.model.custom import CustomKind
from swarmlet.model.meta import Condition
from tests.api import custom_documents
from tests.api.conftest import START

MADE = "2026-01-02T03:04:05Z"
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def kind_with(*asked: dict[str, Any]) -> CustomKind:
    version = custom_documents.version("v1", {"spec": ANYTHING}, additionalPrinterColumns=list(asked))
    document = custom_documents.definition("example.com", "Widget", "widgets", version)
    value = cast("CustomResourceDefinition", decode.decode(kinds.CUSTOM_RESOURCE_DEFINITION, document).object)
    established = Condition(type=apiextensions.ESTABLISHED, status="True")
    status = msgspec.structs.replace(value.status, conditions=(established,), accepted_names=value.spec.names)
    [kind] = custom.kinds_of(msgspec.structs.replace(value, status=status), 1).values()
    return kind


def cell(type_: str, spec: Any, path: str = ".spec.it") -> object:
    kind = kind_with({"name": "It", "type": type_, "jsonPath": path})
    metadata = {"name": "w", "creationTimestamp": MADE}
    document = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, "spec": spec}
    return columns.of(kind).cells(decode.decode(kind, document).object, START)[1]


@pytest.mark.parametrize(
    ("type_", "value", "shown"),
    [
        ("string", "a", "a"),
        ("string", 7, "7"),
        ("string", True, "true"),
        ("string", ["a", 1], '["a",1]'),
        ("integer", 7, 7),
        ("integer", 7.9, 7),
        ("integer", True, None),
        ("integer", "7", None),
        ("number", 7.5, 7.5),
        ("boolean", False, False),
        ("boolean", "yes", None),
        ("date", MADE, "0s"),
        ("date", "yesterday", "<invalid>"),
        ("date", 7, None),
    ],
)
def test_a_value_is_shown_as_its_column_says(type_: str, value: Any, shown: object) -> None:
    assert cell(type_, {"it": value}) == shown


@pytest.mark.parametrize("type_", ["string", "integer", "number", "boolean", "date"])
def test_what_is_not_there_is_no_cell(type_: str) -> None:
    assert cell(type_, {}) is None


def test_of_many_values_the_first_is_shown() -> None:
    spec = {"all": [{"type": "A", "is": "1"}, {"type": "B", "is": "2"}]}
    assert cell("string", spec, ".spec.all[*].is") == "1"
    assert cell("string", spec, '.spec.all[?(@.type == "B")].is') == "2"


def test_columns_are_the_definitions() -> None:
    asked = {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "format": "int32", "priority": 1}
    [name, size] = msgspec.json.decode(columns.definitions(kind_with(asked)))
    assert (name["name"], name["format"]) == ("Name", "name")
    assert size == {
        "name": "Size",
        "type": "integer",
        "format": "int32",
        "priority": 1,
        "description": "Custom resource definition column (in JSONPath format): .spec.size",
    }
    [_, told] = msgspec.json.decode(columns.definitions(kind_with(asked | {"description": "How large."})))
    assert told["description"] == "How large."


def test_who_asks_for_no_columns_gets_the_age() -> None:
    kind = kind_with()
    [_, age] = msgspec.json.decode(columns.definitions(kind))
    assert (age["name"], age["type"], age["description"][:17]) == ("Age", "date", "CreationTimestamp")
    document = {"metadata": {"name": "w", "creationTimestamp": MADE}}
    assert columns.of(kind).cells(decode.decode(kind, document).object, START) == ["w", "0s"]
