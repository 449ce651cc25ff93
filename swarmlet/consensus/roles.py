"""Which member shall vote, stand by or be a spare: a pure function of who belongs, who answers, and where they stand.

Voters decide; standbys (learners, to the core) hold the log and are ready to replace a voter; spares hold no log. The
leader asks `next_step` again and again, and carries out one step at a time. Each step is worth its cost: where nothing
fails and nobody comes or goes, the steps end (a test with random clusters holds that).

How many vote: as many as there are in one or two members, else an odd number up to `voters_max`. An even number needs
a greater quorum and survives no more losses. Two are the exception: one voter and a standby would go on when the
standby dies, but could lose what it acknowledged when it dies itself; two voters never do (docs/decisions/0004).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from swarmlet.raft.messages import ChangeKind, Membership, NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many of each role, and after how long a silence a member counts as dead."""

    voters_max: int
    standbys_max: int
    replace_after_seconds: float


@dataclass(frozen=True, slots=True)
class Health:
    """What the leader knows of another member: since when it is silent, and whether it holds nearly all of the log."""

    silent_seconds: float = 0.0
    caught_up: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the membership, and why; "" where `why` says as much for the role that comes of it."""

    kind: ChangeKind
    node: NodeId
    reason: str = ""


def next_step(
    membership: Membership,
    *,
    leader: NodeId,
    health: Mapping[NodeId, Health],
    zones: Mapping[NodeId, str],
    limits: Limits,
) -> Step | None:
    """Return the change that the cluster needs most, or None where all is well.

    `zones` maps node ids to the failure domain that they stand in; a node without one is its own. The leader is never
    demoted or released, and no step leaves fewer living voters than the quorum after it.
    """
    if leader not in membership.voters:
        return None
    plan = _Plan(membership, leader, health, zones, limits)
    return (
        plan.fill_up()
        or plan.drop_dead_voter()
        or plan.make_odd()
        or plan.spread()
        or plan.add_standby()
        or plan.drop_standby()
    )


def wanted_voters(members: int, voters_max: int) -> int:
    """Return how many of so many living members should vote."""
    wanted = min(members, voters_max)
    return wanted if wanted <= 2 or wanted % 2 else wanted - 1


def role_of(membership: Membership, node: NodeId, leader: NodeId = "") -> str:
    """Return "leader", "voter", "standby" or "spare"; "" for who does not belong."""
    if node in membership.voters:
        return "leader" if node == leader else "voter"
    if node in membership.learners:
        return "standby"
    return "spare" if node in membership.spares else ""


def why(membership: Membership, node: NodeId, reason: str, limits: Limits) -> str:
    """Say in words why a member has its role: by the reason of its last change, else by the numbers."""
    if reason:
        return reason
    voters, standbys = len(membership.voters), len(membership.learners)
    match role_of(membership, node):
        case "voter":
            return _of_voters(voters)
        case "standby":
            return _of_standby(voters, limits.voters_max)
        case "spare" if standbys >= limits.standbys_max:
            return f"{_count(voters, 'voter')} and {_count(standbys, 'standby')} are enough"
        case "spare":
            return "joined; gets its role once it has caught up"
        case _:
            return ""


def _of_voters(voters: int) -> str:
    if voters == 1:
        return "the only voter"
    losses = (voters - 1) // 2
    return f"{voters} voters survive the loss of {losses}" if losses else f"{voters} voters, so that two hold all"


def _of_standby(voters: int, voters_max: int) -> str:
    if voters >= voters_max:
        return f"ready to replace one of the {voters} voters"
    if voters % 2 and voters > 1:
        return f"{voters + 1} voters would be no safer than {voters}"
    return "votes once it has caught up"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class _Plan:
    """The steps in the order of their weight; each returns itself where it is due."""

    def __init__(
        self,
        membership: Membership,
        leader: NodeId,
        health: Mapping[NodeId, Health],
        zones: Mapping[NodeId, str],
        limits: Limits,
    ) -> None:
        self._leader = leader
        self._health = health
        self._zones = zones
        self._limits = limits
        self._voters = membership.voters
        self._living_voters = self._living(membership.voters)
        self._dead_voters = membership.voters - self._living_voters
        self._standbys = self._living(membership.learners)
        self._dead_standbys = membership.learners - self._standbys
        self._spares = self._living(membership.spares)
        self._ready = self._caught_up(self._standbys)
        self._ready_spares = self._caught_up(self._spares)
        living = len(self._living_voters) + len(self._standbys) + len(self._spares)
        self._wanted_voters = wanted_voters(living, limits.voters_max)
        self._wanted_standbys = limits.standbys_max + max(0, self._wanted_voters - len(self._living_voters))

    def _health_of(self, node: NodeId) -> Health:
        return self._health.get(node, Health())

    def _living(self, nodes: Iterable[NodeId]) -> frozenset[NodeId]:
        after = self._limits.replace_after_seconds
        return frozenset(n for n in nodes if n == self._leader or self._health_of(n).silent_seconds < after)

    def _caught_up(self, nodes: Iterable[NodeId]) -> frozenset[NodeId]:
        return frozenset(node for node in nodes if self._health_of(node).caught_up)

    # Steps.

    def fill_up(self) -> Step | None:
        """Give standbys their vote where voters are too few: two together, where one would only make them even."""
        living = len(self._living_voters)
        goal = next((size for size in range(living + 1, self._wanted_voters + 1) if size == 2 or size % 2), None)
        if goal is None or living + len(self._ready) < goal:
            return None
        chosen = self._best(self._ready)
        return Step(ChangeKind.PROMOTE, chosen, self._replaces(self._dead_voters))

    def drop_dead_voter(self) -> Step | None:
        """Take the vote of the dead where that lets the cluster survive more: one of them may make the number odd."""
        harmless = 1 - len(self._living_voters) % 2
        if len(self._dead_voters) <= harmless:
            return None
        dead = max(sorted(self._dead_voters), key=lambda node: self._health_of(node).silent_seconds)
        return Step(ChangeKind.RELEASE, dead, self._was_silent(dead))

    def make_odd(self) -> Step | None:
        """Take a vote that makes nothing safer, from where it is missed least."""
        others = self._living_voters - {self._leader}
        if self._dead_voters or len(self._voters) <= self._wanted_voters or not others:
            return None
        chosen = min(sorted(others), key=lambda node: self._crowding(self._voters - {node}))
        return Step(ChangeKind.DEMOTE, chosen)

    def spread(self) -> Step | None:
        """Give a vote to a standby in whose place another voter could go, so that fewer share a zone."""
        better = self._better(self._ready)
        if self._dead_voters or not better:
            return None
        chosen = self._best(better)
        return Step(
            ChangeKind.PROMOTE, chosen, f'spreads the voters over zones: votes for zone "{self._zones[chosen]}"'
        )

    def add_standby(self) -> Step | None:
        """Let a spare hold the log: where standbys are too few, or where voters would be spread better by it."""
        if len(self._standbys) < self._wanted_standbys:
            candidates = self._ready_spares
        elif not self._better(self._standbys) and len(self._standbys) == self._wanted_standbys:
            candidates = self._better(self._ready_spares)
        else:
            return None
        if not candidates:
            return None
        return Step(ChangeKind.ADD_LEARNER, self._best(candidates), self._replaces(self._dead_standbys))

    def drop_standby(self) -> Step | None:
        """Release who need not hold the log: the dead that are replaced, then those too many."""
        if self._dead_standbys and len(self._standbys) >= self._wanted_standbys:
            dead = max(sorted(self._dead_standbys), key=lambda node: self._health_of(node).silent_seconds)
            return Step(ChangeKind.RELEASE, dead, self._was_silent(dead))
        better = self._better(self._standbys)
        surplus = self._standbys - better or self._standbys
        if len(self._standbys) <= self._wanted_standbys + bool(better):
            return None
        chosen = min(sorted(surplus, reverse=True), key=lambda node: node in self._ready)
        return Step(ChangeKind.RELEASE, chosen)

    # Zones.

    def _crowding(self, voters: Iterable[NodeId]) -> int:
        """Return the sum of squares of how many voters each zone has: the less, the better they are spread."""
        return sum(count**2 for count in Counter(self._zones.get(node) or (node,) for node in voters).values())

    def _best(self, candidates: Iterable[NodeId]) -> NodeId:
        """Return the candidate whose vote would crowd zones least."""
        return min(sorted(candidates), key=lambda node: self._crowding(self._living_voters | {node}))

    def _better(self, candidates: Iterable[NodeId]) -> frozenset[NodeId]:
        """Return those with whom in some other voter's place the voters would be spread better."""
        now = self._crowding(self._voters)
        others = self._living_voters - {self._leader}
        return frozenset(
            node
            for node in candidates
            if any(self._crowding((self._voters | {node}) - {other}) < now for other in others)
        )

    # Words.

    def _replaces(self, dead: frozenset[NodeId]) -> str:
        if not dead:
            return ""
        longest = max(sorted(dead), key=lambda node: self._health_of(node).silent_seconds)
        return f"replaces {longest}, which {self._was_silent(longest)}"

    def _was_silent(self, node: NodeId) -> str:
        return f"was silent for {self._health_of(node).silent_seconds:.0f} s"
