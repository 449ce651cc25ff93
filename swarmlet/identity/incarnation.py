"""Which life of its cluster a machine belongs to.

A cluster that was restored from a backup, or recovered on a survivor, keeps its id and its CA, so that its clients go
on; but what its former members still hold is another history. So each such act begins a life, which knows the lives it
came of: a machine that meets a descendant of its own life learns that the cluster went on without it. Of two lives of
which neither came of the other (recovered on two survivors, or restored from an old backup) nobody but a person can
say which is right: they refuse each other, and nothing else happens. No clock is compared.
"""

from __future__ import annotations

import enum
import re
from datetime import UTC, datetime

import msgspec

from swarmlet.model.base import clock_time

HEADER = "Swarmlet-Incarnation"
ANCESTORS_MAX = 32
"""The oldest are forgotten: their machines are refused all the same, only with fewer words."""
_TEXT = re.compile(r"([0-9a-z]{1,32})/([-0-9T:+.Z]{0,40})/([0-9a-z,]{0,1100})")
_FIRST_ID = "first"


class Relation(enum.Enum):
    """What another machine's life is to ours."""

    SAME = "same"
    NEWER = "newer"
    OLDER = "older"
    RIVAL = "rival"


class Incarnation(msgspec.Struct, frozen=True, kw_only=True):
    """One life of a cluster; `ancestors` are the ids of those it came of, oldest first. `since` None: the first."""

    id: str = _FIRST_ID
    since: datetime | None = None
    ancestors: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the text that peers tell each other."""
        return f"{self.id}/{self.since.isoformat() if self.since else ''}/{','.join(self.ancestors)}"

    @property
    def began(self) -> str:
        """When it began, for people."""
        return f"{self.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if self.since else "its foundation"

    def relation(self, other: Incarnation) -> Relation:
        """Return what `other` is to this one."""
        if other.id == self.id:
            return Relation.SAME
        if self.id in other.ancestors:
            return Relation.NEWER
        return Relation.OLDER if other.id in self.ancestors else Relation.RIVAL

    def next(self, id_: str, now: datetime) -> Incarnation:
        """Return the life that begins now."""
        return Incarnation(id=id_, since=clock_time(now), ancestors=(*self.ancestors, self.id)[-ANCESTORS_MAX:])


FIRST = Incarnation()


def parse(text: str) -> Incarnation | None:
    """Return what a peer told; None where it told nothing that makes sense. One that tells nothing lives the first."""
    match = _TEXT.fullmatch(text or str(FIRST))
    if match is None:
        return None
    id_, since, ancestors = match.groups()
    try:
        began = datetime.fromisoformat(since) if since else None
    except ValueError:
        return None
    return Incarnation(id=id_, since=began, ancestors=tuple(filter(None, ancestors.split(","))))
