"""What `swarmlet wait --for` can wait for: conditions, values at paths, being there and being gone. Pure.

Source: kubernetes/kubectl/pkg/cmd/wait (condition.go, json.go).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from swarmlet.cli.exits import UsageError
from swarmlet.cli.forms import jsonpath, paths

Document = Mapping[str, Any]
CONDITION, JSON_PATH, DELETE, CREATE = "condition", "jsonpath", "delete", "create"


@dataclass(frozen=True, slots=True)
class Goal:
    """What is waited for; `is_met` judges an object that is there."""

    kind: str
    is_met: Callable[[Document], bool]


def parse(text: str) -> Goal:
    """Read what --for says; raise `UsageError` where it is not known."""
    if text.lower() == DELETE:
        return Goal(DELETE, lambda _document: False)
    if text.lower() == CREATE:
        return Goal(CREATE, lambda _document: True)
    kind, _, rest = text.partition("=")
    if kind == CONDITION and rest:
        name, _, status = rest.partition("=")
        return Goal(CONDITION, lambda document: _has_condition(document, name, status or "True"))
    if kind == JSON_PATH and rest:
        expression, value = _split(rest)
        path = paths.relaxed(expression)
        return Goal(JSON_PATH, lambda document: _has_value(path, document, value))
    raise UsageError(
        f"--for={text}: unknown; allowed: delete, create, condition=NAME[=VALUE], jsonpath='{{.path}}'[=VALUE]"
    )


def _split(text: str) -> tuple[str, str | None]:
    """Return the path, and the value after it, None where there is none."""
    if text.startswith("{"):
        end = text.rfind("}")
        expression, rest = text[: end + 1], text[end + 1 :]
    else:
        expression, equals, value = text.partition("=")
        rest = equals + value
    if not expression or (rest and not rest.startswith("=")) or rest == "=":
        raise UsageError(
            f"--for=jsonpath={text}: not a path with a value, such as jsonpath='{{.status.phase}}'=Running"
        )
    return expression, rest[1:] if rest else None


def _has_condition(document: Document, name: str, value: str) -> bool:
    status = document.get("status") or {}
    for condition in status.get("conditions") or ():
        if str(condition.get("type")).lower() != name.lower():
            continue
        observed = condition.get("observedGeneration", status.get("observedGeneration"))
        if observed is not None and observed < document["metadata"].get("generation", 0):
            return False
        return str(condition.get("status")).lower() == value.lower()
    return False


def _has_value(path: paths.Path, document: Document, value: str | None) -> bool:
    found = path.find(document)
    if value is None:
        return bool(found)
    if len(found) > 1:
        raise UsageError(f"--for=jsonpath={path.text}: found {len(found)} values; allowed: one")
    if found and isinstance(found[0], dict | list):
        raise UsageError(f"--for=jsonpath={path.text}: found an object or a list; allowed: text, a number or a bool")
    return bool(found) and jsonpath.told(found[0]) == value
