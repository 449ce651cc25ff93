"""What is drawn from a seed, and the rules that let a quorum come back."""

from __future__ import annotations

import itertools

from tools.chaos import plan
from tools.chaos.plan import ALONE, Kind

MACHINES = ("h1", "h2", "h3", "h4", "h5")


def drawn(seed: int, count: int) -> list[plan.Trial]:
    return list(itertools.islice(plan.trials(seed, MACHINES), count))


def test_a_seed_draws_the_same_plan_again_and_another_draws_another() -> None:
    assert drawn(1, 50) == drawn(1, 50)
    assert drawn(1, 50) != drawn(2, 50)


def test_every_kind_is_had_before_any_comes_twice() -> None:
    for seed in range(20):
        assert {trial.faults[0].kind for trial in drawn(seed, len(Kind))} == set(Kind)


def test_what_costs_a_member_its_data_stands_alone() -> None:
    for trial in drawn(3, 1000):
        assert len(trial.faults) == 1 or not {fault.kind for fault in trial.faults} & set(ALONE)


def test_the_plan_breaks_quorums_and_keeps_them_and_is_bounded_where_it_breaks_one() -> None:
    trials = drawn(4, 1000)
    broken = [trial.seconds for trial in trials if not trial.keeps_quorum]
    assert 100 < len(broken) < 900
    assert max(broken) <= plan.QUORUMLESS_SECONDS_MAX
    assert max(trial.seconds for trial in trials) <= plan.SECONDS_MAX


def test_now_and_then_faults_overlap() -> None:
    assert 50 < sum(len(trial.faults) > 1 for trial in drawn(5, 1000)) < 500
