"""Rules of tolerations. Source: kubernetes pkg/apis/core/validation (ValidateTolerations)."""

from __future__ import annotations

from collections.abc import Sequence

from swarmlet.model import pod as model
from swarmlet.model import syntax
from swarmlet.model.problems import Place

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def tolerations(value: Sequence[model.Toleration], place: Place) -> None:
    """Check the tolerations of a Pod, or of what gives it some."""
    for inner, toleration in place.each(value):
        if toleration.key:
            inner.field("key").invalid_each(toleration.key, syntax.label_key(toleration.key))
        elif toleration.operator != "Exists":
            inner.field("operator").invalid(
                toleration.operator,
                'operator must be Exists when `key` is empty, which means "match all values and all keys"',
            )
        _value(toleration, inner)
        if toleration.effect:
            inner.field("effect").one_of(toleration.effect, EFFECTS)
        inner.field("tolerationSeconds").not_endless(toleration.toleration_seconds)
        if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
            inner.field("effect").invalid(
                toleration.effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"
            )


def _value(toleration: model.Toleration, place: Place) -> None:
    match toleration.operator:
        case "" | "Equal":
            place.field("operator").invalid_each(toleration.value, syntax.label_value(toleration.value))
        case "Exists":
            if toleration.value:
                place.field("operator").invalid(toleration.value, "value must be empty when `operator` is 'Exists'")
        case _:
            place.field("operator").unsupported(toleration.operator, ("Equal", "Exists"))
