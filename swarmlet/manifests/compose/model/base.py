"""What all structs of a Compose project share: the base, and the units that a number is written in."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import msgspec

BYTES = "bytes"
OCTAL = "octal"
ALL = "all"
MICROSECONDS = "microseconds"

Size = Annotated[int, msgspec.Meta(extra={"unit": BYTES})]
"""Bytes; written "512m", "1.5gb" or as a number."""

Mode = Annotated[int, msgspec.Meta(extra={"unit": OCTAL})]
"""Permission bits; 0440, 0o440, "0440" and 440 are the same, for all are read as octal."""

Count = Annotated[int, msgspec.Meta(extra={"unit": ALL})]
"""How many; -1 is all of them, written "all"."""

Duration = timedelta
"""Written "1m30s"."""

Microseconds = Annotated[int, msgspec.Meta(extra={"unit": MICROSECONDS})]
"""Written as a number of them, or as a duration."""


class ComposeStruct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`extensions` are the `x-` keys that stood here, as plain values; nothing reads them."""

    extensions: dict[str, Any] = {}
