"""An OpenAPI v3 schema in words, laid out as `kubectl explain` lays it out. Pure.

Source: kubernetes/kubectl/pkg/explain/v2/templates/plaintext.tmpl.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swarmlet.errors import NotFoundError

if TYPE_CHECKING:
    from swarmlet.client.discovery import Resource

WIDTH = 80
ENUM_SHOWN_MAX = 4
UNDESCRIBED = "<no description>"
DEPTH_MAX = 50
"""Levels that are printed at most: some schemas hold themselves."""

Schema = Mapping[str, Any]


class Explanation:
    """Explains schemas of one OpenAPI document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas: Mapping[str, Schema] = (document.get("components") or {}).get("schemas") or {}

    def lines(
        self, schema: Schema, resource: Resource, path: Sequence[str], *, recursive: bool, depth_max: int
    ) -> Iterator[str]:
        """Yield what is printed of the field at a path; raise `NotFoundError` where there is none."""
        found, name = schema, ""
        for name in path:
            found = self._field(found, name, resource, path)
        if resource.group:
            yield f"GROUP:      {resource.group}"
        yield from (f"KIND:       {resource.kind}", f"VERSION:    {resource.version}", "")
        if name:
            yield f"FIELD: {name} <{self._type(found)}>"
            if found.get("enum"):
                yield from ("ENUM:", *(f"    {_told(value)}" for value in found["enum"]))
            yield from ("", "")
        yield "DESCRIPTION:"
        described = [line for text in self._descriptions(found) for line in _wrapped(text, WIDTH - 4)]
        yield from (f"    {line}" for line in ([*described, ""] if described else ["<empty>"]))
        if fields := list(self._fields(found, 1, depth_max or DEPTH_MAX if recursive else 0, ())):
            yield "FIELDS:"
            yield from fields
        yield ""

    def _resolved(self, schema: Schema) -> Schema:
        """Return the schema that another one refers to, or itself."""
        return self._schemas.get(str(schema.get("$ref", "")).rpartition("/")[2], schema)

    def _parts(self, schema: Schema) -> Iterator[Schema]:
        """Yield the schemas that one is made of, or holds many of: its own fields stand in none of them."""
        yield from schema.get("allOf") or ()
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), Mapping):
                yield schema[key]

    def _properties(self, schema: Schema) -> dict[str, Schema]:
        resolved = self._resolved(schema)
        found = dict(resolved.get("properties") or {})
        for part in self._parts(resolved):
            if not found:
                found = self._properties(part)
        return found

    def _field(self, schema: Schema, name: str, resource: Resource, path: Sequence[str]) -> Schema:
        known = self._properties(schema)
        if name in known:
            return known[name]
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        where = ".".join([resource.plural, *path[: path.index(name)]])
        raise NotFoundError(f'field "{name}" does not exist in {where}{hint}')

    def _descriptions(self, schema: Schema) -> Iterator[str]:
        if "$ref" not in schema and schema.get("description"):
            yield str(schema["description"])
        resolved = self._resolved(schema)
        if resolved is not schema and resolved.get("description"):
            yield str(resolved["description"])
        for part in self._parts(resolved):
            yield from self._descriptions(part)

    def _type(self, schema: Schema) -> str:
        """Return the type as people say it: "string", "[]Container", "map[string]string"."""
        if schema.get("items"):
            return f"[]{self._type(schema['items'])}"
        if isinstance(schema.get("additionalProperties"), Mapping):
            return f"map[string]{self._type(schema['additionalProperties'])}"
        if len(schema.get("allOf") or ()) == 1 and not schema.get("properties"):
            return self._type(schema["allOf"][0])
        kind = str(self._resolved(schema).get("type") or "object")
        if kind != "object":
            return kind
        return str(schema["$ref"]).rpartition("/")[2].rpartition(".")[2] if "$ref" in schema else "Object"

    def _fields(self, schema: Schema, level: int, depth_max: int, seen: tuple[str, ...]) -> Iterator[str]:
        """Yield the lines of the fields: in full, or with a `depth_max` by name to that depth.

        `seen` are the references above, which are not followed again.
        """
        reference = str(schema.get("$ref", ""))
        if reference and reference in seen:
            return
        resolved, seen = self._resolved(schema), (*seen, reference) if reference else seen
        for name, field in sorted((resolved.get("properties") or {}).items()):
            yield from self._line(
                name, field, level, short=depth_max > 0, required=name in (resolved.get("required") or ())
            )
            if level < depth_max:
                yield from self._fields(field, level + 1, depth_max, seen)
        for part in self._parts(resolved):
            yield from self._fields(part, level, depth_max, seen)

    def _line(self, name: str, field: Schema, level: int, *, short: bool, required: bool) -> Iterator[str]:
        indent = "  " * level
        yield f"{indent}{name}\t<{self._type(field)}>{' -required-' * required}"
        if enum := field.get("enum"):
            more = ", ...." * (len(enum) > ENUM_SHOWN_MAX)
            yield f"{indent}enum: {', '.join(map(_told, enum[:ENUM_SHOWN_MAX]))}{more}"
        if not short:
            wrapped = _wrapped(str(field.get("description") or UNDESCRIBED), WIDTH - 2 - len(indent))
            yield from (f"{indent}  {line}".rstrip() if not line else f"{indent}  {line}" for line in wrapped)
            yield ""


def _wrapped(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for line in text.split("\n"):
        lines += textwrap.wrap(
            line, width, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
        ) or [""]
    return lines


def _told(value: Any) -> str:
    return str(value) if value != "" else '""'
