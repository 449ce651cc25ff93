"""Server-side apply: what a manager asks for, laid over what there is; what it asked for before and no longer, gone.

Source: structured-merge-diff merge/update.go (Apply, prune); managedfields/internal: skipnonapplied.go, conflict.go,
lastapplied.go, lastappliedmanager.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from swarmlet.errors import ApplyConflictError
from swarmlet.model import decode, objects, schema
from swarmlet.model.base import clock_time
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object
from swarmlet.ownership import comparing, entries, extracting, merging, sets, steps, tracking
from swarmlet.ownership.entries import Manager, Managers, Share
from swarmlet.ownership.sets import Fields

BEFORE_FIRST_APPLY = "before-first-apply"
"""Who owns an object that was not tracked, once somebody applies it."""
KUBECTL = "kubectl"
"""The manager of kubectl's own server-side apply: it may take over what was applied on the client's side."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply comes to: the object, neither completed nor checked yet, and who owns what of it."""

    object: Object
    managers: Managers


def apply(
    kind: Kind, live: Object | None, config: Document, who: Manager, now: datetime, *, force: bool = False
) -> Applied:
    """Return what becomes of an object of a kind once `who` has applied `config`.

    `live` is None for an object that is to be made. Raises `ApplyConflictError` where others own what would change, and
    `force` does not take it from them, and `CallerError` where a list of `config` cannot be merged.
    """
    definition = schema.definition_of_kind(kind)
    before = objects.to_document(live) if live else {}
    managers = entries.read(live.metadata.managed_fields) if live else {}
    if live and not managers:
        managers = _before_first_apply(before, definition)
    others = {each: share for each, share in managers.items() if each != who}
    last = managers.get(who, Share({}))
    asked = extracting.fields_of(config, definition)
    merged = merging.merge(before, config, definition)
    merged = merging.without(merged, _dropped(last.fields, merged, asked, others, definition), definition)
    value = decode.decode(kind, merged).object
    found = comparing.compare(before, objects.to_document(value), definition)
    taken = tracking.without_nobodys(found.taken)
    if live and not force:
        allowed = _applied_by_client(before, definition) if who.name == KUBECTL else {}
        _check_conflicts(others, sets.difference(taken, allowed))
    owned = tracking.without_nobodys(asked)
    changed = owned != last.fields or taken or found.removed
    rest = tracking.yielding(others, taken, found.removed)
    share = Share(owned, clock_time(now) if changed else last.time, kind.api_version)
    return Applied(_annotated_anew(value, config) if who.name == KUBECTL else value, {**rest, who: share})


def _annotated_anew(value: Object, config: Document) -> Object:
    """Return an object that was once applied on the client's side with what is applied now in that annotation."""
    annotations = value.metadata.annotations
    if LAST_APPLIED not in annotations:
        return value
    metadata = dict(config.get("metadata") or {})
    own = {name: text for name, text in (metadata.get("annotations") or {}).items() if name != LAST_APPLIED}
    bare = {**config, "metadata": {**metadata, "annotations": own} if "annotations" in metadata else metadata}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    return objects.with_metadata(value, annotations={**annotations, LAST_APPLIED: text})


def _before_first_apply(live: Document, definition: str) -> Managers:
    found = comparing.compare({}, live, definition)
    who = entries.manager(entries.UPDATE, BEFORE_FIRST_APPLY, live["apiVersion"])
    return {who: Share(tracking.without_nobodys(found.added), None, live["apiVersion"])}


def _dropped(last: Fields, merged: Document, asked: Fields, others: Managers, definition: str) -> Fields:
    """Return what the manager asked for last time that nobody, it included, asks for now."""
    if not last:
        return {}
    there = sets.with_fields(extracting.fields_of(merged, definition))
    wanted = sets.with_fields(sets.union(asked, entries.owned(others.values())))
    return sets.difference(sets.intersection(sets.with_fields(last), there), wanted)


def _check_conflicts(others: Managers, taken: Fields) -> None:
    found = [
        (_told(who), steps.told(path))
        for who, share in sorted(others.items(), key=lambda item: (item[0].name, item[0]))
        for path in sets.paths(sets.intersection(share.fields, taken))
    ]
    if not found:
        return
    causes = tuple((path, f"conflict with {who}") for who, path in found)
    if len(found) == 1:
        [(who, path)] = found
        raise ApplyConflictError(f"Apply failed with 1 conflict: conflict with {who}: {path}", causes)
    lines = "\n".join(_conflict_lines(found))
    raise ApplyConflictError(f"Apply failed with {len(found)} conflicts: {lines}", causes)


def _conflict_lines(found: list[tuple[str, str]]) -> Iterator[str]:
    for who in dict.fromkeys(who for who, _ in found):
        yield f"conflicts with {who}:"
        yield from (f"- {path}" for name, path in found if name == who)


def _told(who: Manager) -> str:
    name = json.dumps(who.name, ensure_ascii=False)
    if who.subresource:
        name += f' with subresource "{who.subresource}"'
    return f"{name} using {who.api_version}" if who.operation == entries.UPDATE else name


def _applied_by_client(live: Document, definition: str) -> Fields:
    """Return what was applied on the client's side and is still as it was: kubectl takes it over without a conflict."""
    before = _last_applied(live)
    if before is None:
        return {}
    found = comparing.compare(before, live, definition)
    changed = sets.union(found.taken, found.removed)
    return sets.difference(extracting.fields_of(before, definition), changed)


def _last_applied(live: Document) -> Document | None:
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
