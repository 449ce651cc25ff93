"""What a manager asks for: a body of an apply, without what is not honoured, not its own, or another door's.

Source: managedfields/internal/stripmeta.go; the reset fields of the kinds' strategies.
"""

from __future__ import annotations

from typing import Any

from swarmlet.model import objects
from swarmlet.model.meta import Object

Document = dict[str, Any]

_NAMES = ("apiVersion", "kind")
_STATUS = "status"


def of(document: Document, decoded: Object, *, has_status: bool, subresource: str = "") -> Document:
    """Return what a body asks for.

    Args:
        document: the body.
        decoded: the object that it was decoded to: what is not honoured is not in it.
        has_status: whether the kind's status is written apart from the rest.
        subresource: the door that the body came by: "" or "status".
    """
    asked: Document = _within(document, objects.to_document(decoded))
    metadata = dict(asked.get("metadata") or {})
    if subresource == _STATUS:
        kept = {name: asked[name] for name in (*_NAMES, _STATUS) if name in asked}
        return kept | {"metadata": {name: metadata[name] for name in ("name", "namespace") if name in metadata}}
    rest = {name: value for name, value in asked.items() if name != _STATUS or not has_status}
    return rest | {"metadata": metadata}


def _within(original: Any, typed: Any) -> Any:
    """Return the typed values of what the original names; what is empty or zero is in no typed document."""
    if isinstance(original, dict) and isinstance(typed, dict):
        return {
            name: _within(value, typed[name]) if name in typed else value
            for name, value in original.items()
            if name in typed or not value
        }
    if isinstance(original, list) and isinstance(typed, list) and len(original) == len(typed):
        return [_within(*pair) for pair in zip(original, typed, strict=True)]
    return typed
