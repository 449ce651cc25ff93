"""`--sort-by`: objects in the order of a field. Pure.

Source: kubernetes/kubectl/pkg/cmd/get/sorter.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from swarmlet.cli.forms import paths
from swarmlet.cli.forms.paths import PathError
from swarmlet.errors import InvalidError
from swarmlet.model import quantity

T = TypeVar("T")


def ordered(entries: Sequence[T], by: str, object_of: Callable[[T], Mapping[str, Any]]) -> list[T]:
    """Return entries in the order of what lies at the path `by` of their objects; those without it come first.

    Raises `PathError` where none has it, or where what lies there has no order.
    """
    path = paths.relaxed(by)
    found = [(path.find(object_of(entry))[:1], entry) for entry in entries]
    if entries and not any(values for values, _ in found):
        raise PathError(f'couldn\'t find any field with path "{by}" in the list of objects')
    return [entry for _, entry in sorted(found, key=lambda pair: _key(pair[0], by))]


def _key(values: Sequence[Any], by: str) -> tuple[Any, ...]:
    if not values:
        return (0,)
    value = values[0]
    if isinstance(value, bool | int | float):
        return (1, value)
    if not isinstance(value, str):
        raise PathError(f"--sort-by {by}: an object or a list has no order")
    try:
        return (1, quantity.to_milli(value) / 1000)
    except InvalidError:
        return (2, value)
