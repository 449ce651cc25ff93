"""Manifests: documents that say what they are, with the place where each was written."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from swarmlet.manifests import reading
from swarmlet.manifests.reading import ManifestError, Place

MANIFESTS_MAX = 10_000
LIST_DEPTH_MAX = 5

Document = dict[str, Any]

FIRST = (
    "Namespace",
    "ResourceQuota",
    "LimitRange",
    "PriorityClass",
    "StorageClass",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "PersistentVolume",
    "PersistentVolumeClaim",
)
"""What others need stands before them; kinds not named come after, then workloads, then what scales them."""
LAST = ("Pod", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "HorizontalPodAutoscaler")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object to be, and where it was written."""

    place: Place
    document: Document

    @property
    def api_version(self) -> str:
        return str(self.document["apiVersion"])

    @property
    def kind(self) -> str:
        return str(self.document["kind"])

    @property
    def name(self) -> str:
        return str(self.document["metadata"].get("name") or "")

    @property
    def namespace(self) -> str:
        return str(self.document["metadata"].get("namespace") or "")

    def __str__(self) -> str:
        return f"{self.place}: {self.kind} {self.name}"


def parse(sources: Iterable[tuple[str, str]]) -> list[Manifest]:
    """Return the manifests of (name, text) pairs in their order, Lists opened.

    Raises:
        ManifestError: text that is no YAML, or a document that does not say what it is.
        TooLargeError: over a named limit.
    """
    found: list[Manifest] = []
    for source, text in sources:
        for place, value in reading.read(source, text):
            found += _opened(place, value)
            if len(found) > MANIFESTS_MAX:
                raise ManifestError(f"{place}: over {MANIFESTS_MAX} objects at once; apply them in parts")
    return found


def check_kinds(manifests: Iterable[Manifest], known: Iterable[tuple[str, str]]) -> None:
    """Raise `ManifestError` for the first manifest whose (apiVersion, kind) is not known, and say what is near."""
    pairs = list(known)
    for manifest in manifests:
        if (manifest.api_version, manifest.kind) not in pairs:
            raise ManifestError(
                f"{manifest.place}: no kind {manifest.kind} in {manifest.api_version}{_suggestion(manifest, pairs)}"
            )


def in_apply_order(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Return the manifests so that what is needed comes first, and otherwise in the order written."""
    return sorted(manifests, key=lambda manifest: _rank(manifest.kind))


def in_delete_order(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Return the manifests so that what needs others goes first."""
    return list(reversed(in_apply_order(manifests)))


def _rank(kind: str) -> int:
    if kind in FIRST:
        return FIRST.index(kind)
    return len(FIRST) + (1 + LAST.index(kind) if kind in LAST else 0)


def _opened(place: Place, value: Any, depth: int = 0) -> Iterator[Manifest]:
    document = _checked(place, value)
    if not document["kind"].endswith("List") or not isinstance(document.get("items"), list):
        yield Manifest(place, _with_metadata(place, document))
        return
    if depth >= LIST_DEPTH_MAX:
        raise ManifestError(f"{place}: Lists inside Lists, over {LIST_DEPTH_MAX} deep")
    item_kind = document["kind"].removesuffix("List")
    for item in document["items"]:
        named = {"apiVersion": document["apiVersion"], "kind": item_kind} if item_kind else {}
        yield from _opened(place, {**named, **item} if isinstance(item, dict) else item, depth + 1)


def _checked(place: Place, value: Any) -> Document:
    if not isinstance(value, dict):
        raise ManifestError(f"{place}: not an object but {_told(value)}; it begins with apiVersion: and kind:")
    for key in ("apiVersion", "kind"):
        if not isinstance(value.get(key), str) or not value[key]:
            raise ManifestError(f"{place}: {key} is not set; {_example(key)}")
    return value


def _with_metadata(place: Place, document: Document) -> Document:
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        raise ManifestError(f"{place}: {document['kind']}: metadata.name is not set")
    if not isinstance(metadata.get("annotations") or {}, dict):
        raise ManifestError(f"{place}: {document['kind']}: metadata.annotations is not a mapping")
    return document


def _example(key: str) -> str:
    return "for a Deployment it is apps/v1" if key == "apiVersion" else "for example kind: Deployment"


def _told(value: Any) -> str:
    return "a list" if isinstance(value, list) else f"the {type(value).__name__} {str(value)[:40]!r}"


def _suggestion(manifest: Manifest, known: list[tuple[str, str]]) -> str:
    same = [f"{kind} in {version}" for version, kind in known if kind.lower() == manifest.kind.lower()]
    by_lower = {kind.lower(): f"{kind} in {version}" for version, kind in known}
    near = same or [by_lower[word] for word in difflib.get_close_matches(manifest.kind.lower(), by_lower, n=3)]
    return f"; did you mean {' or '.join(near)}?" if near else " on this cluster"
