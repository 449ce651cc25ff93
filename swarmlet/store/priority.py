"""The priority that a new Pod gets from its class, and that only one class is the default.

Source: kubernetes plugin/pkg/admission/priority.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import msgspec

from swarmlet.errors import ForbiddenError
from swarmlet.model import kinds
from swarmlet.model.pod import Pod
from swarmlet.model.scheduling import PREEMPT_LOWER_PRIORITY, PriorityClass
from swarmlet.store.commands import Key
from swarmlet.store.replica import View

CLASSES = kinds.PRIORITY_CLASS.resource
COMPUTED = "must not be provided in pod spec; priority admission controller computed"


def admitted(view: View, pod: Pod) -> Pod:
    """Return a new Pod with its priority; raise `ForbiddenError` for a class that is not, or a value of its own."""
    found = _class_of(view, pod)
    name, priority, policy = "", 0, PREEMPT_LOWER_PRIORITY
    if found is not None:
        name, priority = found.metadata.name, found.value
        policy = found.preemption_policy or PREEMPT_LOWER_PRIORITY
    spec = pod.spec
    if spec.priority not in (None, priority):
        said = f"the integer value of priority ({spec.priority}) {COMPUTED} {priority}"
        raise _forbidden(pod, f"{said} from the given PriorityClass name")
    if spec.preemption_policy not in ("", policy):
        said = f"the string value of PreemptionPolicy ({spec.preemption_policy}) {COMPUTED} {policy}"
        raise _forbidden(pod, f"{said} from the given PriorityClass name")
    complete = msgspec.structs.replace(spec, priority_class_name=name, priority=priority, preemption_policy=policy)
    return msgspec.structs.replace(pod, spec=complete)


def check_default(view: View, value: PriorityClass) -> None:
    """Raise `ForbiddenError` where a class is to be the default beside another one."""
    if not value.global_default:
        return
    for each in _defaults(view):
        if each.metadata.name != value.metadata.name:
            why = f"PriorityClass {each.metadata.name} is already marked as default. Only one default can exist"
            raise ForbiddenError(f'{CLASSES} "{value.metadata.name}" is forbidden: {why}')


def _class_of(view: View, pod: Pod) -> PriorityClass | None:
    name = pod.spec.priority_class_name
    if not name:
        return min(_defaults(view), key=lambda each: each.value, default=None)  # two are there only after a race
    stored = view.get(Key(CLASSES, "", name))
    if stored is None:
        raise _forbidden(pod, f"no PriorityClass with name {name} was found")
    return cast("PriorityClass", stored.object)


def _defaults(view: View) -> Iterable[PriorityClass]:
    found = (cast("PriorityClass", stored.object) for stored in view.list(CLASSES))
    return (each for each in found if each.global_default)


def _forbidden(pod: Pod, why: str) -> ForbiddenError:
    return ForbiddenError(f'{kinds.POD.resource} "{pod.metadata.name}" is forbidden: {why}')
