"""Label and field selectors, compiled once and then asked of each object.

    matches = selectors.parse_labels("app in (a,b),!canary,tier!=cache")
    [stored for stored in listed if matches(stored.object.metadata.labels)]

Source: k8s.io/apimachinery/pkg/labels/selector.go and pkg/fields/selector.go.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

from swarmlet.errors import CallerError, InvalidError
from swarmlet.model import json_path, syntax
from swarmlet.model.custom import CustomKind, CustomResource
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import LabelSelector, LabelSelectorRequirement, Object

TEXT_MAX = 16 * 1024
Labels = Mapping[str, str]
LabelPredicate = Callable[[Labels], bool]
FieldPredicate = Callable[[Object], bool]

_TOKEN = re.compile(r"\s*(?:(?P<word>[A-Za-z0-9_./-]+)|(?P<sign>==|!=|=|!|,|\(|\)|<|>))|\s*$", re.ASCII)
_FIELD = re.compile(r"(?P<name>(?:[^=!\\,]|\\.)+?)(?P<operator>==|!=|=)(?P<value>(?:[^\\,=]|\\.)*)")


def parse_labels(text: str) -> LabelPredicate:
    """Return the predicate that a `labelSelector` query means; raise `CallerError` where it is none."""
    requirements = _Parser(text).requirements()
    return _all([_predicate(requirement) for requirement in requirements])


def from_labels(selector: LabelSelector | None) -> LabelPredicate:
    """Return the predicate of an object's `spec.selector`; None selects nothing, an empty one everything."""
    if selector is None:
        return lambda _labels: False
    wanted = selector.match_labels.items()
    tests = [_predicate(requirement) for requirement in selector.match_expressions]
    if not tests:
        return lambda labels: wanted <= labels.items()  # asked of each of 30,000 Pods: no generator
    return lambda labels: wanted <= labels.items() and all(test(labels) for test in tests)


def to_text(selector: LabelSelector) -> str:
    """Return the query text of a selector, by its keys, as a Scale's status tells it."""
    terms = [(key, f"{key}={value}") for key, value in selector.match_labels.items()]
    for requirement in selector.match_expressions:
        key, values = requirement.key, ",".join(sorted(requirement.values))
        words = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "DoesNotExist": f"!{key}"}
        terms.append((key, words.get(requirement.operator, key)))
    return ",".join([text for _, text in sorted(terms)])


def parse_fields(kind: Kind, text: str) -> FieldPredicate:
    """Return the predicate that a `fieldSelector` query means for a kind; raise `CallerError` where it is none."""
    getters = (_selectable(kind) if isinstance(kind, CustomKind) else _fields(kind)) | _METADATA_FIELDS
    tests = []
    for name, wanted, value in field_terms(text):
        if name not in getters:
            raise CallerError(f"field label not supported: {name}")
        tests.append(_field_test(getters[name], value, wanted=wanted))
    return lambda found: all(test(found) for test in tests)


def _fields(kind: Kind) -> dict[str, Callable[[Object], str]]:
    """Return what reads the fields by which objects of a kind can be selected, by their names in its version."""
    found = _FIELDS.get(kind.kind, {})
    if kind.api_version != _EVENTS_V1:
        return found
    return {
        _EVENT_V1_NAMES.get(name, name.replace("involvedObject.", "regarding.")): get for name, get in found.items()
    }


def _selectable(kind: CustomKind) -> dict[str, Callable[[Object], str]]:
    """Return what reads the fields by which objects of a custom kind can be selected."""
    paths = [each.json_path for each in kind.version_of.selectable_fields]
    return {path.removeprefix("."): functools.partial(_text_at, json_path.parse(path)) for path in paths}


def _text_at(path: json_path.JsonPath, found: Object) -> str:
    values = path.find(found.content) if isinstance(found, CustomResource) else []
    value = values[0] if values else ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def field_terms(text: str) -> list[tuple[str, bool, str]]:
    """Return the terms of a field selector: field, whether it must be equal, value."""
    if len(text) > TEXT_MAX:
        raise CallerError(f"field selector: over {TEXT_MAX} characters")
    terms = []
    position = 0
    while position < len(text):
        match = _FIELD.match(text, position)
        if not match or (match.end() < len(text) and text[match.end()] != ","):
            raise CallerError(f"invalid selector: '{text}'; can't understand '{text[position:].partition(',')[0]}'")
        terms.append((match["name"].strip(), match["operator"] != "!=", re.sub(r"\\(.)", r"\1", match["value"])))
        position = match.end() + 1
    return terms


def pinned_name(text: str) -> str:
    """Return the one name that a field selector leaves, "" where it leaves many."""
    return next((value for field, wanted, value in field_terms(text) if field == "metadata.name" and wanted), "")


def _field_test(get: Callable[[Object], str], value: str, *, wanted: bool) -> FieldPredicate:
    return lambda found: (get(found) == value) is wanted


def _getter(path: str) -> Callable[[Object], str]:
    """Return what reads a dotted path of attributes as a field selector compares it."""
    attributes = path.split(".")

    def get(found: Object) -> str:
        value: object = found
        for attribute in attributes:
            value = getattr(value, attribute)
        return str(value).lower() if isinstance(value, bool) else str(value)

    return get


_EVENTS_V1 = "events.k8s.io/v1"
_EVENT_V1_NAMES = {"reportingComponent": "reportingController"}
_METADATA_FIELDS = {"metadata.name": _getter("metadata.name"), "metadata.namespace": _getter("metadata.namespace")}

_FIELDS: dict[str, dict[str, Callable[[Object], str]]] = {
    "Pod": {
        "spec.nodeName": _getter("spec.node_name"),
        "spec.restartPolicy": _getter("spec.restart_policy"),
        "spec.schedulerName": _getter("spec.scheduler_name"),
        "spec.hostNetwork": _getter("spec.host_network"),
        "status.phase": _getter("status.phase"),
        "status.podIP": _getter("status.pod_ip"),
    },
    "Event": {
        "involvedObject.kind": _getter("involved_object.kind"),
        "involvedObject.namespace": _getter("involved_object.namespace"),
        "involvedObject.name": _getter("involved_object.name"),
        "involvedObject.uid": _getter("involved_object.uid"),
        "involvedObject.apiVersion": _getter("involved_object.api_version"),
        "involvedObject.resourceVersion": _getter("involved_object.resource_version"),
        "involvedObject.fieldPath": _getter("involved_object.field_path"),
        "reason": _getter("reason"),
        "reportingComponent": _getter("reporting_component"),
        "source": _getter("source.component"),
        "type": _getter("type"),
    },
    "Node": {"spec.unschedulable": _getter("spec.unschedulable")},
    "Namespace": {"status.phase": _getter("status.phase")},
    "Secret": {"type": _getter("type")},
    "ReplicaSet": {"status.replicas": _getter("status.replicas")},
    "Job": {"status.successful": _getter("status.succeeded")},
}


def _all(tests: list[LabelPredicate]) -> LabelPredicate:
    return lambda labels: all(test(labels) for test in tests)


def _predicate(requirement: LabelSelectorRequirement) -> LabelPredicate:
    key, values = requirement.key, frozenset(requirement.values)
    match requirement.operator:
        case "In":
            return lambda labels: labels.get(key) in values
        case "NotIn":
            return lambda labels: labels.get(key) not in values
        case "Exists":
            return lambda labels: key in labels
        case "DoesNotExist":
            return lambda labels: key not in labels
        case "Gt" | "Lt":
            return _comparison(requirement)
    raise InvalidError(f'"{requirement.operator}" is not a valid label selector operator')


def _comparison(requirement: LabelSelectorRequirement) -> LabelPredicate:
    try:
        key, bound = requirement.key, int("".join(requirement.values[:1]))
    except ValueError as error:
        raise InvalidError("for 'Gt', 'Lt' operators, the value must be an integer") from error

    def matches(labels: Labels) -> bool:
        try:
            number = int(labels.get(key, ""))
        except ValueError:
            return False
        return number > bound if requirement.operator == "Gt" else number < bound

    return matches


class _Parser:
    """Recursive descent over the tokens of a label selector."""

    def __init__(self, text: str) -> None:
        if len(text) > TEXT_MAX:
            raise CallerError(f"label selector: over {TEXT_MAX} characters")
        self._text = text
        self._tokens = self._tokenized()
        self._position = 0

    def requirements(self) -> list[LabelSelectorRequirement]:
        found: list[LabelSelectorRequirement] = []
        if self._peek():
            found.append(self._requirement())
        while self._peek():
            self._expect(",")
            found.append(self._requirement())
        return found

    def _tokenized(self) -> list[str]:
        tokens = []
        position = 0
        while position < len(self._text):
            match = _TOKEN.match(self._text, position)
            if match is None:
                raise self._error(f"unexpected character {self._text[position]!r}")
            position = max(match.end(), position + 1)
            tokens += [token for token in (match["word"], match["sign"]) if token]
        return tokens

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._position += 1
        return token

    def _expect(self, sign: str) -> None:
        token = self._next()
        if token != sign:
            raise self._error(f"found '{token}', expected: '{sign}'")

    def _requirement(self) -> LabelSelectorRequirement:
        if self._peek() == "!":
            self._next()
            return LabelSelectorRequirement(key=self._key(), operator="DoesNotExist")
        key = self._key()
        match self._peek():
            case "" | ",":
                return LabelSelectorRequirement(key=key, operator="Exists")
            case "in" | "notin" as operator:
                self._next()
                name = "In" if operator == "in" else "NotIn"
                return LabelSelectorRequirement(key=key, operator=name, values=self._values())
            case "=" | "==" | "!=" as sign:
                self._next()
                name = "NotIn" if sign == "!=" else "In"
                return LabelSelectorRequirement(key=key, operator=name, values=(self._value(),))
            case ">" | "<" as sign:
                self._next()
                return LabelSelectorRequirement(
                    key=key, operator="Gt" if sign == ">" else "Lt", values=(self._number(),)
                )
        raise self._error(f"found '{self._peek()}', expected: in, notin, =, ==, !=, gt, lt")

    def _key(self) -> str:
        key = self._next()
        if key in {"", ",", "(", ")", "=", "==", "!=", "<", ">", "!"}:
            raise self._error(f"found '{key}', expected: identifier")
        for message in syntax.label_key(key):
            raise self._error(f'key: Invalid value: "{key}": {message}')
        return key

    def _value(self) -> str:
        value = "" if self._peek() in {"", ",", ")"} else self._next()
        for message in syntax.label_value(value):
            raise self._error(f'values[0]: Invalid value: "{value}": {message}')
        return value

    def _number(self) -> str:
        value = self._next()
        if not re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
            raise self._error(
                f"values[0]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
            )
        return value

    def _values(self) -> tuple[str, ...]:
        self._expect("(")
        values = [self._value()]
        while self._peek() == ",":
            self._next()
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _error(self, message: str) -> CallerError:
        return CallerError(f"unable to parse requirement: {message} (in {self._text[:200]!r})")
