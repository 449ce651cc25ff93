"""The moves that are under way, found in the store and kept in step with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from swarmlet.errors import ExpiredError
from swarmlet.model import kinds, moves, objects
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

PODS = kinds.POD.resource


@dataclass(frozen=True, slots=True)
class Party:
    """A move that is under way, and the Pod that moves."""

    move: moves.Move
    stored: Stored

    @property
    def pod(self) -> Pod:
        return cast("Pod", self.stored.object)


def party(view: View, replacement: Stored) -> Party | None:
    """Return the move that a Pod takes part in as the replacement; None where there is none, or its Pod is gone.

    Only a Pod of its own owner moves for it: who may annotate a Pod may not thereby have any other end.
    """
    move = moves.of(cast("Pod", replacement.object))
    mover = view.get(Key(PODS, replacement.key.namespace, move.pod)) if move else None
    if move is None or mover is None or mover.object.metadata.uid != move.uid:
        return None
    owner = objects.controller_of(replacement.object)
    return Party(move, mover) if owner is not None and owner == objects.controller_of(mover.object) else None


class MovesUnderWay:
    """The moves whose Pod is still there, by their replacement."""

    def __init__(self) -> None:
        self._movers: dict[Key, Key] = {}
        self._revision = -1

    def parties(self, view: View) -> dict[Key, Party]:
        """Return all moves that are under way, by the key of the replacement."""
        self._catch_up(view)
        found: dict[Key, Party] = {}
        for key in list(self._movers):
            stored = view.get(key)
            each = party(view, stored) if stored else None
            if each is not None:
                found[key] = each
            elif stored is None or stored.node_name:
                del self._movers[key]  # it is over for good; one without a node is yet to be set free
        return found

    def touched_by(self, change: Change, view: View) -> list[Key]:
        """Return the replacements of the moves that the change of a Pod concerns."""
        self._catch_up(view)
        return [key for key, mover in self._movers.items() if change.key in (key, mover)]

    def _catch_up(self, view: View) -> None:
        if self._revision == view.revision:
            return
        try:
            if not 0 <= self._revision <= view.revision:
                self._look_at_all(view)
            else:
                for change in view.changes_since(PODS, self._revision):
                    self._take(change.new)
        except ExpiredError:
            self._look_at_all(view)
        self._revision = view.revision

    def _look_at_all(self, view: View) -> None:
        self._movers.clear()
        for stored in view.list(PODS):
            self._take(stored)

    def _take(self, stored: Stored | None) -> None:
        move = moves.of(cast("Pod", stored.object)) if stored else None
        if stored and move:
            self._movers[stored.key] = Key(PODS, stored.key.namespace, move.pod)
