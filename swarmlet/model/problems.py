"""Collecting broken rules with the path of the field and Kubernetes' words.

    problems = Problems()
    spec = problems.at("spec")
    spec.field("replicas").invalid(-1, "must be greater than or equal to 0")
    problems.causes    # [("spec.replicas", "Invalid value: -1: must be greater than or equal to 0")]

Source: k8s.io/apimachinery/pkg/util/validation/field/errors.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from swarmlet.errors import InvalidError
from swarmlet.model.meta import Object

CAUSES_MAX = 100
SECONDS_MAX = 2**31 - 1
"""Of any time that a user gives: 68 years. A date after the year 9999 is none."""
VALUE_SHOWN_MAX = 400

Item = TypeVar("Item")


@dataclass(slots=True)
class Problems:
    """The rules broken so far: (path, message), in the order found."""

    causes: list[tuple[str, str]] = field(default_factory=list)

    def at(self, path: str) -> Place:
        """Return the place of a top-level field."""
        return Place(self, path)

    def add(self, path: str, message: str) -> None:
        """Note a broken rule; those over `CAUSES_MAX` are of no use to anybody."""
        if len(self.causes) < CAUSES_MAX:
            self.causes.append((path, message))


@dataclass(frozen=True, slots=True)
class Place:
    """One field of the object, by its path."""

    problems: Problems
    path: str

    def field(self, name: str) -> Place:
        """Return the place of a field in this one."""
        return Place(self.problems, f"{self.path}.{name}" if self.path else name)

    def key(self, key: object) -> Place:
        """Return the place of a map's or list's item."""
        return Place(self.problems, f"{self.path}[{key}]")

    def each(self, items: Iterable[Item]) -> Iterator[tuple[Place, Item]]:
        """Yield the items of the list at this place, each with its own."""
        return ((self.key(index), item) for index, item in enumerate(items))

    def required(self, why: str = "") -> None:
        """Say that a value is missing."""
        self.problems.add(self.path, f"Required value: {why}" if why else "Required value")

    def invalid(self, value: Any, why: str) -> None:
        """Say that the value breaks a rule."""
        self.problems.add(self.path, f"Invalid value: {shown(value)}: {why}")

    def invalid_each(self, value: Any, reasons: Iterable[str]) -> None:
        """Say that the value breaks several rules, or none."""
        for why in reasons:
            self.invalid(value, why)

    def unsupported(self, value: str, supported: Sequence[str]) -> None:
        """Say that the value is none of the known ones."""
        known = ", ".join(shown(each) for each in supported)
        self.problems.add(self.path, f"Unsupported value: {shown(value)}: supported values: {known}")

    def duplicate(self, value: Any) -> None:
        """Say that the value was there before."""
        self.problems.add(self.path, f"Duplicate value: {shown(value)}")

    def forbidden(self, why: str) -> None:
        """Say that the field may not be set, or not be changed."""
        self.problems.add(self.path, f"Forbidden: {why}")

    def not_found(self, value: str) -> None:
        """Say that the value refers to nothing."""
        self.problems.add(self.path, f"Not found: {shown(value)}")

    def too_long(self, bytes_max: int) -> None:
        """Say that the value is too large."""
        self.problems.add(self.path, f"Too long: may not be more than {bytes_max} bytes")

    def too_many(self, count: int, most: int) -> None:
        """Say that a list has too many items."""
        self.problems.add(self.path, f"Too many: {count}: must have at most {most} items")

    def not_negative(self, value: int | None) -> None:
        """Check a number that may be zero or absent."""
        if value is not None and value < 0:
            self.invalid(value, "must be greater than or equal to 0")

    def seconds(self, value: int | None) -> None:
        """Check a time that may be zero or absent."""
        self.not_negative(value)
        self.not_endless(value)

    def not_endless(self, seconds: int | None) -> None:
        """Check that a time leads to a date."""
        if seconds is not None and seconds > SECONDS_MAX:
            self.invalid(seconds, f"must be less than or equal to {SECONDS_MAX}")

    def one_of(self, value: str, supported: Sequence[str]) -> None:
        """Check a value that must be one of the known ones."""
        if not value:
            self.required()
        elif value not in supported:
            self.unsupported(value, supported)


def refusal(value: Object, causes: Sequence[tuple[str, str]]) -> InvalidError:
    """Return the error that tells all broken rules of an object, as Kubernetes words it."""
    group = value.api_version.rpartition("/")[0]
    kind = f"{value.kind}.{group}" if group else value.kind
    told = [f"{path}: {message}" for path, message in causes]
    text = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    return InvalidError(f'{kind} "{value.metadata.name}" is invalid: {text}', tuple(causes))


def shown(value: Any) -> str:
    """Return a value as a message shows it: JSON, shortened."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= VALUE_SHOWN_MAX else text[:VALUE_SHOWN_MAX] + "..."
