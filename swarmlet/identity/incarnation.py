"""Which life of its cluster a machine belongs to.

A cluster that was restored from a backup, or recovered on a survivor, keeps its id and its CA, so that its clients go
on; but what its former members still hold is another history. The number of lives tells the two apart: a machine of an
older life that meets one of a newer learns that the cluster went on without it. The id tells two recoveries apart that
were made of the same life, on two survivors.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime

import msgspec

from swarmlet.model.base import clock_time

HEADER = "Swarmlet-Incarnation"
TEXT_LENGTH_MAX = 128


class Relation(enum.Enum):
    """What another machine's life is to ours."""

    SAME = "same"
    NEWER = "newer"
    OLDER = "older"
    RIVAL = "rival"


class Incarnation(msgspec.Struct, frozen=True, kw_only=True):
    """One life of a cluster. `since` None: the first."""

    number: int = 1
    id: str = ""
    since: datetime | None = None

    def __str__(self) -> str:
        """Return the text that peers tell each other."""
        return f"{self.number}/{self.id}/{self.since.isoformat() if self.since else ''}"

    @property
    def began(self) -> str:
        """When it began, for people."""
        return f"{self.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if self.since else "its foundation"

    def relation(self, other: Incarnation) -> Relation:
        """Return what `other` is to this one."""
        if self.number == other.number:
            return Relation.SAME if self.id == other.id else Relation.RIVAL
        return Relation.NEWER if other.number > self.number else Relation.OLDER

    def next(self, id_: str, now: datetime) -> Incarnation:
        """Return the life that begins now."""
        return Incarnation(number=self.number + 1, id=id_, since=clock_time(now))


FIRST = Incarnation()


def parse(text: str) -> Incarnation | None:
    """Return what a peer told; None where it told nothing that makes sense. One that tells nothing lives the first."""
    if not text:
        return FIRST
    number, _, rest = text[:TEXT_LENGTH_MAX].partition("/")
    id_, _, since = rest.partition("/")
    try:
        return Incarnation(number=int(number), id=id_, since=datetime.fromisoformat(since) if since else None)
    except ValueError:
        return None
