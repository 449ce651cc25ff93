"""The judge itself: histories that have an explanation, and some that have none."""

from __future__ import annotations

import random

import pytest

from tests.simulation.linearizability import FOREVER, Kind, Operation, Result, first_anomaly, is_linearizable, step


def put(called: float, returned: float, value: str, result: Result = Result.DONE) -> Operation:
    return Operation("c", "k", Kind.PUT, called, argument=value, returned=returned, result=result)


def read(called: float, returned: float, value: str | None) -> Operation:
    return Operation("c", "k", Kind.READ, called, argument=value, returned=returned, result=Result.DONE)


def swap(called: float, returned: float, expected: str, value: str, result: Result = Result.DONE) -> Operation:
    return Operation("c", "k", Kind.SWAP, called, value, expected, returned, result)


def unknown(called: float, value: str) -> Operation:
    return put(called, FOREVER, value, Result.UNKNOWN)


EXPLAINED = {
    "nothing": [],
    "one after another": [put(0, 1, "a"), read(2, 3, "a"), put(4, 5, "b"), read(6, 7, "b")],
    "a read beside a write sees it or not": [put(0, 9, "a"), read(1, 2, None), read(3, 4, "a")],
    "an unknown write takes effect late": [unknown(0, "a"), read(1, 2, None), read(3, 4, "a")],
    "an unknown write never takes effect": [unknown(0, "a"), read(1, 2, None), read(3, 4, None)],
    "a swap that is refused": [put(0, 1, "a"), put(2, 3, "b"), swap(4, 5, "a", "c", Result.REFUSED), read(6, 7, "b")],
    "an unknown write explains a refusal": [put(0, 1, "a"), unknown(2, "b"), swap(3, 4, "a", "c", Result.REFUSED)],
}
ANOMALIES = {
    "a read of what was overwritten": [put(0, 1, "a"), put(2, 3, "b"), read(4, 5, "a")],
    "a lost write": [put(0, 1, "a"), read(2, 3, None)],
    "a write that comes and goes": [unknown(0, "a"), read(1, 2, "a"), read(3, 4, None)],
    "two swaps from one value": [put(0, 1, "a"), swap(2, 5, "a", "b"), swap(3, 6, "a", "c")],
    "a swap refused for no reason": [put(0, 1, "a"), swap(2, 3, "a", "b", Result.REFUSED)],
    "a value from nowhere": [read(0, 1, "a")],
    "two readers that see two orders": [put(0, 9, "a"), put(0, 9, "b"), *(read(10, 11, x) for x in ("a", "b"))],
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_history_that_has_an_order_is_accepted(name: str) -> None:
    assert is_linearizable(EXPLAINED[name])
    assert first_anomaly(EXPLAINED[name]) == []


@pytest.mark.parametrize("name", ANOMALIES)
def test_a_history_that_has_none_is_refused(name: str) -> None:
    assert not is_linearizable(ANOMALIES[name])
    assert first_anomaly([*ANOMALIES[name], read(20, 21, "z")]) == ANOMALIES[name]


def drawn(rng: random.Random, size: int) -> list[Operation]:
    """Return a history made by a real register, so that it has an order."""
    state, history, now = None, [], 0.0
    for number in range(size):
        now += 1
        called, returned = now - rng.uniform(0, 4), now + rng.uniform(0, 4)
        if rng.random() < 0.5:
            history.append(read(called, returned, state))
            continue
        is_unknown = rng.random() < 0.2
        operation = unknown(called, str(number)) if is_unknown else put(called, returned, str(number))
        history.append(operation)
        if not is_unknown or rng.random() < 0.5:
            _, state = step(operation, state)
    return history


@pytest.mark.parametrize("seed", range(20))
def test_what_a_register_did_is_accepted(seed: int) -> None:
    assert is_linearizable(drawn(random.Random(seed), 60))


def by_trying_all(history: list[Operation], state: str | None = None) -> bool:
    """Say the same the slow way."""
    if all(operation.result is Result.UNKNOWN for operation in history):
        return True
    soonest = min(operation.returned for operation in history)
    for position, operation in enumerate(history):
        possible, after = step(operation, state)
        if operation.called <= soonest and possible:
            rest = history[:position] + history[position + 1 :]
            if by_trying_all(rest, after):
                return True
    return False


@pytest.mark.parametrize("seed", range(40))
def test_it_agrees_with_trying_every_order(seed: int) -> None:
    rng = random.Random(seed)
    history = drawn(rng, 6)
    for operation in history:
        if operation.kind is Kind.READ and rng.random() < 0.4:
            operation.argument = rng.choice([None, "0", "1", "2", "3"])
    assert is_linearizable(history) == by_trying_all(history)
