"""How deep a document may be nested: whoever reads it, recurses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

DEPTH_MAX = 64
"""Of objects and lists in each other; the deepest types of Kubernetes have about twenty."""


def is_deeper(value: Any, most: int) -> bool:
    """Whether objects and lists are nested in `value` more than `most` deep."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(max(most, 0)):
        level = [child for each in level for child in _children(each) if isinstance(child, dict | list)]
        if not level:
            return False
    return bool(level)


def _children(value: Any) -> Sequence[Any]:
    return list(value.values()) if isinstance(value, dict) else value
