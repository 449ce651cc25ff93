"""Objects printed whole: as JSON, as YAML, or by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from swarmlet.cli.exits import UsageError

TABLES = ("", "wide")
WHOLE = ("json", "yaml")
_STRING_TAG = "tag:yaml.org,2002:str"

FORMS = (*TABLES, *WHOLE, "name")


class _Dumper(yaml.SafeDumper):
    """Writes YAML as the Kubernetes tools do."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None if _is_plain(dumper, text) else '"'
    return dumper.represent_scalar(_STRING_TAG, text, style=style)


def _is_plain(dumper: yaml.SafeDumper, text: str) -> bool:
    """Return whether unquoted text would be read back as text."""
    tag = dumper.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # PyYAML has no types
    return bool(tag == _STRING_TAG)


_Dumper.add_representer(str, _text)


def check_form(output: str, allowed: Sequence[str] = FORMS) -> None:
    """Raise `UsageError` where `-o` says something that is not known."""
    if output not in allowed:
        raise UsageError(f"-o {output}: unknown; allowed: {', '.join(form for form in allowed if form)}")


def in_form(output: str, document: Mapping[str, Any]) -> str:
    """Return a document as "json" or "yaml" text, without the bookkeeping of field owners."""
    shown = _without_managed_fields(document)
    if output == "json":
        return json.dumps(shown, indent=4, sort_keys=True, ensure_ascii=False)
    text: str = yaml.dump(shown, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=1_000_000)
    return text.removesuffix("\n")


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
