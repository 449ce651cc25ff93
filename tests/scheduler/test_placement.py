"""What holds for every placement, whatever is asked."""

from __future__ import annotations

import dataclasses
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.model import volumes
from swarmlet.model.volumes import HOSTNAME
from swarmlet.scheduler import filters, placement
from swarmlet.scheduler.cluster import NodeInfo, Picture
from swarmlet.scheduler.demand import Demand, HostPort, demand_of
from swarmlet.scheduler.peers import Peers
from swarmlet.scheduler.volumes import Choice, VolumeDemand
from swarmlet.store.commands import Key
from tests.scheduler.board import Board, Options, make_node, make_pod

NODES = st.lists(
    st.builds(
        lambda cpu, memory, pods, flags, label: [
            f"cpu={cpu}",
            f"memory={memory}Gi",
            f"pods={pods}",
            f"label.disk={label}",
            *flags,
        ],
        st.integers(0, 4),
        st.integers(0, 8),
        st.integers(0, 6),
        st.sampled_from([[], [], [], ["cordoned"], ["unready"], ["taint=k=v:NoSchedule"]]),
        st.sampled_from(["ssd", "hdd"]),
    ),
    max_size=6,
)
PODS = st.lists(
    st.builds(
        lambda cpu, memory, owner, extra: [f"cpu={cpu}m", f"memory={memory}Mi", f"owner={owner}", *extra],
        st.integers(0, 2000),
        st.integers(0, 4000),
        st.sampled_from(["", "a", "b"]),
        st.sampled_from([[], [], ["port=80"], ["select.disk=ssd"], ["tolerate=k"]]),
    ),
    max_size=25,
)


def nodes_of(specs: list[list[str]]) -> dict[str, NodeInfo]:
    return {f"n{number}": NodeInfo(make_node(f"n{number}", Options(spec))) for number, spec in enumerate(specs)}


def requests_of(specs: list[list[str]]) -> list[tuple[Key, Demand]]:
    return [
        (Key("pods", "default", f"p{number}"), demand_of(make_pod(f"p{number}", Options(spec))))
        for number, spec in enumerate(specs)
    ]


def picture(nodes: dict[str, NodeInfo]) -> Picture:
    return Picture(nodes, Peers())


def play(nodes: list[list[str]], pods: list[list[str]], seed: int = 1) -> list[placement.Placement]:
    return placement.place(requests_of(pods), picture(nodes_of(nodes)), seed=seed)


@given(NODES, PODS)
@settings(deadline=None)
def test_no_node_is_over_committed_and_no_filter_broken(nodes: list[list[str]], pods: list[list[str]]) -> None:
    infos, demands = nodes_of(nodes), dict(requests_of(pods))
    for each in play(nodes, pods):
        if each.node:
            node = infos[each.node]
            assert filters.refusal(filters.NODE_FILTERS + filters.ROOM_FILTERS, demands[each.pod], node) is None
            node.add(demands[each.pod])
    for node in infos.values():
        assert all(node.free(name) >= 0 for name in node.used)


@given(NODES, PODS)
@settings(deadline=None)
def test_every_pod_is_answered_once_and_refused_only_where_it_fits_nowhere(
    nodes: list[list[str]], pods: list[list[str]]
) -> None:
    infos, demands = nodes_of(nodes), dict(requests_of(pods))
    placements = play(nodes, pods)
    assert sorted(each.pod for each in placements) == sorted(demands)
    for each in placements:
        if each.node:
            infos[each.node].add(demands[each.pod])
    for each in placements:
        if not each.node:
            everywhere = filters.NODE_FILTERS + filters.ROOM_FILTERS
            assert all(filters.refusal(everywhere, demands[each.pod], node) for node in infos.values())
            assert each.refusal.startswith(f"0/{len(nodes)} nodes are available: ")


@given(NODES, PODS, st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_the_same_input_has_the_same_answer(nodes: list[list[str]], pods: list[list[str]], seed: int) -> None:
    assert play(nodes, pods, seed) == play(nodes, pods, seed)


@given(NODES, PODS)
@settings(deadline=None)
def test_placing_leaves_the_nodes_it_is_given_as_they_are(nodes: list[list[str]], pods: list[list[str]]) -> None:
    infos = nodes_of(nodes)
    placement.place(requests_of(pods), picture(infos))
    assert all(not node.used and not node.owners and not node.ports for node in infos.values())


def test_over_the_limit_of_a_round_pods_get_no_answer_rather_than_a_refusal() -> None:
    requests = requests_of([["cpu=1m", "owner=a"]] * 5 + [["cpu=64"]] + [["cpu=2m", "owner=b"]] * 5)
    first = placement.place(requests, picture(nodes_of([["cpu=4"]])), placements_max=7)
    assert [bool(each.node) for each in first] == [True] * 5 + [False] + [True] * 2


STEPS = st.lists(st.tuples(st.sampled_from(["pods", "remove", "node", "unnode"]), st.integers(0, 5)), max_size=30)


@given(STEPS)
@settings(deadline=None)
def test_a_cluster_kept_in_step_is_the_one_read_anew(steps: list[tuple[str, int]]) -> None:
    board = Board()
    for number, (step, name) in enumerate(steps):
        if step == "pods":
            board.run(f"pods x{number} 1 cpu=100m owner=o{name}")
            board.run("place")
        elif step == "remove":
            bound = board.store.list("pods")
            board.do_remove([each.key.name for each in bound[name : name + 1]])
        elif step == "node":
            board.run(f"node n{name} cpu={1 + number % 3}")
        else:
            board.run(f"unnode n{name}")
    board.cluster.catch_up(board.store)
    board.cluster.validate()
    kept = board.run("nodes")
    board.cluster = type(board.cluster)()
    assert kept == board.run("nodes")


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        (HostPort(80, "TCP", "0.0.0.0"), HostPort(80, "TCP", "10.0.0.1"), True),
        (HostPort(80, "TCP", "10.0.0.2"), HostPort(80, "TCP", "10.0.0.1"), False),
        (HostPort(80, "TCP", "0.0.0.0"), HostPort(80, "UDP", "0.0.0.0"), False),
        (HostPort(80, "TCP", "0.0.0.0"), HostPort(81, "TCP", "0.0.0.0"), False),
    ],
)
def test_host_ports_collide_by_number_protocol_and_address(one: HostPort, other: HostPort, collide: bool) -> None:
    assert one.collides(other) is collide


@pytest.mark.slow
@pytest.mark.parametrize(("node_count", "pod_count"), [(100, 3_000), (1_000, 30_000)])
def test_placing_is_fast(node_count: int, pod_count: int) -> None:
    """The bound is a tenth of what is measured on an idle machine; it catches a change of order, not of degree."""
    infos = {f"n{n}": NodeInfo(make_node(f"n{n}", Options(["cpu=64", "memory=256Gi"]))) for n in range(node_count)}
    specs = [["cpu=100m", "memory=128Mi", f"owner=o{number % 30}"] for number in range(pod_count)]
    requests = requests_of(specs)
    start = time.process_time()
    placements = placement.place(requests, picture(infos))
    seconds = time.process_time() - start
    print(f"{pod_count / seconds:,.0f} placements/s on {node_count} nodes")
    assert all(each.node for each in placements)
    assert pod_count / seconds > 5_000


def test_a_pod_that_names_its_node_is_compared_with_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DaemonSet's Pods are as many as the nodes: with all of them, each would cost a million looks for a thousand."""
    looks = 0
    real = filters.matches_affinity

    def counting(demand: Demand, node: NodeInfo) -> filters.Refusal | None:
        nonlocal looks
        looks += 1
        return real(demand, node)

    monkeypatch.setattr(filters, "NODE_FILTERS", (counting,))
    nodes = nodes_of([[] for _ in range(100)])
    requests = [(Key("pods", "default", name), demand_of(make_pod(name, Options([f"on={name}"])))) for name in nodes]
    answers = placement.place(requests, picture(nodes))
    assert {each.pod.name: each.node for each in answers} == {name: name for name in nodes}
    assert looks == 100


def with_claims(count: int, *, claim: str = "", home: str = "") -> list[tuple[Key, Demand]]:
    """Return Pods with a claim each, or all with one: open, or of a volume that lies on a node."""
    found = []
    for key, demand in requests_of([["cpu=100m"]] * count):
        name = claim or key.name
        reach = volumes.on_node({HOSTNAME: home}).required if home else None
        asked = VolumeDemand(
            reach=(reach,) if reach else (),
            homes=((f"pv-{name}", home, ""),) if home else (),
            choices=() if home else (Choice(name, is_made=True),),
            exclusive=frozenset() if home else frozenset({name}),
        )
        found.append((key, dataclasses.replace(demand, volumes=asked)))
    return found


def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    real = filters.refusal
    monkeypatch.setattr(
        filters, "refusal", lambda every, demand, node: seen.append(node.name) or real(every, demand, node)
    )
    return seen


def test_pods_that_differ_only_in_their_new_claims_are_placed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = looks(monkeypatch)
    found = placement.place(with_claims(50), picture(nodes_of([["cpu=4", "pods=110"]] * 40)))
    assert len(found) == 50
    assert all(each.node for each in found)
    assert len(seen) == 40 + 50, "each node once, and again the one that a Pod was placed on"


def test_of_pods_that_share_a_new_claim_one_is_placed_and_the_others_get_no_answer_yet() -> None:
    found = placement.place(with_claims(3, claim="one"), picture(nodes_of([["cpu=4", "pods=110"]] * 2)))
    assert [bool(each.node) for each in found] == [True]


def test_pods_that_share_a_new_claim_are_all_refused_where_none_has_a_place() -> None:
    found = placement.place(with_claims(3, claim="one"), picture(nodes_of([["cordoned", "cpu=4"]])))
    assert sorted(each.pod.name for each in found) == ["p0", "p1", "p2"]
    assert {each.refusal for each in found} == {"0/1 nodes are available: 1 cordoned."}


def test_a_pod_whose_volume_lies_on_a_node_is_compared_with_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = looks(monkeypatch)
    nodes = nodes_of([["cpu=4", "pods=110", f"label.{HOSTNAME}=h{number}"] for number in range(40)])
    found = placement.place(with_claims(5, home="h7"), picture(nodes))
    assert {each.node for each in found} == {"n7"}
    assert set(seen) == {"n7"}


def test_a_refusal_is_no_longer_for_many_nodes_that_each_have_a_reason_of_their_own() -> None:
    (refused,) = play([[f"taint=team=t{number}:NoSchedule"] for number in range(200)], [["cpu=1"]])
    assert refused.decision is not None
    assert [each.count for each in refused.decision.refused] == [1] * 11 + [189]
    assert refused.decision.refused[-1].why == "refuse for 189 other reasons"
    assert refused.refusal.endswith(", 189 refuse for 189 other reasons.")
    assert len(refused.refusal) < 1024
