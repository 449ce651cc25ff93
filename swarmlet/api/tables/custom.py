"""What `kubectl get` prints of a custom resource: its name, and the columns that its definition asks for.

Source: k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor/tableconvertor.go.
"""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any

import msgspec

from swarmlet.api.tables.durations import INVALID, since
from swarmlet.api.tables.shapes import META, NAME, Column, Columns
from swarmlet.model import json_path, objects
from swarmlet.model.apiextensions import CustomResourceColumnDefinition
from swarmlet.model.custom import CustomKind
from swarmlet.model.meta import Object

AGE = Column("Age", "date", field=f"{META}.creationTimestamp")
"""The only column where a definition asks for none."""
_CREATED = CustomResourceColumnDefinition(name="Age", type="date", json_path=".metadata.creationTimestamp")


def columns(kind: CustomKind) -> Columns:
    """Return the columns of a custom kind."""
    if not kind.columns:
        return Columns((NAME, AGE), functools.partial(_cells, (_CREATED,)))
    return Columns((NAME, *map(_column, kind.columns)), functools.partial(_cells, kind.columns))


def _column(asked: CustomResourceColumnDefinition) -> Column:
    description = asked.description or f"Custom resource definition column (in JSONPath format): {asked.json_path}"
    return Column(asked.name, asked.type, asked.priority, description, asked.format)


def _cells(asked: tuple[CustomResourceColumnDefinition, ...], value: Object, now: datetime) -> list[object]:
    """Return the cells of an object: of each path the first value that it finds, None where there is none."""
    document = objects.to_document(value)
    return [value.metadata.name, *(_cell(column, document, now) for column in asked)]


def _cell(column: CustomResourceColumnDefinition, document: dict[str, Any], now: datetime) -> object:
    found = json_path.parse(column.json_path).find(document)
    if not found or found[0] is None:
        return None
    value = found[0]
    match column.type:
        case "date":
            return _age(value, now)
        case "string":
            return _text(value)
        case "integer":
            return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        case "number":
            return value if isinstance(value, int | float) and not isinstance(value, bool) else None
        case _:
            return value if isinstance(value, bool) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _age(value: Any, now: datetime) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        return since(msgspec.convert(value, datetime), now)
    except (msgspec.ValidationError, TypeError):
        return INVALID
