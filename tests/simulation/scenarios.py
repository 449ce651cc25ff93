"""What can be simulated, by name: how a seed's plan is drawn, and how a plan is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation import daemon_planning, daemon_world, planning
from tests.simulation.faults import Plan
from tests.simulation.simulation import Report, Simulation


@dataclass(frozen=True)
class Scenario:
    draw: Callable[[int], Plan]
    run: Callable[[int, Plan], Report]


CONSENSUS = Scenario(draw=planning.draw, run=lambda seed, plan: Simulation(seed, plan).run())
DAEMONS = Scenario(draw=daemon_planning.draw, run=daemon_world.simulate)

BY_NAME = {"consensus": CONSENSUS, "daemons": DAEMONS}
