"""A plan as people read it: a diff, the order of what happens to Pods, and what is to be known beside. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from swarmlet.model import differences, kinds, plans
from swarmlet.model.plans import Plan, PlannedChange, PlannedPods, Step, Waiting

SIGNS = {plans.CREATE: "+", plans.CHANGE: "~", plans.REPLACE: "-/+", plans.DELETE: "-"}
DONE = {plans.CREATE: "created", plans.CHANGE: "configured", plans.REPLACE: "replaced", plans.DELETE: "deleted"}
FIELDS_MAX = 12
"""Of what is created, unless all are asked for; of what changes every field is told."""
PODS_NAMED_MAX = 6
STEPS_MAX = 100


def lines(plan: Plan, *, full: bool = False) -> Iterator[str]:
    """Yield the lines of a plan, without colour."""
    if not plan.changes:
        yield f"No changes: {_objects(plan.unchanged)} as it is to be." if plan.unchanged else "No changes."
        return
    for change in plan.changes:
        yield from _change(change, full=full)
    if plan.steps:
        yield ""
        yield "Pods, in this order:"
        yield from _steps(plan.steps)
    if plan.waiting:
        yield ""
        yield "Pods that get no node:"
        yield from map(_waiting, plan.waiting)
    if plan.notes:
        yield ""
        yield "To be known:"
        yield from (f"  {note}" for note in plan.notes)
    yield ""
    yield from _ending(plan)


def done(action: str, resource: str, name: str) -> str:
    """Return the line that says what was done to an object, in kubectl's words."""
    return f"{_named(resource, name)} {DONE[action]}"


def _change(change: PlannedChange, *, full: bool) -> Iterator[str]:
    where = f" in {change.namespace}" if change.namespace else ""
    reason = f", as {change.reason}" if change.reason else ""
    yield f"{SIGNS[change.action]} {_named(change.resource, change.name)}{where}{reason}"
    told = [line for each in change.differences for line in differences.written(each)]
    if change.action == plans.CREATE:
        told = [line.removeprefix("+ ") for line in told]
    shown = told if full or change.action != plans.CREATE else told[:FIELDS_MAX]
    yield from (f"    {line}" for line in shown)
    if len(shown) < len(told):
        yield f"    ... and {len(told) - len(shown)} fields more; --full shows them"


def _steps(steps: Sequence[Step]) -> Iterator[str]:
    width = len(str(min(len(steps), STEPS_MAX)))
    for number, step in enumerate(steps[:STEPS_MAX], 1):
        anyway = " (not of this plan)" if step.unplanned else ""
        yield f"  {number:>{width}}. {_happening(step)}{anyway}"
    if len(steps) > STEPS_MAX:
        yield f"  ... and {len(steps) - STEPS_MAX} steps more; --json tells them all"


def _happening(step: Step) -> str:
    if step.does == plans.READY:
        count = sum(each.count for each in step.pods)
        what = _pods(step.pods, nodes=count == 1)
        return f"{what} {'is' if count == 1 else 'are'} ready"
    return f"{step.does} {_pods(step.pods, nodes=True)}"


def _pods(pods: Sequence[PlannedPods], *, nodes: bool) -> str:
    """Return the Pods of a step: each by its name where they are few, else how many there are on each node."""
    names = list(dict.fromkeys(each.name for each in pods))
    if len(names) > PODS_NAMED_MAX:
        common = _common(names)
        return f"{sum(each.count for each in pods)} Pods {common}" + (f": {_spread(pods)}" if nodes else "")
    parts = []
    for name in names:
        alike = [each for each in pods if each.name == name]
        count = sum(each.count for each in alike)
        times = f"{count} x " if count > 1 else ""
        where = "" if not nodes else f" on {alike[0].node or 'no node'}" if len(alike) == 1 else f": {_spread(alike)}"
        parts.append(f"{times}{name}{where}")
    return ", ".join(parts)


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


def _waiting(waiting: Waiting) -> str:
    times = f"{waiting.pods.count} x " if waiting.pods.count > 1 else ""
    return f"  {times}{waiting.pods.name}: {waiting.reason}"


def _ending(plan: Plan) -> Iterator[str]:
    counted = Counter(change.action for change in plan.changes)
    verbs = [f"{counted[action]} to {action}" for action in SIGNS if counted[action]]
    yield f"{', '.join(verbs)}; {plan.unchanged} unchanged."
    if plan.id and plan.expires:
        yield f"Good until {plan.expires:%H:%M} UTC, or until something changes: swarmlet apply --plan {plan.id}"


def _objects(count: int) -> str:
    return "the one object is" if count == 1 else f"each of {count} objects is"


def _named(resource: str, name: str) -> str:
    """Return an object as kubectl names it: "deployment.apps/web"."""
    kind = kinds.BY_RESOURCE.get(resource)
    if kind is None:
        return f"{resource}/{name}"
    return f"{kind.singular}.{kind.group}/{name}" if kind.group else f"{kind.singular}/{name}"
