"""Reading a YAML file against a dataclass whose fields bear rules; one clear line for whatever is wrong."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from swarmlet.errors import ConfigError

FILE_BYTES_MAX = 1024 * 1024

Rule = Callable[[Any], Any]
"""Return the checked value, or raise `ValueError` saying what is allowed."""


def read(file: Path) -> Mapping[str, Any]:
    """Return what the file holds; raise `ConfigError` where it cannot be read or holds no mapping."""
    try:
        with file.open("rb") as stream:
            text = stream.read(FILE_BYTES_MAX + 1)
        if len(text) > FILE_BYTES_MAX:
            raise ConfigError(f"{file}: over {FILE_BYTES_MAX} bytes; this is no configuration file")
        document = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror or error}; name a readable file with --config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    return {} if document is None else _mapping(document, str(file))


def section(schema: type, document: Mapping[str, Any], file: str, prefix: str) -> dict[str, Any]:
    """Check one mapping of the file against the fields of `schema`; keys that are empty in the file are left out."""
    known = rules(schema)
    values: dict[str, Any] = {}
    for key, value in document.items():
        where = f"{file}: {prefix}{key}"
        if key not in known:
            raise ConfigError(f"{where}: unknown key; {_suggestion(str(key), list(known))}")
        if value is None:
            continue
        rule = known[key]
        if isinstance(rule, type):
            values[key] = rule(**section(rule, _mapping(value, where), file, f"{prefix}{key}."))
        else:
            values[key] = checked(rule, value, where)
    return values


def rules(schema: type) -> dict[str, Any]:
    """Return each key's rule; a key that is a section has the section's class instead."""
    hints = typing.get_type_hints(schema, include_extras=True)
    return {name: getattr(hint, "__metadata__", (hint,))[0] for name, hint in hints.items()}


def checked(rule: Rule, value: Any, where: str) -> Any:
    """Return the value as its rule makes it; raise `ConfigError` saying where it stands and what is allowed."""
    try:
        return rule(value)
    except ValueError as error:
        raise ConfigError(f"{where}: found {_shown(value)}; allowed: {error}") from None


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: found {_shown(value)}; allowed: keys with values, as in `log: {{level: info}}`")
    return value


def _suggestion(key: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {nearest[0]}?" if nearest else "known are " + ", ".join(sorted(known))


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, Path) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
