"""What the Pods that are bound mean for Pods of one demand: on which nodes they keep it off, and where they draw it.

    constraints = Constraints(demand, cluster.nodes, cluster.peers)
    constraints.refusal(node)                       # or None: as a filter of `filters` answers
    constraints.refusal(node, without=(victim,))    # as if Pods of that node were gone

`ballot` reads the tallies themselves. Source: kubernetes pkg/scheduler/framework/plugins interpodaffinity and
podtopologyspread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from swarmlet.model.topology import ZONE
from swarmlet.model.volumes import HOSTNAME
from swarmlet.scheduler import filters
from swarmlet.scheduler.cluster import NodeInfo
from swarmlet.scheduler.demand import Demand
from swarmlet.scheduler.peers import Peers, bonds
from swarmlet.scheduler.tallies import Even, Forbidden, Needed, Rule, Tally, by_domain
from swarmlet.scheduler.terms import Selection, Spread, Term

REQUIRED_TERM_WEIGHT = 1
"""What a bound Pod's required affinity is worth where it is not the demand that requires it."""
ZONE_SPREAD_WEIGHT = 1.0
TOPOLOGY_SPREAD_WEIGHT = 2.0


@dataclass(slots=True)
class Leaning(Tally):
    """Pods that should lie evenly over the domains; fewer are better, by `weight`. `max_skew` softens it."""

    part: str = ""
    weight: float = 0.0
    max_skew: int = 1


@dataclass(slots=True)
class Drawing(Tally):
    """Counts are weights of preferred terms: what draws a Pod to a domain, or below zero away from it."""


class Constraints:
    """`hard` tallies refuse nodes; `leanings` and `drawings` tell which of the others are better."""

    def __init__(self, demand: Demand, nodes: Mapping[str, NodeInfo], peers: Peers) -> None:
        self._demand = demand
        self._nodes = nodes
        self._peers = peers
        self._labels = dict(demand.labels)
        self._selections: dict[int, tuple[Selection, ...]] = {}
        self.hard: list[Rule] = [*self._evens(), *self._needed(), *self._forbidden(), *self._forbidden_by_others()]
        self.leanings: list[Leaning] = [*self._leanings(), *self._zones()]
        self.drawings: list[Drawing] = self._drawings()

    def refusal(self, node: NodeInfo, without: Sequence[Demand] = ()) -> filters.Refusal | None:
        """Return why a node will not do, had some of its Pods gone before."""
        for tally in self.hard:
            domain = node.labels.get(tally.key)
            count = None if domain is None else tally.counts.get(domain, 0)
            if count and not (isinstance(tally, Even) and node.name not in tally.nodes):
                count -= sum(self._is_counted(tally, each) for each in without)
            if tally.refuses(count) and not self._would_be_first(tally, node, without):
                return tally.refusal(count)
        return None

    def _would_be_first(self, tally: Rule, node: NodeInfo, without: Sequence[Demand]) -> bool:
        """Whether none of the Pods that the demand asks for were left, so that its Pod might be the first."""
        if not (isinstance(tally, Needed) and tally.is_first_allowed and without):
            return False
        every = (tally, *tally.rest)
        gone = sum(self._is_counted(tally, each) for each in without)
        return all(each.key in node.labels and sum(each.counts.values()) == gone for each in every)

    def count(self, node: NodeInfo) -> None:
        """Count one more Pod of the demand in what refuses nodes."""
        for tally in self.hard:
            tally.add(node)

    def _is_counted(self, tally: Rule, other: Demand) -> bool:
        """Whether a bound Pod is one of those that a hard tally counts."""
        if isinstance(tally, Forbidden) and not tally.is_own:
            return any(
                held.bond == "apart" and held.term.topology_key == tally.key and self._selects(held.term.pods)
                for held in bonds(other)
            )
        if isinstance(tally, Even) and other.leaving:
            return False
        labels = dict(other.labels)
        return all(self._peers.selects(each, other.namespace, labels) for each in self._selections[id(tally)])

    def _selects(self, selection: Selection) -> bool:
        """Whether the demand's own Pods are of a selection."""
        return self._peers.selects(selection, self._demand.namespace, self._labels)

    def _count(self, terms: Iterable[Selection], key: str) -> dict[str, int]:
        return by_domain(key, self._peers.count(terms), self._nodes)

    def _needed(self) -> list[Needed]:
        terms = self._demand.wishes.together
        if not terms:
            return []
        selections = tuple(term.pods for term in terms)
        is_own = all(map(self._selects, selections))
        keys = dict.fromkeys(term.topology_key for term in terms)
        found = [Needed(key, self._count(selections, key), int(is_own), is_first_allowed=is_own) for key in keys]
        for each in found:
            each.rest = [other for other in found if other is not each]
            self._selections[id(each)] = selections
        return found

    def _forbidden(self) -> list[Forbidden]:
        found = []
        for term in self._demand.wishes.apart:
            tally = Forbidden(term.topology_key, self._count((term.pods,), term.topology_key), self._bump(term))
            self._selections[id(tally)] = (term.pods,)
            found.append(tally)
        return found

    def _bump(self, term: Term) -> int:
        return int(self._selects(term.pods))

    def _forbidden_by_others(self) -> list[Forbidden]:
        found: dict[str, Forbidden] = {}
        for held, by_node in self._peers.about(self._demand):
            if held.bond == "apart":
                key = held.term.topology_key
                tally = found.setdefault(key, Forbidden(key, {}, is_own=False))
                _add(tally.counts, by_domain(key, by_node, self._nodes))
        return list(found.values())

    def _evens(self) -> list[Even]:
        hard = [each for each in self._demand.wishes.spread if each.hard]
        keys = [each.term.topology_key for each in hard]
        found = []
        for spread in hard:
            names = frozenset(name for name, node in self._nodes.items() if self._makes_domain(node, spread, keys))
            tally = Even(
                spread.term.topology_key,
                self._spread_counts(spread, names),
                self._bump(spread.term),
                max_skew=spread.max_skew,
                min_domains=spread.min_domains,
                own=self._bump(spread.term),
                nodes=names,
            )
            self._selections[id(tally)] = (spread.term.pods,)
            found.append(tally)
        return found

    def _makes_domain(self, node: NodeInfo, spread: Spread, keys: Iterable[str]) -> bool:
        if any(key not in node.labels for key in keys):
            return False
        checks: tuple[filters.Filter, ...] = ()
        if spread.honors_affinity:
            checks += (filters.matches_node_selector, filters.matches_affinity)
        if spread.honors_taints:
            checks += (filters.is_not_cordoned, filters.tolerates_taints)
        return filters.refusal(checks, self._demand, node) is None

    def _spread_counts(self, spread: Spread, names: Iterable[str]) -> dict[str, int]:
        """Return the Pods that stay, by domain; a domain without any has its zero."""
        key = spread.term.topology_key
        by_node = self._peers.count((spread.term.pods,), staying=True)
        found: dict[str, int] = {}
        for name in names:
            domain = self._nodes[name].labels[key]
            found[domain] = found.get(domain, 0) + by_node.get(name, 0)
        return found

    def _leanings(self) -> list[Leaning]:
        soft = [each for each in self._demand.wishes.spread if not each.hard]
        weight = TOPOLOGY_SPREAD_WEIGHT / max(1, len(soft))
        found = []
        for spread in soft:
            key = spread.term.topology_key
            checks = [name for name, node in self._nodes.items() if self._makes_domain(node, spread, (key,))]
            counts = self._spread_counts(spread, checks)
            part = f"spread over {key}"
            found.append(Leaning(key, counts, self._bump(spread.term), part, weight, spread.max_skew))
        return found

    def _zones(self) -> list[Leaning]:
        """Return what spreads the Pods of one owner over zones, where they do not say themselves how."""
        owner = self._demand.owner
        if not owner or any(each.term.topology_key == ZONE for each in self._demand.wishes.spread):
            return []
        counts: dict[str, int] = {}
        for node in self._nodes.values():
            zone = node.labels.get(ZONE)
            if zone is not None:
                counts[zone] = counts.get(zone, 0) + node.owners.get(owner, 0)
        return [Leaning(ZONE, counts, 1, "spread over zones", ZONE_SPREAD_WEIGHT)] if len(counts) > 1 else []

    @property
    def spreads_over_nodes(self) -> bool:
        """Whether the Pods of one owner are spread over nodes without their saying how."""
        spread = self._demand.wishes.spread
        return bool(self._demand.owner) and all(each.term.topology_key != HOSTNAME for each in spread)

    def _drawings(self) -> list[Drawing]:
        found: dict[str, Drawing] = {}

        def drawing(key: str) -> Drawing:
            return found.setdefault(key, Drawing(key, {}))

        for weight, term in self._demand.wishes.preferred:
            tally = drawing(term.topology_key)
            _add(tally.counts, self._count((term.pods,), term.topology_key), weight)
            tally.bump += 2 * weight * self._bump(term)  # to the next Pod it is a wish of both
        for held, by_node in self._peers.about(self._demand):
            if held.bond != "apart":
                weight = held.weight or REQUIRED_TERM_WEIGHT
                key = held.term.topology_key
                _add(drawing(key).counts, by_domain(key, by_node, self._nodes), weight)
        for term in self._demand.wishes.together:
            drawing(term.topology_key).bump += REQUIRED_TERM_WEIGHT * self._bump(term)
        return list(found.values())


def _add(counts: dict[str, int], more: Mapping[str, int], weight: int = 1) -> None:
    for domain, count in more.items():
        counts[domain] = counts.get(domain, 0) + weight * count
