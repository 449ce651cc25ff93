"""Preemption: who goes for whom, never more than must, never for nothing, and never in circles."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.model import kinds, objects
from swarmlet.model.affinity import Affinity, PodAffinityTerm, PodAntiAffinity
from swarmlet.model.meta import LabelSelector, ObjectMeta
from swarmlet.model.pod import Pod
from swarmlet.model.pod_status import PodStatus
from swarmlet.model.policy import PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus
from swarmlet.scheduler import placement, preemption
from swarmlet.scheduler.demand import demand_of
from swarmlet.scheduler.placement import Placement
from swarmlet.scheduler.preemption import Nomination, Preemption
from swarmlet.store.commands import Key
from tests.scheduler.board import Board, Options, bound, make_node, make_pod

START = datetime(2026, 1, 1, tzinfo=UTC)
HOST = "kubernetes.io/hostname"


def key(name: str) -> Key:
    return Key("pods", "default", name)


class Field:
    """Nodes, and Pods that wait or run, with priorities."""

    def __init__(self, **nodes: str) -> None:
        self.board = Board()
        for name, words in nodes.items():
            self.board.put(kinds.NODE, make_node(name, Options([*words.split(), f"label.{HOST}={name}"])))

    def pod(self, name: str, priority: int, words: str = "cpu=1", *, node: str = "", **more: object) -> Pod:
        made = make_pod(name, Options([*words.split(), "owner="]))
        started = more.pop("started", 0)
        labels = more.pop("labels", {"app": name})
        status = PodStatus(
            start_time=START + timedelta(seconds=started) if node else None,
            nominated_node_name=more.pop("nominated", ""),
        )
        spec = msgspec.structs.replace(made.spec, priority=priority, **more)
        value = objects.with_metadata(msgspec.structs.replace(made, spec=spec, status=status), labels=labels)
        value = bound(value, node) if node else value
        self.board.put(kinds.POD, value)
        return value

    def budget(self, app: str, allowed: int) -> None:
        spec = PodDisruptionBudgetSpec(selector=LabelSelector(match_labels={"app": app}))
        status = PodDisruptionBudgetStatus(disruptions_allowed=allowed)
        value = PodDisruptionBudget(metadata=ObjectMeta(name=app, namespace="default"), spec=spec, status=status)
        self.board.put(kinds.POD_DISRUPTION_BUDGET, value)

    def mark(self, *names: str) -> None:
        """Let Pods be about to go."""
        for name in names:
            value = self.board.store.get(key(name)).object
            value = objects.with_metadata(value, deletion_timestamp=START, resource_version="")
            self.board.put(kinds.POD, value)

    def round(self) -> dict[str, Placement]:
        """Place what waits, as the controller does."""
        store, cluster = self.board.store, self.board.cluster
        cluster.catch_up(store)
        waiting = sorted(
            (each.object for each in store.pods_on("")), key=lambda pod: (-pod.spec.priority, pod.metadata.name)
        )
        requests = [(key(pod.metadata.name), demand_of(pod)) for pod in waiting]
        answers = placement.place(requests, cluster, relief=Preemption(store, cluster))
        cluster.validate()
        return {each.pod.name: each for each in answers}

    def nomination(self, name: str) -> Nomination | None:
        return self.round()[name].nomination


def names(keys: Iterable[Key]) -> set[str]:
    return {each.name for each in keys}


# Who goes.


def test_the_least_important_goes_and_no_more_than_must() -> None:
    field = Field(a="cpu=4")
    for name, priority in (("low", 1), ("lower", 0), ("middle", 5), ("high", 10)):
        field.pod(name, priority, node="a")
    field.pod("new", 10)
    assert field.nomination("new") == Nomination("a", (key("lower"),))
    field.pod("new", 10, "cpu=2")
    assert names(field.nomination("new").victims) == {"low", "lower"}


def test_nobody_goes_for_an_equal_or_for_one_that_never_preempts() -> None:
    field = Field(a="cpu=1")
    field.pod("old", 5, node="a")
    field.pod("equal", 5)
    field.pod("polite", 9, preemption_policy="Never")
    assert {name: each.nomination for name, each in field.round().items()} == {"equal": None, "polite": None}


def test_nobody_goes_where_it_would_not_help() -> None:
    field = Field(a="cpu=2", b="cpu=4 cordoned", c="cpu=4 unready", d="cpu=4 taint=gpu=yes:NoSchedule")
    for node in "abcd":
        field.pod(f"old-{node}", 0, node=node)
    field.pod("new", 9, "cpu=3")
    assert field.nomination("new") is None


def test_the_longer_one_has_run_the_longer_it_stays() -> None:
    field = Field(a="cpu=2")
    field.pod("young", 0, node="a", started=100)
    field.pod("old", 0, node="a", started=1)
    field.pod("new", 9)
    assert field.nomination("new") == Nomination("a", (key("young"),))


@pytest.mark.parametrize(
    ("words", "node"),
    [("port=80 cpu=0", "cpu=4"), ("needs.example.com/gpu=1", "cpu=4 has.example.com/gpu=1"), ("cpu=0", "pods=1")],
)
def test_ports_devices_and_places_are_won_too(words: str, node: str) -> None:
    field = Field(a=node)
    field.pod("old", 0, words, node="a")
    field.pod("new", 9, words)
    assert field.nomination("new") == Nomination("a", (key("old"),))


def test_one_that_others_keep_away_makes_those_go() -> None:
    term = PodAffinityTerm(label_selector=LabelSelector(match_labels={"app": "noisy"}), topology_key=HOST)
    away = Affinity(pod_anti_affinity=PodAntiAffinity(required=(term,)))
    field = Field(a="cpu=4")
    field.pod("noisy", 0, node="a")
    field.pod("quiet", 0, node="a")
    field.pod("new", 9, affinity=away)
    assert field.nomination("new") == Nomination("a", (key("noisy"),))


def test_two_that_keep_away_from_each_other_are_not_nominated_together() -> None:
    term = PodAffinityTerm(label_selector=LabelSelector(match_labels={"app": "db"}), topology_key=HOST)
    away = Affinity(pod_anti_affinity=PodAntiAffinity(required=(term,)))
    field = Field(a="cpu=4")
    field.pod("old", 0, "cpu=4", node="a")
    for name in ("db-1", "db-2"):
        field.pod(name, 9, affinity=away, labels={"app": "db"})
    found = field.round()
    assert (found["db-1"].nomination, found["db-2"].nomination) == (Nomination("a", (key("old"),)), None)


# From which node.


def two(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> Field:
    """Return two full nodes with Pods of (priority, start in seconds)."""
    field = Field(a="cpu=4", b="cpu=4")
    for node, made in (("a", a), ("b", b)):
        for number, (priority, started) in enumerate(made):
            field.pod(f"{node}{number}", priority, f"cpu={4 / len(made):g}", node=node, started=started)
    return field


@pytest.mark.parametrize(
    ("a", "b", "node"),
    [
        ([(5, 0)], [(4, 0), (4, 0)], "b"),  # the highest priority counts first
        ([(5, 0)], [(5, 0), (1, 0)], "a"),  # then the sum
        ([(1, 0), (1, 0), (1, 0)], [(1, 0), (1, 0)], "b"),
        ([(1, 5)], [(1, 9)], "b"),  # then who has run less long
    ],
)
def test_the_node_where_the_least_is_lost_is_chosen(a: list, b: list, node: str) -> None:
    field = two(a, b)
    field.pod("new", 9, "cpu=4")
    assert field.nomination("new").node == node


def test_budgets_come_before_priorities() -> None:
    field = two([(1, 0)], [(7, 0)])
    field.budget("a0", 0)
    field.pod("new", 9, "cpu=4")
    assert field.nomination("new") == Nomination("b", (key("b0"),))


def test_of_one_node_those_without_a_budget_go_first() -> None:
    field = Field(a="cpu=2")
    field.pod("guarded", 0, node="a")
    field.pod("important", 5, node="a")
    field.budget("guarded", 0)
    field.pod("new", 9)
    assert field.nomination("new") == Nomination("a", (key("important"),))


def test_a_budget_is_spent_once_in_a_round() -> None:
    field = Field(a="cpu=1", b="cpu=1", c="cpu=1")
    for node in "ab":
        field.pod(f"web-{node}", 0, node=node, labels={"app": "web"})
    field.pod("other", 5, node="c")
    field.budget("web", 1)
    for name in ("new-1", "new-2"):
        field.pod(name, 9)
    victims = [names(each.nomination.victims) for each in field.round().values()]
    assert victims[0] <= {"web-a", "web-b"}
    assert victims[1] == {"other"}


def test_a_budget_does_not_stop_a_preemption_that_has_no_other_way() -> None:
    field = Field(a="cpu=1")
    field.pod("guarded", 0, node="a")
    field.budget("guarded", 0)
    field.pod("new", 9)
    assert field.nomination("new") == Nomination("a", (key("guarded"),))


# Once chosen.


def test_who_is_leaving_already_is_waited_for_and_nobody_else_goes() -> None:
    field = two([(0, 0)], [(0, 0)])
    field.mark("b0")
    field.pod("new", 9, "cpu=4")
    assert field.nomination("new") == Nomination("b")


def test_a_nomination_holds_through_whoever_leads() -> None:
    field = two([(0, 0)], [(0, 0)])
    field.mark("a0", "b0")
    for node in "ab":
        field.pod("new", 9, "cpu=4", nominated=node)
        assert field.nomination("new") == Nomination(node)


def test_two_do_not_wait_for_the_same_room() -> None:
    field = Field(a="cpu=4")
    for number in range(4):
        field.pod(f"old-{number}", 0, node="a")
    for number in range(5):
        field.pod(f"new-{number}", 9)
    found = field.round()
    victims = Counter(each.name for one in found.values() if one.nomination for each in one.nomination.victims)
    assert victims == Counter(f"old-{number}" for number in range(4))
    assert sum(each.nomination is None for each in found.values()) == 1


def test_the_room_of_a_nominee_is_not_for_lower_ones_but_for_higher_ones() -> None:
    field = Field(a="cpu=4")
    field.pod("leaving", 0, "cpu=2", node="a")
    field.mark("leaving")
    field.pod("nominee", 5, "cpu=3", nominated="a")
    field.pod("lower", 1, "cpu=2")
    found = field.round()
    assert (found["nominee"].nomination, found["lower"].node) == (Nomination("a"), "")
    field.pod("higher", 9, "cpu=2")
    found = field.round()
    assert (found["higher"].node, found["nominee"].nomination) == ("a", None)


def test_a_round_chooses_so_many_and_leaves_the_rest_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preemption, "PREEMPTIONS_MAX", 2)
    field = Field(a="cpu=4")
    for number in range(4):
        field.pod(f"old-{number}", 0, node="a")
    for number in range(4):
        field.pod(f"new-{number}", 9)
    field.pod("small", 1, "cpu=0")
    found = field.round()
    assert sorted(found) == ["new-0", "new-1"]
    assert all(len(each.nomination.victims) == 1 for each in found.values())


def test_a_round_compares_so_many_nodes_and_those_that_get_nothing_hold_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preemption, "COMPARISONS_MAX", 1)
    field = Field(a="cpu=4 label.disk=ssd", b="cpu=4")
    for node in "ab":
        field.pod(f"old-{node}", 0, "cpu=4", node=node)
    field.pod("hopeless", 9, "cpu=4 port=1 select.disk=tape")
    field.pod("new-1", 8, "cpu=4 port=2")
    field.pod("new-2", 8, "cpu=4 port=3")
    found = field.round()
    assert sorted(found) == ["hopeless", "new-1"]
    assert found["hopeless"].nomination is None
    assert found["new-1"].nomination is not None


def test_those_that_wait_already_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preemption, "COMPARISONS_MAX", 1)
    field = Field(a="cpu=1", b="cpu=1")
    for node in "ab":
        field.pod(f"leaving-{node}", 0, node=node)
        field.mark(f"leaving-{node}")
        field.pod(f"nominee-{node}", 9, nominated=node)
    field.pod("small", 1, "cpu=0")
    found = field.round()
    assert [found[f"nominee-{node}"].nomination for node in "ab"] == [Nomination("a"), Nomination("b")]
    assert found["small"].node != ""


# For any cluster.

PODS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2), st.booleans(), st.booleans()), max_size=14
)  # priority, cpu, node, host port, leaving
SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=3)


def filled(sizes: list[int], pods: list[tuple[int, int, int, bool, bool]]) -> Field:
    """Return nodes with as many of the Pods as fit."""
    field = Field(**{f"n{number}": f"cpu={size}" for number, size in enumerate(sizes)})
    left = dict(enumerate(sizes))
    ports: set[int] = set()
    for number, (priority, cpu, lot, port, leaving) in enumerate(pods):
        node = lot % len(sizes)
        if cpu > left[node] or (port and node in ports):
            continue
        left[node] -= cpu
        ports |= {node} if port else set()
        field.pod(f"p{number}", priority, f"cpu={cpu}{' port=80' if port else ''}", node=f"n{node}", started=number)
        if leaving:
            field.mark(f"p{number}")
    return field


def fits(field: Field, name: str, node: str, gone: set[str]) -> bool:
    """Whether a Pod would fit on a node without some of its Pods; counted anew, by hand."""
    field.board.cluster.catch_up(field.board.store)
    demand = demand_of(field.board.store.get(key(name)).object)
    there = [each for pod, each in field.board.cluster.bound_to(node).items() if pod.name not in gone]
    cpu = sum(dict(each.requests).get("cpu", 0) for each in [*there, demand])
    size = field.board.cluster.nodes[node].allocatable["cpu"]
    return cpu <= size and not (demand.ports and any(each.ports for each in there))


@settings(max_examples=300, deadline=None)
@given(sizes=SIZES, pods=PODS, priority=st.integers(0, 4), cpu=st.integers(1, 6), port=st.booleans())
def test_a_preemption_is_just_sufficient_and_minimal(
    sizes: list[int], pods: list, priority: int, cpu: int, port: bool
) -> None:
    field = filled(sizes, pods)
    field.pod("new", priority, f"cpu={cpu}{' port=80' if port else ''}")
    found = field.round()["new"]
    nodes = field.board.cluster.nodes
    lower = {
        node: {pod.name: each for pod, each in field.board.cluster.bound_to(node).items() if each.priority < priority}
        for node in nodes
    }
    if found.node:
        assert fits(field, "new", found.node, set())
        return
    if found.nomination is None:
        assert not any(lower[node] and fits(field, "new", node, set(lower[node])) for node in nodes)
        return
    node, victims = found.nomination.node, names(found.nomination.victims)
    leaving = {name for name, each in lower[node].items() if each.leaving}
    assert victims <= lower[node].keys() - leaving
    assert fits(field, "new", node, victims | leaving)
    for spared in victims:
        assert not fits(field, "new", node, (victims | leaving) - {spared})


@settings(max_examples=100, deadline=None)
@given(sizes=SIZES, pods=PODS, waiting=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4)), max_size=6))
def test_preemptions_come_to_rest_and_each_pod_is_preempted_by_higher_ones_only(
    sizes: list[int], pods: list, waiting: list
) -> None:
    field = filled(sizes, [(*each[:4], False) for each in pods])
    for number, (priority, cpu) in enumerate(waiting):
        field.pod(f"w{number}", priority, f"cpu={cpu}")
    rng = random.Random(len(pods))
    for _ in range(60):
        found = field.round()
        moved = False
        for name, each in found.items():
            pod = field.board.store.get(key(name)).object
            if each.node:
                moved = True
                value = bound(objects.with_metadata(pod, resource_version=""), each.node)
                field.board.put(kinds.POD, value)
            for victim in names(each.nomination.victims) if each.nomination else ():
                moved = True
                gone = field.board.store.get(key(victim)).object
                assert gone.spec.priority < pod.spec.priority
                field.board.do_remove([victim])
                bare = msgspec.structs.replace(gone.spec, node_name="")
                again = Pod(metadata=ObjectMeta(name=f"{victim}x{rng.random():.6f}", namespace="default"), spec=bare)
                field.board.put(kinds.POD, again)  # as its controller makes it anew
        if not moved:
            break
    else:
        pytest.fail("it never comes to rest")
    for name, each in field.round().items():
        if each.nomination is None:
            priority = field.board.store.get(key(name)).object.spec.priority
            for node in field.board.cluster.nodes:
                bound_there = field.board.cluster.bound_to(node).items()
                lower = {pod.name for pod, demand in bound_there if demand.priority < priority}
                assert not (lower and fits(field, name, node, lower))
