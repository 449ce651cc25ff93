"""Affinity between Pods and topology spread, against an oracle that shares nothing with the scheduler."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.model import kinds, objects, selectors
from swarmlet.model.affinity import Affinity, PodAffinityTerm, PodAntiAffinity
from swarmlet.model.core import Namespace, Node
from swarmlet.model.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta, OwnerReference
from swarmlet.model.pod import Pod
from swarmlet.scheduler import filters, placement, terms
from swarmlet.scheduler.cluster import Cluster
from swarmlet.scheduler.constraints import Constraints
from swarmlet.scheduler.demand import Demand, demand_of
from swarmlet.scheduler.terms import Selection
from swarmlet.store.commands import Key
from tests.scheduler.board import Board, Options, make_node, make_pod
from tests.scheduler.oracle import Oracle

SPACES = [Namespace(metadata=ObjectMeta(name=name, labels={"team": name})) for name in ("default", "other")]
WISHES = st.sampled_from(
    [
        "beside=zone/app=x",
        "beside=zone/app=y",
        "beside=host/app=x",
        "beside=zone/app=x,host/app=y",
        "beside=zone/app=x/team=other",
        "apart=zone/app=x",
        "apart=host/app=x",
        "apart=host/app=y",
        "apart=host/app=x/*",
        "apart=zone/*/team=other",
        "beside~=zone/app=x:50",
        "apart~=host/app=x:100",
        "apart~=zone/app=y:5",
        "spread=zone/app=x:1",
        "spread=zone/app=x:2",
        "spread=host/app=y:1",
        "spread=zone/app=x:1:3",
        "spread~=zone/app=x:1",
        "match=app",
        "prefer.disk=ssd:10",
        "select.disk=ssd",
        "port=80",
    ]
)
NODE_WORDS = st.lists(
    st.builds(
        lambda zone, disk, cpu, pods, flags: [*zone, f"label.disk={disk}", f"cpu={cpu}", f"pods={pods}", *flags],
        st.sampled_from([["label.zone=a"], ["label.zone=b"], ["label.zone=c"], []]),
        st.sampled_from(["ssd", "hdd"]),
        st.integers(1, 4),
        st.integers(1, 6),
        st.sampled_from([[], [], [], ["cordoned"], ["taint=k=v:NoSchedule"], ["taint=k=v:PreferNoSchedule"]]),
    ),
    min_size=1,
    max_size=6,
)
POD_WORDS = st.lists(
    st.builds(
        lambda app, space, owner, cpu, wishes: [
            f"is.app={app}",
            f"in={space}",
            f"owner={owner}",
            f"cpu={cpu}m",
            *wishes,
        ],
        st.sampled_from(["x", "y"]),
        st.sampled_from(["default", "default", "other"]),
        st.sampled_from(["", "a", "b"]),
        st.sampled_from([100, 500, 1500]),
        st.lists(WISHES, max_size=3),
    ),
    max_size=14,
)
SOME = settings(deadline=None, max_examples=100)


def nodes_of(words: Sequence[list[str]]) -> list[Node]:
    return [make_node(f"n{n}", Options([*each, f"label.host=n{n}"])) for n, each in enumerate(words)]


def pods_of(words: Sequence[list[str]], prefix: str = "p") -> list[Pod]:
    return [make_pod(f"{prefix}{n}", Options(each)) for n, each in enumerate(words)]


def cluster_of(nodes: Sequence[Node]) -> Cluster:
    cluster = Cluster()
    for node in nodes:
        cluster.know(node)
    for each in SPACES:
        cluster.peers.know_namespace(each.metadata.name, each.metadata.labels)
    return cluster


def key_of(pod: Pod) -> Key:
    return Key("pods", pod.metadata.namespace, pod.metadata.name)


def placed(cluster: Cluster, pods: Sequence[Pod], seed: int = 0) -> list[placement.Placement]:
    return placement.place([(key_of(pod), demand_of(pod)) for pod in pods], cluster, seed=seed)


def settle(cluster: Cluster, pods: Sequence[Pod]) -> list[tuple[Pod, str]]:
    """Place Pods and bind them; return those that got a node."""
    by_key = {key_of(pod): pod for pod in pods}
    bound = [(by_key[each.pod], each.node) for each in placed(cluster, pods) if each.node]
    for pod, node in bound:
        cluster.bind(key_of(pod), demand_of(pod), node)
    return bound


@given(NODE_WORDS, POD_WORDS, POD_WORDS, st.integers(0, 99))
@SOME
def test_each_placement_keeps_the_rules_and_each_refusal_is_due(
    nodes: list[list[str]], before: list[list[str]], after: list[list[str]], seed: int
) -> None:
    made, cluster = nodes_of(nodes), cluster_of(nodes_of(nodes))
    oracle = Oracle(made, SPACES)
    bound = settle(cluster, pods_of(before, "b"))
    pods = pods_of(after)
    by_key = {key_of(pod): pod for pod in pods}
    answers = placed(cluster, pods, seed)
    assert sorted(each.pod for each in answers) == sorted(by_key)
    for each in answers:
        pod = by_key[each.pod]
        if each.node:
            assert oracle.may(pod, each.node, bound), f"{each.pod.name} on {each.node}"
            bound.append((pod, each.node))
        else:
            assert not any(oracle.may(pod, name, bound) for name in oracle.nodes), each.refusal
            assert sum(refused.count for refused in each.decision.refused) == len(made)


@given(NODE_WORDS, POD_WORDS, st.randoms(use_true_random=False))
@SOME
def test_in_whatever_order_pods_come_the_rules_are_kept(nodes: list[list[str]], words: list[list[str]], rng) -> None:
    pods = pods_of(words)
    rng.shuffle(pods)
    by_key = {key_of(pod): pod for pod in pods}
    oracle, bound = Oracle(nodes_of(nodes), SPACES), []
    for each in placed(cluster_of(nodes_of(nodes)), pods):
        if each.node:
            assert oracle.may(by_key[each.pod], each.node, bound)
            bound.append((by_key[each.pod], each.node))


@given(NODE_WORDS, POD_WORDS, POD_WORDS)
@SOME
def test_the_same_input_has_the_same_answer_and_leaves_the_cluster_as_it_was(
    nodes: list[list[str]], before: list[list[str]], after: list[list[str]]
) -> None:
    cluster = cluster_of(nodes_of(nodes))
    settle(cluster, pods_of(before, "b"))
    assert placed(cluster, pods_of(after)) == placed(cluster, pods_of(after))


@given(NODE_WORDS, POD_WORDS, POD_WORDS, st.integers(0, 2))
@SOME
def test_without_one_of_its_wishes_a_pod_that_had_a_place_has_one_still(
    nodes: list[list[str]], before: list[list[str]], after: list[list[str]], number: int
) -> None:
    cluster = cluster_of(nodes_of(nodes))
    settle(cluster, pods_of(before, "b"))
    for words in after[:4]:
        wishes = words[4:]
        if number < len(wishes) and wishes[number] != "match=app":
            fewer = [each for each in words if each != wishes[number]]
            (with_it,) = placed(cluster, pods_of([words]))
            (without,) = placed(cluster, pods_of([fewer]))
            assert without.node or not with_it.node, f"{words}: {without.refusal}"


@given(NODE_WORDS, POD_WORDS, POD_WORDS, st.integers(0, 6))
@SOME
def test_a_filter_with_pods_taken_away_says_what_it_would_say_without_them(
    nodes: list[list[str]], before: list[list[str]], after: list[list[str]], count: int
) -> None:
    cluster = cluster_of(nodes_of(nodes))
    bound = settle(cluster, pods_of(before, "b"))
    for name, node in cluster.nodes.items():
        victims = [pod for pod, where in bound if where == name][:count]
        gone = tuple(map(demand_of, victims))
        asked = [demand_of(pod) for pod in pods_of(after[:4])]
        supposed = [Constraints(each, cluster.nodes, cluster.peers).refusal(node, without=gone) for each in asked]
        for pod in victims:
            cluster.unbind(key_of(pod))
        real = [Constraints(each, cluster.nodes, cluster.peers).refusal(node) for each in asked]
        for pod in victims:
            cluster.bind(key_of(pod), demand_of(pod), name)
        assert [each is None for each in supposed] == [each is None for each in real]


PROBES = [
    Selection(terms.requirements(each.spec.topology_spread_constraints[0].label_selector), frozenset({"default"}))
    for each in pods_of([["spread=zone/app=x:1"], ["spread=zone/*:1"]])
]


@given(st.lists(st.tuples(st.sampled_from(["bind", "unbind", "ask"]), st.integers(0, 13)), max_size=30), POD_WORDS)
@SOME
def test_counts_kept_in_step_are_those_counted_anew(steps: list[tuple[str, int]], words: list[list[str]]) -> None:
    kept = cluster_of(nodes_of([[]] * 3))
    pods, bound = pods_of(words), {}
    for number, (step, which) in enumerate(steps):
        if step == "ask":
            assert all(kept.peers.count([each]) is not None for each in PROBES)  # from here on they are kept
        elif which < len(pods):
            key = key_of(pods[which])
            if step == "bind" and key not in bound:
                bound[key] = (demand_of(pods[which]), f"n{number % 3}")
                kept.bind(key, *bound[key])
            elif step == "unbind" and key in bound:
                kept.unbind(key)
                del bound[key]
    anew = cluster_of(nodes_of([[]] * 3))
    for key, (demand, node) in bound.items():
        anew.bind(key, demand, node)
    assert [kept.peers.count([each]) for each in PROBES] == [anew.peers.count([each]) for each in PROBES]
    assert sorted(kept.peers.label_keys) == sorted(anew.peers.label_keys)
    for pod in pods:
        assert seen(kept, demand_of(pod)) == seen(anew, demand_of(pod))


def seen(cluster: Cluster, demand: Demand) -> dict[object, dict[str, int]]:
    return {held: dict(by_node) for held, by_node in cluster.peers.about(demand)}


def test_pods_that_are_about_to_go_count_for_affinity_and_not_for_spread() -> None:
    cluster = cluster_of(nodes_of([["label.zone=a"], ["label.zone=b"]]))
    (gone,) = pods_of([["is.app=x"]], "g")
    cluster.bind(key_of(gone), dataclasses.replace(demand_of(gone), leaving=True), "n0")
    even, beside = pods_of([["is.app=x", "spread=zone/app=x:1"], ["beside=zone/app=x"]])
    asked = [Constraints(demand_of(each), cluster.nodes, cluster.peers) for each in (even, beside)]
    assert asked[0].hard[0].counts == {"a": 0, "b": 0}
    assert asked[1].refusal(cluster.nodes["n0"]) is None
    assert asked[1].refusal(cluster.nodes["n1"]) is not None


def test_labels_that_no_term_looks_at_keep_no_pods_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods of a StatefulSet have a label of their own each; they are ranked together all the same."""
    looks: list[str] = []
    real = filters.refusal
    monkeypatch.setattr(filters, "refusal", lambda *asked: looks.append(asked[2].name) or real(*asked))
    cluster = cluster_of(nodes_of([["cpu=4", "pods=110"]] * 20))
    words = [[f"is.pod-name=db-{n}", "is.app=x", "owner=db", "apart~=host/app=x:10"] for n in range(30)]
    answers = placed(cluster, pods_of(words))
    assert all(each.node for each in answers)
    assert len(looks) == 20 + 30, "each node once, and again the one that a Pod was placed on"


def test_a_change_of_a_namespaces_labels_is_seen() -> None:
    board = Board()
    for line in ("node a label.zone=a", "namespace n team=x", "pods api 1 in=n is.app=api", "place"):
        board.run(line)
    board.run("pods near 1 beside=zone/app=api/team=y")
    assert "didn't match pod affinity rules" in board.run("place")[0]
    board.run("namespace n team=y")
    assert board.run("place") == ["near: 1 on a"]


REQUIREMENTS = st.builds(
    lambda key, operator, values: LabelSelectorRequirement(
        key=key, operator=operator, values=tuple(values) if operator in {"In", "NotIn"} else ()
    ),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
    st.lists(st.sampled_from(["x", "y"]), min_size=1, max_size=2),
)
LABELS = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", "z"]))


@given(st.lists(REQUIREMENTS, max_size=3), LABELS, LABELS)
def test_requirements_hold_where_a_selector_matches(
    expressions: list[LabelSelectorRequirement], wanted: dict[str, str], labels: dict[str, str]
) -> None:
    selector = LabelSelector(match_labels=wanted, match_expressions=tuple(expressions))
    assert terms.holds(terms.requirements(selector), labels) is selectors.from_labels(selector)(labels)


def test_pods_with_other_values_are_told_by_mismatched_labels() -> None:
    term = PodAffinityTerm(
        topology_key="host", label_selector=LabelSelector(match_labels={"app": "x"}), mismatch_label_keys=("tenant",)
    )
    anti = Affinity(pod_anti_affinity=PodAntiAffinity(required=(term,)))
    cluster = cluster_of(nodes_of([[], []]))
    settle(cluster, pods_of([["is.app=x", "is.tenant=a"]], "b"))
    alike, other = pods_of([["is.app=x", "is.tenant=a"], ["is.app=x", "is.tenant=b"]])
    refused = [
        sum(
            Constraints(demand_of(with_affinity(each, anti)), cluster.nodes, cluster.peers).refusal(node) is not None
            for node in cluster.nodes.values()
        )
        for each in (alike, other)
    ]
    assert refused == [0, 1]


def with_affinity(pod: Pod, affinity: Affinity) -> Pod:
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, affinity=affinity))


@pytest.mark.parametrize("change", ["labels", "leaving"])
def test_what_becomes_of_a_bound_pod_is_seen_by_those_that_come(change: str) -> None:
    board = Board()
    for line in ("node a label.zone=a", "node b label.zone=b", "pods web 1 is.app=x select.zone=a", "place"):
        board.run(line)
    bare = objects.with_metadata(board.store.get(Key("pods", "default", "web")).object, resource_version="")
    changed = (
        {"labels": {"app": "y"}} if change == "labels" else {"deletion_timestamp": datetime(2026, 1, 1, tzinfo=UTC)}
    )
    board.put(kinds.POD, objects.with_metadata(bare, **changed))
    board.cluster.catch_up(board.store)
    (even,) = pods_of([["is.app=x", "spread=zone/app=x:1"]])
    (tally,) = Constraints(demand_of(even), board.cluster.nodes, board.cluster.peers).hard
    assert tally.counts == {"a": 0, "b": 0}


def test_a_bound_pod_that_is_adopted_counts_for_its_new_owner() -> None:
    board = Board()
    for line in ("node a", "pods web 1 owner=", "place"):
        board.run(line)
    stored = board.store.get(Key("pods", "default", "web"))
    owner = OwnerReference(api_version="apps/v1", kind="ReplicaSet", name="web", uid="new", controller=True)
    bare = objects.with_metadata(stored.object, resource_version="", owner_references=(owner,))
    board.put(kinds.POD, bare)
    board.cluster.catch_up(board.store)
    assert board.cluster.nodes["a"].owners == {"new": 1}
    board.cluster.validate()


def test_terms_that_come_late_in_a_round_see_what_it_has_placed_before() -> None:
    cluster = cluster_of(nodes_of([["cpu=4", "pods=9"]]))
    plain, huge, apart = pods_of([["is.app=x"], ["cpu=99"], ["apart=host/app=x"]])
    requests = [(key_of(pod), demand_of(pod)) for pod in (plain, huge, apart)]
    answers = placement.place(requests, cluster, placements_max=2)
    assert [bool(each.node) for each in answers] == [True, False, False]
