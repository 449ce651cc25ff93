"""Which answers no order of the operations explains."""

from __future__ import annotations

from tests.chaos.histories import Told, gone, put, saw
from tools.chaos.history import End
from tools.chaos.verdict import judge


def disorder(history: Told, *events, final=None) -> list[str]:
    return judge(history.operations, [saw(*events)], final).disorder


def two_writes() -> Told:
    return Told().create("a", "t1", 1, (0, 1)).swap("a", "t2", 1, 2, (2, 3))


EVENTS = (put(1, "a", "t1"), put(2, "a", "t2"))


def test_a_stale_read_after_an_acknowledged_write_is_found() -> None:
    assert disorder(two_writes().read("a", "t1", 1, (4, 5)), *EVENTS)


def test_a_read_beside_a_write_may_see_either() -> None:
    for token, revision in (("t1", 1), ("t2", 2)):
        assert not disorder(two_writes().read("a", token, revision, (2, 3)), *EVENTS)


def test_a_read_must_not_see_less_than_an_earlier_read_of_an_unknown_write() -> None:
    history = Told().create("a", "t1", 1, (0, 1)).swap("a", "t2", 1, 0, (2, 3), End.UNKNOWN)
    history.read("a", "t2", 2, (4, 5))
    assert not disorder(history, *EVENTS)
    assert disorder(history.read("a", "t1", 1, (6, 7)), *EVENTS)


def test_an_object_that_is_acknowledged_must_be_found() -> None:
    assert disorder(two_writes().read("a", "", 0, (4, 5)), *EVENTS, final={"a": (2, "t2")})


def test_nothing_is_found_before_the_creation_and_after_the_deletion_only() -> None:
    history = two_writes().delete("a", 2, (6, 7))
    events = (*EVENTS, gone(3, "a", "t2"))
    assert not disorder(history.read("a", "", 0, (0, 1)).read("a", "", 0, (8, 9)), *events, final={})
    assert disorder(history.read("a", "", 0, (4, 5)), *events, final={})


def test_the_order_of_different_keys_is_the_order_of_time_too() -> None:
    history = Told().create("a", "t1", 2, (0, 1)).create("b", "t2", 1, (2, 3))
    assert disorder(history, put(1, "b", "t2"), put(2, "a", "t1"))
