"""The Pod's spec inside an object, and changing its containers: what the `set` commands have in common."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swarmlet.errors import CallerError

if TYPE_CHECKING:
    from swarmlet.cli.changes.outcomes import Outcome
    from swarmlet.cli.changes.targets import Target
    from swarmlet.cli.session import Session

EVERY = "*"
PATHS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where each kind has its Pod's spec, where that is not `TEMPLATE`."""
TEMPLATE = ("spec", "template", "spec")
LISTS = ("initContainers", "containers")

Document = dict[str, Any]


def of(target: Target) -> Mapping[str, Any]:
    """Return the Pod's spec of an object; raise `CallerError` where it has none."""
    spec: Any = target.document
    for name in PATHS.get(target.resource.kind, TEMPLATE):
        spec = spec.get(name) if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping):
        raise CallerError(f"{target} has no containers")
    return spec


def containers(target: Target) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each container with the name of the list that it is in, those that initialise first."""
    spec = of(target)
    yield from ((key, each) for key in LISTS for each in spec.get(key) or ())


def matching(target: Target, pattern: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the containers of a pattern such as "web-*"; raise `CallerError` where there is none."""
    found = [(key, each) for key, each in containers(target) if fnmatch.fnmatchcase(each["name"], pattern)]
    if not found:
        raise CallerError(f'{target} does not have any containers matching "{pattern}"')
    return found


def patch(target: Target, changes: Sequence[tuple[str, Document]]) -> Document:
    """Return the strategic merge patch of an object for (list, changed container)s; {} for none."""
    by_list: Document = {}
    for key, each in changes:
        by_list.setdefault(key, []).append(each)
    return nested(target, by_list)


def nested(target: Target, spec: Document) -> Document:
    """Return the patch of an object that changes its Pod's spec so; {} where that changes nothing."""
    for name in reversed(PATHS.get(target.resource.kind, TEMPLATE) if spec else ()):
        spec = {name: spec}
    return spec


async def change(session: Session, target: Target, wanted: Document, outcome: Outcome, done: str) -> None:
    """Send a strategic merge patch, or only make it here, and tell of it."""
    from swarmlet.client.client import STRATEGIC_MERGE_PATCH
    from swarmlet.model import patch as patches
    from swarmlet.model import schema

    if outcome.is_sent:
        after = await target.patch(session, wanted, outcome, content_type=STRATEGIC_MERGE_PATCH)
    else:
        definition = schema.definition_of(target.document["apiVersion"], target.document["kind"])
        after = dict(patches.strategic_merge(target.document, wanted, definition))
    outcome.tell(target, done, after)
