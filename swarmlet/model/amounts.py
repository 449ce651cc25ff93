"""Quantities by name, as quotas and limits add and compare them.

Source: k8s.io/apiserver/pkg/quota/v1/resources.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from swarmlet.model import quantity
from swarmlet.model.quantity import Quantity

Amounts = Mapping[str, Quantity]

ZERO = Quantity(0)


def whole(number: int) -> Quantity:
    """Return a count as a quantity."""
    return Quantity(number * 10**9)


def parsed(texts: Mapping[str, str]) -> dict[str, Quantity]:
    """Return the quantities that texts write."""
    return {name: quantity.parse(text) for name, text in texts.items()}


def written(amounts: Amounts) -> dict[str, str]:
    """Return the canonical texts, by name."""
    return {name: str(amounts[name]) for name in sorted(amounts)}


def shown(amounts: Amounts) -> str:
    """Return them as Kubernetes' messages do: "cpu=1,memory=2Gi"."""
    return ",".join(f"{name}={text}" for name, text in written(amounts).items())


def chosen(amounts: Amounts, names: Iterable[str]) -> dict[str, Quantity]:
    """Return those of some names."""
    return {name: amounts[name] for name in names if name in amounts}


def added(one: Amounts, other: Amounts) -> dict[str, Quantity]:
    """Return the sums; what only one has stands for itself."""
    total = dict(one)
    for name, amount in other.items():
        total[name] = plus(total.get(name, ZERO), amount)
    return total


def growth(old: Amounts, new: Amounts) -> dict[str, Quantity]:
    """Return by how much each amount has grown; what has not is left out."""
    grown = {name: Quantity(amount.nano - old.get(name, ZERO).nano, amount.family) for name, amount in new.items()}
    return {name: amount for name, amount in grown.items() if amount.nano > 0}


def over(amounts: Amounts, most: Amounts) -> list[str]:
    """Return the names of what is more than is allowed."""
    return sorted(name for name, amount in amounts.items() if name in most and amount.nano > most[name].nano)


def plus(one: Quantity, other: Quantity) -> Quantity:
    """Return a sum, written like the first, or like the second where the first is nothing."""
    return Quantity(one.nano + other.nano, (one if one.nano else other).family)


def minus(one: Quantity, other: Quantity) -> Quantity:
    """Return a difference, written like the first."""
    return Quantity(one.nano - other.nano, one.family)


def larger(one: Amounts, other: Amounts) -> dict[str, Quantity]:
    """Return the larger of two amounts, for each name."""
    return {
        name: max(
            one.get(name, other.get(name, ZERO)), other.get(name, one.get(name, ZERO)), key=lambda each: each.nano
        )
        for name in {**one, **other}
    }
