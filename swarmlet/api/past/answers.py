"""What the API tells of changes and of moments. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from swarmlet.api.past import undoing
from swarmlet.model import differences, histories
from swarmlet.model.differences import Difference
from swarmlet.model.histories import ObjectChange, ObjectDifference
from swarmlet.store import history_reading
from swarmlet.store.history import Action
from swarmlet.store.history_desired import Desired
from swarmlet.store.history_reading import Past, Step

ACTIONS = {Action.CREATED: histories.CREATE, Action.CHANGED: histories.CHANGE, Action.DELETED: histories.DELETE}


def told(step: Step, *, whole: bool) -> ObjectChange:
    """Return a change as it is told; `whole`: each field of what is made or deleted, too."""
    entry, origin = step.entry, step.entry.origin
    tells = whole or entry.action is Action.CHANGED
    return ObjectChange(
        revision=entry.revision,
        action=ACTIONS[entry.action],
        resource=entry.key.resource,
        name=entry.key.name,
        namespace=entry.key.namespace,
        change=entry.change,
        size=entry.size,
        at=origin.at,
        who=origin.who,
        node=origin.node,
        address=origin.address,
        agent=origin.agent,
        verb=origin.verb,
        note=origin.note,
        joined=entry.joined,
        since=entry.since,
        began=entry.began,
        differences=_differences(step.before, step.after) if tells else (),
    )


def _differences(before: Desired, after: Desired) -> tuple[Difference, ...]:
    return tuple(differences.between(before or {}, after or {}))


def differing(old: Past, new: Past) -> ObjectDifference:
    """Return how an object at one moment differs from itself at another."""
    action = (
        histories.CREATE if old.document is None else histories.DELETE if new.document is None else histories.CHANGE
    )
    key = new.key
    return ObjectDifference(
        action=action,
        resource=key.resource,
        name=key.name,
        namespace=key.namespace,
        differences=_differences(old.document, new.document),
    )


def notes(pasts: Iterable[Past]) -> Iterator[str]:
    """Yield of which objects it is not known just what they were."""
    for past in pasts:
        if past.joined is not None:
            entry = past.joined
            fields = ", ".join(sorted(undoing.field(path, past.document) for path in history_reading.fields(entry)))
            yield (
                f"{undoing.named(past.key)}: {entry.origin.who} changed {fields} {entry.joined} times from revision "
                f"{entry.first} to {entry.revision}, which are kept as one: shown as it was before them"
            )
