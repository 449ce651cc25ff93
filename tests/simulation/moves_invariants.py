"""What must hold of Pods that move to even out the nodes: none goes before another serves, and they come to rest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import cast

from swarmlet.config import Rebalance
from swarmlet.model import conditions, kinds, moves, objects, pods
from swarmlet.model.pod import Pod
from swarmlet.scheduler import rebalancing
from swarmlet.scheduler.cluster import Cluster
from swarmlet.scheduler.moving import MovesUnderWay
from swarmlet.scheduler.scores import LEAST_ALLOCATED
from swarmlet.store.replica import Change, View

QUICK = Rebalance(settle_seconds=3, minimum_age_seconds=3, pause_seconds=0.5, ready_seconds=15)
"""So that Pods move in the minutes of a run."""
SOON_SECONDS = 100.0
"""A cluster in which a Pod will move so soon has not settled."""


def went_too_early(view: View, change: Change) -> Iterator[str]:
    """Yield a Pod that goes for a move although the one that takes its place does not serve."""
    before, after = (cast("Pod", each.object) if each else None for each in (change.old, change.new))
    if before is None or after is None or objects.is_terminating(before) or not objects.is_terminating(after):
        return
    told = conditions.get(after.status.conditions, moves.MOVED.type)
    if told is None or told.reason != moves.MOVED.reason:
        return
    siblings = (cast("Pod", each.object) for each in view.list(kinds.POD.resource, change.key.namespace))
    takers = [pod for pod in siblings if (move := moves.of(pod)) and move.uid == after.metadata.uid]
    if not any(pods.is_active(pod) and pods.is_ready(pod) for pod in takers):
        yield f"{change.key} goes for a move, and nobody serves in its place"


def unfinished(view: View, now: datetime) -> Iterator[str]:
    """Yield what moves, what is worth a move, and what will soon be."""
    parties = MovesUnderWay().parties(view)
    for party in parties.values():
        yield f"{party.move.pod} moves from {party.move.source} to {party.move.target}"
    cluster = Cluster()
    cluster.catch_up(view)
    outlook = rebalancing.Outlook(view, cluster, parties.values(), now, QUICK, strategy=LEAST_ALLOCATED, eager=False)
    for move in outlook.plan():
        yield f"{move.candidate.pod} is to move from {move.source.node} to {move.target.node}"
    if outlook.soonest_seconds is not None and outlook.soonest_seconds < SOON_SECONDS:
        yield f"more may move in {outlook.soonest_seconds:.0f} s"
