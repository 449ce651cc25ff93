from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlet.errors import CallerError, InvalidError, TooLargeError
from swarmlet.model import json_patch, nesting

DOCUMENT = {"a": {"b": 1, "c": [1, 2, 3]}, "x/y": "~"}


def patched(*operations: Any, document: Any = DOCUMENT) -> Any:
    before, asked = copy.deepcopy(document), copy.deepcopy(operations)
    result = json_patch.apply(document, operations)
    assert (document, operations) == (before, asked)
    return result


@pytest.mark.parametrize(
    ("operation", "left"),
    [
        ({"op": "add", "path": "/d", "value": None}, {**DOCUMENT, "d": None}),
        ({"op": "add", "path": "/a/b", "value": 2}, {**DOCUMENT, "a": {"b": 2, "c": [1, 2, 3]}}),
        ({"op": "add", "path": "/a/c/0", "value": 0}, {**DOCUMENT, "a": {"b": 1, "c": [0, 1, 2, 3]}}),
        ({"op": "add", "path": "/a/c/-", "value": 4}, {**DOCUMENT, "a": {"b": 1, "c": [1, 2, 3, 4]}}),
        ({"op": "add", "path": "/a/c/-1", "value": 4}, {**DOCUMENT, "a": {"b": 1, "c": [1, 2, 3, 4]}}),
        ({"op": "remove", "path": "/a/c/1"}, {**DOCUMENT, "a": {"b": 1, "c": [1, 3]}}),
        ({"op": "remove", "path": "/x~1y"}, {"a": DOCUMENT["a"]}),
        ({"op": "replace", "path": "/a/c/-1", "value": 9}, {**DOCUMENT, "a": {"b": 1, "c": [1, 2, 9]}}),
        ({"op": "replace", "path": "", "value": {}}, {}),
        ({"op": "move", "from": "/a/c/0", "path": "/a/c/2"}, {**DOCUMENT, "a": {"b": 1, "c": [2, 3, 1]}}),
        ({"op": "move", "from": "/a", "path": "/a"}, DOCUMENT),
        ({"op": "copy", "from": "/a/b", "path": "/a/c/-"}, {**DOCUMENT, "a": {"b": 1, "c": [1, 2, 3, 1]}}),
        ({"op": "test", "path": "/x~1y", "value": "~"}, DOCUMENT),
        ({"op": "test", "path": "/nowhere", "value": None}, DOCUMENT),
    ],
)
def test_an_operation_is_done(operation: Any, left: Any) -> None:
    assert patched(operation) == left


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        ({"op": "remove", "path": "/nowhere"}, "remove operation does not apply: doc is missing key: nowhere"),
        ({"op": "replace", "path": "/a/c/3", "value": 1}, "doc is missing path: unable to access invalid index: 3"),
        ({"op": "replace", "path": "/nowhere", "value": 1}, "replace operation does not apply: doc is missing key"),
        ({"op": "add", "path": "/a/c/4", "value": 1}, "unable to access invalid index: 4"),
        ({"op": "add", "path": "/a/c/01", "value": 1}, "01 is no index of a list"),
        ({"op": "add", "path": "/a/b/c", "value": 1}, "add operation does not apply: doc is missing path: c"),
        ({"op": "add", "path": "/a"}, "add operation has no value"),
        ({"op": "add", "path": "a", "value": 1}, "does not begin with a slash"),
        ({"op": "test", "path": "/a/b", "value": True}, "testing value /a/b failed"),
        ({"op": "test", "path": "/a", "value": {"b": 1}}, "testing value /a failed"),
        ({"op": "move", "from": "/a", "path": "/a/d"}, "into itself"),
        ({"op": "move", "path": "/a"}, "an operation has no from"),
        ({"op": "explode", "path": "/a"}, "Unexpected kind: explode"),
        ({"path": "/a"}, "Unexpected kind: None"),
        ({"op": "remove", "path": ""}, "cannot be removed"),
        ({"op": "replace", "path": "", "value": 3}, "the patch leaves no object"),
        (1, "an operation is an object"),
    ],
)
def test_an_operation_that_fails_says_so_in_words(operation: Any, why: str) -> None:
    with pytest.raises(InvalidError, match=why):
        patched(operation)


def test_what_a_test_compares_with_is_not_told() -> None:
    with pytest.raises(InvalidError) as refused:
        patched({"op": "test", "path": "/data/password", "value": "1"}, document={"data": {"password": "hidden"}})
    assert "hidden" not in str(refused.value)


def test_operations_follow_each_other_and_leave_the_patch_as_it_was() -> None:
    operations = [{"op": "add", "path": "/d", "value": []}, {"op": "add", "path": "/d/-", "value": 1}]
    assert patched(*operations) == patched(*operations) == {**DOCUMENT, "d": [1]}


@pytest.mark.parametrize("operations", [{}, "x", [{}] * (json_patch.OPERATIONS_MAX + 1)])
def test_what_is_no_json_patch_is_refused(operations: Any) -> None:
    with pytest.raises(CallerError):
        json_patch.apply({}, operations)


def test_what_is_copied_is_bounded() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": f"/a/{number}"} for number in range(30)]
    with pytest.raises(TooLargeError, match="the accumulated size increase of copy"):
        json_patch.apply({"a": {"b": "x" * 1000}}, doubling)


def test_what_is_passed_on_the_way_is_bounded() -> None:
    operations = [{"op": "add", "path": "/a/0", "value": 1}] * 300
    with pytest.raises(TooLargeError, match="make it of fewer operations"):
        json_patch.apply({"a": [0] * 100_000}, operations)


def test_what_is_moved_to_and_fro_is_looked_at_only_so_often() -> None:
    there = {"op": "move", "from": "/a", "path": "/b/c"}
    back = {"op": "move", "from": "/b/c", "path": "/a"}
    with pytest.raises(TooLargeError, match="make it of fewer operations"):
        json_patch.apply({"a": {"d": [0] * 10_000}, "b": {}}, [there, back] * 100)


@pytest.mark.parametrize("op", ["copy", "move"])
def test_no_patch_nests_a_document_without_end(op: str) -> None:
    steps = [{"op": "add", "path": "/b", "value": {}}, {"op": op, "from": "/a", "path": "/b/b"},
             {"op": op, "from": "/b", "path": "/a"}] * 80  # fmt: skip
    with pytest.raises(CallerError, match=f"nested over {nesting.DEPTH_MAX} deep"):
        json_patch.apply({"a": {}}, steps)


@given(depth=st.integers(1, 80), most=st.integers(-1, 80))
def test_depth_is_counted(depth: int, most: int) -> None:
    value: Any = 1
    for number in range(depth):
        value = {"a": value, "b": 1} if number % 2 else [value]
    assert nesting.is_deeper(value, most) is (depth > max(most, 0))
