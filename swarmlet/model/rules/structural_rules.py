"""Rules of the rules in CEL that a structural schema bears: that they can be kept to.

Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swarmlet.model import json_path, structural, structural_types
from swarmlet.model.cel import compiling
from swarmlet.model.cel.errors import CompileError
from swarmlet.model.problems import Place
from swarmlet.model.structural_rules import OLD_SELF, SELF, VARIABLES
from swarmlet.model.structural_types import OBJECT, type_of

Schema = Mapping[str, Any]

RULES_MAX = 2_000
"""In one schema."""
LETTERS_MAX = 200_000
"""Of all expressions of a definition: they take a second or two to compile."""
REASONS = ("FieldValueRequired", "FieldValueForbidden", "FieldValueInvalid", "FieldValueDuplicate")
_FIELDS: Mapping[str, type] = {
    **dict.fromkeys(("rule", "message", "messageExpression", "reason", "fieldPath"), str),
    "optionalOldSelf": bool,
}


def rules(schema: Schema, place: Place) -> None:
    """Check all rules of the schema of a whole object, which is sound but for them."""
    found = list(_bearers({**schema, OBJECT: True}, place, uncorrelated=""))
    if sum(len(each[structural.VALIDATIONS]) for each, _, _ in found) > RULES_MAX:
        place.invalid("schema", f"must not have more than {RULES_MAX} {structural.VALIDATIONS}")
        return
    for bearer, where, uncorrelated in found:
        for below, rule in where.field(structural.VALIDATIONS).each(bearer[structural.VALIDATIONS]):
            if _is_rule(rule, below):
                _rule(rule, bearer, below, uncorrelated)


def letters(schema: Any, depth: int) -> int:
    """Return how long the expressions within a schema are together; nothing is known of its soundness yet."""
    if not isinstance(schema, Mapping) or not depth:
        return 0
    given, fields = schema.get(structural.VALIDATIONS), schema.get("properties")
    rules_ = [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []
    own = sum(len(str(each.get(name) or "")) for each in rules_ for name in ("rule", "messageExpression"))
    within = [*(fields.values() if isinstance(fields, Mapping) else ()), schema.get("items")]
    return own + sum(letters(each, depth - 1) for each in (*within, schema.get("additionalProperties")))


def _bearers(schema: Schema, place: Place, uncorrelated: str) -> Iterator[tuple[Schema, Place, str]]:
    """Yield the schemas that bear rules, their places, and the list, if any, whose items nothing tells apart."""
    if schema.get(structural.VALIDATIONS):
        yield schema, place, uncorrelated
    for name, each in (schema.get("properties") or {}).items():
        yield from _bearers(each, place.field("properties").key(name), uncorrelated)
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from _bearers(schema["additionalProperties"], place.field("additionalProperties"), uncorrelated)
    if schema.get("items"):
        within = uncorrelated if schema.get(structural.LIST_TYPE) == "map" else uncorrelated or place.path
        yield from _bearers(schema["items"], place.field("items"), within)


def _is_rule(rule: Any, place: Place) -> bool:
    """Check the types of what a rule says; the rest may count on them."""
    if not isinstance(rule, Mapping):
        place.invalid(rule, "must be an object")
        return False
    wrong = [name for name, kind in _FIELDS.items() if not isinstance(rule.get(name), kind | None)]
    for name in wrong:
        place.field(name).invalid(rule[name], "is of the wrong type")
    if wrong:
        return False
    if not (rule.get("rule") or "").strip():
        place.field("rule").required("rule is not specified")
        return False
    return True


def _rule(rule: Schema, bearer: Schema, place: Place, uncorrelated: str) -> None:
    uses_old = _expression(rule["rule"], bearer, place.field("rule"), "bool", rule)
    if uses_old and uncorrelated:
        why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelated}"
        place.field("rule").invalid(rule["rule"], why)
    if rule.get("optionalOldSelf") and uses_old is False:
        why = "may not be set to true if oldSelf is not used in rule"
        place.field("optionalOldSelf").invalid(True, why)
    _message(rule, place)
    if rule.get("messageExpression"):
        _expression(rule["messageExpression"], bearer, place.field("messageExpression"), "string", rule)
    if rule.get("reason") and rule["reason"] not in REASONS:
        place.field("reason").unsupported(rule["reason"], REASONS)
    if rule.get("fieldPath"):
        _field_path(rule["fieldPath"], bearer, place.field("fieldPath"))


def _expression(text: str, bearer: Schema, place: Place, wanted: str, rule: Schema) -> bool | None:
    """Check an expression; return whether it uses the old value, None for one that does not compile."""
    old = structural_types.ANY if rule.get("optionalOldSelf") else bearer
    try:
        program = compiling.compiled(text, VARIABLES)
        found = structural_types.name_of(type_of(text, {SELF: bearer, OLD_SELF: old}))
    except CompileError as error:
        place.invalid(text, str(error))
        return None
    if found not in ("", wanted):
        why = "cel expression must evaluate to a bool" if wanted == "bool" else "must evaluate to a string"
        place.invalid(text, why)
    return OLD_SELF in program.names


def _message(rule: Schema, place: Place) -> None:
    message, where = rule.get("message") or "", place.field("message")
    if "message" in rule and message and not message.strip():
        where.invalid(message, "message must be non-empty if specified")
    elif "\n" in message.strip():
        where.invalid(message, "message must not contain line breaks")
    elif "\n" in rule["rule"].strip() and not message:
        where.required("message must be specified if rule contains line breaks")
    if rule.get("messageExpression") and not rule["messageExpression"].strip():
        place.field("messageExpression").required("must be non-empty if specified")


def _field_path(text: str, bearer: Schema, place: Place) -> None:
    """Check that a path leads from the schema that bears a rule to a field of it."""
    try:
        names = json_path.parse(text).names
    except json_path.JsonPathError as error:
        place.invalid(text, f"fieldPath must be a valid path: {error}")
        return
    of: Any = bearer
    for name in names or ():
        of = structural.child(of, name) if isinstance(of, Mapping) else None
    if names is None or of is None:
        place.invalid(text, "fieldPath must be a valid path: does not refer to a valid field")
