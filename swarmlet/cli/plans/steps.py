"""The order of what happens to Pods, as people read it: a step a line, and what repeats told once. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from swarmlet.model import plans
from swarmlet.model.plans import PlannedPods, Step

PODS_NAMED_MAX = 6
STEPS_MAX = 100
CYCLE_MAX = 4
"""Steps of a cycle: a rollout one by one is start, ready, stop."""
CYCLES_MIN = 4
"""As many times must it come for only the first two to be told whole."""


def lines(steps: Sequence[Step]) -> Iterator[str]:
    """Yield the lines, numbered."""
    width = len(str(len(steps)))
    told = 0
    position = 0
    while position < len(steps) and told < STEPS_MAX:
        size, cycles = _repetition(steps, position)
        first = steps[position : position + max(2 * size, 1)] if cycles else steps[position : position + 1]
        for number, step in enumerate(first, position + 1):
            yield f"  {number:>{width}}. {_happening(step)}{_aside(step)}"
        position += len(first)
        told += len(first)
        if cycles:
            rest = steps[position : position + size * (cycles - 2)]
            yield f"  {'':>{width}}  the same {cycles - 2} times more: {_summary(rest)}{_aside(rest[0])}"
            position += len(rest)
            told += 1
    if position < len(steps):
        yield f"  ... and {len(steps) - position} steps more; --json tells them all"


def _repetition(steps: Sequence[Step], start: int) -> tuple[int, int]:
    """Return how many steps make a cycle that begins here, and how many times it comes; (0, 0) where it is no cycle."""
    for size in range(1, CYCLE_MAX + 1):
        cycle = [_kind(step) for step in steps[start : start + size]]
        if len({kind[1:] for kind in cycle}) != 1:  # of one owner
            break
        cycles = 1
        while [_kind(step) for step in steps[start + cycles * size : start + (cycles + 1) * size]] == cycle:
            cycles += 1
        if cycles >= CYCLES_MIN:
            return size, cycles
    return 0, 0


def _kind(step: Step) -> tuple[object, ...]:
    return step.does, step.namespace, step.owner, step.unplanned


def _aside(step: Step) -> str:
    return " (not of this plan)" if step.unplanned else ""


def _summary(steps: Sequence[Step]) -> str:
    """Return what many steps come to: "start 10 Pods: 5 on h1, 5 on h2; stop 10 Pods: ..."."""
    parts = []
    for does in (plans.START, plans.STOP):
        pods = [each for step in steps if step.does == does for each in step.pods]
        if pods:
            parts.append(f"{does} {_count(pods)}: {_spread(pods)}")
    return "; ".join(parts) or f"{_count([each for step in steps for each in step.pods])} are ready"


def _happening(step: Step) -> str:
    if step.does == plans.READY:
        count = sum(each.count for each in step.pods)
        return f"{_pods(step.pods, nodes=count == 1)} {'is' if count == 1 else 'are'} ready"
    return f"{step.does} {_pods(step.pods, nodes=True)}"


def _pods(pods: Sequence[PlannedPods], *, nodes: bool) -> str:
    """Return the Pods of a step: each by its name where they are few, else how many there are on each node."""
    names = list(dict.fromkeys(each.name for each in pods))
    if len(names) > PODS_NAMED_MAX:
        return f"{_count(pods)} {_common(names)}" + (f": {_spread(pods)}" if nodes else "")
    parts = []
    for name in names:
        alike = [each for each in pods if each.name == name]
        count = sum(each.count for each in alike)
        times = f"{count} x " if count > 1 else ""
        where = "" if not nodes else f" on {alike[0].node or 'no node'}" if len(alike) == 1 else f": {_spread(alike)}"
        parts.append(f"{times}{name}{where}")
    return ", ".join(parts)


def _count(pods: Iterable[PlannedPods]) -> str:
    count = sum(each.count for each in pods)
    return f"{count} Pod{'' if count == 1 else 's'}"


def _common(names: Sequence[str]) -> str:
    """Return what is common to the names of Pods of one owner, as "web-7d9f-*"."""
    first, last = min(names), max(names)
    size = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return f"{first[:size].rpartition('-')[0]}-*"


def _spread(pods: Iterable[PlannedPods]) -> str:
    counted: Counter[str] = Counter()
    for each in pods:
        counted[each.node or "no node"] += each.count
    return ", ".join(f"{count} on {node}" for node, count in sorted(counted.items()))
