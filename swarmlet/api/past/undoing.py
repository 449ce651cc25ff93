"""The inverse of a change, on top of what is now: what is to be put and what is to go. Pure.

Three states are compared, as in a merge: before the change, after it, and now. Where a field is no longer what the
change made of it, a later change has touched it, and undoing would undo that one, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from swarmlet.errors import ConflictError
from swarmlet.model import kinds
from swarmlet.model.plans import Reference
from swarmlet.store import addresses, history_deltas, history_desired, history_reading
from swarmlet.store.catalogue import Catalogue
from swarmlet.store.commands import Key
from swarmlet.store.history import Action, Entry
from swarmlet.store.history_deltas import Document, Path
from swarmlet.store.history_reading import Step
from swarmlet.store.replica import Stored, View

PEOPLES_ALONE = (kinds.NODE.resource,)
"""Of these nothing is made or ended by writing it: a machine joins and leaves by itself."""
SYSTEM = "system:"
"""What the names of those begin with who are no people."""
FIELDS_TOLD_MAX = 3
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Inverse:
    """What undoes a change: documents that objects are to become, and objects that are to go."""

    put: tuple[Document, ...] = ()
    delete: tuple[Reference, ...] = ()


def inverse(view: View, steps: Sequence[Step], *, force: bool = False) -> Inverse:
    """Return what undoes a change of one or several objects.

    Raises `ConflictError`, naming the later change, where one touched the same; `force` undoes nonetheless, as far as
    the object is still there.
    """
    put: list[Document] = []
    delete: list[Reference] = []
    for step in steps:
        match step.entry.action:
            case Action.CREATED:
                _check_made(step, view, force=force)
                _check_alone(step, view, {each.entry.key for each in steps}, force=force)
                delete.append(_reference(view, step))
            case Action.DELETED:
                put.append(_made_anew(step, view))
            case Action.CHANGED:
                put.append(_changed_back(step, view, force=force))
    return Inverse(tuple(put), tuple(delete))


def _check_made(step: Step, view: View, *, force: bool) -> None:
    _check_is_written(step)
    _check_is_there(step, view)
    theirs = [each for each in _since(step, view) if not each.origin.who.startswith(SYSTEM)]
    if theirs and not force:
        raise ConflictError(f"{_what(step)}: {_told(theirs[0], 'changed it')}; --force deletes it anyway")


def _check_alone(step: Step, view: View, together: Collection[Key], *, force: bool) -> None:
    """Raise `ConflictError` where what was made is a namespace that holds what this change did not make."""
    key = step.entry.key
    if force or key.resource != kinds.NAMESPACE.resource:
        return
    others = [each for each in history_reading.asked_for_in(view, key.name) if each not in together]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise ConflictError(f"{_what(step)}: {named(others[0])}{more} would go with it; --force deletes them, too")


def _made_anew(step: Step, view: View) -> Document:
    _check_is_written(step)
    assert step.before is not None, "what was deleted was there before"
    if view.get(step.entry.key) is not None:
        after = _since(step, view)
        raise ConflictError(
            f"{_what(step)}: {_told(after[-1], 'made it anew') if after else 'it is there still, on its way out'}"
        )
    return _with_free_addresses(step.before, view) if step.entry.key.resource == addresses.SERVICES else step.before


def _with_free_addresses(service: Document, view: View) -> Document:
    """Return a Service without the cluster IP and the node ports that another has by now: it gets new ones."""
    spec = dict(service.get("spec") or {})
    if any(addresses.is_taken(view, each) for each in spec.get("clusterIPs") or ()):
        del spec["clusterIPs"]
        spec.pop("clusterIP", None)
    if "ports" in spec:
        spec["ports"] = [_with_free_port(each, view) for each in spec["ports"]]
    return {**service, "spec": spec}


def _with_free_port(port: Document, view: View) -> Document:
    name = f"{port.get('nodePort')}.{port.get('protocol', '').lower()}"
    return {key: value for key, value in port.items() if key != "nodePort" or not addresses.is_taken(view, name)}


def _changed_back(step: Step, view: View, *, force: bool) -> Document:
    stored, now = _check_is_there(step, view)
    touched = sorted(
        path for path in history_reading.fields(step.entry) if _value(now, path) != _value(step.after, path)
    )
    if touched and not force:
        later = next(each for each in _since(step, view) if _touches(each, touched))
        raise ConflictError(
            f"{_what(step)}: {_told(later, f'changed {_fields(touched, now)}')}; --force undoes that, too"
        )
    back = history_deltas.applied(now, history_deltas.decode(step.entry.before))
    document: Document = _laid_over(msgspec.json.decode(stored.json), now, back)
    return document


# Who came later.


def _since(step: Step, view: View) -> list[Entry]:
    """Return the later changes of the same object, newest first."""
    return [each for each in view.history.of(step.entry.key) if each.revision > step.entry.revision]


def _check_is_there(step: Step, view: View) -> tuple[Stored, Document]:
    """Return the object and what is desired of it; raise `ConflictError` where nobody wants it any more."""
    stored = view.get(step.entry.key)
    now = history_desired.of(stored)
    if stored is None or now is None:
        ended = next(each for each in _since(step, view) if each.action is Action.DELETED)
        raise ConflictError(f"{_what(step)}: nothing to undo, as {_told(ended, 'deleted it')}")
    return stored, now


def _touches(entry: Entry, paths: Iterable[Path]) -> bool:
    return any(history_deltas.overlap(one, other) for one in history_reading.fields(entry) for other in paths)


def _told(entry: Entry, what: str) -> str:
    return f"{entry.origin.who or 'the cluster'} {what} later, in revision {entry.revision}"


# Documents.


def _laid_over(live: Any, now: Any, back: Any) -> Any:
    """Return the live document with what differs between two states of its desired part.

    What is in the live one alone is bookkeeping and stays, in lists behind what is asked for.
    """
    if now is None and isinstance(live, dict | list):
        now = type(live)()  # all that is there is bookkeeping
    if isinstance(live, dict) and isinstance(now, dict) and isinstance(back, dict):
        alone = {name: _bookkeeping(value, now.get(name)) for name, value in live.items() if name not in back}
        laid = {name: _laid_over(live.get(name), now.get(name), value) for name, value in back.items()}
        return {name: value for name, value in alone.items() if value is not None} | laid
    if now == back:
        return live
    if isinstance(live, list) and isinstance(now, list) and isinstance(back, list):
        return [*back, *(item for item in live if item not in now and item not in back)]
    return back


def _bookkeeping(live: Any, now: Any) -> Any:
    """Return what of a live value is not of its desired part; None for nothing."""
    if now is None:
        return live
    if isinstance(now, dict | list) and isinstance(live, type(now)):
        return _laid_over(live, now, type(now)()) or None
    return None


def _value(document: Any, path: Path) -> Any:
    for name in path:
        if isinstance(document, dict):
            document = document.get(name, _MISSING)
        elif isinstance(document, list) and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        else:
            return _MISSING
    return document


def _check_is_written(step: Step) -> None:
    if step.entry.key.resource in PEOPLES_ALONE:
        raise ConflictError(f"{_what(step)}: a machine joins and leaves by itself; nobody can undo that by writing")


def _reference(view: View, step: Step) -> Reference:
    key = step.entry.key
    kind = Catalogue(view).of_resource(key.resource)
    if kind is None:
        raise ConflictError(f"{_what(step)}: its kind is gone; bring its CustomResourceDefinition back first")
    return Reference(api_version=kind.api_version, kind=kind.kind, name=key.name, namespace=key.namespace)


def _what(step: Step) -> str:
    return named(step.entry.key)


def named(key: Key) -> str:
    """Return an object's name as people write it."""
    where = f" in {key.namespace}" if key.namespace else ""
    return f"{key.resource}/{key.name}{where}"


def _fields(paths: Sequence[Path], document: Document) -> str:
    more = f" and {len(paths) - FIELDS_TOLD_MAX} more" if len(paths) > FIELDS_TOLD_MAX else ""
    return ", ".join(field(path, document) for path in paths[:FIELDS_TOLD_MAX]) + more


def field(path: Path, document: Any) -> str:
    """Return a field's name as people write it, with the items of lists by their names: `containers[main].image`."""
    text = ""
    for name in path:
        if isinstance(document, list):
            document = document[int(name)] if name.isdigit() and int(name) < len(document) else None
            label = document.get("name", name) if isinstance(document, dict) else name
            text += f"[{label}]"
        else:
            document = document.get(name) if isinstance(document, dict) else None
            text += f".{name}" if text else name
    return text
