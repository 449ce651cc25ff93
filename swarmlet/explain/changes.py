"""Who asked for what an object is: from the history of changes."""

from __future__ import annotations

from collections.abc import Iterator

from swarmlet.explain.case import Case, about, listed
from swarmlet.explain.findings import Finding
from swarmlet.model import kinds
from swarmlet.model.meta import Object
from swarmlet.store import history_reading
from swarmlet.store.commands import Key
from swarmlet.store.history import Action, Entry
from swarmlet.store.history_deltas import Path

SOURCE = "history"
LOOK_BACK_MAX = 50
"""Changes of one object that are looked through for one of a field."""
PATHS_SHOWN = 3


def newest(case: Case, value: Object) -> Iterator[Finding]:
    """Yield what was last changed of an object, by whom and from where, if that is known."""
    entry = next(case.view.history.of(_key(value)), None)
    if entry is None or not entry.origin.who:
        return
    if entry.action is Action.CREATED:
        what = "it was made"
    else:
        what = f"its newest change, of {_paths(history_reading.fields(entry))}, was made"
    advice = f"swarmlet diff {entry.revision}" if entry.action is Action.CHANGED else ""
    yield Finding(text=f"{what}{by(entry)}", at=entry.origin.at, about=about(value), source=SOURCE, advice=advice)


def of_field(case: Case, value: Object, *path: str) -> Entry | None:
    """Return the newest change of one field of an object, None where that is not known."""
    for number, step in enumerate(history_reading.steps(case.view, key=_key(value))):
        if number >= LOOK_BACK_MAX:
            return None
        if _at(step.before, path) != _at(step.after, path):
            return step.entry
    return None


def by(entry: Entry) -> str:
    """Return who made a change and from where, as it stands in a sentence: " by admin from 10.0.0.7 (revision 12)".

    Of a change that nobody is known to have asked for it is "".
    """
    origin = entry.origin
    if not origin.who:
        return ""
    where = f" from {origin.address}" if origin.address else f" on {origin.node}" if origin.node else ""
    return f" by {origin.who}{where} (revision {entry.revision})"


def _key(value: Object) -> Key:
    kind = kinds.BY_GVK[value.api_version, value.kind]
    return Key(kind.resource, value.metadata.namespace, value.metadata.name)


def _paths(found: frozenset[Path]) -> str:
    return listed(sorted(".".join(str(part) for part in path) for path in found), PATHS_SHOWN)


def _at(document: object, path: tuple[str, ...]) -> object:
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document
