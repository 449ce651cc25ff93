"""Who asked for what an object is: from the history of changes."""

from __future__ import annotations

from collections.abc import Iterator

from swarmlet.explain.case import Case, about, listed
from swarmlet.explain.findings import Finding
from swarmlet.model import differences, kinds
from swarmlet.model.meta import Object
from swarmlet.store import history_reading
from swarmlet.store.commands import Key
from swarmlet.store.history import Action, Entry

SOURCE = "history"
LOOK_BACK_MAX = 50
"""Changes of one object that are looked through for one of a field."""
FIELDS_SHOWN = 3


def newest(case: Case, value: Object) -> Iterator[Finding]:
    """Yield what was last changed of an object, by whom and from where, if that is known."""
    step = next(history_reading.steps(case.view, key=_key(value)), None)
    if step is None or not step.entry.origin.who:
        return
    entry, advice = step.entry, ""
    match entry.action:
        case Action.CREATED:
            what = "it was made"
        case Action.DELETED:
            what = "its deletion was asked for"
        case Action.CHANGED:
            found = differences.between(step.before or {}, step.after or {})
            fields = listed((each.path for each in found), FIELDS_SHOWN)
            what, advice = f"its newest change, of {fields}, was made", f"swarmlet diff {entry.revision}"
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


def _at(document: object, path: tuple[str, ...]) -> object:
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document
