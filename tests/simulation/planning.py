"""Draws a plan of faults from a seed: some runs are calm and long, some are one kind of trouble, most are a mixture."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.simulation import faults
from tests.simulation.faults import Fault, Plan, ordered
from tests.simulation.files import Moment

QUIET_SECONDS = 4.0
"""Before the first fault: the machines join."""
MACHINES = (1, 2, 3, 3, 3, 4, 5, 5)
CLIENTS = (2, 3, 4, 6)
SECONDS_MIN, SECONDS_MAX = 5.0, 20.0
FAULTS_MAX = 24


def machine_names(count: int) -> list[str]:
    return [f"m{number}" for number in range(1, count + 1)]


def draw(seed: object) -> Plan:
    """Return the plan of a seed."""
    rng = random.Random(f"{seed}/plan")
    machines = rng.choice(MACHINES)
    seconds = round(rng.uniform(SECONDS_MIN, SECONDS_MAX), 3)
    names = machine_names(machines)
    makers = _makers(rng, names)
    favourites = rng.sample(list(makers), rng.randint(1, len(makers)))
    found = [
        makers[rng.choice(favourites)](round(rng.uniform(QUIET_SECONDS, QUIET_SECONDS + seconds), 3))
        for _ in range(rng.randint(0, FAULTS_MAX))
    ]
    return Plan(
        machines=machines, clients=rng.choice(CLIENTS), seconds=round(QUIET_SECONDS + seconds, 3), faults=ordered(found)
    )


def _makers(rng: random.Random, names: list[str]) -> dict[str, Callable[[float], Fault]]:
    """Return, by the kind of fault, what makes one at a time."""

    def machine() -> str:
        return rng.choice(names)

    def between(low: float, high: float) -> float:
        return round(rng.uniform(low, high), 3)

    def down() -> float:
        return between(0.05, 6)

    makers: dict[str, Callable[[float], Fault]] = {
        "kill": lambda at: faults.Kill(at=at, machine=machine(), down_seconds=down()),
        "power-cut": lambda at: faults.PowerCut(at=at, machine=machine(), down_seconds=down()),
        "blackout": lambda at: faults.Blackout(at=at, down_seconds=down()),
        "disk-crash": lambda at: faults.DiskCrash(
            at=at,
            machine=machine(),
            calls=rng.randint(1, 40),
            moment=rng.choice(list(Moment)).value,
            power=rng.randint(0, 1),
            down_seconds=down(),
        ),
        "pause": lambda at: faults.Pause(at=at, machine=machine(), seconds=between(0.2, 6)),
        "disk-full": lambda at: faults.DiskFull(at=at, machine=machine(), seconds=between(0.1, 3)),
        "write-error": lambda at: faults.WriteError(at=at, machine=machine()),
        "sync-error": lambda at: faults.SyncError(at=at, machine=machine()),
        "slow-disk": lambda at: faults.SlowDisk(
            at=at, machine=machine(), seconds=between(1, 6), sync_seconds=between(0.01, 1)
        ),
        "clock-rate": lambda at: faults.ClockRate(at=at, machine=machine(), rate=between(0.7, 1.4)),
        "clock-jump": lambda at: faults.ClockJump(at=at, machine=machine(), seconds=between(-5_000, 5_000)),
        "storm": lambda at: faults.Tempest(
            at=at,
            seconds=between(1, 8),
            loss=between(0, 0.4),
            double=between(0, 0.3),
            delay_seconds=between(0, 0.5),
        ),
        "request": lambda at: faults.Request(
            at=at, machine=machine(), what=rng.choice(("stop", "transfer", "remove", "wipe"))
        ),
    }
    if len(names) > 1:
        makers |= _network_makers(rng, names, between)
    return makers


def _network_makers(
    rng: random.Random, names: list[str], between: Callable[[float, float], float]
) -> dict[str, Callable[[float], Fault]]:
    def group() -> str:
        return "+".join(sorted(rng.sample(names, rng.randint(1, len(names) - 1))))

    def pair() -> dict[str, str]:
        one, other = rng.sample(names, 2)
        return {"one": one, "other": other}

    return {
        "cut": lambda at: faults.Cut(
            at=at, machines=group(), way=rng.choice(("both", "in", "out")), seconds=between(0.2, 8)
        ),
        "reset": lambda at: faults.Reset(at=at, **pair()),
        "slow-link": lambda at: faults.SlowLink(
            at=at, **pair(), seconds=between(1, 8), latency_seconds=between(0.01, 0.8)
        ),
    }
