"""Counts of Pods by domain, and what they forbid: the hard half of affinity between Pods and of topology spread.

A tally is about one topology key; a domain is a value of that label. A node that lacks the label is in none.
"""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from swarmlet.scheduler.cluster import NodeInfo
from swarmlet.scheduler.filters import Refusal

DOMAINS_TOLD_MAX = 5


@dataclass(slots=True)
class Tally:
    """`bump` is what one more Pod of the demand adds to its node's domain."""

    key: str
    counts: dict[str, int]
    bump: int = 0

    def add(self, node: NodeInfo) -> None:
        """Count one more Pod of the demand."""
        domain = node.labels.get(self.key)
        if self.bump and domain is not None:
            self.counts[domain] = self.counts.get(domain, 0) + self.bump


class Rule(Tally, abc.ABC):
    """A tally that keeps a Pod off some domains."""

    __slots__ = ()

    @abc.abstractmethod
    def refuses(self, count: int | None) -> bool:
        """Whether a node will not do whose domain has `count`; None for a node in no domain."""

    @abc.abstractmethod
    def refusal(self, count: int | None) -> Refusal:
        """Return why such nodes will not do, with the numbers of now."""


@dataclass(slots=True)
class Forbidden(Rule):
    """No Pod of the term may be in the domain; `is_own`: it is the demand's own term, else one of a bound Pod."""

    is_own: bool = True

    def refuses(self, count: int | None) -> bool:
        return bool(count)

    def refusal(self, count: int | None) -> Refusal:  # noqa: ARG002  as the others
        rules = "match pod anti-affinity rules" if self.is_own else "satisfy existing pods anti-affinity rules"
        return _always(f"node(s) didn't {rules} ({self.key})")


@dataclass(slots=True)
class Needed(Rule):
    """A Pod of the term must be in the domain.

    `rest` are the other such terms of the demand. `is_first_allowed`: the Pod is one of those that it asks for itself,
    so where there is none at all it may be the first.
    """

    rest: list[Needed] = field(default_factory=list)
    is_first_allowed: bool = False

    def refuses(self, count: int | None) -> bool:
        if count is None:
            return True
        return not count and not (self.is_first_allowed and not any(each.counts for each in (self, *self.rest)))

    def refusal(self, count: int | None) -> Refusal:  # noqa: ARG002  as the others
        return _always(f"node(s) didn't match pod affinity rules ({self.key})")


@dataclass(slots=True)
class Even(Rule):
    """With one Pod more the domain may have at most `max_skew` over the domain with the fewest.

    `counts` has every domain that counts, the empty ones too; `domains_of` are those nodes that make them.
    """

    max_skew: int = 1
    min_domains: int = 1
    own: int = 1
    nodes: frozenset[str] = frozenset()
    _at: Counter[int] = field(default_factory=Counter)
    _fewest: int = 0

    def __post_init__(self) -> None:
        self._at = Counter(self.counts.values())
        self._fewest = min(self._at, default=0)

    def add(self, node: NodeInfo) -> None:
        domain = node.labels.get(self.key)
        if not self.bump or domain is None or node.name not in self.nodes:
            return
        count = self.counts[domain]
        self.counts[domain] = count + 1
        self._at[count] -= 1
        self._at[count + 1] += 1
        while not self._at[self._fewest]:
            self._fewest += 1

    @property
    def fewest(self) -> int:
        """How many Pods the domain with the fewest has; none where there are too few domains."""
        return 0 if len(self.counts) < self.min_domains else self._fewest

    def refuses(self, count: int | None) -> bool:
        return count is None or count + self.own - self.fewest > self.max_skew

    def refusal(self, count: int | None) -> Refusal:
        if count is None:
            return _always(f"node(s) didn't match pod topology spread constraints (missing required label {self.key})")
        few = f", {len(self.counts)} of at least {self.min_domains} domains" if self.fewest < self._fewest else ""
        return _always(
            f"node(s) didn't match pod topology spread constraints ({self.key}: maxSkew {self.max_skew}{few}, "
            f"{self._domains_told()})"
        )

    def _domains_told(self) -> str:
        if not self.counts:
            return "no domain"
        if len(self.counts) > DOMAINS_TOLD_MAX:
            return f"{len(self.counts)} domains, the fewest has {self._fewest}"
        return ", ".join(f"{domain} has {count}" for domain, count in sorted(self.counts.items()))


def by_domain(key: str, by_node: Mapping[str, int], nodes: Mapping[str, NodeInfo]) -> dict[str, int]:
    """Return counts by the domains of a key, of counts by node."""
    found: dict[str, int] = {}
    for name, count in by_node.items():
        node = nodes.get(name)
        domain = node.labels.get(key) if node else None
        if domain is not None:
            found[domain] = found.get(domain, 0) + count
    return found


def _always(words: str) -> Refusal:
    return Refusal(words, words)
