"""All Pods that wait are looked at in steps that hold up nobody for long, and each is looked at in the end."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from swarmlet.controllers.placing import scheduling as room
from swarmlet.controllers.placing.scheduling import PENDING, Scheduling
from swarmlet.controllers.placing.sweep import BREATH_SECONDS, Sweep
from swarmlet.model import kinds
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Command, Key, Operation
from tests.scheduler.board import Board, Options, make_pod
from tests.scheduler.test_preemption import Field

START = datetime(2026, 1, 1, tzinfo=UTC)
REQUESTS = itertools.count(1)


def write(board: Board, operations: Sequence[Operation]) -> None:
    board.store.apply(Command(next(REQUESTS).to_bytes(16, "big"), tuple(operations)))


def pod_of(board: Board, name: str) -> Pod:
    return board.store.get(Key("pods", "default", name)).object


def node_of(board: Board, name: str) -> str:
    return pod_of(board, name).spec.node_name


def crowd(count: int, pod: str = "") -> Board:
    """Two nodes, and Pods of so many owners, of which none is like another."""
    board = Board()
    board.run("node n1 cpu=4 pods=500")
    board.run("node n2 cpu=4 pods=500")
    for number in range(count):
        board.put(kinds.POD, make_pod(f"p{number:04}", Options([f"owner=o{number}", *pod.split()])))
    return board


def swept(board: Board, scheduling: Scheduling) -> list[list[str]]:
    """Let step follow step until none does; return who was written about in each."""
    steps: list[list[str]] = []
    for number in range(100):
        answer = scheduling.reconcile(board.store, PENDING, START + timedelta(seconds=number))
        steps.append([each.key.name for each in answer.operations if each.key.resource == "pods"])
        before = board.store.revision
        write(board, answer.operations)
        for change in board.store.changes_since("pods", before):
            scheduling.keys_for(change, board.store)
        if answer.requeue_after_seconds is None:
            return steps
    raise AssertionError("it does not come to rest")


def test_a_step_looks_at_so_many_nodes_only_and_the_rest_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOKS_PER_STEP", 6)
    steps = swept(crowd(10), Scheduling(random.Random(1)))
    assert [len(step) for step in steps] == [3, 3, 3, 1, 0]
    assert steps[0] == ["p0000", "p0001", "p0002"], "those that wait longest come first"


def test_pods_that_fit_nowhere_do_not_keep_those_behind_them_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOKS_PER_STEP", 6)
    board = crowd(10, "cpu=64")
    board.put(kinds.POD, make_pod("small", Options(["owner=small", "cpu=1"])))
    scheduling = Scheduling(random.Random(1))
    steps = swept(board, scheduling)
    told = [name for step in steps for name in step]
    assert sorted(told) == sorted({*told}), "nobody is told twice"
    assert len(told) == 11
    assert node_of(board, "small")
    assert swept(board, scheduling) == [[]] * 4, "and what rests writes nothing"


def test_room_that_comes_in_the_middle_is_seen_by_those_that_were_told_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOKS_PER_STEP", 6)
    board = crowd(10, "cpu=64")
    scheduling = Scheduling(random.Random(1))
    swept(board, scheduling)
    assert scheduling.reconcile(board.store, PENDING, START).operations == (), "all are told"
    board.run("node n3 cpu=1000 pods=10")
    (change,) = board.store.changes_since("nodes", board.store.revision - 1)
    scheduling.keys_for(change, board.store)
    swept(board, scheduling)
    assert node_of(board, "p0000") == "n3"


def test_what_could_not_be_written_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOKS_PER_STEP", 6)
    board = crowd(10, "cpu=64")
    scheduling = Scheduling(random.Random(1))
    lost = [scheduling.reconcile(board.store, PENDING, START) for _ in range(4)]
    assert [len(each.operations) for each in lost] == [3, 3, 3, 1]
    assert lost[-1].requeue_after_seconds == 0.0
    assert {name for step in swept(board, scheduling) for name in step} == {f"p{number:04}" for number in range(10)}


def test_room_is_kept_in_the_next_steps_for_a_pod_that_was_nominated(monkeypatch: pytest.MonkeyPatch) -> None:
    field = Field(n1="cpu=4")
    field.pod("low", 1, "cpu=3", node="n1")
    field.pod("high", 9, "cpu=3500m")
    field.pod("next", 5, "cpu=500m")
    field.pod("last", 4, "cpu=600m")
    monkeypatch.setattr(room, "LOOKS_PER_STEP", 1)
    steps = swept(field.board, Scheduling(random.Random(1)))
    assert steps[:3] == [["low", "high"], ["next"], ["last"]], "low goes for high"
    nominated = {name: pod_of(field.board, name).status.nominated_node_name for name in ("high", "next", "last")}
    assert nominated == {"high": "n1", "next": "n1", "last": ""}


def test_trying_out_who_must_go_counts_as_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    field = Field(**{f"n{number}": "cpu=4" for number in range(5)})
    for number in range(5):
        field.pod(f"low{number}", 1, node=f"n{number}")
        field.pod(f"top{number}", 99, "cpu=1 port=80", node=f"n{number}")
    field.pod("one", 9, "cpu=1 port=80")
    field.pod("two", 8, "cpu=1 port=80")
    monkeypatch.setattr(room, "LOOKS_PER_STEP", 11)
    assert swept(field.board, Scheduling(random.Random(1)))[:2] == [["one"], ["two"]]


ONE, TWO = (Key("pods", "default", name) for name in ("one", "two"))


@pytest.mark.parametrize(
    ("wrote", "changed", "follows"), [(0, 0, None), (1, 0, BREATH_SECONDS), (0, 1, BREATH_SECONDS)]
)
def test_a_sweep_of_several_steps_is_followed_by_another_where_things_moved(
    wrote: int, changed: int, follows: float | None
) -> None:
    sweep = Sweep()
    sweep.tell(ONE)
    sweep.end_step({ONE, TWO}, {ONE}, START, wrote=bool(wrote))
    if changed:
        sweep.note_change()
    assert sweep.end_step({ONE, TWO}, {TWO}, START, wrote=False) == follows
    assert not sweep.passes_over(ONE)


def test_what_is_to_be_told_again_is_told_again_after_the_last_step() -> None:
    sweep = Sweep()
    sweep.tell(ONE)
    sweep.look_again(START + timedelta(seconds=9))
    assert sweep.end_step({ONE, TWO}, {ONE}, START, wrote=False) == BREATH_SECONDS
    assert sweep.end_step({ONE, TWO}, {TWO}, START + timedelta(seconds=2), wrote=False) == 7.0
