"""Objects printed whole: as JSON, as YAML, or by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmlet.cli.exits import UsageError
from swarmlet.errors import CallerError

if TYPE_CHECKING:
    from swarmlet.cli.forms.jsonpath import Template

TABLES = ("", "wide")
WHOLE = ("json", "yaml")
TEMPLATES = ("jsonpath", "jsonpath-as-json", "jsonpath-file")
FORMS = (*TABLES, *WHOLE, "name", *(f"{each}=..." for each in TEMPLATES))


def check_form(output: str, allowed: Sequence[str] = FORMS) -> None:
    """Raise `UsageError` where `-o` says something that is not known, `PathError` for a template that is none."""
    if f"{output.partition('=')[0]}=..." in allowed:
        _template(output)
    elif output not in allowed:
        raise UsageError(f"-o {output}: unknown; allowed: {', '.join(form for form in allowed if form)}")


def show(output: str, document: Mapping[str, Any], *, between: str = "", managed_fields: bool = False) -> None:
    """Print a document in any form that prints it whole; `between` goes before YAML. A template ends as it says."""
    kind = output.partition("=")[0]
    if kind not in TEMPLATES:
        text = in_form(output, document, managed_fields=managed_fields)
        print((between if kind == "yaml" else "") + text, flush=True)
    elif kind == "jsonpath-as-json":
        print(json.dumps(_template(output).values(document), indent=4, ensure_ascii=False), flush=True)
    else:
        print(_template(output).render(document), end="", flush=True)


def _template(output: str) -> Template:
    from swarmlet.cli.forms import jsonpath

    kind, _, text = output.partition("=")
    if not text:
        raise UsageError(f"-o {output}: needs a template, as in -o '{kind}={{.metadata.name}}'")
    return jsonpath.template(file_text(text).removesuffix("\n") if kind == "jsonpath-file" else text)


def file_text(name: str) -> str:
    """Return the text of a file that a flag names."""
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CallerError(f"{name}: {getattr(error, 'strerror', None) or error}") from error


def in_form(output: str, document: Mapping[str, Any], *, managed_fields: bool = False) -> str:
    """Return a document as "json" or "yaml" text, as a rule without the bookkeeping of field owners."""
    shown = document if managed_fields else without_managed_fields(document)
    if output == "json":
        return json.dumps(shown, indent=4, sort_keys=True, ensure_ascii=False)
    from swarmlet.cli import yaml_text

    return yaml_text.written(shown)


def as_list(objects: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the List document that kubectl prints for several objects."""
    return {"apiVersion": "v1", "items": list(objects), "kind": "List", "metadata": {"resourceVersion": ""}}


def without_managed_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object, or a list of them, without the bookkeeping of field owners."""
    shown = dict(document)
    if isinstance(shown.get("items"), list):
        shown["items"] = [without_managed_fields(item) for item in shown["items"]]
    if isinstance(shown.get("metadata"), dict):
        shown["metadata"] = {key: value for key, value in shown["metadata"].items() if key != "managedFields"}
    return shown
