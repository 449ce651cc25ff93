"""Who shall vote, stand by or be a spare: scenarios, and what holds of every cluster."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.consensus.roles import Health, Limits, Step, next_step, role_of, wanted_voters, why
from swarmlet.raft import membership as raft_membership
from swarmlet.raft.messages import ChangeKind, Membership, MembershipChange

LIMITS = Limits(voters_max=5, standbys_max=2, replace_after_seconds=10.0)
READY, SLOW = Health(0.0, caught_up=True), Health(0.0)
DEAD = Health(12.0)
STEPS_MAX = 60


def members(voters: str, learners: str = "", spares: str = "") -> Membership:
    return Membership(frozenset(voters.split()), frozenset(learners.split()), frozenset(spares.split()))


def step(
    membership: Membership, health: dict[str, Health] | None = None, limits: Limits = LIMITS, zones: str = ""
) -> Step | None:
    """Ask with n1 as leader; who has no health of its own is well. `zones`: "n1=a n2=b"."""
    everybody = raft_membership.everybody(membership)
    known = dict.fromkeys(everybody, READY) | (health or {})
    where = dict(each.split("=") for each in zones.split())
    return next_step(membership, leader="n1", health=known, zones=where, limits=limits)


def after(membership: Membership, taken: Step) -> Membership:
    change = MembershipChange(taken.kind, taken.node)
    raft_membership.check(membership, change)
    return raft_membership.after(membership, change)


def settled(membership: Membership, health: dict[str, Health] | None = None, zones: str = "") -> Membership:
    for _ in range(STEPS_MAX):
        taken = step(membership, health, zones=zones)
        if taken is None:
            return membership
        membership = after(membership, taken)
    raise AssertionError("the steps do not end")


# How many.


@pytest.mark.parametrize(
    ("size", "voters", "standbys"),
    [(1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 3, 1), (5, 5, 0), (6, 5, 1), (7, 5, 2), (8, 5, 2), (9, 5, 2)],
)
def test_a_cluster_of_any_size_gets_its_roles(size: int, voters: int, standbys: int) -> None:
    spares = " ".join(f"n{number}" for number in range(2, size + 1))
    end = settled(members("n1", spares=spares))
    assert (len(end.voters), len(end.learners)) == (voters, standbys)
    assert len(end.spares) == size - voters - standbys


def test_four_voters_become_three() -> None:
    taken = step(members("n1 n2 n3 n4"))
    assert taken is not None
    assert taken.kind is ChangeKind.DEMOTE
    assert taken.node != "n1"


def test_three_voters_stay_until_two_more_are_ready() -> None:
    assert step(members("n1 n2 n3", "n4 n5"), {"n5": SLOW}) is None
    assert step(members("n1 n2 n3", "n4 n5")) == Step(ChangeKind.PROMOTE, "n4")
    assert step(members("n1 n2 n3 n4", "n5"), {"n5": SLOW}) is None


def test_who_has_not_caught_up_gets_no_vote() -> None:
    assert step(members("n1", "n2"), {"n2": SLOW}) is None


def test_a_smaller_limit_takes_votes_back() -> None:
    limits = Limits(voters_max=3, standbys_max=0, replace_after_seconds=10.0)
    taken = step(members("n1 n2 n3 n4 n5"), limits=limits)
    assert taken is not None
    assert taken.kind is ChangeKind.DEMOTE


# The dead.


def test_a_dead_voter_is_replaced_by_a_standby_and_then_released() -> None:
    dead = {"n2": DEAD}
    now = members("n1 n2 n3", "n4")
    first = step(now, dead)
    assert first == Step(ChangeKind.PROMOTE, "n4", "replaces n2, which was silent for 12 s")
    now = after(now, first)
    second = step(now, dead)
    assert second == Step(ChangeKind.RELEASE, "n2", "was silent for 12 s")
    assert settled(now, dead) == members("n1 n3 n4", spares="n2")


def test_a_voter_silent_for_a_moment_is_not_replaced() -> None:
    assert step(members("n1 n2 n3", "n4"), {"n2": Health(9.9)}) is None


def test_a_dead_voter_without_a_replacement_stays_where_its_loss_changes_nothing() -> None:
    assert step(members("n1 n2 n3"), {"n2": DEAD}) is None
    assert step(members("n1 n2 n3 n4 n5"), {"n2": DEAD}) is None


def test_two_dead_of_five_are_released_so_that_one_more_may_die() -> None:
    dead = {"n4": DEAD, "n5": Health(30.0)}
    assert step(members("n1 n2 n3 n4 n5"), dead) == Step(ChangeKind.RELEASE, "n5", "was silent for 30 s")
    assert settled(members("n1 n2 n3 n4 n5"), dead).voters == {"n1", "n2", "n3"}


def test_a_dead_standby_is_replaced_by_a_spare() -> None:
    now = members("n1 n2 n3 n4 n5", "n6 n7", "n8")
    dead = {"n6": DEAD}
    assert step(now, dead) == Step(ChangeKind.ADD_LEARNER, "n8", "replaces n6, which was silent for 12 s")
    assert settled(now, dead).learners == {"n7", "n8"}


def test_a_dead_standby_stays_where_nobody_can_replace_it() -> None:
    assert step(members("n1 n2 n3", "n4"), {"n4": DEAD}) is None


def test_who_returns_from_the_dead_changes_nothing_where_it_was_replaced() -> None:
    now = settled(members("n1 n2 n3 n4 n5", "n6 n7", "n8"), {"n2": DEAD})
    assert role_of(now, "n2") == "spare"
    assert step(now) is None


# Zones.


def test_voters_are_spread_over_zones() -> None:
    zones = "n1=a n2=a n3=a n4=b n5=c"
    end = settled(members("n1", spares="n2 n3"), zones=zones)
    assert end.voters == {"n1", "n2", "n3"}
    limits = Limits(voters_max=3, standbys_max=2, replace_after_seconds=10.0)
    now = Membership(end.voters, end.learners, frozenset({"n4", "n5"}))
    for _ in range(STEPS_MAX):
        taken = step(now, limits=limits, zones=zones)
        if taken is None:
            break
        now = after(now, taken)
    assert len({dict(e.split("=") for e in zones.split())[node] for node in now.voters}) == 3


def test_the_replacement_comes_from_the_zone_of_the_fewest_voters() -> None:
    taken = step(members("n1 n2 n3", "n4 n5"), {"n3": DEAD}, zones="n1=a n2=b n3=c n4=a n5=c")
    assert taken is not None
    assert taken.node == "n5"


def test_the_same_zone_everywhere_moves_nobody() -> None:
    assert step(members("n1 n2 n3 n4 n5", "n6 n7", "n8"), zones=" ".join(f"n{n}=a" for n in range(1, 9))) is None


# Words.


def test_every_role_says_why() -> None:
    three = members("n1 n2 n3", "n4")
    assert why(three, "n4", "", LIMITS) == "4 voters would be no safer than 3"
    assert why(three, "n1", "", LIMITS) == "3 voters survive the loss of 1"
    assert why(three, "n4", "replaces n9", LIMITS) == "replaces n9"
    nine = members("n1 n2 n3 n4 n5", "n6 n7", "n8 n9")
    assert why(nine, "n6", "", LIMITS) == "ready to replace one of the 5 voters"
    assert why(nine, "n9", "", LIMITS) == "5 voters and 2 standbys are enough"
    assert why(members("n1 n2"), "n2", "", LIMITS) == "2 voters, so that two hold all"
    assert why(members("n1"), "n1", "", LIMITS) == "the only voter"


# What holds of every cluster.

NODES = [f"n{number}" for number in range(1, 13)]


@st.composite
def clusters(draw: st.DrawFn) -> tuple[Membership, dict[str, Health], dict[str, str], Limits]:
    """Draw a cluster in which n1 leads and reaches a quorum."""
    size = draw(st.integers(1, len(NODES)))
    places = draw(st.lists(st.sampled_from("vls"), min_size=size, max_size=size))
    nodes = NODES[:size]
    of = {
        place: frozenset(n for n, p in zip(nodes, places, strict=True) if p == place and n != "n1") for place in "vls"
    }
    voters = of["v"] | {"n1"}
    healths = st.builds(Health, st.sampled_from([0.0, 3.0, 12.0, 99.0]), st.booleans())
    health = {node: draw(healths) for node in nodes}
    living = [n for n in voters if n == "n1" or health[n].silent_seconds < 10]
    for node in sorted(voters):
        if len(living) > len(voters) // 2:
            break
        if node not in living:
            health[node] = READY
            living.append(node)
    zones = {node: draw(st.sampled_from(["", "a", "b", "c"])) for node in nodes}
    limits = Limits(
        voters_max=draw(st.sampled_from([1, 3, 5, 7])), standbys_max=draw(st.integers(0, 3)), replace_after_seconds=10.0
    )
    return Membership(voters, of["l"], of["s"]), health, zones, limits


def living_voters(membership: Membership, health: dict[str, Health]) -> int:
    return sum(1 for node in membership.voters if node == "n1" or health[node].silent_seconds < 10)


@settings(deadline=None)  # the machine that tests run on may be busy
@given(clusters())
def test_the_steps_end_and_never_cost_the_quorum(
    cluster: tuple[Membership, dict[str, Health], dict[str, str], Limits],
) -> None:
    now, health, zones, limits = cluster
    for _ in range(STEPS_MAX):
        taken = next_step(now, leader="n1", health=health, zones=zones, limits=limits)
        if taken is None:
            break
        assert taken.node != "n1" or taken.kind is ChangeKind.PROMOTE
        if taken.kind is ChangeKind.PROMOTE:
            assert health[taken.node].caught_up
            assert health[taken.node].silent_seconds < 10
        now = after(now, taken)
        assert living_voters(now, health) > len(now.voters) // 2, "the living are a quorum"
    else:
        raise AssertionError("the steps do not end")
    assert len(now.voters) <= max(limits.voters_max, len(cluster[0].voters))


@settings(deadline=None)  # the machine that tests run on may be busy
@given(clusters())
def test_the_end_survives_as_many_losses_as_it_can(
    cluster: tuple[Membership, dict[str, Health], dict[str, str], Limits],
) -> None:
    now, health, zones, limits = cluster
    health = {node: Health(each.silent_seconds, caught_up=True) for node, each in health.items()}
    while taken := next_step(now, leader="n1", health=health, zones=zones, limits=limits):
        now = after(now, taken)
    living = living_voters(now, health)
    members_living = [n for n in raft_membership.everybody(now) if n == "n1" or health[n].silent_seconds < 10]
    best = wanted_voters(len(members_living), limits.voters_max)
    survives = living - (len(now.voters) // 2 + 1)
    assert survives >= best - (best // 2 + 1)
    assert len(now.voters) == 2 or len(now.voters) % 2
