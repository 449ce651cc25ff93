"""Plans for moves: that they end, never go in circles, and never put a Pod where the scheduler would not."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.model import kinds, moves
from swarmlet.model.meta import LabelSelector
from swarmlet.model.topology import TopologySpreadConstraint
from swarmlet.scheduler import filters, placement
from swarmlet.scheduler.cluster import Cluster
from swarmlet.scheduler.demand import Demand, demand_of
from swarmlet.scheduler.rebalance import MOVES_MAX, Candidate, Planner, load, percent
from swarmlet.store.commands import Key
from tests.scheduler.board import Options, make_node, make_pod
from tests.scheduler.test_preemption import Field as Preempting

ROOM = filters.NODE_FILTERS + filters.ROOM_FILTERS
ZONE = "topology.kubernetes.io/zone"

NODES = st.lists(
    st.builds(
        lambda cpu, memory, label, zone, flags: [
            f"cpu={cpu}",
            f"memory={memory}Gi",
            f"label.disk={label}",
            f"label.{ZONE}={zone}",
            *flags,
        ],
        st.integers(1, 8),
        st.integers(1, 16),
        st.sampled_from(["ssd", "hdd"]),
        st.sampled_from("ab"),
        st.sampled_from([[], [], [], [], ["cordoned"], ["unready"], ["taint=k=v:NoSchedule"]]),
    ),
    min_size=1,
    max_size=6,
)
PODS = st.lists(
    st.builds(
        lambda cpu, memory, owner, extra, fixed: (
            [f"cpu={cpu}m", f"memory={memory}Mi", f"owner={owner}", *extra],
            fixed,
        ),
        st.sampled_from([0, 100, 700, 2000]),
        st.sampled_from([0, 64, 900, 4000]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([[], [], [], ["port=80"], ["select.disk=ssd"], ["tolerate=k"]]),
        st.sampled_from([False, False, False, True]),
    ),
    max_size=24,
)


def _always(_candidate: Candidate, _target: str) -> bool:
    return True


def domains_of(owner: str) -> tuple[str, ...]:
    """Owner c asks to be spread over the zones."""
    return (ZONE,) if owner == "c" else ()


class Field:
    """Pods on nodes anyhow, as far as there is room; some of them may not be moved."""

    def __init__(self, nodes: list[list[str]], pods: list[tuple[list[str], bool]], seed: int) -> None:
        self.cluster = Cluster()
        self.where: dict[Key, str] = {}
        self.demands: dict[Key, Demand] = {}
        self.fixed: set[Key] = set()
        rng = random.Random(seed)
        for number, spec in enumerate(nodes):
            self.cluster.know(make_node(f"n{number}", Options(spec)))
        for number, (spec, fixed) in enumerate(pods):
            key = Key("pods", "default", f"p{number}")
            demand = demand_of(make_pod(key.name, Options(spec)))
            able = [name for name, node in self.cluster.nodes.items() if not filters.refusal(ROOM, demand, node)]
            if able:
                self.put(key, demand, rng.choice(able))
                self.fixed |= {key} if fixed else set()

    def put(self, key: Key, demand: Demand, node: str) -> None:
        self.cluster.bind(key, demand, node)
        self.where[key], self.demands[key] = node, demand

    def candidates(self, node: str) -> list[Candidate]:
        return [
            Candidate(key, self.demands[key], node, f"owner {self.demands[key].owner}")
            for key, where in self.where.items()
            if where == node and key not in self.fixed
        ]

    def planner(self, threshold: float) -> Planner:
        return Planner(self.cluster, self.candidates, _always, domains_of, threshold=threshold)

    def taken(self) -> dict[str, tuple[dict[str, int], dict[str, int]]]:
        return {
            name: ({each: amount for each, amount in node.used.items() if amount}, dict(node.owners))
            for name, node in self.cluster.nodes.items()
        }

    def potential(self) -> tuple[int, int, list[float]]:
        """What every move makes smaller: computed from where the Pods are, not as the planner counts."""
        counts, zones = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for key, name in self.where.items():
            owner, node = self.demands[key].owner, self.cluster.nodes[name]
            counts[owner, name] += 1
            if domains_of(owner) and node.ready and not node.cordoned:
                zones[owner, node.labels[ZONE]] += 1
        loads = sorted((load(node) for node in self.cluster.nodes.values()), reverse=True)
        squares = [sum(count**2 for count in each.values()) for each in (zones, counts)]
        return squares[0], squares[1], [round(each, 9) for each in loads]


@given(NODES, PODS, st.integers(0, 9), st.sampled_from([0.1, 0.2, 0.5]))
@settings(deadline=None, max_examples=200)
def test_every_move_is_one_of_the_scheduler_makes_the_potential_smaller_and_the_end_is_the_end(
    nodes: list[list[str]], pods: list[tuple[list[str], bool]], seed: int, threshold: float
) -> None:
    field = Field(nodes, pods, seed)
    for _ in range(MOVES_MAX * 10):
        before = field.potential()
        planner = field.planner(threshold)
        move = planner.next()
        planner.undo()
        if move is None:
            break
        key, demand, target = move.candidate.pod, move.candidate.demand, move.target.node
        assert key not in field.fixed
        assert move.gain >= threshold
        assert filters.refusal(ROOM, demand, field.cluster.nodes[target]) is None, "beside the Pod that is still there"
        field.cluster.unbind(key)
        (answer,) = placement.place([(key, demand)], field.cluster)
        assert answer.node == target
        field.put(key, demand, target)
        assert field.potential() < before
    else:
        raise AssertionError("it goes on for ever")
    field.cluster.validate()
    assert field.planner(threshold).next() is None
    assert field.planner(threshold * 2).next() is None


@given(NODES, PODS, st.integers(0, 9))
@settings(deadline=None, max_examples=50)
def test_a_plan_is_what_is_done_move_by_move_and_leaves_the_nodes_as_they_were(
    nodes: list[list[str]], pods: list[tuple[list[str], bool]], seed: int
) -> None:
    field = Field(nodes, pods, seed)
    before = field.taken()
    planner = field.planner(0.2)
    planned = planner.plan()
    planner.undo()
    assert field.taken() == before
    assert len({move.candidate.pod for move in planned}) == len(planned), "no Pod is moved twice in a plan"
    again = field.planner(0.2)
    assert again.plan() == planned
    again.undo()


def counted(*counts: int, each: str = "cpu=100m", owner: str = "a", cpu: int = 8) -> Field:
    """Nodes n0, n1, ... with so many Pods of one owner on each."""
    field = Field([[f"cpu={cpu}", "memory=16Gi"] for _ in counts], [], 0)
    for number, count in enumerate(counts):
        for index in range(count):
            key = Key("pods", "default", f"p{number}-{index}")
            name = owner or f"o{number}-{index}"
            field.put(key, demand_of(make_pod(key.name, Options([each, f"owner={name}"]))), f"n{number}")
    return field


def told(field: Field, threshold: float = 0.2) -> list[str]:
    return [f"{move.source.node}>{move.target.node}" for move in field.planner(threshold).plan()]


def test_three_of_three_on_one_node_are_spread() -> None:
    field = counted(3, 0, 0)
    moves = field.planner(0.2).plan()
    assert sorted(move.target.node for move in moves) == ["n1", "n2"]
    assert moves[0].reason == "spread"
    assert moves[0].words == f"owner a had 3 Pods on n0 and 0 on {moves[0].target.node}"


def test_what_lies_evenly_stays() -> None:
    assert told(counted(2, 2, 1)) == []
    assert told(counted(11, 9, 10, 10)) == [], "two more of ten are not worth a move"


def test_a_lone_pod_of_each_owner_goes_by_the_load() -> None:
    field = counted(6, 6, 0, owner="")
    moves = field.planner(0.2).plan()
    assert {move.reason for move in moves} == {"load"}
    assert [len(field.cluster.nodes[name].owners) for name in sorted(field.cluster.nodes)] == [4, 4, 4]
    assert moves[0].words.startswith(f"{moves[0].source.node} ")
    assert " -> " in moves[0].words


def test_a_large_pod_is_not_carried_to_and_fro() -> None:
    assert told(counted(1, 0, each="cpu=6", owner="")) == []


def test_pods_that_ask_for_nothing_count_by_their_number() -> None:
    field = counted(5, 5, 0, each="cpu=0", owner="")
    field.planner(0.2).plan()
    assert sorted(len(node.owners) for node in field.cluster.nodes.values()) == [3, 3, 4]


def test_a_node_that_nobody_may_go_to_gets_nothing() -> None:
    field = counted(4, 0)
    planner = Planner(field.cluster, field.candidates, lambda _candidate, target: target != "n1", threshold=0.2)
    assert planner.plan() == []


def test_shares_are_told_as_people_read_them() -> None:
    assert [percent(each) for each in (0, 0.004, 0.13, 0.744)] == ["0 %", "0.4 %", "13 %", "74 %"]


def test_pods_that_ask_for_it_are_spread_over_zones_before_nodes() -> None:
    nodes = [["cpu=8", "memory=16Gi", f"label.{ZONE}={zone}"] for zone in "aaab"]
    field = Field(nodes, [], 0)
    for number in range(3):
        key = Key("pods", "default", f"p{number}")
        field.put(key, spread_pod(key.name), f"n{number}")
    (move,) = field.planner(0.2).plan()
    assert move.target.node == "n3"
    assert move.words == f"owner c had 3 Pods in {ZONE}=a and 0 in b"


def spread_pod(name: str) -> Demand:
    pod = make_pod(name, Options(["cpu=100m", "owner=c"]))
    constraint = TopologySpreadConstraint(
        max_skew=1,
        topology_key=ZONE,
        when_unsatisfiable="ScheduleAnyway",
        label_selector=LabelSelector(),
    )
    spec = msgspec.structs.replace(pod.spec, topology_spread_constraints=(constraint,))
    return demand_of(msgspec.structs.replace(pod, spec=spec))


def test_for_a_replacement_nobody_has_to_go() -> None:
    field = Preempting(n1="cpu=1", n2="cpu=1")
    field.pod("low", 0, node="n1")
    old = field.pod("old", 10, node="n2")
    new = field.pod("new", 10)
    assert field.nomination("new"), "another Pod of its priority would have room made"
    move = moves.Move("old", old.metadata.uid, "n2", "n1", new.metadata.uid)
    field.board.put(kinds.POD, moves.bearing(new, move))
    assert field.nomination("new") is None
