"""What is done to the cluster, drawn from a seed. Pure: the same seed and machines give the same plan.

A plan is a row of trials. The faults of a trial strike one after another, last for a while and are healed together;
then the cluster must come back. So every fault is bounded, several overlap now and then, and a quorum always returns.
Faults that cost a member its data stand alone in their trial: two of them at once may lose what a quorum promised.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

LEADER = "leader"
"""Stands for the machine that leads when the fault strikes."""
SECONDS_MIN, SECONDS_MAX = 2.0, 8.0
QUORUMLESS_SECONDS_MAX = 5.0
REST_SECONDS_MAX = 4.0
OVERLAP_SHARE = 0.3


class Kind(StrEnum):
    """What may happen to machines, in the words of the report."""

    KILL = "daemons killed"
    KILL_ALL = "all daemons killed at once"
    PAUSE = "daemons paused"
    POWER = "machines without power"
    PARTITION = "two-way partitions"
    ONE_WAY = "one-way partitions"
    BRIDGE = "bridge partitions"
    LOSSY = "lossy lines"
    SLOW = "slow lines"
    RESET = "connection resets"
    FULL_DISK = "full disks"
    CLOCK = "clock jumps"
    CORRUPT = "corrupt databases"
    REJOIN = "members left and joined anew"


OVERLAPPING = (Kind.KILL, Kind.PAUSE, Kind.POWER, Kind.PARTITION, Kind.ONE_WAY, Kind.LOSSY, Kind.SLOW, Kind.RESET)
ALONE = (Kind.KILL_ALL, Kind.BRIDGE, Kind.FULL_DISK, Kind.CLOCK, Kind.CORRUPT, Kind.REJOIN)
DAMAGES = ("cut", "flip", "snapshot")
"""The write-ahead log's end cut off; bytes of it flipped; bytes of the newest snapshot flipped."""
CLOCK_JUMPS_SECONDS = (-240, -30, -2, 5, 60, 3600)
"""Back by less than the five minutes by which certificates are dated back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. `victims` are machine names or LEADER; `amount` is the kind's own measure, `how` its variant."""

    kind: Kind
    victims: tuple[str, ...]
    amount: int = 0
    how: str = ""

    def __str__(self) -> str:
        extra = " ".join(filter(None, (self.how, str(self.amount) if self.amount else "")))
        return f"{self.kind}: {' '.join(self.victims)}" + (f" ({extra})" if extra else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Faults that overlap for `seconds`; then all is healed, and `rest_seconds` pass."""

    faults: tuple[Fault, ...]
    seconds: float
    rest_seconds: float
    keeps_quorum: bool
    """Whether writes go on meanwhile, but for an election."""

    def __str__(self) -> str:
        return " + ".join(map(str, self.faults))


def trials(seed: int, machines: Sequence[str]) -> Iterator[Trial]:
    """Yield trials without end: every kind once in an order of the seed's, then all again in another."""
    rng = random.Random(seed)  # noqa: S311  a seed is to give the same plan again
    while True:
        kinds = list(Kind)
        rng.shuffle(kinds)
        for kind in kinds:
            yield _trial(rng, kind, machines)


def _trial(rng: random.Random, kind: Kind, machines: Sequence[str]) -> Trial:
    faults = [_fault(rng, kind, machines)]
    if kind in OVERLAPPING and rng.random() < OVERLAP_SHARE:
        other = rng.choice([each for each in OVERLAPPING if each is not kind])
        faults.append(_fault(rng, other, [name for name in machines if name not in faults[0].victims]))
    keeps = len(faults) == 1 and _keeps_quorum(faults[0], len(machines))
    seconds = rng.uniform(SECONDS_MIN, SECONDS_MAX if keeps else QUORUMLESS_SECONDS_MAX)
    rest = rng.uniform(0, REST_SECONDS_MAX)
    return Trial(faults=tuple(faults), seconds=round(seconds, 1), rest_seconds=round(rest, 1), keeps_quorum=keeps)


def _keeps_quorum(fault: Fault, machines: int) -> bool:
    """Whether a quorum that hears each other well is left; a partition always leaves one."""
    if fault.kind is Kind.KILL_ALL:
        return False
    if fault.kind in (Kind.PARTITION, Kind.BRIDGE, Kind.CLOCK, Kind.REJOIN):
        return True
    return len(fault.victims) <= (machines - 1) // 2


def _fault(rng: random.Random, kind: Kind, machines: Sequence[str]) -> Fault:
    """Draw the victims; now and then the leader, whoever that is, and now and then more than a minority."""
    if kind is Kind.KILL_ALL:
        return Fault(kind=kind, victims=tuple(machines))
    if kind in (Kind.CORRUPT, Kind.REJOIN, Kind.FULL_DISK):
        return Fault(kind=kind, victims=_one(rng, machines), how=rng.choice(DAMAGES) if kind is Kind.CORRUPT else "")
    if kind is Kind.BRIDGE:
        return Fault(kind=kind, victims=tuple(rng.sample(machines, len(machines))))
    if kind is Kind.ONE_WAY:
        return Fault(kind=kind, victims=_one(rng, machines), how=rng.choice(("deaf", "mute")))
    amounts = {Kind.LOSSY: (5, 15, 30), Kind.SLOW: (256, 1000), Kind.CLOCK: CLOCK_JUMPS_SECONDS}.get(kind, (0,))
    return Fault(kind=kind, victims=_some(rng, machines), amount=rng.choice(amounts))


def _one(rng: random.Random, machines: Sequence[str]) -> tuple[str, ...]:
    return (rng.choice((LEADER, rng.choice(machines))),)


def _some(rng: random.Random, machines: Sequence[str]) -> tuple[str, ...]:
    minority = max(1, (len(machines) - 1) // 2)
    count = rng.choice((1, minority, minority, minority + 1))
    return _one(rng, machines) if count == 1 else tuple(rng.sample(machines, min(count, len(machines))))
