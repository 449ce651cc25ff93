"""The rules in CEL that a structural schema bears: what they are about, and whether an object keeps them. Pure.

    structural_rules.check(schema, document, old_document, place)

`self` is the value at the place of the schema that bears the rule, `oldSelf` the one that stood there before; a rule
that uses it says what may become of a value, and is asked only where there was one. A value that an update leaves as it
was is not judged by the others: an object that was let in under milder rules can still be changed elsewhere.
Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel (validation.go), k8s.io/apiserver/pkg/cel/common.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swarmlet.model import json_path, structural, structural_scopes
from swarmlet.model.cel import compiling
from swarmlet.model.cel.budget import Budget
from swarmlet.model.cel.errors import BudgetError, CompileError, EvaluationError
from swarmlet.model.cel.values import NONE, Optional
from swarmlet.model.problems import Place
from swarmlet.model.structural import Document, Schema

STEPS_PER_OBJECT_MAX = 1_000_000
"""About a third of a second of one core, for all the rules of an object."""
MESSAGE_MAX = 5_120
"""Letters of a message that an expression makes."""
SELF = "self"
OLD_SELF = "oldSelf"
VARIABLES = frozenset((SELF, OLD_SELF))
ROOT = "<nil>"
"""How Kubernetes names the place of a whole object."""
NOTHING = structural.NOTHING

Rule = Mapping[str, Any]


def check(schema: Schema, document: Document, old: Document | None, place: Place) -> None:
    """Note every rule that a whole object breaks. `old`: what it was before an update, None as it is made."""
    try:
        _Check(Budget(STEPS_PER_OBJECT_MAX)).value(
            schema, document, NOTHING if old is None else old, place, is_root=True
        )
    except BudgetError:
        why = "validation failed due to running out of cost budget, no further validation rules will be run"
        Place(place.problems, place.path or ROOT).invalid(schema.get("type", ""), why)


def has_rules(schema: Any) -> bool:
    """Whether a schema bears rules anywhere."""
    if not isinstance(schema, Mapping):
        return False
    within = (schema.get("items"), schema.get("additionalProperties"), *(schema.get("properties") or {}).values())
    return bool(schema.get(structural.VALIDATIONS)) or any(map(has_rules, within))


class _Check:
    """One walk through an object, with the steps that are left for all its rules."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def value(self, schema: Schema, value: Any, old: Any, place: Place, *, is_root: bool = False) -> None:
        """Check a value and all within it; `old` is NOTHING where there was none that it can be compared with."""
        if value is None:
            return
        rules = schema.get(structural.VALIDATIONS)
        if rules:
            self._rules(schema, value, old, place, is_root=is_root)
        for below, part, each, before in _within(schema, value, old, place):
            self.value(part, each, before, below)

    def _rules(self, schema: Schema, value: Any, old: Any, place: Place, *, is_root: bool) -> None:
        is_known = old is not NOTHING and old is not None
        self._budget.spend_for(value, old)
        unchanged = is_known and structural.same(value, old)
        self_ = structural_scopes.converted(schema, value, is_root=is_root)
        old_self = structural_scopes.converted(schema, old, is_root=is_root) if is_known else None
        for rule in schema[structural.VALIDATIONS]:
            optional = bool(rule.get("optionalOldSelf"))
            variables = {SELF: self_}
            if optional:
                variables[OLD_SELF] = Optional(old_self, is_there=True) if is_known else NONE
            elif is_known:
                variables[OLD_SELF] = old_self
            try:
                program = compiling.compiled(rule["rule"], VARIABLES)
            except CompileError as error:
                _at(place).invalid(schema.get("type", ""), f"rule compile error: {error}")
                continue
            is_transition = OLD_SELF in program.names
            if (is_transition and OLD_SELF not in variables) or (unchanged and not is_transition):
                continue
            self._rule(schema, rule, program, variables, place)

    def _rule(
        self, schema: Schema, rule: Rule, program: compiling.Program, variables: Mapping[str, Any], place: Place
    ) -> None:
        kind, told = schema.get("type", ""), _told(rule)
        try:
            if program.evaluate(variables, self._budget) is True:
                return
        except EvaluationError as error:
            if str(error) == "no such overload":
                why = "call arguments did not match a supported operator, function or macro signature for rule"
                _at(place).invalid(kind, f"'{error}': {why}: {told}")
            else:
                _at(place).invalid(kind, f"{error} evaluating rule: {told}")
            return
        message = self._message(rule, variables) or (rule.get("message") or "").strip() or f"failed rule: {told}"
        _refuse(_field(rule, place), rule.get("reason"), kind, message)

    def _message(self, rule: Rule, variables: Mapping[str, Any]) -> str:
        """Return what a rule's expression says of an object, "" where it says nothing that can be shown."""
        if not rule.get("messageExpression"):
            return ""
        try:
            message = compiling.compiled(rule["messageExpression"], VARIABLES).evaluate(variables, self._budget)
        except (CompileError, EvaluationError):
            return ""
        text = message.strip() if isinstance(message, str) else ""
        return "" if "\n" in text or len(text) > MESSAGE_MAX else text


def _within(schema: Schema, value: Any, old: Any, place: Place) -> Iterator[tuple[Place, Schema, Any, Any]]:
    """Yield the values within one: their places, schemas, and what stood there before."""
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        named = schema.get("properties") or {}
        for name, each in value.items():
            part = structural.child(schema, name)
            if part:
                below = place.field(name) if name in named else place.key(name)
                yield below, part, each, before.get(name, NOTHING)
    elif isinstance(value, list) and schema.get("items"):
        known = structural.by_key(schema, old)
        for number, each in enumerate(value):
            yield place.key(number), schema["items"], each, known.get(structural.key_of(schema, each), NOTHING)


def _at(place: Place) -> Place:
    return Place(place.problems, place.path or ROOT)


def _told(rule: Rule) -> str:
    return str(rule.get("message") or rule["rule"]).strip()


def _field(rule: Rule, place: Place) -> Place:
    """Return the place that a rule's `fieldPath` names, from the one that it is about."""
    if not rule.get("fieldPath"):
        return _at(place)
    for name in json_path.parse(rule["fieldPath"]).names or ():
        place = place.field(name)
    return place


def _refuse(place: Place, reason: str | None, kind: str, message: str) -> None:
    match reason:
        case "FieldValueForbidden":
            place.forbidden(message)
        case "FieldValueRequired":
            place.required(message)
        case "FieldValueDuplicate":
            place.duplicate(kind)
        case _:
            place.invalid(kind, message)
