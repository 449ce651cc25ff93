"""Which Pods are better moved to another node, one after another, until nothing is worth a move.

Three things are evened out, each only where those before it get no worse: how the Pods of one owner lie over the
domains (zones, say) that they ask to be spread over, how they lie over the nodes, and how much of each node is asked
for. A move goes to the node that the scheduler would choose for the Pod now, and only where the Pod's place gets better
by a `threshold`, in shares of the average. Each move makes

    (sum over owners and domains of the squared number of Pods, the same over nodes, the loads from the highest down)

strictly smaller, what stands first before the rest, so whatever is moved, and from whatever state, it comes to an end
and nothing is moved again until something else changes. docs/decisions/0022.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from swarmlet.scheduler import placement, scores
from swarmlet.scheduler.cluster import Cluster, NodeInfo
from swarmlet.scheduler.demand import POD_COUNT, Demand
from swarmlet.store.commands import Key

MOVES_MAX = 200
"""In one plan."""
TRIALS_MAX = 100
"""How often one search for a move asks the scheduler; each costs a look at every node."""
SPREAD = "spread"
LOAD = "load"
FLOOR = 1e-9
"""Below this a difference of loads is one of rounding."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A Pod that may be moved; `name` says in words whose it is, as in "deployment default/web"."""

    pod: Key
    demand: Demand
    node: str
    name: str


Counts = Mapping[str, Mapping[str, int]]
"""Pods by owner and node."""
MayGo = Callable[[Candidate, str], bool]
"""Whether a Pod may go to a node now, for reasons that are not the scheduler's."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a move makes of a node: Pods of the same owner, and the share of it that is asked for."""

    node: str
    pods_before: int
    pods_after: int
    load_before: float
    load_after: float


@dataclass(frozen=True, slots=True)
class Move:
    """`gain` says by how much the new place is better than the old one was, in shares of the average node.

    `reason` is "spread", where the Pods of its owner lie better, or "load".
    """

    candidate: Candidate
    source: Change
    target: Change
    reason: str = ""
    gain: float = 0.0
    domains: str = ""

    @property
    def words(self) -> str:
        """What it is good for, with the numbers."""
        if self.domains:
            return f"{self.candidate.name} had {self.domains}"
        if self.reason == SPREAD:
            return (
                f"{self.candidate.name} had {self.source.pods_before} Pods on {self.source.node} "
                f"and {self.target.pods_before} on {self.target.node}"
            )
        return ", ".join(
            f"{each.node} {percent(each.load_before)} -> {percent(each.load_after)}"
            for each in (self.source, self.target)
        )


def percent(share: float) -> str:
    """Return a share as people read it."""
    hundredths = share * 100
    return f"{hundredths:.0f} %" if hundredths >= 10 or hundredths == 0 else f"{hundredths:.1f} %"


def load(node: NodeInfo) -> float:
    """Return how much of a node is asked for, as the scheduler scores it: CPU, memory and number of Pods alike."""
    total = 0.0
    for name in scores.MEASURED:
        bound = node.allocatable.get(name, scores.PODS_USUAL if name == POD_COUNT else 0)
        total += node.used.get(name, 0) / bound if bound else 0.0
    return total / len(scores.MEASURED)


class Planner:
    """Finds one move after the other, each on the state that those before it leave.

    Args:
        cluster: the nodes and what is on them, without those Pods that are about to go; changed until `undo`.
        candidates: asked for the Pods of a node that may be moved, those first whose move is felt least.
        may_go: asked whether a Pod may go where the scheduler would put it.
        domains_of: asked for the labels of nodes over whose values an owner's Pods ask to be spread.
        threshold: the gain under which nothing is moved.
        strategy: the scheduler's.
    """

    def __init__(
        self,
        cluster: Cluster,
        candidates: Callable[[str], Sequence[Candidate]],
        may_go: MayGo,
        domains_of: Callable[[str], Sequence[str]] = lambda _owner: (),
        *,
        threshold: float,
        strategy: scores.Strategy = scores.LEAST_ALLOCATED,
    ) -> None:
        self._cluster = cluster
        self._candidates = candidates
        self._may_go = may_go
        self._domains_of = domains_of
        self._threshold = threshold
        self._strategy = strategy
        self._moved: dict[Key, Candidate] = {}
        self._open = [name for name, node in cluster.nodes.items() if node.ready and not node.cordoned]

    def plan(self, moves_max: int = MOVES_MAX) -> list[Move]:
        """Return the moves, the most urgent first."""
        found: list[Move] = []
        while len(found) < moves_max and (move := self.next()):
            found.append(move)
        return found

    def next(self) -> Move | None:
        """Return the next move, which is done for what follows; None where nothing is worth one."""
        for candidate in itertools.islice(self._in_turn(), TRIALS_MAX):
            move = self._judge(candidate)
            if move is not None:
                self._cluster.bind(candidate.pod, candidate.demand, move.target.node)
                self._moved[candidate.pod] = candidate
                return move
            self._cluster.bind(candidate.pod, candidate.demand, candidate.node)
        return None

    def undo(self) -> None:
        """Put every Pod back where it was."""
        for each in self._moved.values():
            self._cluster.unbind(each.pod)
            self._cluster.bind(each.pod, each.demand, each.node)
        self._moved.clear()

    def _in_turn(self) -> Iterator[Candidate]:
        """Yield a Pod of each shape that could be better off elsewhere: crowded owners first, then full nodes."""
        if len(self._open) < 2:
            return
        tried: set[tuple[Demand, str]] = set()
        counts = self._counts()
        for name, owner in (*self._crowded_domains(counts), *self._crowded(counts)):
            yield from self._untried(name, tried, owner)
        for name in self._full():
            yield from self._untried(name, tried)

    def _untried(self, name: str, tried: set[tuple[Demand, str]], owner: str | None = None) -> Iterator[Candidate]:
        for each in self._candidates(name):
            if owner is not None and each.demand.owner != owner:
                continue
            if each.pod not in self._moved and (each.demand, name) not in tried:
                tried.add((each.demand, name))
                yield each

    def _counts(self) -> Counts:
        """Return the Pods of each owner by node."""
        counts: dict[str, dict[str, int]] = {}
        for name in self._open:
            for owner, count in self._cluster.nodes[name].owners.items():
                counts.setdefault(owner, {})[name] = count
        return counts

    def _crowded(self, counts: Counts) -> list[tuple[str, str]]:
        """Return the nodes with too many Pods of one owner, (node, owner), the worst first."""
        found = []
        for owner, by_node in counts.items():
            least = min(by_node.values()) if len(by_node) == len(self._open) else 0
            even = _even(sum(by_node.values()), len(self._open))
            for name, count in by_node.items():
                excess = (count - least - 1) / even
                if owner and count - least > 1 and excess >= self._threshold:
                    found.append((-excess, name, owner))
        return [(name, owner) for _, name, owner in sorted(found)]

    def _crowded_domains(self, counts: Counts) -> list[tuple[str, str]]:
        """Return the nodes of domains with too many Pods of an owner that asks to be spread over these."""
        found = []
        for owner, by_node in counts.items():
            for key in self._domains_of(owner) if owner and sum(by_node.values()) > 1 else ():
                by_domain = self._by_domain(key, by_node)
                least, even = min(by_domain.values()), _even(sum(by_domain.values()), len(by_domain))
                for name in by_node:
                    count = by_domain.get(self._cluster.nodes[name].labels.get(key, ""), 0)
                    if count - least > 1 and (count - least - 1) / even >= self._threshold:
                        found.append(((least + 1 - count) / even, name, owner))
        return [(name, owner) for _, name, owner in sorted(found)]

    def _by_domain(self, key: str, by_node: Mapping[str, int]) -> dict[str, int]:
        """Return how many of some Pods are in each domain of a key, the empty ones too."""
        found: dict[str, int] = {}
        for name in self._open:
            domain = self._cluster.nodes[name].labels.get(key, "")
            if domain:
                found[domain] = found.get(domain, 0) + by_node.get(name, 0)
        return found

    def _full(self) -> list[str]:
        """Return the nodes that have so much more asked of them than the emptiest that a move could be worth it."""
        loads = {name: load(self._cluster.nodes[name]) for name in self._open}
        least, even = min(loads.values()), sum(loads.values()) / len(loads)
        fullest_first = sorted(loads, key=lambda name: (-loads[name], name))
        return [name for name in fullest_first if loads[name] - least > max(FLOOR, self._threshold * even)]

    def _judge(self, candidate: Candidate) -> Move | None:
        """Take a Pod off its node; return its move to where the scheduler would put it, where that is worth it."""
        cluster, owner = self._cluster, candidate.demand.owner
        source = cluster.nodes[candidate.node]
        before = _state(source, owner)
        by_node = {name: cluster.nodes[name].owners.get(owner, 0) for name in self._open}
        even_load = sum(load(cluster.nodes[name]) for name in self._open) / len(self._open)
        cluster.unbind(candidate.pod)
        (answer,) = placement.place([(candidate.pod, candidate.demand)], cluster, strategy=self._strategy)
        if answer.node in ("", candidate.node) or not self._may_go(candidate, answer.node):
            return None
        target = cluster.nodes[answer.node].copy()
        there = _state(target, owner)
        target.add(candidate.demand)
        move = Move(
            candidate,
            Change(candidate.node, *_both(before, _state(source, owner))),
            Change(answer.node, *_both(there, _state(target, owner))),
        )
        return self._worth(move, by_node, even_load)

    def _worth(self, move: Move, by_node: Mapping[str, int], even_load: float) -> Move | None:
        """Return the move with its gain; None where it is under the threshold, or makes worse what counts more."""
        relief, gain, words = self._relief(move, by_node)
        if relief > 0 and gain >= self._threshold:
            return dataclasses.replace(move, reason=SPREAD, gain=gain, domains=words)
        here, there = move.source, move.target
        gain = (here.pods_before - there.pods_after) / _even(sum(by_node.values()), len(self._open))
        if relief < 0 or here.pods_before < there.pods_after:
            return None
        if here.pods_before > there.pods_after and gain >= self._threshold:
            return dataclasses.replace(move, reason=SPREAD, gain=gain)
        fall = here.load_before - there.load_after
        if fall <= FLOOR or fall / even_load < self._threshold:
            return None
        return dataclasses.replace(move, reason=LOAD, gain=fall / even_load)

    def _relief(self, move: Move, by_node: Mapping[str, int]) -> tuple[int, float, str]:
        """Return by how many Pods the domains get evener, the most that one of them gains, and that one in words."""
        relief, most, words = 0, 0.0, ""
        here, there = (self._cluster.nodes[each.node].labels for each in (move.source, move.target))
        for key in self._domains_of(move.candidate.demand.owner):
            source, target = here.get(key, ""), there.get(key, "")
            if source == target or not (source and target):
                continue
            by_domain = self._by_domain(key, by_node)
            less = by_domain[source] - by_domain[target] - 1
            relief += less
            gain = less / _even(sum(by_domain.values()), len(by_domain))
            if gain > most:
                most = gain
                words = f"{by_domain[source]} Pods in {key}={source} and {by_domain[target]} in {target}"
        return relief, most, words


def _even(total: int, places: int) -> float:
    """Return how many Pods each of some places has where they lie evenly; at least one."""
    return max(1.0, total / places)


def _state(node: NodeInfo, owner: str) -> tuple[int, float]:
    return node.owners.get(owner, 0), load(node)


def _both(before: tuple[int, float], after: tuple[int, float]) -> tuple[int, int, float, float]:
    return before[0], after[0], before[1], after[1]
