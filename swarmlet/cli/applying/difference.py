"""`swarmlet diff -f`: what applying files would change, as the server would take it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swarmlet.cli import documents
from swarmlet.cli.applying import objects as applying
from swarmlet.manifests import last_applied

if TYPE_CHECKING:
    from swarmlet.cli.applying.apply import Way
    from swarmlet.cli.session import Session
    from swarmlet.client.discovery import Resource

MASK = "***"

Document = dict[str, Any]


async def show(
    session: Session, names: Sequence[str], way: Way, labels: str, *, recursive: bool, secrets: bool
) -> bool:
    """Print what applying so would change, as a unified diff of YAML; return whether that is anything."""
    from swarmlet.cli import files, terminal
    from swarmlet.manifests import documents as manifest_documents

    manifests = applying.selected(files.manifests(names, recursive=recursive), labels)
    catalogue = await session.catalogue()
    manifest_documents.check_kinds(manifests, [(each.api_version, each.kind) for each in catalogue.resources])
    applier = way.applier(session, catalogue)
    differs = False
    for manifest in manifest_documents.in_apply_order(manifests):
        resource, before, after = await applier.tried(manifest)
        for line in lines(resource, before, after, secrets=secrets):
            differs = True
            print(terminal.plain(line))
    return differs


def lines(resource: Resource, before: Document | None, after: Document, *, secrets: bool) -> list[str]:
    """Return the unified diff of an object, none where it stays as it is; a Secret's values only if `secrets`."""
    old, new = _bare(before or {}), _bare(after)
    if resource.kind == "Secret" and not secrets:
        old, new = _masked(old, new)
    metadata = after["metadata"]
    version = resource.api_version.replace("/", ".")
    name = ".".join((version, resource.kind, metadata.get("namespace") or "", metadata["name"]))
    before_text, after_text = (documents.in_form("yaml", each).splitlines() if each else [] for each in (old, new))
    return list(difflib.unified_diff(before_text, after_text, f"LIVE/{name}", f"MERGED/{name}", lineterm=""))


def _bare(document: Mapping[str, Any]) -> Document:
    """Return an object without what every write stamps, and what only says how it was applied."""
    if not document:
        return {}
    metadata = {key: value for key, value in document["metadata"].items() if key != "resourceVersion"}
    given = metadata.pop("annotations", None) or {}
    notes = {key: value for key, value in given.items() if key != last_applied.ANNOTATION}
    return {**document, "metadata": metadata | ({"annotations": notes} if notes else {})}


def _masked(old: Document, new: Document) -> tuple[Document, Document]:
    """Return two Secrets without their values, of which only is told whether they are the same."""
    masked: list[Document] = []
    for document, other, which in ((old, new, "before"), (new, old, "after")):
        theirs = other.get("data") or {}
        values = {
            key: MASK if theirs.get(key, value) == value else f"{MASK} ({which})"
            for key, value in (document.get("data") or {}).items()
        }
        masked.append(document | ({"data": values} if values else {}))
    return masked[0], masked[1]
