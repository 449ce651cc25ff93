"""Stabilization windows and policies, by the cases of Kubernetes' own tests (horizontal_test.go) and documentation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from swarmlet.controllers.autoscaling import behavior as hpa_behavior
from swarmlet.controllers.autoscaling.behavior import History, Limits
from swarmlet.model.autoscaling import (
    Behavior,
    HorizontalPodAutoscalerSpec,
    ScalingPolicy,
    ScalingRules,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def pods(value: int, seconds: int = 60) -> ScalingPolicy:
    return ScalingPolicy(type="Pods", value=value, period_seconds=seconds)


def percent(value: int, seconds: int = 60) -> ScalingPolicy:
    return ScalingPolicy(type="Percent", value=value, period_seconds=seconds)


def rules(*policies: ScalingPolicy, select: str = "Max", window: int = 0) -> ScalingRules:
    return ScalingRules(stabilization_window_seconds=window, select_policy=select, policies=policies)


def limits(up: ScalingRules | None = None, down: ScalingRules | None = None, least: int = 1) -> Limits:
    behavior = Behavior(scale_up=up, scale_down=down)
    return hpa_behavior.limits_of(HorizontalPodAutoscalerSpec(min_replicas=least, max_replicas=1000, behavior=behavior))


UPWARDS = [
    ("four Pods or twice as many, whichever is more", None, (), 1, 50, 5, "ScaleUpLimit"),
    ("twice as many from five on", None, (), 10, 50, 20, "ScaleUpLimit"),
    ("what is within reach", None, (), 10, 15, 15, "DesiredWithinRange"),
    ("by Pods", rules(pods(4)), (), 10, 500, 14, "ScaleUpLimit"),
    ("by a share", rules(percent(50)), (), 10, 500, 15, "ScaleUpLimit"),
    ("a share is rounded up", rules(percent(25)), (), 3, 500, 4, "ScaleUpLimit"),
    ("the larger of two", rules(pods(4), percent(200)), (), 10, 500, 30, "ScaleUpLimit"),
    ("the smaller of two", rules(pods(4), percent(200), select="Min"), (), 10, 500, 14, "ScaleUpLimit"),
    ("never", rules(pods(4), select="Disabled"), (), 10, 500, 10, "ScaleUpLimit"),
    ("what was added in this period counts", rules(pods(100)), ((59, 90),), 190, 500, 200, "ScaleUpLimit"),
    ("what was added before it does not", rules(pods(100)), ((61, 90),), 190, 500, 290, "ScaleUpLimit"),
    ("never fewer than there are", rules(pods(10)), ((30, 50),), 100, 500, 100, "ScaleUpLimit"),
    ("a share of what there was", rules(percent(100)), ((30, 50),), 150, 500, 200, "ScaleUpLimit"),
    ("at most the maximum", rules(pods(5000)), (), 10, 5000, 1000, "TooManyReplicas"),
]


@pytest.mark.parametrize(
    ("up", "grown", "current", "desired", "expected", "reason"), [c[1:] for c in UPWARDS], ids=[c[0] for c in UPWARDS]
)
def test_upwards_it_goes_as_fast_as_the_policies_let_it(up, grown, current, desired, expected, reason) -> None:
    history = History()
    for seconds, count in grown:
        history.note_scaled(ago(seconds), 0, count)
    found, (why, _) = hpa_behavior.limit(history, current, desired, limits(up=up), NOW)
    assert (found, why) == (expected, reason)


DOWNWARDS = [
    ("all at once", None, (), 100, 5, 5, "DesiredWithinRange"),
    ("by Pods", rules(pods(4)), (), 100, 5, 96, "ScaleDownLimit"),
    ("by a share", rules(percent(10)), (), 80, 5, 72, "ScaleDownLimit"),
    ("a share leaves the fraction away", rules(percent(10)), (), 72, 5, 64, "ScaleDownLimit"),
    ("the larger of two", rules(pods(4), percent(10)), (), 100, 5, 90, "ScaleDownLimit"),
    ("the smaller of two", rules(pods(4), percent(10), select="Min"), (), 100, 5, 96, "ScaleDownLimit"),
    ("never", rules(pods(4), select="Disabled"), (), 100, 5, 100, "ScaleDownLimit"),
    ("what was taken in this period counts", rules(pods(10)), ((59, 8),), 92, 5, 90, "ScaleDownLimit"),
    ("what was taken before it does not", rules(pods(10)), ((61, 8),), 92, 5, 82, "ScaleDownLimit"),
    ("never more than there are", rules(pods(10)), ((30, 50),), 100, 5, 100, "ScaleDownLimit"),
    ("at least the minimum", rules(pods(500)), (), 100, 0, 2, "TooFewReplicas"),
]


@pytest.mark.parametrize(
    ("down", "shrunk", "current", "desired", "expected", "reason"),
    [c[1:] for c in DOWNWARDS],
    ids=[c[0] for c in DOWNWARDS],
)
def test_downwards_it_goes_as_fast_as_the_policies_let_it(down, shrunk, current, desired, expected, reason) -> None:
    history = History()
    for seconds, count in shrunk:
        history.note_scaled(ago(seconds), count, 0)
    found, (why, _) = hpa_behavior.limit(history, current, desired, limits(down=down, least=2), NOW)
    assert (found, why) == (expected, reason)


STABLE = [
    ("nothing was asked before", (), 4, 8, 8),
    ("up at once, whatever was asked before", ((30, 2), (60, 3)), 4, 8, 8),
    ("down not below what was asked in the window", ((30, 6), (200, 9), (301, 20)), 10, 2, 9),
    ("down once the window has passed", ((301, 10), (400, 12)), 10, 2, 2),
    ("not above what there is for what was asked once", ((200, 50),), 10, 2, 10),
    ("a higher wish of the window brings nothing up", ((200, 12),), 5, 3, 5),
]


@pytest.mark.parametrize(
    ("asked", "current", "desired", "expected"), [c[1:] for c in STABLE], ids=[c[0] for c in STABLE]
)
def test_the_default_windows(asked, current, desired, expected) -> None:
    history = History(asked=[hpa_behavior.Moment(ago(seconds), count) for seconds, count in asked])
    found, (reason, _) = hpa_behavior.stabilize(history, current, desired, limits(), NOW)
    assert found == expected
    assert reason == ("ScaleUpStabilized" if desired >= current else "ScaleDownStabilized")
    assert history.asked[-1] == hpa_behavior.Moment(NOW, desired), "what is asked for now counts the next time"


def test_a_window_upwards_waits_until_all_of_it_asks_for_more() -> None:
    up = rules(pods(100), window=60)
    history = History(asked=[hpa_behavior.Moment(ago(50), 5), hpa_behavior.Moment(ago(20), 9)])
    found, (reason, _) = hpa_behavior.stabilize(history, 4, 12, limits(up=up), NOW)
    assert (found, reason) == (5, "ScaleUpStabilized")


def test_a_new_leader_begins_with_what_there_is() -> None:
    history = History()
    history.begin(10, NOW)
    assert hpa_behavior.stabilize(history, 10, 2, limits(), NOW + timedelta(seconds=15))[0] == 10
    assert hpa_behavior.stabilize(history, 10, 2, limits(), NOW + timedelta(seconds=299))[0] == 10
    assert hpa_behavior.stabilize(history, 10, 2, limits(), NOW + timedelta(seconds=301))[0] == 2


def test_what_was_decided_counts_once_it_is_seen_to_have_happened() -> None:
    history = History()
    history.begin(2, ago(30))
    history.decide(2, 6, ago(30))
    history.begin(2, ago(15))  # another write was sooner
    assert history.grown == []
    history.decide(2, 6, ago(15))
    history.begin(6, NOW)
    assert history.grown == [hpa_behavior.Moment(ago(15), 4)]


def test_the_history_is_bounded() -> None:
    history = History()
    for number in range(hpa_behavior.MEMORIES_MAX + 50):
        history.asked.append(hpa_behavior.Moment(ago(0.1), number))
    history.asked.insert(0, hpa_behavior.Moment(ago(4000), 1))
    history.begin(1, NOW)
    assert len(history.asked) == hpa_behavior.MEMORIES_MAX
    assert history.asked[0].count > 1
