"""`depends_on`: what a service's Pods wait for, as the annotation `swarmlet.io/depends-on`."""

from __future__ import annotations

from collections.abc import Mapping

from swarmlet.manifests.compose.conversion.draft import Draft, ServiceDraft
from swarmlet.manifests.compose.model import lifecycle
from swarmlet.model import dependencies
from swarmlet.model.dependencies import Dependency

CONDITIONS = {
    lifecycle.STARTED: dependencies.STARTED,
    lifecycle.HEALTHY: dependencies.READY,
    lifecycle.COMPLETED: dependencies.COMPLETE,
}


def in_order(draft: Draft) -> list[str]:
    """Return the services so that each comes after those it depends on; a circle was refused when they were read."""
    services = draft.project.services
    ordered: dict[str, None] = {}
    for key in services:
        trail = [key]
        while trail:
            waits_for = (
                other for other in services[trail[-1]].depends_on if other in services and other not in ordered
            )
            if other := next(waits_for, ""):
                trail.append(other)
            else:
                ordered[trail.pop()] = None
    return list(ordered)


def awaited(draft: Draft) -> frozenset[str]:
    """Return the services that others wait to see completed: each is to end."""
    return frozenset(
        name
        for service in draft.project.services.values()
        for name, each in service.depends_on.items()
        if each.condition == lifecycle.COMPLETED
    )


def annotation(it: ServiceDraft, made: Mapping[str, tuple[str, str]]) -> str:
    """Return what the service's Pods wait for; `made` has kind (lower case) and name of each service's workload."""
    found = []
    for key, each in it.service.depends_on.items():
        if key not in made:  # not required, and not among the active profiles
            continue
        kind, name = made[key]
        condition = CONDITIONS[each.condition]
        if condition not in dependencies.CONDITIONS[kind]:
            condition = dependencies.CONDITIONS[kind][0]
            it.warn(
                f"depends_on.{key}",
                f"{each.condition} of what runs to its end: it is waited for until it has completed",
            )
        found.append(Dependency(kind, name, condition, optional=not each.required))
    return dependencies.to_text(found)
