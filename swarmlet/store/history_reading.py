"""Looking back from the present state along the history: what was when, and what each change did. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from swarmlet.errors import ExpiredError
from swarmlet.model import kinds, objects
from swarmlet.store import catalogue, history_deltas, history_desired
from swarmlet.store.commands import OPERATIONS_MAX, Key
from swarmlet.store.history import Action, Entry
from swarmlet.store.history_deltas import Path
from swarmlet.store.history_desired import Desired
from swarmlet.store.replica import View


@dataclass(frozen=True, slots=True)
class Step:
    """One change, with the desired state before it and after it; None where nobody wants the object."""

    entry: Entry
    before: Desired
    after: Desired


@dataclass(frozen=True, slots=True)
class Past:
    """What was desired of one object at a moment.

    `joined` is set where the moment lies within a run of a controller's changes that became one entry: then the fields
    that it changed are shown as they were before the run.
    """

    key: Key
    document: Desired
    joined: Entry | None = None


def everything(_key: Key) -> bool:
    """Choose all objects."""
    return True


def steps(view: View, chosen: Callable[[Key], bool] = everything, key: Key | None = None) -> Iterator[Step]:
    """Yield the changes of the chosen objects, or of the one of `key`, newest first; a look at one moment's state."""
    known: dict[Key, Desired] = {}
    for entry in view.history.of(key) if key else view.history.newest_first():
        if key or chosen(entry.key):
            after = known[entry.key] if entry.key in known else history_desired.of(view.get(entry.key))
            known[entry.key] = before = undone(entry, after)
            yield Step(entry, before, after)


def step(view: View, revision: int) -> Step | None:
    """Return the change that made a revision, or that stands for it, if it is known."""
    entry = view.history.get(revision) or next(
        (each for each in view.history.newest_first() if each.first <= revision < each.revision), None
    )
    if entry is None:
        return None
    return next(each for each in steps(view, key=entry.key) if each.entry is entry)


def change(view: View, revision: int) -> list[Step]:
    """Return all that was changed together with a revision, oldest first; nothing where that is not known."""
    found = step(view, revision)
    if found is None or found.entry.size == 1:
        return [found] if found else []
    first = found.entry.change
    entries = (view.history.get(each) for each in range(first, first + OPERATIONS_MAX))
    members = [each for each in entries if each is not None and each.change == first]
    return [each for member in members if (each := step(view, member.revision)) is not None]


def undone(entry: Entry, after: Desired) -> Desired:
    """Return the state before a change from the one after it."""
    match entry.action:
        case Action.CREATED:
            return None
        case Action.DELETED:
            return history_desired.decode(entry.before)
        case Action.CHANGED:
            return cast("Desired", history_deltas.applied(after, history_deltas.decode(entry.before)))


def fields(entry: Entry) -> frozenset[Path]:
    """Return where an entry changes its object; the one empty path where it makes or ends it."""
    if entry.action is not Action.CHANGED:
        return frozenset({()})
    return frozenset(history_deltas.paths(history_deltas.decode(entry.before)))


def at(view: View, key: Key, revision: int) -> Past:
    """Return what was desired of an object at a revision; raise `ExpiredError` where that is forgotten."""
    state = history_desired.of(view.get(key))
    joined: Entry | None = None
    known_since = view.history.floor
    for entry in view.history.of(key):
        known_since = entry.previous
        if entry.revision <= revision:
            return Past(key, state)
        state = undone(entry, state)
        if entry.first <= revision:
            joined = entry
            break
    if joined is None and revision < known_since:
        raise ExpiredError(f"the history of {key} reaches back to revision {known_since}, not to {revision}")
    return Past(key, state, joined)


def keys_at(view: View, resource: str, namespace: str, revision: int) -> list[Key]:
    """Return what of a collection may have been there at a revision, sorted.

    Raises `ExpiredError` where some of it is forgotten.
    """
    if revision < view.history.floor:
        raise ExpiredError(
            f"the history of {resource} reaches back to revision {view.history.floor}, not to {revision}"
        )
    now = {stored.key for stored in view.list(resource, namespace)}
    return sorted(now | view.history.keys_of(resource, namespace))


def asked_for_in(view: View, namespace: str) -> Iterator[Key]:
    """Yield what people have asked for in a namespace and is there: all of it goes with the namespace."""
    known = [kind.resource for kind in kinds.SERVED if kind.namespaced]
    for resource in (*known, *catalogue.custom_resources(view, namespaced=True)):
        if history_desired.is_recorded(resource):
            found = (stored for stored in view.list(resource, namespace) if not stored.owner_uids)
            yield from (stored.key for stored in found if not objects.is_terminating(stored.object))


def revision_at(view: View, moment: datetime) -> int:
    """Return the newest revision that was made by a moment; raise `ExpiredError` where that is forgotten."""
    newest = next(_made_by(view.history.newest_first(), moment), None)
    if newest is not None:
        return newest.revision
    if view.history.floor:
        raise ExpiredError("the history does not reach back to that time")
    return 0


def _made_by(entries: Iterable[Entry], moment: datetime) -> Iterator[Entry]:
    return (entry for entry in entries if entry.origin.at is not None and entry.origin.at <= moment)
