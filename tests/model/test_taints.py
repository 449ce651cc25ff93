"""Which tolerations cover which taints, and for how long."""

from __future__ import annotations

import pytest

from swarmlet.model import names, taints
from swarmlet.model.core import Taint
from swarmlet.model.pod import Toleration

TAINT = Taint(key="k", value="v", effect="NoExecute")


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        (Toleration(key="k", operator="Equal", value="v"), True),
        (Toleration(key="k", value="v"), True),
        (Toleration(key="k", value="other"), False),
        (Toleration(key="k", operator="Exists"), True),
        (Toleration(key="other", operator="Exists"), False),
        (Toleration(operator="Exists"), True),
        (Toleration(), False),
        (Toleration(key="k", operator="Exists", effect="NoSchedule"), False),
        (Toleration(key="k", operator="Exists", effect="NoExecute"), True),
    ],
)
def test_a_toleration_covers_a_taint_as_in_kubernetes(toleration: Toleration, covers: bool) -> None:
    assert taints.tolerates(toleration, TAINT) is covers


def test_a_preference_keeps_nobody_off() -> None:
    assert taints.untolerated([Taint(key="k", effect="PreferNoSchedule")], []) is None


def test_the_first_taint_that_is_not_tolerated_is_named() -> None:
    other = Taint(key="other", effect="NoSchedule")
    assert taints.untolerated([TAINT, other], [Toleration(key="k", operator="Exists")]) is other


@pytest.mark.parametrize(
    ("seconds", "stays"), [((), 0.0), ((None,), None), ((30,), 30.0), ((30, 10, None), 10.0), ((-5,), 0.0)]
)
def test_the_shortest_toleration_counts(seconds: tuple[int | None, ...], stays: float | None) -> None:
    tolerations = [Toleration(operator="Exists", toleration_seconds=each) for each in seconds]
    assert taints.seconds_tolerated(TAINT, tolerations) == stays


def test_a_hash_is_stable_and_may_stand_in_a_label() -> None:
    assert names.hashed(b"template") == names.hashed(b"template") != names.hashed(b"other")
    assert set(names.hashed(b"template")) <= set(names.SAFE_ALPHABET)
    assert len(names.hashed(b"template")) == names.HASH_LENGTH
