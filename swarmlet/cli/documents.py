"""Objects printed whole: as JSON, as YAML, or by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from swarmlet.cli.exits import UsageError

TABLES = ("", "wide")
WHOLE = ("json", "yaml")
FORMS = (*TABLES, *WHOLE, "name")


def check_form(output: str, allowed: Sequence[str] = FORMS) -> None:
    """Raise `UsageError` where `-o` says something that is not known."""
    if output not in allowed:
        raise UsageError(f"-o {output}: unknown; allowed: {', '.join(form for form in allowed if form)}")


def in_form(output: str, document: Mapping[str, Any]) -> str:
    """Return a document as "json" or "yaml" text, without the bookkeeping of field owners."""
    shown = _without_managed_fields(document)
    if output == "json":
        return json.dumps(shown, indent=4, sort_keys=True, ensure_ascii=False)
    from swarmlet.cli import yaml_text

    return yaml_text.written(shown)


def as_list(objects: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the List document that kubectl prints for several objects."""
    return {"apiVersion": "v1", "items": list(objects), "kind": "List", "metadata": {"resourceVersion": ""}}


def _without_managed_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(document)
    if isinstance(shown.get("items"), list):
        shown["items"] = [_without_managed_fields(item) for item in shown["items"]]
    if isinstance(shown.get("metadata"), dict):
        shown["metadata"] = {key: value for key, value in shown["metadata"].items() if key != "managedFields"}
    return shown
