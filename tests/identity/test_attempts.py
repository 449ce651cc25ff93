from __future__ import annotations

import pytest

from swarmlet.errors import BusyError
from swarmlet.identity import attempts
from swarmlet.identity.attempts import Attempts


def failing(count: int, address: str = "10.0.0.9") -> Attempts:
    known = Attempts()
    for _ in range(count):
        known.failed(address, 100.0)
    return known


def test_who_fails_too_often_must_wait() -> None:
    with pytest.raises(BusyError, match=r"10\.0\.0\.9"):
        failing(attempts.FAILURES_MAX).check("10.0.0.9", 101.0)


def test_a_few_failures_are_forgiven() -> None:
    failing(attempts.FAILURES_MAX - 1).check("10.0.0.9", 101.0)


def test_the_wait_ends() -> None:
    failing(attempts.FAILURES_MAX).check("10.0.0.9", 100.0 + attempts.WINDOW_SECONDS)


def test_one_address_does_not_lock_out_another() -> None:
    failing(attempts.FAILURES_MAX).check("10.0.0.10", 101.0)


def test_the_memory_is_bounded() -> None:
    known = failing(attempts.FAILURES_MAX)
    for number in range(attempts.ADDRESSES_MAX):
        known.failed(str(number), 101.0)
    known.check("10.0.0.9", 101.0)
