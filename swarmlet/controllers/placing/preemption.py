"""What is written of a preemption: who goes for whom, and where a Pod waits for room."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import msgspec

from swarmlet.controllers.work.drafts import Drafts
from swarmlet.model import conditions, events
from swarmlet.model.meta import Condition
from swarmlet.model.pod import Pod
from swarmlet.scheduler.preemption import Nomination
from swarmlet.store.replica import View

PREEMPTED = Condition(
    type="DisruptionTarget",
    status="True",
    reason="PreemptionByScheduler",
    message="default-scheduler: preempting to accommodate a higher priority pod",
)
"""On a Pod that goes for another one, for a Job's podFailurePolicy to tell it from one that failed."""


def evict(drafts: Drafts, view: View, nomination: Nomination, nominee: Pod, now: datetime) -> list[events.Note]:
    """Let the victims of a nomination end, with their grace; return what is said about it."""
    notes = []
    for key in nomination.victims:
        stored = view.get(key)
        if stored is None:
            continue
        victim = cast("Pod", stored.object)
        told = conditions.put(victim.status.conditions, PREEMPTED, now)
        status = msgspec.structs.replace(victim.status, conditions=told)
        drafts.remove(stored, now, msgspec.structs.replace(victim, status=status))
        message = f"Preempted by pod {nominee.metadata.uid} on node {nomination.node}"
        notes.append(events.Note(victim, events.NORMAL, "Preempted", message))
    return notes


def told(refusal: str, nomination: Nomination | None) -> str:
    """Return why a Pod waits, with where it gets room."""
    if nomination is None:
        return refusal
    return f"{refusal} It gets room on {nomination.node} when the Pods of lower priority there have ended."
