"""Rules of PriorityClasses, and of what a Pod says of its priority.

Source: kubernetes pkg/apis/scheduling/validation, pkg/apis/core/validation (ValidatePreemptionPolicy).
"""

from __future__ import annotations

from swarmlet.model import pod as model
from swarmlet.model import scheduling, syntax
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import meta
from swarmlet.model.scheduling import PriorityClass

_SYSTEM_CLASSES = {each.metadata.name: each for each in scheduling.SYSTEM_CLASSES}


def priority_class(value: PriorityClass, problems: Problems) -> None:
    """Check a class."""
    name = value.metadata.name
    if name.startswith(scheduling.SYSTEM_PREFIX):
        if why := _no_system_class(value):
            reserved = f"priority class names with '{scheduling.SYSTEM_PREFIX}' prefix are reserved for system use only"
            problems.at("metadata").field("name").forbidden(f"{reserved}. error: {why}")
    elif value.value > scheduling.HIGHEST_USER_PRIORITY:
        most = scheduling.HIGHEST_USER_PRIORITY
        problems.at("value").forbidden(f"maximum allowed value of a user defined priority is {most}")
    problems.at("preemptionPolicy").one_of(value.preemption_policy, scheduling.PREEMPTION_POLICIES)


def priority_class_update(new: PriorityClass, old: PriorityClass, problems: Problems) -> None:
    """Check what of a class may not change: Pods have its value and policy since they were made."""
    if new.value != old.value:
        problems.at("value").forbidden("may not be changed in an update.")
    if new.preemption_policy != old.preemption_policy:
        problems.at("preemptionPolicy").invalid(new.preemption_policy, meta.IMMUTABLE)


def pod(spec: model.PodSpec, place: Place) -> None:
    """Check what a Pod's spec says of its priority."""
    if spec.priority_class_name:
        inner = place.field("priorityClassName")
        inner.invalid_each(spec.priority_class_name, syntax.dns_subdomain(spec.priority_class_name))
    if spec.preemption_policy:
        place.field("preemptionPolicy").one_of(spec.preemption_policy, scheduling.PREEMPTION_POLICIES)


def _no_system_class(value: PriorityClass) -> str:
    name = value.metadata.name
    known = _SYSTEM_CLASSES.get(name)
    if known is None:
        return f"{name} is not a known system priority class"
    if value.value != known.value:
        return f"value of {name} PriorityClass must be {known.value}"
    if value.global_default:
        return f"globalDefault of {name} PriorityClass must be false"
    return ""
