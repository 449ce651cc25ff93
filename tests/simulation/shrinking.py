"""Makes a failing plan short: leaves out whatever is not needed to break the same promise (delta debugging)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tests.simulation.faults import Fault, Plan
from tests.simulation.scenarios import Scenario
from tests.simulation.simulation import Report

ATTEMPTS_MAX = 400
TAIL_SECONDS = 0.5
DURATIONS = ("seconds", "down_seconds", "sync_seconds", "latency_seconds", "delay_seconds")


class Shrinker:
    """Looks for the smallest plan that fails as `report` does, for at most so many seconds of real time."""

    def __init__(self, scenario: Scenario, report: Report, *, seconds_max: float) -> None:
        self.best = report
        self.attempts = 0
        self._scenario = scenario
        self._deadline = time.monotonic() + seconds_max

    def shrink(self) -> Report:
        """Return the report of the shortest plan found."""
        before = None
        while before != self.best.plan and not self._is_over:
            before = self.best.plan
            self._drop_faults()
            for smaller in (
                self._with_fewer_clients,
                self._with_fewer_machines,
                self._shorter,
                self._with_less_of_each,
            ):
                self._try_each(smaller)
        return self.best

    @property
    def _is_over(self) -> bool:
        return self.attempts >= ATTEMPTS_MAX or time.monotonic() > self._deadline

    def _fails(self, plan: Plan) -> bool:
        """Run a plan; where it breaks the same promise, it is the best one now."""
        if self._is_over:
            return False
        self.attempts += 1
        report = self._scenario.run(self.best.seed, plan)
        assert self.best.violation
        same = report.violation is not None and report.violation.promise == self.best.violation.promise
        if same:
            self.best = report
        return same

    def _drop_faults(self) -> None:
        """Leave out ever smaller parts of the faults (Zeller's ddmin)."""
        parts = 1
        while self.best.plan.faults and not self._is_over:
            faults = self.best.plan.faults
            size = -(-len(faults) // parts)
            starts = range(0, len(faults), size)
            if any(self._fails(_with(self.best.plan, [*faults[:at], *faults[at + size :]])) for at in starts):
                parts = max(parts - 1, 1)
            elif size == 1:
                return
            else:
                parts = min(2 * parts, len(faults))

    def _try_each(self, candidates: Callable[[], Iterator[Plan]]) -> None:
        """Take the first smaller plan that fails, and go on from it, until none does."""
        while any(self._fails(plan) for plan in candidates()):
            pass

    def _with_fewer_clients(self) -> Iterator[Plan]:
        plan = self.best.plan
        yield from (replace(plan, clients=clients) for clients in range(1, plan.clients))

    def _with_fewer_machines(self) -> Iterator[Plan]:
        """Leave out the last machine, and what concerned it."""
        plan = self.best.plan
        last = f"m{plan.machines}"
        if plan.machines > 1:
            yield replace(
                _with(plan, [fault for fault in plan.faults if last not in str(fault)]), machines=plan.machines - 1
            )

    def _shorter(self) -> Iterator[Plan]:
        """End soon after the last fault."""
        plan = self.best.plan
        last = max((fault.at for fault in plan.faults), default=0.0)
        for seconds in (last + TAIL_SECONDS, (last + plan.seconds) / 2):
            if seconds < plan.seconds - TAIL_SECONDS:
                yield replace(plan, seconds=round(seconds, 3))

    def _with_less_of_each(self) -> Iterator[Plan]:
        """Make one fault half as long."""
        for position, fault in enumerate(self.best.plan.faults):
            for field in dataclasses.fields(fault):
                value = getattr(fault, field.name)
                if field.name in DURATIONS and value > TAIL_SECONDS / 5:
                    shorter = replace(fault, **{field.name: round(value / 2, 3)})
                    faults = self.best.plan.faults
                    yield _with(self.best.plan, [*faults[:position], shorter, *faults[position + 1 :]])


def _with(plan: Plan, faults: Sequence[Fault]) -> Plan:
    return replace(plan, faults=tuple(faults))
