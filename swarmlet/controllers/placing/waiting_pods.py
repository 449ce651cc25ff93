"""The Pods that wait for a node, in the order of their turn, kept in step with the store change by change."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import cast

from swarmlet.errors import ExpiredError
from swarmlet.model import kinds, pods, priorities
from swarmlet.model.pod import Pod
from swarmlet.scheduler.demand import Demand, demand_of
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View

PODS = kinds.POD.resource
SCHEDULER_NAMES = ("", "default-scheduler")
BEGINNING = datetime.fromtimestamp(0, UTC)

Turn = tuple[int, datetime, Key]
"""Whose priority is higher comes first, and then who has waited longer."""


class WaitingPods:
    """Those that are ours to place: neither gated nor about to go."""

    def __init__(self) -> None:
        self._pods: dict[Key, Stored] = {}
        self._turns: dict[Key, Turn] = {}
        self._order: list[Turn] = []
        self._asking: set[Key] = set()
        self._nominated: set[Key] = set()
        self._demands: dict[Key, tuple[Stored, Demand]] = {}
        self._revision = -1

    def __len__(self) -> int:
        return len(self._pods)

    @property
    def keys(self) -> AbstractSet[Key]:
        """Who they are."""
        return self._pods.keys()

    def nominated(self) -> Iterator[Stored]:
        """Yield those that wait for their room on some node."""
        return (self._pods[key] for key in sorted(self._nominated))

    @property
    def ask_for_others(self) -> bool:
        """Whether any of them has terms about other Pods."""
        return bool(self._asking)

    def in_turn(self) -> Iterator[Stored]:
        """Yield them, the next one first."""
        return (self._pods[turn[-1]] for turn in self._order if self._turns.get(turn[-1]) is turn)

    def demand(self, stored: Stored) -> Demand:
        """Return what one of them asks for, read once."""
        known = self._demands.get(stored.key)
        if known is None or known[0] is not stored:
            known = self._demands[stored.key] = stored, demand_of(cast("Pod", stored.object))
        return known[1]

    def catch_up(self, view: View) -> None:
        """Take in what changed since the last call; called often, it never has to read everything."""
        if not 0 <= self._revision <= view.revision:
            self._rebuild(view)
        elif self._revision < view.revision:
            try:
                for change in view.changes_since(PODS, self._revision):
                    self._note(change.key, change.new)
            except ExpiredError:
                self._rebuild(view)
            if len(self._order) > 2 * len(self._turns):
                self._order = [turn for turn in self._order if self._turns.get(turn[-1]) is turn]
        self._revision = view.revision

    def _rebuild(self, view: View) -> None:
        for each in (self._pods, self._turns, self._asking, self._nominated, self._demands):
            each.clear()
        for stored in view.pods_on(""):
            if _waits(stored):
                self._enter(stored, _turn(stored))
        self._order = sorted(self._turns.values())

    def _note(self, key: Key, stored: Stored | None) -> None:
        if stored is None or not _waits(stored):
            self._leave(key)
            return
        turn = _turn(stored)
        if self._turns.get(key) == turn:
            turn = self._turns[key]
        else:
            bisect.insort(self._order, turn)
        self._enter(stored, turn)

    def _enter(self, stored: Stored, turn: Turn) -> None:
        key, pod = stored.key, cast("Pod", stored.object)
        self._pods[key], self._turns[key] = stored, turn
        _keep(self._asking, key, bool(pod.spec.affinity or pod.spec.topology_spread_constraints))
        _keep(self._nominated, key, bool(pod.status.nominated_node_name))

    def _leave(self, key: Key) -> None:
        self._pods.pop(key, None)
        self._turns.pop(key, None)
        self._demands.pop(key, None)
        self._asking.discard(key)
        self._nominated.discard(key)


def _keep(keys: set[Key], key: Key, wanted: bool) -> None:
    if wanted:
        keys.add(key)
    else:
        keys.discard(key)


def _waits(stored: Stored) -> bool:
    pod = cast("Pod", stored.object)
    if pod.spec.node_name or pods.is_gated(pod) or not pods.is_active(pod):
        return False
    return pod.spec.scheduler_name in SCHEDULER_NAMES


def _turn(stored: Stored) -> Turn:
    pod = cast("Pod", stored.object)
    return -priorities.of(pod), pod.metadata.creation_timestamp or BEGINNING, stored.key
