"""Rules of a container's resources. Source: kubernetes pkg/apis/core/validation (ValidateResourceRequirements)."""

from __future__ import annotations

from collections.abc import Mapping

from swarmlet.model import resource_names, syntax
from swarmlet.model.container import ResourceRequirements
from swarmlet.model.problems import Place
from swarmlet.model.rules.container import amount_of


def resources(value: ResourceRequirements, place: Place) -> None:
    """Check a container's limits and requests."""
    amounts(value.limits, place.field("limits"))
    amounts(value.requests, place.field("requests"))
    for name, text in value.requests.items():
        _within_limit(name, text, value.limits.get(name), place)
    wanted = value.limits.keys() | value.requests.keys()
    if any(map(resource_names.is_hugepages, wanted)) and not {"cpu", "memory"} & wanted:
        place.forbidden("HugePages require cpu or memory")


def amounts(value: Mapping[str, str], place: Place) -> None:
    """Check amounts of resources, by name."""
    for name, text in value.items():
        inner = place.key(name)
        _name(name, inner)
        _amount(name, text, inner)


def _name(name: str, place: Place) -> None:
    place.invalid_each(name, syntax.label_key(name))
    if "/" not in name and not resource_names.is_standard(name):
        place.invalid(name, "must be a standard resource type or fully qualified")
    elif "/" in name and not resource_names.is_extended(name):
        place.invalid(name, "must be a standard resource for containers")


def _amount(name: str, text: str, place: Place) -> None:
    amount = amount_of(text, place) or 0
    if amount < 0:
        place.invalid(text, "must be greater than or equal to 0")
    elif amount % 10**9 and not resource_names.may_be_overcommitted(name):
        place.invalid(text, "must be an integer")


def _within_limit(name: str, request: str, limit: str | None, place: Place) -> None:
    asked, most = amount_of(request) or 0, amount_of(limit) or 0 if limit is not None else None
    if not resource_names.may_be_overcommitted(name):
        if most is None:
            place.field("limits").required("Limit must be set for non overcommit resources")
        elif asked != most:
            place.field("requests").invalid(request, f"must be equal to {name} limit of {limit}")
    elif most is not None and asked > most:
        place.field("requests").invalid(request, f"must be less than or equal to {name} limit of {limit}")
