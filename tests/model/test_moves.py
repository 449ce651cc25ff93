"""Moves as Pods tell them: which Pods belong together, and what an owner remembers of those that failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from swarmlet.model import affinity, moves
from swarmlet.model.apps import ReplicaSet
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import PodStatus

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def pod(name: str, *, ready: bool = True, node: str = "n1", annotations: dict[str, str] | None = None) -> Pod:
    conditions = (Condition(type="Ready", status="True", last_transition_time=NOW),) if ready else ()
    metadata = ObjectMeta(name=name, uid=f"{name}-uid", annotations=annotations or {})
    return Pod(metadata=metadata, spec=PodSpec(node_name=node), status=PodStatus(conditions=conditions))


def replacing(old: Pod, name: str = "new", **state: object) -> Pod:
    new = pod(name, **state)
    move = moves.Move(old.metadata.name, old.metadata.uid, "n1", "n2", new.metadata.uid)
    return moves.bearing(new, move)


def test_a_pod_and_its_replacement_count_as_one_and_the_one_that_serves_stands_for_both() -> None:
    old, other = pod("old"), pod("other")
    for ready, stands in ((False, "old"), (True, "old")):
        counted = moves.counted([old, other, replacing(old, ready=ready)])
        assert [each.metadata.name for each in counted] == [stands, "other"]
    ill = pod("old", ready=False)
    assert [each.metadata.name for each in moves.counted([ill, replacing(ill)])] == ["new"]


def test_a_replacement_whose_pod_is_gone_is_a_pod_like_any_other() -> None:
    assert moves.pairs([replacing(pod("old")), pod("other")]) == []


def test_a_copied_annotation_means_nothing() -> None:
    text = replacing(pod("old")).metadata.annotations[moves.MOVE]
    assert moves.of(pod("copy", annotations={moves.MOVE: text})) is None
    assert moves.of(pod("odd", annotations={moves.MOVE: "{"})) is None


@pytest.mark.parametrize(("ready", "loser"), [(True, "old"), (False, "new")])
def test_who_is_not_available_loses(ready: bool, loser: str) -> None:
    old = pod("old")
    (pair,) = moves.pairs([old, replacing(old, ready=ready)])
    assert pair.loser(NOW, 0).metadata.name == loser
    assert pair.loser(NOW + timedelta(seconds=9), 10).metadata.name == "new", "not yet ready for long enough"


def test_a_replacement_goes_where_it_was_planned_and_once_there_is_free() -> None:
    zones = affinity.NodeSelectorRequirement(key="zone", operator="In", values=("a", "b"))
    terms = (affinity.NodeSelectorTerm(match_expressions=(zones,)),)
    required = affinity.NodeSelector(node_selector_terms=terms)
    waiting = replacing(pod("old"), node="")
    for asked in (None, required):
        narrowed = moves.narrowed(asked, waiting)
        assert narrowed is not None
        assert affinity.matches(narrowed, "n2", {"zone": "a"})
        assert not affinity.matches(narrowed, "n3", {"zone": "a"})
        assert affinity.matches(narrowed, "n2", {}) == (asked is None)
        assert moves.narrowed(asked, replacing(pod("old"), node="n2")) is asked
    assert moves.narrowed(required, pod("plain", node="")) is required


def test_an_owner_is_left_in_peace_for_ever_longer_and_forgets_when_a_move_succeeds() -> None:
    owner = ReplicaSet(metadata=ObjectMeta(name="web", annotations={"kept": "yes"}))
    waits = []
    for _ in range(12):
        owner = moves.after_failure(owner, NOW)
        until = moves.held_until(owner)
        assert until is not None
        waits.append(until - NOW)
    assert waits[:3] == [timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20)]
    assert waits[-1] == moves.RETRY_MAX
    assert moves.failures(owner) == 12
    assert moves.after_success(owner).metadata.annotations == {"kept": "yes"}


@pytest.mark.parametrize("text", ["soon", "2026-01-01T12:00:00"])
def test_what_is_no_time_holds_nobody(text: str) -> None:
    owner = ReplicaSet(metadata=ObjectMeta(name="web", annotations={moves.NOT_BEFORE: text}))
    assert moves.held_until(owner) is None
