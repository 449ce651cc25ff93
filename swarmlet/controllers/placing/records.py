"""The record of placements: written with the bindings, kept for as long as one of its Pods lives.

So why a Pod is where it is outlives the leader that decided it and the hour of the Events.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, kinds, objects, pods
from swarmlet.model.base import clock_time
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.placements import (
    Considered,
    Departure,
    PlacedPod,
    PlacementRecord,
    Rated,
    Refused,
    ScorePart,
)
from swarmlet.model.pod import Pod
from swarmlet.scheduler.decision import Decision, Rating
from swarmlet.store.commands import Delete, Key, Operation, Put
from swarmlet.store.replica import Change, Stored, View

PODS = kinds.POD.resource
RECORDS = kinds.PLACEMENT_RECORD.resource
MESSAGE_CHARACTERS_MAX = 160
DIGITS = 3
"""Of scores: what differs by less is equal to a reader."""
GONE_MIN = 100
GONE_SHARE = 16
"""The records are looked through when so many Pods are gone, and at least one in 16 of those that are left."""
RECORDS_PER_STEP = 500
FRESH = timedelta(seconds=60)
"""How long before a Pod was made another one may have gone, to be told of with it."""
ALL = Key(RECORDS, "", "")
BEGINNING = datetime.fromtimestamp(0, UTC)
_TOLD = re.compile(rb'"after":\{"pod":"([^"]*)"')


class Recording:
    """What one step of the scheduler binds, taken down as it does so."""

    def __init__(self, view: View, now: datetime) -> None:
        self._view = view
        self._now = now
        self._considered: dict[Considered, int] = {}
        self._pods: list[PlacedPod] = []
        self._departures: dict[str, list[Departure]] = {}
        self._told: set[bytes] | None = None

    def take(self, pod: Pod, decision: Decision) -> None:
        """Take down why a Pod is bound to the node that was chosen."""
        assert decision.chosen is not None, "it is being bound"
        considered = Considered(
            nodes=decision.nodes,
            refused=tuple(Refused(count=each.count, why=each.why, nodes=each.nodes) for each in decision.refused),
            parts=tuple(ScorePart(name=each.name, weight=each.weight) for each in decision.chosen.parts),
        )
        self._pods.append(
            PlacedPod(
                uid=pod.metadata.uid,
                considered=self._considered.setdefault(considered, len(self._considered)),
                chosen=_rated(decision.chosen),
                runner_up=_rated(decision.runner_up) if decision.runner_up else None,
                by_lot=decision.by_lot,
                after=self._departure(pod),
            )
        )

    def operations(self) -> tuple[Operation, ...]:
        """Return the making of the record, where anything was bound.

        Its name is of the moment that was decided on and of a Pod bound then, so no two are ever the same.
        """
        if not self._pods:
            return ()
        name = f"{self._view.revision}-{self._pods[0].uid}"
        record = PlacementRecord(
            metadata=ObjectMeta(name=name, creation_timestamp=clock_time(self._now)),
            at=clock_time(self._now),
            considered=tuple(self._considered),
            pods=tuple(self._pods),
        )
        return (Put(Key(RECORDS, "", name), objects.to_json(record), expected_revision=0),)

    def _departure(self, pod: Pod) -> Departure | None:
        """Return the Pod of the same owner that went just before this one was made; each is told once a step."""
        owner = objects.controller_of(pod)
        if owner is None:
            return None
        if owner.uid not in self._departures:
            self._departures[owner.uid] = list(_going(self._view, owner.uid))
        going = self._departures[owner.uid]
        made = pod.metadata.creation_timestamp
        found = next((each for each in going if _made_way(each, made)), None)
        if found is None:
            return None
        going.remove(found)
        return None if self._is_told(found) else found

    def _is_told(self, departure: Departure) -> bool:
        """Whether an earlier step has told of it: Pods go seldom, so their records may be looked through once."""
        if self._told is None:
            self._told = {name for stored in self._view.list(RECORDS) for name in _TOLD.findall(stored.json)}
        return departure.pod.encode() in self._told


class PlacementRecords:
    """The reconciler: removes the records of Pods that are gone, and what is told of these in others."""

    name: ClassVar[str] = "placement-records"
    watches: ClassVar[frozenset[str]] = frozenset({PODS})

    def __init__(self) -> None:
        self._gone = 0
        self._must_look = False

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the one key where many Pods are gone."""
        if change.new is None:
            self._gone += 1
        return (ALL,) if change.new is None and self._gone >= GONE_MIN else ()

    def all_keys(self, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the one key."""
        self._must_look = True
        return (ALL,)

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:  # noqa: ARG002  there is one key
        """Return the removals: after so many Pods that it is worth looking at all records, and at once, not later."""
        pods_left = view.list(PODS)
        if not self._must_look and self._gone < max(GONE_MIN, len(pods_left) // GONE_SHARE):
            return NOTHING
        alive = {stored.object.metadata.uid for stored in pods_left}
        swept = (operation for stored in view.list(RECORDS) for operation in _swept(stored, alive))
        operations = tuple(itertools.islice(swept, RECORDS_PER_STEP))
        if operations:
            return Reconciliation(operations, requeue_after_seconds=0.0)
        self._gone, self._must_look = 0, False
        return NOTHING


def _swept(stored: Stored, alive: set[str]) -> Iterable[Operation]:
    """Yield what becomes of a record: it goes with its last Pod, and is written anew when most of its Pods are gone."""
    record = msgspec.json.decode(stored.json, type=PlacementRecord)  # not kept typed: it is looked at so seldom
    left = tuple(each for each in record.pods if each.uid in alive)
    if not left:
        yield Delete(stored.key, expected_revision=stored.revision)
    elif 2 * len(left) < len(record.pods):
        bare = objects.with_metadata(msgspec.structs.replace(record, pods=left), resource_version="")
        yield Put(stored.key, objects.to_json(bare), expected_revision=stored.revision)


def _rated(rating: Rating) -> Rated:
    values = tuple(round(each.value, DIGITS) for each in rating.parts)
    return Rated(node=rating.node, score=round(rating.score, DIGITS), values=values)


def _going(view: View, owner_uid: str) -> Iterable[Departure]:
    """Yield the Pods of an owner that are being deleted or were given up, the longest ago first."""
    found = (cast("Pod", each.object) for each in view.by_owner(owner_uid) if each.key.resource == PODS)
    departures = (_departure(pod) for pod in found)
    return sorted((each for each in departures if each), key=lambda each: (each.at or BEGINNING, each.pod))


def _departure(pod: Pod) -> Departure | None:
    """Return why and when a Pod went; None for one that stays, or that has ended by itself."""
    disrupted = conditions.get(pod.status.conditions, "DisruptionTarget")
    told = disrupted if disrupted and disrupted.status == "True" else None
    if objects.is_terminating(pod):
        grace = timedelta(seconds=pod.metadata.deletion_grace_period_seconds or 0)
        until = pod.metadata.deletion_timestamp
        at = until - grace if until else None
    elif told and pods.is_finished(pod):
        at = told.last_transition_time
    else:
        return None
    return Departure(
        pod=pod.metadata.name,
        node=pod.spec.node_name,
        at=at,
        reason=told.reason if told else "",
        message=told.message[:MESSAGE_CHARACTERS_MAX] if told else "",
    )


def _made_way(departure: Departure, made: datetime | None) -> bool:
    """Whether a Pod went just before another was made: its controller makes the next one at once."""
    return made is not None and departure.at is not None and timedelta(0) <= made - departure.at <= FRESH
