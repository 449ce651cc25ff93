"""A project as the Compose file that says all of it, like what `docker compose config` prints; read, it is the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import inspect

from swarmlet.manifests.compose import units
from swarmlet.manifests.compose.model import base
from swarmlet.manifests.compose.model.base import ComposeStruct
from swarmlet.manifests.compose.model.lifecycle import Dependency
from swarmlet.manifests.compose.model.networking import Port
from swarmlet.manifests.compose.model.project import Project

_ALWAYS: Mapping[type[Any], tuple[str, ...]] = {Dependency: ("condition", "required"), Port: ("mode", "protocol")}
"""What is printed though it is the default: the Compose schema asks for it, or people look for it."""
_UNITS: Mapping[str, Callable[[int], object]] = {base.BYTES: str, base.OCTAL: lambda mode: f"{mode:04o}"}


def document(project: Project) -> dict[str, Any]:
    """Return a project as plain values, its keys in the order that people write them."""
    return _struct(project, inspect.type_info(Project))


def _struct(value: ComposeStruct, wanted: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in wanted.fields:
        each = getattr(value, field.name)
        if field.name == "extensions" or (_is_default(field, each) and field.name not in _ALWAYS.get(type(value), ())):
            continue
        found[field.name] = _value(each, field.type)
    return {**found, **_escaped(value.extensions)}


def _is_default(field: Any, value: object) -> bool:
    default = field.default if field.default is not msgspec.NODEFAULT else None
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    return not field.required and bool(value == default)


def _value(value: Any, wanted: Any) -> Any:
    unit = ""
    if isinstance(wanted, inspect.Metadata):
        unit, wanted = str((wanted.extra or {}).get("unit", "")), wanted.type
    if isinstance(wanted, inspect.UnionType) and value is not None:
        return _value(value, next(each for each in wanted.types if not isinstance(each, inspect.NoneType)))
    if isinstance(value, ComposeStruct):
        return _struct(value, wanted)
    if isinstance(value, timedelta):
        return units.duration_text(value)
    if isinstance(wanted, inspect.DictType):
        return {key: _value(each, wanted.value_type) for key, each in value.items()}
    if isinstance(wanted, inspect.VarTupleType):
        return [_value(each, wanted.item_type) for each in value]
    return _escaped(_UNITS[unit](value) if unit in _UNITS else value)


def _escaped(value: Any) -> Any:
    """Return a plain value, the dollar signs of whose texts are read as such."""
    if isinstance(value, dict):
        return {key: _escaped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    return value.replace("$", "$$") if isinstance(value, str) else value
