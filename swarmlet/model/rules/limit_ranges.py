"""Rules of LimitRange. Source: kubernetes pkg/apis/core/validation/validation.go (ValidateLimitRange)."""

from __future__ import annotations

from swarmlet.model import amounts, quotas, resource_names, syntax
from swarmlet.model.amounts import Amounts
from swarmlet.model.problems import Place, Problems
from swarmlet.model.quotas import LimitRange, LimitRangeItem

FIELDS = {
    "max": "max",
    "min": "min",
    "default": "default",
    "default_request": "defaultRequest",
    "max_limit_request_ratio": "maxLimitRequestRatio",
}
OF_CLAIMS = frozenset({"storage"})


def limit_range(value: LimitRange, problems: Problems) -> None:
    """Check a LimitRange."""
    seen: set[str] = set()
    for place, item in problems.at("spec").field("limits").each(value.spec.limits):
        _type(item.type, place.field("type"))
        if item.type in seen:
            place.field("type").duplicate(item.type)
        seen.add(item.type)
        _names(item, place)
        _only_for_containers(item, place)
        _order(item, place)


def _type(limit_type: str, place: Place) -> None:
    place.invalid_each(limit_type, syntax.label_key(limit_type))
    if "/" not in limit_type and limit_type not in (quotas.CONTAINER, quotas.POD, quotas.CLAIM):
        place.invalid(limit_type, "must be a standard limit type or fully qualified")


def _names(item: LimitRangeItem, place: Place) -> None:
    for attribute, field in FIELDS.items():
        for name, amount in amounts.parsed(getattr(item, attribute)).items():
            inner = place.field(field).key(name)
            inner.invalid_each(name, syntax.label_key(name))
            if "/" not in name and not resource_names.is_standard(name) and name not in OF_CLAIMS:
                inner.invalid(name, "must be a standard resource type or fully qualified")
            if amount.nano < 0:
                inner.invalid(str(amount), "must be greater than or equal to 0")


def _only_for_containers(item: LimitRangeItem, place: Place) -> None:
    if item.type == quotas.POD:
        for attribute in ("default", "default_request"):
            if getattr(item, attribute):
                place.field(FIELDS[attribute]).forbidden("may not be specified when `type` is 'Pod'")
    if item.type == quotas.CLAIM and not item.min and not item.max:
        place.required("either minimum or maximum storage value is required, but neither was provided")


def _order(item: LimitRangeItem, place: Place) -> None:
    """Check that min <= defaultRequest <= default <= max, and what ratios min and max allow."""
    most, least = amounts.parsed(item.max), amounts.parsed(item.min)
    default, request = amounts.parsed(item.default), amounts.parsed(item.default_request)
    _at_most(least, most, place.field("min"), "min value {} is greater than max value {}")
    _at_least(request, least, place.field("defaultRequest"), "min value {} is greater than default request value {}")
    _at_most(request, most, place.field("defaultRequest"), "default request value {} is greater than max value {}")
    _at_most(
        request,
        default,
        place.field("defaultRequest"),
        "default request value {} is greater than default limit value {}",
    )
    _at_least(default, least, place.field("default"), "min value {} is greater than default value {}")
    _at_most(default, most, place.field("default"), "default value {} is greater than max value {}")
    _ratios(item, place.field("maxLimitRequestRatio"))


def _at_most(low: Amounts, high: Amounts, place: Place, words: str) -> None:
    for name, amount in low.items():
        if name in high and amount.nano > high[name].nano:
            place.key(name).invalid(str(amount), words.format(amount, high[name]))


def _at_least(high: Amounts, low: Amounts, place: Place, words: str) -> None:
    for name, amount in high.items():
        if name in low and amount.nano < low[name].nano:
            place.key(name).invalid(str(amount), words.format(low[name], amount))


def _ratios(item: LimitRangeItem, place: Place) -> None:
    most, least = amounts.parsed(item.max), amounts.parsed(item.min)
    for name, ratio in amounts.parsed(item.max_limit_request_ratio).items():
        if ratio.nano < 10**9:
            place.key(name).invalid(str(ratio), f"ratio {ratio} is less than 1")
        if name in most and name in least and least[name].nano:
            limit = most[name].nano / least[name].nano
            if ratio.nano > limit * 10**9:
                place.key(name).invalid(str(ratio), f"ratio {ratio} is greater than max/min = {limit:f}")
