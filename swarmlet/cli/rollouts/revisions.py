"""The versions of what is rolled out: a Deployment's are its ReplicaSets, others' their ControllerRevisions.

Source: kubectl pkg/polymorphichelpers (history.go, rollback.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from swarmlet.cli import tables
from swarmlet.cli.changes.targets import Target
from swarmlet.cli.descriptions import kinds as descriptions
from swarmlet.errors import NotFoundError

REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
HASH_LABEL = "pod-template-hash"
PATCH_DIRECTIVE = "$patch"

Document = dict[str, Any]


def owned(candidates: Iterable[Document], owner: Mapping[str, Any]) -> list[Document]:
    """Return those of an owner that have a revision, oldest first."""
    uid = owner["metadata"]["uid"]
    mine = [
        each
        for each in candidates
        if any(reference.get("uid") == uid for reference in each["metadata"].get("ownerReferences") or ())
    ]
    return sorted((each for each in mine if number(each)), key=number)


def number(version: Mapping[str, Any]) -> int:
    """Return the revision; 0 for none."""
    if "revision" in version:
        return int(version["revision"])
    text = (version["metadata"].get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isdigit() else 0


def pick(known: Sequence[Document], revision: int) -> Document:
    """Return the one with a revision; raise `NotFoundError` naming those there are."""
    for each in known:
        if number(each) == revision:
            return each
    there = ", ".join(str(number(each)) for each in known) or "none"
    raise NotFoundError(f"no revision {revision}; there are: {there}")


def before_last(known: Sequence[Document], owner: Target) -> Document:
    """Return the revision before the newest."""
    if len(known) < 2:
        raise NotFoundError(f"{owner}: no revision to go back to")
    return known[-2]


def template_of(version: Mapping[str, Any]) -> Document:
    """Return the Pods' template as the owner had it."""
    spec = version["data"]["spec"] if "data" in version else version["spec"]
    return comparable(spec["template"])


def comparable(template: Mapping[str, Any]) -> Document:
    """Return a template without what the controller adds."""
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    bare = {key: value for key, value in template.items() if key != PATCH_DIRECTIVE}
    return {**bare, "metadata": metadata}


def listing(owner: Target, known: Sequence[Document]) -> list[str]:
    """Return what `rollout history` prints."""
    rows = [
        (str(number(each)), (each["metadata"].get("annotations") or {}).get(CHANGE_CAUSE) or "<none>") for each in known
    ]
    if not rows:
        return [str(owner), "No rollout history found."]
    return [str(owner), *tables.Columns().lines(("REVISION", "CHANGE-CAUSE"), rows)]


def template_lines(version: Document) -> list[str]:
    """Return what `rollout history --revision` prints."""
    return descriptions.rendered(descriptions.template(template_of(version)))
