"""Query parameters, decoded and bounded; what is wrong is the caller's fault and is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from swarmlet.errors import CallerError, InvalidError
from swarmlet.model.rules.meta import FIELD_MANAGER_LENGTH_MAX
from swarmlet.ownership import entries

LIMIT_MAX = 1_000_000
NUMBER_LENGTH_MAX = 19
UNKNOWN_MANAGER = "unknown"
"""Who writes and says neither a field manager nor a user agent."""
WATCH_SECONDS_MAX = 3_600
"""A watch ends by itself after this; clients open it anew."""

# What Go's strconv.ParseBool takes, and the Python client's spellings are among them.
_TRUE = {"1", "t", "T", "true", "TRUE", "True", ""}
FALSE = {"0", "f", "F", "false", "FALSE", "False"}

FieldValidation = Literal["Strict", "Warn", "Ignore"]
_PATCH_OPTIONS = 'PatchOptions.meta.k8s.io "" is invalid'
_VALIDATIONS: dict[str, FieldValidation] = {"": "Warn", "Strict": "Strict", "Warn": "Warn", "Ignore": "Ignore"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """meta/v1 ListOptions. `resource_version` None: none was given."""

    label_selector: str = ""
    field_selector: str = ""
    limit: int = 0
    continue_token: str = ""
    resource_version: int | None = None
    resource_version_match: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """The rest of ListOptions, which only a watch reads."""

    allow_bookmarks: bool = False
    send_initial_events: bool | None = None
    timeout_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """CreateOptions, UpdateOptions and PatchOptions; `force` is for an apply alone."""

    dry_run: bool = False
    field_validation: FieldValidation = "Warn"
    field_manager: str = UNKNOWN_MANAGER
    operation: entries.Operation = entries.UPDATE
    force: bool = False


def list_options(query: Mapping[str, str]) -> ListOptions:
    """Read what a list or the start of a watch is asked for."""
    options = ListOptions(
        label_selector=query.get("labelSelector", ""),
        field_selector=query.get("fieldSelector", ""),
        limit=number(query, "limit", maximum=LIMIT_MAX) or 0,
        continue_token=query.get("continue", ""),
        resource_version=revision(query.get("resourceVersion", "")),
        resource_version_match=query.get("resourceVersionMatch", ""),
    )
    _check_match(options, initial_events="sendInitialEvents" in query)
    return options


def watch_options(query: Mapping[str, str]) -> WatchOptions:
    """Read how a watch is to go on; raise `InvalidError` for a combination that Kubernetes forbids."""
    initial = flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None
    if initial is not None and query.get("resourceVersionMatch") != "NotOlderThan":
        message = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise InvalidError(f"ListOptions is invalid: resourceVersionMatch: Forbidden: {message}")
    return WatchOptions(
        allow_bookmarks=flag(query, "allowWatchBookmarks"),
        send_initial_events=initial,
        timeout_seconds=number(query, "timeoutSeconds", maximum=WATCH_SECONDS_MAX, clamp=True),
    )


def write_options(query: Mapping[str, str], user_agent: str = "") -> WriteOptions:
    """Read how a write is to be done; who names no field manager is called by the first word of its user agent."""
    asked = query.get("fieldValidation", "")
    validation = _VALIDATIONS.get(asked)
    if validation is None:
        raise InvalidError(f'fieldValidation: Unsupported value: "{asked}": supported: "Ignore", "Strict", "Warn"')
    manager = query.get("fieldManager", "")
    if len(manager) > FIELD_MANAGER_LENGTH_MAX or not manager.isprintable():
        raise InvalidError(f"fieldManager: must be printable and at most {FIELD_MANAGER_LENGTH_MAX} characters")
    return WriteOptions(
        dry_run=dry_run(tuple(value for value in (query.get("dryRun", ""),) if value)),
        field_validation=validation,
        field_manager=manager or _program(user_agent) or UNKNOWN_MANAGER,
    )


def patch_options(query: Mapping[str, str], user_agent: str = "") -> WriteOptions:
    """Read how a patch that is no apply is to be done."""
    if "force" in query:
        raise InvalidError(f"{_PATCH_OPTIONS}: force: Forbidden: may not be specified for non-apply patch")
    return write_options(query, user_agent)


def apply_options(query: Mapping[str, str]) -> WriteOptions:
    """Read how a server-side apply is to be done."""
    if not query.get("fieldManager"):
        raise InvalidError(f"{_PATCH_OPTIONS}: fieldManager: Required value: is required for apply patch")
    return dataclasses.replace(write_options(query), operation=entries.APPLY, force=flag(query, "force"))


def _program(user_agent: str) -> str:
    """Return the program that a User-Agent names: "kubectl" of "kubectl/v1.35.0 (linux/amd64)"."""
    name = user_agent.partition("/")[0][:FIELD_MANAGER_LENGTH_MAX]
    return "".join(letter for letter in name if letter.isprintable())


def dry_run(values: tuple[str, ...]) -> bool:
    """Return whether a `dryRun` option asks for it."""
    if values not in ((), ("All",)):
        raise InvalidError(f'dryRun: Unsupported value: "{",".join(values)}": supported values: "All"')
    return bool(values)


def flag(query: Mapping[str, str], name: str) -> bool:
    """Read a boolean in any of Go's spellings; not given is false, given without a value is true (`?watch`)."""
    if name not in query:
        return False
    value = query[name]
    if value in _TRUE:
        return True
    if value in FALSE:
        return False
    raise CallerError(f'{name}: "{value}" is not a boolean')


def number(query: Mapping[str, str], name: str, *, maximum: int, clamp: bool = False) -> int | None:
    """Read a whole number from 0 to `maximum`; None where it is not given."""
    text = query.get(name, "")
    if not text:
        return None
    value = decimal(text, name)
    if value > maximum and not clamp:
        raise CallerError(f"{name}: {value} is over {maximum}")
    return min(value, maximum)


def integer(query: Mapping[str, str], name: str) -> int | None:
    """Read a whole number of any sign; None where it is not given."""
    text = query.get(name, "")
    if not text:
        return None
    digits = text.removeprefix("-")
    return -decimal(digits, name) if digits != text else decimal(text, name)


def revision(text: str) -> int | None:
    """Read a resourceVersion; None where it is not given."""
    if not text:
        return None
    return decimal(text, "resourceVersion")


def decimal(text: str, name: str) -> int:
    """Read a whole number that is not negative."""
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_LENGTH_MAX):
        raise CallerError(f'{name}: Invalid value: "{text[:64]}": must be a whole number that is not negative')
    return int(text)


def _check_match(options: ListOptions, *, initial_events: bool) -> None:
    """Apply the rules of ValidateListOptions on resourceVersionMatch."""
    match = options.resource_version_match
    if not match:
        return
    where = "ListOptions is invalid: resourceVersionMatch"
    if match not in ("Exact", "NotOlderThan"):
        raise InvalidError(f'{where}: Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"')
    if options.continue_token:
        raise InvalidError(f"{where}: Forbidden: resourceVersionMatch is forbidden when continue is provided")
    if options.resource_version is None and not initial_events:
        raise InvalidError(f"{where}: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")
    if match == "Exact" and options.resource_version == 0:
        raise InvalidError(f'{where}: Forbidden: resourceVersionMatch "Exact" is forbidden for resourceVersion "0"')
