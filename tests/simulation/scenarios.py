"""What can be simulated, by name: how a seed's plan is drawn, and how a plan is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation import planning
from tests.simulation.faults import Plan
from tests.simulation.simulation import Report, Simulation


@dataclass(frozen=True)
class Scenario:
    draw: Callable[[int], Plan]
    run: Callable[[int, Plan], Report]


CONSENSUS = Scenario(draw=planning.draw, run=lambda seed, plan: Simulation(seed, plan).run())

BY_NAME = {"consensus": CONSENSUS}
