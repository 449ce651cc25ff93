"""The nodes that will do for Pods of one demand, ranked anew after each placement.

Nodes that stand alike to the other Pods - the same zone, as many copies on each - form a class, with its members in a
heap by what they are worth themselves. A placement moves one node to another class; what it changes for a whole
domain changes the worth of classes, not of nodes. So a decision costs as much as there are classes, not nodes.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from swarmlet.scheduler.cluster import NodeInfo
from swarmlet.scheduler.constraints import Constraints
from swarmlet.scheduler.decision import Part, Rating
from swarmlet.scheduler.demand import Demand
from swarmlet.scheduler.filters import Refusal
from swarmlet.scheduler.scores import Scorer
from swarmlet.scheduler.tallies import Tally

NODE_SPREAD_WEIGHT = 2.0
DRAWING_WEIGHT = 2.0
LOT_MULTIPLIER = 0x9E3779B1  # Knuth's: it spreads neighbouring numbers over all 32 bits
LOT_MASK = 0xFFFFFFFF

Candidate = tuple[float, int, str]
"""A node's own score below zero, its lot among equals, its name: the smallest is best."""
Where = str | int | None
"""Where a class stands in a tally: the domain that its nodes share, or their own count, or None: in no domain."""


@dataclass(slots=True)
class StandingClass:
    """Nodes that stand alike to other Pods; `owned` is how many Pods of the owner each has."""

    where: tuple[Where, ...]
    owned: int
    members: list[Candidate] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a class is worth now: the parts of the score that its nodes have in common, with their sum."""

    group: StandingClass
    worth: float
    parts: tuple[float, ...]

    @property
    def first(self) -> str:
        """The name of the best node of the class."""
        return self.group.members[0][-1]


class Ballot:
    """Ranks nodes for Pods of one demand. `is_unique` tells whether each domain of a key is one node."""

    def __init__(
        self, demand: Demand, constraints: Constraints, scorer: Scorer, is_unique: Callable[[str], bool], seed: int
    ) -> None:
        self._scorer = scorer
        self._owner = demand.owner if constraints.spreads_over_nodes else ""
        self._salt = zlib.crc32(demand.lot.encode(), seed)
        self._hard = constraints.hard
        self._leanings = constraints.leanings
        self._drawings = constraints.drawings
        self._tallies: list[Tally] = [*self._hard, *self._leanings, *self._drawings]
        self._shared = [not is_unique(each.key) for each in self._tallies]
        self._draws_only_away = all(weight < 0 for weight, _ in demand.wishes.preferred)
        self._classes: dict[tuple[tuple[Where, ...], int], StandingClass] = {}
        self._names = self._part_names()

    def enter(self, nodes: Iterable[NodeInfo]) -> None:
        """Let nodes that have room stand."""
        for node in nodes:
            group = self._class_of(node)
            group.members.append((-self._scorer.score(node), self._lot(node), node.name))
        for group in self._classes.values():
            heapq.heapify(group.members)

    def best(self) -> tuple[Standing, Standing | None] | None:
        """Return the class whose first node is best, and that of the runner-up; None where no node will do."""
        standings = self._standings()
        if not standings:
            return None
        first = min(standings, key=_rank)
        return first, self._second(standings, first)

    def take(self, first: Standing, node: NodeInfo, *, has_room: bool) -> None:
        """Move the node that just took a Pod, the first of its class, to where it now belongs."""
        heapq.heappop(first.group.members)
        if not first.group.members:
            del self._classes[first.group.where, first.group.owned]
        for tally in self._tallies:
            tally.add(node)
        if has_room:
            members = self._class_of(node).members
            heapq.heappush(members, (-self._scorer.score(node), self._lot(node), node.name))

    def refused(self) -> Iterable[tuple[Refusal, int, Iterable[str]]]:
        """Yield the classes that other Pods keep the demand off: the reason, how many nodes, and their names."""
        told: dict[tuple[int, bool], Refusal] = {}
        for group in self._classes.values():
            number = self._refusing(group.where)
            if number is not None:
                count = _count(self._hard[number], group.where[number])
                reason = number, count is None
                if reason not in told:
                    told[reason] = self._hard[number].refusal(count)
                yield told[reason], len(group.members), (name for _, _, name in group.members)

    def rating(self, standing: Standing, node: NodeInfo) -> Rating:
        """Return a node's score in its parts."""
        common = zip(self._names, standing.parts, strict=True)
        parts = [Part(name, value, weight) for name, value, weight in self._scorer.parts(node)]
        parts += [Part(name, value, weight) for (name, weight), value in common]
        total = sum(each.weight for each in parts)
        return Rating(node.name, sum(each.value * each.weight for each in parts) / total, tuple(parts))

    def _lot(self, node: NodeInfo) -> int:
        return ((node.number ^ self._salt) * LOT_MULTIPLIER) & LOT_MASK

    def _class_of(self, node: NodeInfo) -> StandingClass:
        where = tuple(
            self._where(tally, node, shared) for tally, shared in zip(self._tallies, self._shared, strict=True)
        )
        owned = node.owners.get(self._owner, 0) if self._owner else 0
        found = self._classes.get((where, owned))
        if found is None:
            found = self._classes[where, owned] = StandingClass(where, owned)
        return found

    @staticmethod
    def _where(tally: Tally, node: NodeInfo, shared: bool) -> Where:
        domain = node.labels.get(tally.key)
        return domain if domain is None or shared else tally.counts.get(domain, 0)

    def _refusing(self, where: tuple[Where, ...]) -> int | None:
        """Return the number of the first tally that keeps the demand off a class."""
        for number, tally in enumerate(self._hard):
            if tally.refuses(_count(tally, where[number])):
                return number
        return None

    def _standings(self) -> list[Standing]:
        able = [group for group in self._classes.values() if self._refusing(group.where) is None]
        if not able:
            return []
        columns: list[list[float]] = []
        if self._owner:
            fewest = min(group.owned for group in able)
            columns.append([1 / (1 + group.owned - fewest) for group in able])
        offset = len(self._hard)
        for number, leaning in enumerate(self._leanings, offset):
            columns.append(_evenness([_count(leaning, group.where[number]) for group in able], leaning.max_skew))
        if self._drawings:
            columns.append(self._drawn(able, offset + len(self._leanings)))
        weights = [weight for _, weight in self._names]
        rows = zip(*columns, strict=True) if columns else [()] * len(able)
        return [
            Standing(group, sum(weight * value for weight, value in zip(weights, row, strict=True)), tuple(row))
            for group, row in zip(able, rows, strict=True)
        ]

    def _drawn(self, able: list[StandingClass], offset: int) -> list[float]:
        """Return how strongly each class draws the Pod, from the least, 0, to the most."""
        sums = [
            sum(_count(tally, group.where[number]) or 0 for number, tally in enumerate(self._drawings, offset))
            for group in able
        ]
        low, high = min(sums), max(sums)
        if low == high:
            return [1.0 if low > 0 or (low == 0 and self._draws_only_away) else 0.0] * len(able)
        return [(each - low) / (high - low) for each in sums]

    def _part_names(self) -> list[tuple[str, float]]:
        names = [("spread over nodes", NODE_SPREAD_WEIGHT)] if self._owner else []
        names += [(each.part, each.weight) for each in self._leanings]
        return names + ([("pod affinity", DRAWING_WEIGHT)] if self._drawings else [])

    def _second(self, standings: list[Standing], first: Standing) -> Standing | None:
        """Return the runner-up's class, its first node the runner-up: for the winner's own, as though it had left."""
        others = [each for each in standings if each is not first]
        rest = first.group.members[1:3]
        if rest:
            others.append(
                Standing(StandingClass(first.group.where, first.group.owned, [min(rest)]), first.worth, first.parts)
            )
        return min(others, key=_rank, default=None)


def _rank(standing: Standing) -> tuple[float, int]:
    worth, lot, _ = standing.group.members[0]
    return worth - standing.worth, lot


def _count(tally: Tally, where: Where) -> int | None:
    return tally.counts.get(where, 0) if isinstance(where, str) else where


def _evenness(counts: list[int | None], max_skew: int) -> list[float]:
    """Return 1 for the domains with the fewest, less for more; nothing for no domain."""
    fewest = min((each for each in counts if each is not None), default=0)
    return [0.0 if each is None else 1 / (1 + (each - fewest) / max_skew) for each in counts]


def total(standing: Standing) -> float:
    """Return what the first node of a class is worth altogether."""
    return standing.worth - standing.group.members[0][0]
