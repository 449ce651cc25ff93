"""Draws a plan of faults for a cluster of whole daemons: fewer and longer ones than consensus alone is given."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.simulation import engine_faults, faults
from tests.simulation.faults import Fault, Plan, ordered
from tests.simulation.planning import machine_names

MACHINES = (1, 2, 3, 3, 3, 4, 5)
USERS = (1, 2, 3)
SECONDS_MIN, SECONDS_MAX = 30.0, 90.0
FAULTS_MAX = 14
KINDS = (
    "blackout",
    "clock-jump",
    "clock-rate",
    "container-dies",
    "cut",
    "engine-slow",
    "engine-stop",
    "kill",
    "pause",
    "power-cut",
    "registry-down",
    "request",
    "reset",
    "slow-disk",
    "slow-link",
    "storm",
)
"""Disks that fail are left to the simulation of consensus alone: here a daemon would only end, and be started again."""


def draw(seed: object) -> Plan:
    """Return the plan of a seed."""
    rng = random.Random(f"daemons {seed}/plan")
    names = machine_names(rng.choice(MACHINES))
    seconds = round(rng.uniform(SECONDS_MIN, SECONDS_MAX), 3)
    makers = _makers(rng, names)
    favourites = rng.sample(list(makers), rng.randint(1, len(makers)))
    found = [
        makers[rng.choice(favourites)](round(rng.uniform(0, seconds), 3)) for _ in range(rng.randint(0, FAULTS_MAX))
    ]
    return Plan(machines=len(names), clients=rng.choice(USERS), seconds=seconds, faults=ordered(found))


def _makers(rng: random.Random, names: list[str]) -> dict[str, Callable[[float], Fault]]:
    """Return, by the kind of fault, what makes one at a time."""

    def machine() -> str:
        return rng.choice(names)

    def between(low: float, high: float) -> float:
        return round(rng.uniform(low, high), 3)

    def spell() -> float:
        """How long something lasts: unnoticed, until a node is not ready, until its Pods are replaced."""
        return between(*rng.choice(((0.1, 3), (3, 10), (10, 30))))

    makers: dict[str, Callable[[float], Fault]] = {
        "kill": lambda at: faults.Kill(at=at, machine=machine(), down_seconds=spell()),
        "power-cut": lambda at: faults.PowerCut(at=at, machine=machine(), down_seconds=spell()),
        "blackout": lambda at: faults.Blackout(at=at, down_seconds=spell()),
        "pause": lambda at: faults.Pause(at=at, machine=machine(), seconds=spell()),
        "slow-disk": lambda at: faults.SlowDisk(
            at=at, machine=machine(), seconds=spell(), sync_seconds=between(0.01, 1)
        ),
        "clock-rate": lambda at: faults.ClockRate(at=at, machine=machine(), rate=between(0.95, 1.05)),
        "clock-jump": lambda at: faults.ClockJump(at=at, machine=machine(), seconds=between(-600, 600)),
        "storm": lambda at: faults.Tempest(
            at=at, seconds=spell(), loss=between(0, 0.4), double=between(0, 0.3), delay_seconds=between(0, 0.5)
        ),
        "request": lambda at: faults.Request(
            at=at, machine=machine(), what=rng.choice(("stop", "stop", "transfer", "remove", "wipe"))
        ),
        "engine-stop": lambda at: engine_faults.EngineStop(
            at=at, machine=machine(), seconds=spell(), containers=rng.randint(0, 1)
        ),
        "engine-slow": lambda at: engine_faults.EngineSlow(
            at=at, machine=machine(), seconds=spell(), call_seconds=between(0.1, 3)
        ),
        "container-dies": lambda at: engine_faults.ContainerDies(
            at=at, machine=machine(), share=between(0, 0.99), removed=rng.randint(0, 1)
        ),
        "registry-down": lambda at: engine_faults.RegistryDown(at=at, machine=machine(), seconds=spell()),
    }
    if len(names) > 1:
        makers |= _network_makers(rng, names, spell)
    return makers


def _network_makers(
    rng: random.Random, names: list[str], spell: Callable[[], float]
) -> dict[str, Callable[[float], Fault]]:
    def group() -> str:
        return "+".join(sorted(rng.sample(names, rng.randint(1, len(names) - 1))))

    def pair() -> dict[str, str]:
        one, other = rng.sample(names, 2)
        return {"one": one, "other": other}

    return {
        "cut": lambda at: faults.Cut(at=at, machines=group(), way=rng.choice(("both", "in", "out")), seconds=spell()),
        "reset": lambda at: faults.Reset(at=at, **pair()),
        "slow-link": lambda at: faults.SlowLink(
            at=at, **pair(), seconds=spell(), latency_seconds=round(rng.uniform(0.01, 0.8), 3)
        ),
    }
