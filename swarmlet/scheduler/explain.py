"""Refusals in one sentence, with numbers.

"0/5 nodes are available: 3 lack memory (need 2Gi, best has 1.2Gi free), 2 cordoned."
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from swarmlet.model import quantity
from swarmlet.scheduler.cluster import NodeInfo
from swarmlet.scheduler.decision import NODES_NAMED_MAX, Refused
from swarmlet.scheduler.demand import POD_COUNT, Demand
from swarmlet.scheduler.filters import Refusal

BYTES = ("memory", "ephemeral-storage")
UNITS = ("Ki", "Mi", "Gi", "Ti", "Pi")
REASONS_MAX = 12
"""In one sentence: where each node has a taint of its own, it would be as long as the cluster is large."""
WORDS = {POD_COUNT: "room for Pods", "ephemeral-storage": "ephemeral storage", "cpu": "CPU"}


@dataclass(slots=True)
class _Group:
    """Nodes that refuse alike: how many, the first of them, and the most that one has of what they lack."""

    count: int = 0
    names: list[str] = field(default_factory=list)
    best: dict[str, int] = field(default_factory=dict)

    def add(self, node: str, best: Iterable[tuple[str, int]]) -> None:
        self.add_all(1, (node,))
        for name, amount in best:
            self.best[name] = max(amount, self.best.get(name, 0))

    def add_all(self, count: int, names: Iterable[str]) -> None:
        self.count += count
        self.names += itertools.islice(names, NODES_NAMED_MAX - len(self.names))


class Refusals:
    """Nodes that will not do for Pods of one demand, by reason."""

    def __init__(self, demand: Demand) -> None:
        self._needs = dict(demand.requests)
        self._groups: dict[Refusal, _Group] = {}
        self._told: tuple[Refused, ...] | None = None

    def add(self, refusal: Refusal, node: NodeInfo) -> None:
        """Note a node, with what it has left of what it lacks."""
        self._told = None
        best = ((name, _offered(node, name)) for name in refusal.lacking)
        self._groups.setdefault(refusal, _Group()).add(node.name, best)

    def pass_over(self, refusal: Refusal, count: int) -> None:
        """Note nodes that need no look: it is known that they refuse so."""
        if count:
            self._told = None
            self._groups.setdefault(refusal, _Group()).add_all(count, ())

    def told(self, others: Iterable[tuple[Refusal, int, Iterable[str]]]) -> tuple[Refused, ...]:
        """Return the reasons, the most frequent first; `others` hold at this moment only: reason, count, names."""
        groups: dict[Refusal, _Group] = {}
        for refusal, count, names in others:
            groups.setdefault(refusal, _Group()).add_all(count, names)
        if groups:
            return self._ranked({**self._groups, **groups})
        if self._told is None:
            self._told = self._ranked(self._groups)
        return self._told

    def _ranked(self, groups: dict[Refusal, _Group]) -> tuple[Refused, ...]:
        ranked = sorted(groups.items(), key=lambda group: (-group[1].count, group[0].many, group[0].lacking))
        most = ranked if len(ranked) <= REASONS_MAX else ranked[: REASONS_MAX - 1]
        told = [Refused(group.count, self._why(refusal, group), tuple(group.names)) for refusal, group in most]
        if rest := ranked[len(most) :]:
            others = _Group()
            for _, group in rest:
                others.add_all(group.count, group.names)
            told.append(Refused(others.count, f"refuse for {len(rest)} other reasons", tuple(others.names)))
        return tuple(told)

    def _why(self, refusal: Refusal, group: _Group) -> str:
        said = refusal.one if group.count == 1 else refusal.many
        if not refusal.lacking:
            return said
        return f"{said} " + " and ".join(self._lack(name, group.best[name]) for name in refusal.lacking)

    def _lack(self, name: str, best: int) -> str:
        if name == POD_COUNT:
            return f"{WORDS[name]} (at most {best // 1000} a node)"
        free = amount(name, max(0, best))
        return f"{WORDS.get(name, name)} (need {amount(name, self._needs[name])}, best has {free} free)"


def sentence(nodes: int, refused: Iterable[Refused]) -> str:
    """Return why none of so many nodes will do for a Pod."""
    if not nodes:
        return "0/0 nodes are available: no node has joined."
    return f"0/{nodes} nodes are available: " + ", ".join(f"{each.count} {each.why}" for each in refused) + "."


def _offered(node: NodeInfo, name: str) -> int:
    return node.allocatable.get(name, 0) if name == POD_COUNT else node.free(name) or 0


def amount(name: str, milli: int) -> str:
    """Return an amount of a resource as people write it, rounded down where it has to be."""
    if name not in BYTES:
        return f"{milli // 1000}" if milli % 1000 == 0 else f"{milli}m" if milli < 1000 else f"{milli / 1000:g}"
    count = milli // 1000
    exact = quantity.from_bytes(count)
    return exact if len(exact) <= 5 else _rounded_down(count)


def _rounded_down(count: int) -> str:
    power = min(max(0, (count.bit_length() - 1) // 10), len(UNITS))
    if power == 0:
        return str(count)
    tenths = count * 10 // 1024**power
    return f"{tenths // 10}{f'.{tenths % 10}' if tenths % 10 else ''}{UNITS[power - 1]}"
