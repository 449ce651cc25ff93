"""How a Pod's containers are stopped: in their order, all within one grace period. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from swarmlet.agent.life import container_order, container_steps
from swarmlet.agent.life.container_life import HAS_CONTAINER, Life, Record
from swarmlet.agent.life.pod_ground import Pause
from swarmlet.agent.life.stimuli import Instruction, Tell
from swarmlet.model import events

LAST_GRACE_SECONDS = 2
"""For those whose turn comes when the grace is nearly used up."""


class PodEnd:
    """Of one Pod, from the moment when its first container is to be stopped."""

    def __init__(self, inits: Sequence[Record], mains: Sequence[Record], pause: Pause) -> None:
        self._inits = inits
        self._mains = mains
        self._pause = pause
        self._since: datetime | None = None
        self._grace_ends_at: datetime | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a container runs, or is about to."""
        return any(record.life in container_order.LIVING for record in (*self._inits, *self._mains))

    @property
    def wake_at(self) -> datetime | None:
        """When those that still run are stopped whatever their turn."""
        return self._grace_ends_at if self.is_busy else None

    def advance(self, grace_seconds: int, now: datetime) -> Iterator[Instruction]:
        """Stop those whose turn it is; all that are left when the grace is over."""
        self._since = self._since or now
        self._grace_ends_at = self._since + timedelta(seconds=grace_seconds)
        records = (*self._inits, *self._mains)
        for record in records:
            if record.life in (Life.WAITING, Life.FETCHING, Life.BACK_OFF):
                record.move(Life.DONE)
        left = (self._grace_ends_at - now).total_seconds()
        turn = container_order.to_stop(self._inits, self._mains) if left > 0 else records
        for record in turn:
            if record.life in HAS_CONTAINER and not self._pause.is_on:
                yield from _stop(record, grace_seconds, max(int(left), LAST_GRACE_SECONDS))


def _stop(record: Record, grace_seconds: int, left_seconds: int) -> Iterator[Instruction]:
    """Stop a container in what is left of the grace; again where the grace became shorter than what it was given."""
    given = min(grace_seconds, left_seconds)
    if record.life is Life.RUNNING:
        yield Tell(events.NORMAL, "Killing", f"Stopping container {record.name}", record.field_path)
        yield container_steps.stop(record, given)
    elif record.stop_grace_seconds is None or grace_seconds < record.stop_grace_seconds:
        yield container_steps.stop(record, given)
