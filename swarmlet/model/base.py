"""The Struct every API type derives from, and the scalar types of the wire."""

from __future__ import annotations

import functools
from datetime import datetime

import msgspec

IntOrString = int | str
"""`maxSurge: 1` or `maxSurge: "25%"`."""


class ApiStruct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """A part of an API object: immutable, camelCase on the wire, fields at their default left out.

    Read from the store, a struct is shared by everyone: never mutate a dict inside it;
    make a new value with `msgspec.structs.replace`. Default values here are Go's zero values; what the API
    server fills in is `model.defaults`' business. Subclasses repeat `frozen=True, kw_only=True`: msgspec does not
    inherit the second, and the type checker not the first.
    """


def always(text: str) -> str:
    """Declare a field whose default is `text` and that is on the wire all the same; plain defaults are left out."""
    return msgspec.field(default_factory=functools.partial(str, text))


def no_items() -> tuple[()]:
    """Make the default of a list that is on the wire when it is empty, too; of `tuple` itself msgspec leaves it out."""
    return ()


Time = datetime
"""RFC 3339, UTC, whole seconds (`model.clock_time(now)` cuts the rest off)."""


def clock_time(now: datetime) -> datetime:
    """Cut `now` to the whole seconds of Kubernetes' `Time`."""
    return now.replace(microsecond=0)


def micro_time(now: datetime) -> datetime:
    """Return `now` as a field of Kubernetes' type `MicroTime` needs it: a Lease's times, an Event's `eventTime`.

    Go reads those only with six digits behind the point, which msgspec writes for all but whole seconds; so a whole
    second is told a microsecond late.
    """
    return now if now.microsecond else now.replace(microsecond=1)
