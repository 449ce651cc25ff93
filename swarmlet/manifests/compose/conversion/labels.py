"""Compose's labels as Kubernetes': those that may be labels, and the rest as annotations."""

from __future__ import annotations

from collections.abc import Mapping

from swarmlet.manifests.compose.conversion.draft import Draft
from swarmlet.model import syntax


def split(draft: Draft, path: str, labels: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return those that may be labels here, and those that become annotations: Compose takes any text."""
    kept: dict[str, str] = {}
    annotations: dict[str, str] = {}
    for key, text in labels.items():
        if wrong := syntax.label_key(key.lower()):
            draft.warn(path, f"{key!r} is left out: {wrong[0]}")
        elif syntax.label_key(key) or syntax.label_value(text):
            annotations[key] = text
        else:
            kept[key] = text
    return kept, annotations


def keys_kept(draft: Draft, path: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the annotations whose keys may be such here."""
    kept = {}
    for key, text in given.items():
        if wrong := syntax.label_key(key.lower()):
            draft.warn(path, f"{key!r} is left out: {wrong[0]}")
        else:
            kept[key] = text
    return kept
