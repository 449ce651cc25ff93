"""Rules in CEL within structural schemas: what they see, when they are asked, what they say, and which are refused."""

from __future__ import annotations

from typing import Any, cast

import pytest

from swarmlet.model import decode, kinds, structural_rules, structural_values
from swarmlet.model.apiextensions import CustomResourceDefinition
from swarmlet.model.problems import Problems
from swarmlet.model.rules import custom_resource_definitions, structural
from tests.api.custom_documents import definition, version

Document = dict[str, Any]

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}


def rule(text: str, **others: Any) -> Document:
    return {"rule": text, **others}


def objects(properties: Document, *rules: Document, **others: Any) -> Document:
    return {"type": "object", "properties": properties, "x-kubernetes-validations": list(rules), **others}


def causes(spec: Document, value: Any, old: Any = None) -> list[tuple[str, str]]:
    """Return what an object whose spec is `value` breaks, made or changed from one whose spec was `old`."""
    problems = Problems()
    before = None if old is None else {"kind": "Thing", "spec": old}
    structural_rules.check(
        {"type": "object", "properties": {"spec": spec}}, {"kind": "Thing", "spec": value}, before, problems.at("")
    )
    return problems.causes


def refusals(spec: Document) -> list[tuple[str, str]]:
    """Return what is wrong with a schema."""
    problems = Problems()
    structural.schema({"type": "object", "properties": {"spec": spec}}, problems.at("schema"))
    return problems.causes


def test_a_rule_is_about_the_value_at_its_place_and_says_so() -> None:
    schema = objects({"least": WHOLE, "most": WHOLE}, rule("self.least <= self.most", message="least over most"))
    assert causes(schema, {"least": 1, "most": 2}) == []
    assert causes(schema, {"least": 3, "most": 2}) == [("spec", 'Invalid value: "object": least over most')]
    assert causes(schema, {"least": 3}) == [
        ("spec", 'Invalid value: "object": no such key: most evaluating rule: least over most')
    ]


def test_a_rule_without_a_message_is_told_itself() -> None:
    assert causes(objects({"a": WHOLE}, rule(" self.a > 1 ")), {"a": 1}) == [
        ("spec", 'Invalid value: "object": failed rule: self.a > 1')
    ]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("FieldValueRequired", "Required value: say which"),
        ("FieldValueForbidden", "Forbidden: say which"),
        ("FieldValueDuplicate", 'Duplicate value: "object"'),
        ("FieldValueInvalid", 'Invalid value: "object": say which'),
    ],
)
def test_a_reason_and_a_path_say_what_is_wrong_where(reason: str, words: str) -> None:
    asked = rule("has(self.a)", message="say which", reason=reason, fieldPath=".a")
    assert causes(objects({"a": WHOLE}, asked), {}) == [("spec.a", words)]


def test_a_message_may_be_an_expression_and_the_plain_one_stands_in_for_it() -> None:
    told = {"messageExpression": "'%d is over %d'.format([self.a, self.most])", "message": "too much"}
    schema = objects({"a": WHOLE, "most": WHOLE}, rule("self.a < 3", **told))
    assert causes(schema, {"a": 5, "most": 3}) == [("spec", 'Invalid value: "object": 5 is over 3')]
    assert causes(schema, {"a": 5}) == [("spec", 'Invalid value: "object": too much')]


def test_what_a_schema_does_not_name_is_not_seen_and_odd_names_are_escaped() -> None:
    names = {"a-b": WHOLE, "c.d": WHOLE, "namespace": TEXT, "e__f": WHOLE}
    text = "self.a__dash__b == 1 && self.c__dot__d == 1 && self.__namespace__ == 'x' && self.e__underscores__f == 1"
    schema = objects(names, rule(text))
    assert refusals(schema) == []
    assert causes(schema, {"a-b": 1, "c.d": 1, "namespace": "x", "e__f": 1}) == []


def test_a_whole_object_shows_its_name_and_kind() -> None:
    schema = {
        "type": "object",
        "x-kubernetes-validations": [rule("self.metadata.name != 'no' && self.kind == 'Thing'")],
    }
    problems = Problems()
    structural.schema(schema, problems.at("schema"))
    assert problems.causes == []
    structural_rules.check(schema, {"kind": "Thing", "metadata": {"name": "no"}}, None, problems.at(""))
    assert [path for path, _ in problems.causes] == ["<nil>"]


def test_formats_numbers_and_lists_are_of_the_types_that_the_schema_says() -> None:
    properties = {
        "until": {"type": "string", "format": "date-time"},
        "every": {"type": "string", "format": "duration"},
        "share": {"type": "number"},
        "either": {"x-kubernetes-int-or-string": True},
        "names": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
    }
    text = (
        "self.until > timestamp('2026-01-01T00:00:00Z') && self.every == duration('1m') && self.share + 0.5 == 1.5 "
        "&& (type(self.either) == int ? self.either == 5 : self.either == '5%') && self.names == ['b', 'a']"
    )
    schema = objects(properties, rule(text))
    assert refusals(schema) == []
    value = {"until": "2026-06-01T00:00:00Z", "every": "60s", "share": 1, "either": "5%", "names": ["a", "b"]}
    assert causes(schema, value) == []
    assert causes(schema, {**value, "either": 5}) == []


def test_a_rule_about_what_becomes_of_a_value_is_asked_where_there_was_one() -> None:
    schema = objects({"size": {**WHOLE, "x-kubernetes-validations": [rule("self >= oldSelf", message="shrunk")]}})
    assert causes(schema, {"size": 1}) == []
    assert causes(schema, {"size": 1}, {}) == []
    assert causes(schema, {"size": 3}, {"size": 2}) == []
    assert causes(schema, {"size": 1}, {"size": 2}) == [("spec.size", 'Invalid value: "integer": shrunk')]


def test_an_optional_old_value_lets_a_rule_be_asked_at_all_times() -> None:
    asked = rule("oldSelf.optMap(o, o == self).orValue(self == 1)", optionalOldSelf=True, message="once")
    schema = objects({"size": {**WHOLE, "x-kubernetes-validations": [asked]}})
    assert refusals(schema) == []
    assert causes(schema, {"size": 1}) == []
    assert causes(schema, {"size": 2}) == [("spec.size", 'Invalid value: "integer": once')]
    assert causes(schema, {"size": 2}, {"size": 1}) == [("spec.size", 'Invalid value: "integer": once')]


def test_items_of_a_map_are_compared_with_what_they_were() -> None:
    item = objects({"name": TEXT, "port": WHOLE}, rule("self.port == oldSelf.port", message="fixed"))
    schema = objects({"ports": {"type": "array", "items": item, "x-kubernetes-list-type": "map",
                                "x-kubernetes-list-map-keys": ["name"]}})  # fmt: skip
    assert refusals(schema) == []
    before = {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}
    assert causes(schema, {"ports": [{"name": "b", "port": 2}, {"name": "c", "port": 9}]}, before) == []
    assert causes(schema, {"ports": [{"name": "b", "port": 3}]}, before) == [
        ("spec.ports[0]", 'Invalid value: "object": fixed')
    ]


def test_what_an_update_leaves_as_it_was_is_not_judged_by_rules_that_came_later() -> None:
    part = objects({"a": {**WHOLE, "maximum": 3}}, rule("self.a < 3", message="too much"))
    schema = objects({"part": part, "b": WHOLE})
    old = {"part": {"a": 5}, "b": 1}
    assert causes(schema, {**old, "b": 2}, old) == []
    assert len(causes(schema, {"part": {"a": 6}, "b": 1}, old)) == 1
    problems = Problems()
    structural_values.check(schema, {**old, "b": 2}, problems.at("spec"), old)
    assert problems.causes == []
    structural_values.check(schema, {"part": {"a": True}, "b": 2}, problems.at("spec"), {"part": {"a": 1}})
    assert [path for path, _ in problems.causes] == ["spec.part.a"]


def test_rules_that_take_too_long_end_the_check_with_a_refusal() -> None:
    schema = objects(
        {"names": {"type": "array", "items": TEXT}},
        rule("self.names.all(a, self.names.all(b, self.names.all(c, a != b || b != c || a == c)))"),
        rule("false", message="never reached"),
    )
    [(path, message)] = causes(schema, {"names": ["x" * 40] * 400})
    why = "validation failed due to running out of cost budget, no further validation rules will be run"
    assert (path, message) == ("<nil>", f'Invalid value: "object": {why}')


@pytest.mark.parametrize(
    ("asked", "where", "words"),
    [
        (rule(""), "rule", "Required value: rule is not specified"),
        ({"rule": 1}, "rule", "is of the wrong type"),
        (rule("self.a +"), "rule", "Syntax error: unexpected"),
        (rule("self.b == 1"), "rule", "<input>:1:5: undefined field 'b'"),
        (rule("self.names.all(n, n.size == 1)"), "rule", "type 'string' does not support field selection"),
        (rule("self.a.all(n, true)"), "rule", "expression of type 'int' cannot be range of a comprehension"),
        (rule("self.a == 'one'"), "rule", "found no matching overload for '_==_' applied to '(int, string)'"),
        (rule("self.a && true"), "rule", "expected type 'bool' but found 'int'"),
        (rule("self.a + 1"), "rule", "cel expression must evaluate to a bool"),
        (rule("self.metadata.name == ''"), "rule", "undefined field 'metadata'"),
        (rule("self.names.exists(n, n.find('a') != '')"), "rule", "undeclared reference to 'find'"),
        (rule("true", message=" "), "message", "message must be non-empty if specified"),
        (rule("true", message="a\nb"), "message", "message must not contain line breaks"),
        (rule("true\n|| false"), "message", "message must be specified if rule contains line breaks"),
        (rule("true", messageExpression="self.a"), "messageExpression", "must evaluate to a string"),
        (rule("true", reason="Because"), "reason", 'Unsupported value: "Because"'),
        (rule("true", fieldPath=".nothing"), "fieldPath", "does not refer to a valid field"),
        (rule("true", optionalOldSelf=True), "optionalOldSelf", "if oldSelf is not used in rule"),
    ],
)
def test_a_rule_that_cannot_be_kept_to_is_refused(asked: Document, where: str, words: str) -> None:
    schema = objects({"a": WHOLE, "names": {"type": "array", "items": TEXT}}, asked)
    [(path, message)] = refusals(schema)
    assert path == f"schema.properties[spec].x-kubernetes-validations[0].{where}"
    assert words in message


def test_a_definition_has_only_so_many_letters_of_rules() -> None:
    many = [rule(f"self.a > {number} || {' || '.join(['true'] * 1_500)}", message="m") for number in range(20)]
    versions = (version(f"v{number}", {"spec": objects({"a": WHOLE}, *many)}, storage=number == 1) for number in (1, 2))
    value = decode.decode(
        kinds.CUSTOM_RESOURCE_DEFINITION, definition("example.com", "Thing", "things", *versions)
    ).object
    problems = Problems()
    custom_resource_definitions.custom_resource_definition(cast("CustomResourceDefinition", value), problems)
    assert any("must not have rules of over 200000 characters altogether" in told for _, told in problems.causes)


def test_items_that_nothing_tells_apart_have_no_old_value() -> None:
    item = objects({"port": WHOLE}, rule("self.port == oldSelf.port"))
    [(_, message)] = refusals(objects({"ports": {"type": "array", "items": item}}))
    assert "oldSelf cannot be used on the uncorrelatable portion of the schema within" in message


@pytest.mark.slow
def test_each_look_of_a_rule_at_a_large_object_is_paid() -> None:
    schema: Document = {"type": "array", "items": WHOLE}
    value: Any = list(range(50_000))
    for _ in range(60):
        schema, value = objects({"a": schema}, rule("true")), {"a": value}
    [(_, message)] = causes(schema, value)
    assert "running out of cost budget" in message


@pytest.mark.parametrize(
    "odd",
    [
        {"required": [[1]]},
        {"not": "x"},
        {"items": "x"},
        {"additionalProperties": "x"},
        {"x-kubernetes-list-map-keys": [{}]},
    ],
)
def test_a_keyword_of_the_wrong_type_is_refused_and_reaches_no_object(odd: Document) -> None:
    assert any("is of the wrong type" in message for _, message in refusals({"type": "object", **odd}))


@pytest.mark.parametrize("schema", [{"type": "number", "multipleOf": 0.1}, {"type": "number", "minimum": 0.5}, WHOLE])
def test_a_number_without_end_is_no_number(schema: Document) -> None:
    problems = Problems()
    structural_values.check(schema, 10**400, problems.at("a"))
    [(_, message)] = problems.causes
    assert "must be a number of at most 64 bits" in message
