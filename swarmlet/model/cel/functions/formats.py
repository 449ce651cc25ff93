"""Named formats: `format.dns1123Label().validate(self.name)`. Source: k8s.io/apiserver/pkg/cel/library/format.go."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from swarmlet.model import syntax
from swarmlet.model.cel.errors import EvaluationError, no_overload
from swarmlet.model.cel.functions import standard
from swarmlet.model.cel.values import NONE, Format, Optional

Check = Callable[[str], list[str]]


def _prefix(check: Check) -> Check:
    """Return the check of what names are generated from: what stands before a dash is judged without it."""
    return lambda text: check(text.removesuffix("-") + "a" if text.endswith("-") else text)


def _readable(read: Callable[[str], object], told: str) -> Check:
    def check(text: str) -> list[str]:
        try:
            read(text)
        except (ValueError, binascii.Error):
            return [told]
        return []

    return check


def _uri(text: str) -> None:
    if not urlsplit(text).scheme:
        raise ValueError(text)


_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
FORMATS: Mapping[str, Check] = {
    "dns1123Label": syntax.dns_label,
    "dns1123Subdomain": syntax.dns_subdomain,
    "dns1035Label": syntax.dns_1035_label,
    "dns1123LabelPrefix": _prefix(syntax.dns_label),
    "dns1123SubdomainPrefix": _prefix(syntax.dns_subdomain),
    "dns1035LabelPrefix": _prefix(syntax.dns_1035_label),
    "qualifiedName": syntax.label_key,
    "labelValue": syntax.label_value,
    "uri": _readable(_uri, "invalid URI"),
    "uuid": lambda text: [] if _UUID.fullmatch(text) and uuid.UUID(text) else ["does not match the UUID format"],
    "byte": _readable(lambda text: base64.b64decode(text, validate=True), "invalid base64"),
    "date": _readable(date.fromisoformat, "invalid date"),
    "datetime": _readable(standard.timestamp, "invalid datetime"),
}


def _named(name: Any) -> Optional:
    return Optional(Format(name), is_there=True) if isinstance(name, str) and name in FORMATS else NONE


def _validate(format_: Any, text: Any) -> Optional:
    """Return the messages of what is wrong with a text; none where it keeps to the format."""
    if not isinstance(format_, Format) or not isinstance(text, str):
        raise no_overload()
    try:
        told = FORMATS[format_.name](text)
    except EvaluationError:
        told = [f"invalid {format_.name}"]
    return Optional(told, is_there=True) if told else NONE


def _constant(name: str) -> Callable[[], Format]:
    return lambda: Format(name)


GLOBALS: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("format.named", 1): _named,
    **{(f"format.{name}", 0): _constant(name) for name in FORMATS},
}
METHODS: Mapping[tuple[str, int], Callable[..., Any]] = {("validate", 2): _validate}
