"""What rebalancing makes of the store now: whether it is on, which moves are worth it, and what stays where it is.

The controllers act on it, the API shows it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from swarmlet.config import Rebalance as Limits
from swarmlet.model import kinds, moves, pods
from swarmlet.model.cluster import Rebalancing
from swarmlet.model.meta import ObjectMeta
from swarmlet.scheduler import movable, placement, rebalance
from swarmlet.scheduler.cluster import Cluster
from swarmlet.scheduler.demand import demand_of
from swarmlet.scheduler.moving import Party
from swarmlet.scheduler.scores import Strategy
from swarmlet.store.commands import Key
from swarmlet.store.replica import View

SWITCH = Key(kinds.REBALANCING.resource, "", "cluster")
EAGER = 0.5
"""Of the threshold: what ends a round that has begun, or that a user asked for, lies well under what begins one."""


@dataclass(frozen=True, slots=True)
class Staying:
    """A Pod that is not moved, and why."""

    pod: Key
    node: str
    why: str


def switch(view: View) -> Rebalancing:
    """Return what was said about rebalancing in this cluster."""
    stored = view.get(SWITCH)
    return cast("Rebalancing", stored.object) if stored else Rebalancing(metadata=ObjectMeta(name=SWITCH.name))


def is_on(said: Rebalancing, configured: bool) -> bool:
    """Whether Pods are moved by themselves."""
    return configured if said.enabled is None else said.enabled


def is_wanted(said: Rebalancing, configured: bool) -> bool:
    """Whether Pods are moved: by themselves, or because a user asked for it."""
    return said.asked_at is not None or is_on(said, configured)


class Outlook:
    """One moment's plan.

    Args:
        view, cluster: the objects, and the nodes as the scheduler knows them; `cluster` has caught up with `view`, and
            is as it was after each call.
        under_way: the moves that have begun; they count as done, and their owners have no other.
        strategy: the scheduler's.
        eager: with a lower threshold.
    """

    def __init__(
        self,
        view: View,
        cluster: Cluster,
        under_way: Iterable[Party],
        now: datetime,
        limits: Limits,
        *,
        strategy: Strategy,
        eager: bool,
    ) -> None:
        self._view = view
        self._now = now
        self._cluster = cluster
        self._strategy = strategy
        self._under_way = list(under_way)
        self._unsettled = movable.unsettled(view, now, limits.settle_seconds)
        busy = {demand_of(each.pod).owner for each in self._under_way}
        self._survey = movable.Survey(view, now, limits.minimum_age_seconds, busy)
        self._threshold = limits.threshold_percent / 100 * (EAGER if eager else 1.0)

    @property
    def soonest_seconds(self) -> float | None:
        """When something that speaks against a move now may not speak against it any more."""
        waits = [*self._unsettled.values()]
        if self._survey.soonest_seconds is not None:
            waits.append(self._survey.soonest_seconds)
        return min(waits, default=None)

    @property
    def unsettled(self) -> Mapping[str, float]:
        """The nodes that have not been ready for long enough, and for how many seconds they must be yet."""
        return self._unsettled

    def next(self) -> rebalance.Move | None:
        """Return the move to begin now; None where there is none."""
        return next(iter(self._tried(self._may_begin, 1)), None)

    def plan(self) -> list[rebalance.Move]:
        """Return all moves until nothing is worth one, as if each node were settled."""
        return self._tried(
            lambda _candidate, target: not movable.rests(self._view, target, self._now), rebalance.MOVES_MAX
        )

    def staying(self, moving: Iterable[rebalance.Move], limit: int) -> list[Staying]:
        """Return up to `limit` Pods that are not moved because they may not, and why."""
        gone = {each.candidate.pod for each in moving}
        found: list[Staying] = []
        for name in sorted(self._cluster.nodes):
            for stored in self._view.pods_on(name):
                obstacle = self._survey.obstacle(stored) if stored.key not in gone else None
                if obstacle is not None:
                    found.append(Staying(stored.key, name, obstacle.why))
                if len(found) == limit:
                    return found
        return found

    def _tried(self, may_go: rebalance.MayGo, moves_max: int) -> list[rebalance.Move]:
        """Try moves out on the nodes, and leave these as they were."""
        planner = rebalance.Planner(
            self._cluster,
            self._survey.candidates,
            may_go,
            self._survey.domains_of,
            threshold=self._threshold,
            strategy=self._strategy,
        )
        is_as_it_was = False
        self._take_away()
        try:
            found = planner.plan(moves_max)
            planner.undo()
            self._put_back()
            is_as_it_was = True
        finally:
            if not is_as_it_was:
                self._cluster.forget()
        return found

    def _may_begin(self, candidate: rebalance.Candidate, target: str) -> bool:
        """Whether the target is settled, and a replacement may come there with all that is to go still in its place."""
        if target in self._unsettled or movable.rests(self._view, target, self._now):
            return False
        demand, pod = candidate.demand, candidate.pod
        held = dataclasses.replace(demand, required_nodes=moves.on_node(demand.required_nodes, target))
        self._put_back()
        self._cluster.bind(pod, demand, candidate.node)
        (answer,) = placement.place([(pod, held)], self._cluster, strategy=self._strategy)
        self._cluster.unbind(pod)
        self._take_away()
        return answer.node == target

    def _take_away(self) -> None:
        for each in self._under_way:
            self._cluster.unbind(each.stored.key)

    def _put_back(self) -> None:
        for each in self._under_way:
            if each.pod.spec.node_name and not pods.is_finished(each.pod):
                self._cluster.bind(each.stored.key, demand_of(each.pod), each.pod.spec.node_name)
