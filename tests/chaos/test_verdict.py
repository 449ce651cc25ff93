"""The judge finds each kind of wrong in a history that is right but for it."""

from __future__ import annotations

import pytest

from tests.chaos.histories import Told, gone, put, saw
from tools.chaos.history import End, Listing
from tools.chaos.verdict import judge


def told() -> Told:
    """a is created, swapped and deleted; b is created and stays; all is acknowledged."""
    return (
        Told()
        .create("a", "t1", 1, (0, 1))
        .swap("a", "t2", 1, 2, (2, 3))
        .create("b", "t3", 3, (4, 5))
        .delete("a", 2, (6, 7))
        .read("b", "t3", 3, (8, 9))
    )


EVENTS = (put(1, "a", "t1"), put(2, "a", "t2"), put(3, "b", "t3"), gone(4, "a", "t2"))
FINAL = {"b": (3, "t3")}


def findings(operations, sightings, final=FINAL):
    return list(judge(operations, sightings, final).findings())


def test_a_history_without_fault_is_found_without_fault() -> None:
    assert findings(told().operations, [saw(*EVENTS), saw(*EVENTS[2:], listing=Listing(2, {"a": (2, "t2")}))]) == []


def test_an_acknowledged_write_that_is_not_there_in_the_end_is_lost() -> None:
    (finding,) = findings(told().operations, [saw(*EVENTS)], {})
    assert finding.startswith("lost: b")


def test_an_acknowledged_write_that_no_watch_saw_is_lost_although_it_was_overwritten() -> None:
    verdict = judge(told().operations, [saw(EVENTS[0], *EVENTS[2:])], FINAL)
    assert len(verdict.lost) == 1
    assert "t2" in verdict.lost[0]


def test_an_older_value_in_the_end_is_a_loss() -> None:
    history = told().swap("b", "t4", 3, 5, (10, 11))
    assert judge(history.operations, [saw(*EVENTS, put(5, "b", "t4"))], FINAL).lost


def test_a_deleted_object_that_is_back_is_a_loss() -> None:
    assert judge(told().operations, [saw(*EVENTS)], FINAL | {"a": (2, "t2")}).lost


@pytest.mark.parametrize("end", [End.REFUSED, End.UNKNOWN])
def test_a_refused_write_must_not_be_there_and_an_unknown_one_may(end: End) -> None:
    history = told().create("c", "t5", 0, (10, 11), end, "ServiceUnavailable")
    conjured = judge(history.operations, [saw(*EVENTS, put(5, "c", "t5"))], FINAL | {"c": (5, "t5")}).conjured
    assert bool(conjured) == (end is End.REFUSED)


def test_a_refused_deletion_must_not_have_deleted() -> None:
    history = told().delete("b", 3, (10, 11), End.REFUSED, "ServiceUnavailable")
    assert judge(history.operations, [saw(*EVENTS, gone(5, "b", "t3"))], {}).conjured


def test_a_write_must_not_take_effect_twice() -> None:
    assert judge(told().operations, [saw(*EVENTS, put(5, "b", "t3"))], {"b": (5, "t3")}).conjured


def test_what_nobody_wrote_must_not_be_there() -> None:
    assert judge(told().operations, [saw(*EVENTS, put(5, "d", "t9"))], FINAL | {"d": (5, "t9")}).conjured


def test_a_watch_that_misses_what_another_saw_has_a_gap() -> None:
    verdict = judge(told().operations, [saw(*EVENTS), saw(EVENTS[0], EVENTS[1], EVENTS[3], daemon="h2")], FINAL)
    assert len(verdict.gaps) == 1
    assert not verdict.lost


def test_a_watch_that_ended_before_a_change_has_not_missed_it() -> None:
    assert findings(told().operations, [saw(*EVENTS), saw(*EVENTS[:2], daemon="h2")]) == []


@pytest.mark.parametrize("order", [(0, 1, 1, 2, 3), (0, 2, 1, 2, 3)])
def test_a_watch_that_goes_back_or_repeats_is_a_gap(order: tuple[int, ...]) -> None:
    assert judge(told().operations, [saw(*(EVENTS[place] for place in order))], FINAL).gaps


def test_two_watches_must_be_told_the_same_bytes() -> None:
    other = saw(*EVENTS[:3], gone(4, "a", "t2", digest="x"), daemon="h2")
    assert judge(told().operations, [saw(*EVENTS), other], FINAL).disagreements


def test_a_list_must_show_the_state_at_its_revision() -> None:
    stale = saw(listing=Listing(3, {"a": (1, "t1"), "b": (3, "t3")}), daemon="h2")
    assert judge(told().operations, [saw(*EVENTS), stale], FINAL).disorder


def test_a_swap_that_replaced_something_else_than_it_named_is_found() -> None:
    history = told().swap("b", "t6", 3, 6, (10, 11)).swap("b", "t7", 3, 5, (10, 11))
    events = (*EVENTS, put(5, "b", "t7"), put(6, "b", "t6"))
    assert judge(history.operations, [saw(*events)], {"b": (6, "t6")}).disorder


def test_a_conflict_without_a_cause_is_found() -> None:
    history = told().swap("b", "t6", 3, 0, (10, 11), End.REFUSED, "Conflict")
    assert judge(history.operations, [saw(*EVENTS)], FINAL).disorder


def test_a_deletion_that_no_watch_saw_is_believed_to_who_asked_for_it() -> None:
    relisted = saw(listing=Listing(9, {"b": (3, "t3")}))
    assert findings(told().operations, [saw(*EVENTS[:3]), relisted]) == []
