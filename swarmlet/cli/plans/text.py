"""A plan as people read it: a diff, the order of what happens to Pods, and what is to be known beside. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from swarmlet.cli.plans import steps as plan_steps
from swarmlet.model import differences, kinds, plans
from swarmlet.model.plans import Plan, PlannedChange, Waiting

SIGNS = {plans.CREATE: "+", plans.CHANGE: "~", plans.REPLACE: "-/+", plans.DELETE: "-"}
DONE = {plans.CREATE: "created", plans.CHANGE: "configured", plans.REPLACE: "replaced", plans.DELETE: "deleted"}
FIELDS_MAX = 12
"""Of what is created, unless all are asked for; of what changes every field is told."""


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
        yield from plan_steps.lines(plan.steps)
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
