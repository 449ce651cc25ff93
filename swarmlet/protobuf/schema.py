"""The protobuf messages of Kubernetes' types: what number each field has, its name in JSON, its type.

Read from `messages.json` when first asked for; `make protobuf` makes that file.
"""

from __future__ import annotations

import enum
import functools
import pkgutil
from dataclasses import dataclass

import msgspec

from swarmlet.errors import BugError

INLINE = "-"
"""In place of a name: the fields of this message stand among those of the message that holds it."""


class Shape(enum.Enum):
    """How many values a field has. Behind a pointer a zero is a value; in a list and in a map it always is."""

    PLAIN = ""
    POINTER = "*"
    LIST = "[]"
    MAP = "{}"


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its name in JSON, how many values, and their type: a scalar's, a special one's or a message's name."""

    name: str
    shape: Shape
    type: str

    @property
    def is_message(self) -> bool:
        """Whether the type names a message, rather than a scalar."""
        return "." in self.type


class _Content(msgspec.Struct, frozen=True):
    kinds: dict[str, str]
    messages: dict[str, dict[int, str]]


def message_of(api_version: str, kind: str) -> str:
    """Return the name of a kind's message, such as "io.k8s.api.apps.v1.Deployment"; "" for one that has none."""
    found = _content().kinds
    return found.get(f"{api_version} {kind}", "") or (found.get(f"v1 {kind}", "") if kind in _IN_EVERY_GROUP else "")


@functools.cache
def fields(message: str) -> dict[int, Field]:
    """Return the fields of a message by their numbers."""
    return {number: _field(text) for number, text in _content().messages[message].items()}


_IN_EVERY_GROUP = ("DeleteOptions", "Status")


@functools.cache
def _content() -> _Content:
    packed = pkgutil.get_data("swarmlet.protobuf", "messages.json")
    if packed is None:
        raise BugError("messages.json is missing from the installation")
    return msgspec.json.decode(packed, type=_Content)


def _field(text: str) -> Field:
    name, type_ = text.split(" ")
    for shape in (Shape.POINTER, Shape.LIST, Shape.MAP):
        if type_.startswith(shape.value):
            return Field(name, shape, type_.removeprefix(shape.value))
    return Field(name, Shape.PLAIN, type_)
