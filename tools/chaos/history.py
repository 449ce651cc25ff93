"""What the clients asked for and saw: the only evidence that the verdict rests on."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Act(StrEnum):
    """What a client may ask for."""

    CREATE = "create"
    SWAP = "swap"
    """An update that names the revision which it replaces."""
    DELETE = "delete"
    READ = "read"


class End(StrEnum):
    """How a request ended. UNKNOWN: it may have had its effect, or may have it yet."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Operation:
    """One request. Times are monotonic seconds; `ended` is infinite while nobody knows.

    `token` is what a write wrote and no other write writes, or what a read saw ("" where there was nothing);
    `expected` the revision that a swap or a delete was to replace; `revision` the object's after it, 0 where it is not
    told.
    """

    number: int
    client: str
    daemon: str
    act: Act
    key: str
    token: str = ""
    expected: int = 0
    started: float = 0.0
    ended: float = math.inf
    end: End = End.UNKNOWN
    revision: int = 0
    reason: str = ""

    @property
    def is_write(self) -> bool:
        return self.act is not Act.READ

    def __str__(self) -> str:
        token = f" as {self.token}" if self.token else ""
        place = f" -> {self.revision}" if self.revision else ""
        return f"{self.act} {self.key}{token} by {self.client} on {self.daemon}{place}"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch. `digest` stands for its line, byte for byte."""

    revision: int
    key: str
    gone: bool
    token: str
    digest: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The whole namespace at one revision: what a watch then goes on from. `items` maps key to (revision, token)."""

    revision: int
    items: dict[str, tuple[int, str]]


@dataclass(slots=True)
class Sighting:
    """What one watch saw of a stretch without a gap: from a listing on, over as many resumptions as it took."""

    daemon: str
    listing: Listing
    events: list[Event] = field(default_factory=list)

    @property
    def last(self) -> int:
        return self.events[-1].revision if self.events else self.listing.revision


class History:
    """All operations and all sightings."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.sightings: list[Sighting] = []
        self._numbers = itertools.count(1)

    @contextmanager
    def asking(
        self, client: str, daemon: str, act: Act, key: str, *, token: str = "", expected: int = 0
    ) -> Iterator[Operation]:
        """Record a request from before it is sent until its end is known; what is not told stays unknown."""
        operation = Operation(next(self._numbers), client, daemon, act, key, token, expected, time.monotonic())
        self.operations.append(operation)
        yield operation
        if operation.end is not End.UNKNOWN:
            operation.ended = time.monotonic()

    def write(self, path: Path) -> None:
        """Write everything down, one JSON document a line."""
        with path.open("w", encoding="utf-8") as file:
            for operation in self.operations:
                file.write(json.dumps(_finite(dataclasses.asdict(operation))) + "\n")
            for sighting in self.sightings:
                file.write(json.dumps(dataclasses.asdict(sighting)) + "\n")


def _finite(document: dict[str, Any]) -> dict[str, Any]:
    return {key: None if value == math.inf else value for key, value in document.items()}
