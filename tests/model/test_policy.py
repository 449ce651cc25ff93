"""Rules, status and rows of PodDisruptionBudgets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from swarmlet.api.tables import columns
from swarmlet.cli.descriptions import kinds as descriptions
from swarmlet.model import disruptions, kinds, objects
from swarmlet.model.policy import PodDisruptionBudgetStatus
from tests.model.test_validation import made, merged, problems, update_problems

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BUDGET = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
}


@pytest.mark.parametrize(
    "spec",
    [
        {"minAvailable": 0},
        {"minAvailable": "100%", "selector": {}},
        {"maxUnavailable": "0%", "unhealthyPodEvictionPolicy": "AlwaysAllow"},
        {"maxUnavailable": 3, "unhealthyPodEvictionPolicy": "IfHealthyBudget"},
        {},
    ],
)
def test_what_kubernetes_takes_is_taken(spec: dict) -> None:
    assert problems(kinds.POD_DISRUPTION_BUDGET, BUDGET | {"spec": spec}) == {}


@pytest.mark.parametrize(
    ("path", "value", "told", "at"),
    [
        ("spec.maxUnavailable", 1, "minAvailable and maxUnavailable cannot be both set", "spec"),
        ("spec.minAvailable", -1, "must be greater than or equal to 0", ""),
        ("spec.minAvailable", "101%", "must not be greater than 100%", ""),
        ("spec.minAvailable", "many", "a valid percent string", ""),
        ("spec.unhealthyPodEvictionPolicy", "Never", 'supported values: "AlwaysAllow", "IfHealthyBudget"', ""),
        ("spec.selector", {"matchLabels": {"-": "x"}}, "name part must consist of", "spec.selector.matchLabels"),
    ],
)
def test_a_wrong_field_is_named(path: str, value: object, told: str, at: str) -> None:
    assert told in problems(kinds.POD_DISRUPTION_BUDGET, merged(BUDGET, path, value)).get(at or path, "")


def test_everything_may_change() -> None:
    changed = merged(BUDGET, "spec", {"minAvailable": 1, "selector": {"matchLabels": {"app": "other"}}})
    assert update_problems(kinds.POD_DISRUPTION_BUDGET, BUDGET, changed) == {}


def test_a_status_has_all_that_clients_require() -> None:
    document = objects.to_document(made(kinds.POD_DISRUPTION_BUDGET, BUDGET))
    assert document["status"] == {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    (condition,) = msgspec.to_builtins(disruptions.judged(PodDisruptionBudgetStatus(), NOW))["conditions"]
    assert condition.keys() >= {"type", "status", "reason", "message", "lastTransitionTime"}


def test_the_condition_turns_with_the_counts() -> None:
    spare = disruptions.judged(PodDisruptionBudgetStatus(disruptions_allowed=1), NOW)
    later = NOW + timedelta(seconds=9)
    assert disruptions.judged(spare, later) is not None
    assert disruptions.judged(spare, later).conditions[0].last_transition_time == NOW
    failed = disruptions.failed(spare, "nobody knows", later)
    (condition,) = failed.conditions
    assert (failed.disruptions_allowed, condition.status, condition.reason) == (0, "False", "SyncFailed")
    assert (condition.message, condition.last_transition_time) == ("nobody knows", later)


@pytest.mark.parametrize(
    ("spec", "cells"),
    [({"minAvailable": "50%"}, ["web", "50%", "N/A", 0]), ({"maxUnavailable": 1}, ["web", "N/A", "1", 0])],
)
def test_its_row_is_kubectls(spec: dict, cells: list[object]) -> None:
    found = columns.of(kinds.POD_DISRUPTION_BUDGET)
    assert [each.name for each in found.columns] == [
        "Name",
        "Min Available",
        "Max Unavailable",
        "Allowed Disruptions",
        "Age",
    ]
    value = objects.with_metadata(
        made(kinds.POD_DISRUPTION_BUDGET, BUDGET | {"spec": spec}), creation_timestamp=NOW - timedelta(minutes=5)
    )
    assert found.cells(value, NOW) == [*cells, "5m"]


def test_it_is_described_as_by_kubectl() -> None:
    status = {"disruptionsAllowed": 1, "currentHealthy": 3, "desiredHealthy": 2, "expectedPods": 3}
    document = {"kind": "PodDisruptionBudget", **BUDGET, "status": status | {"disruptedPods": {"web-1": "x"}}}
    told = "\n".join(descriptions.rendered(descriptions.describe(document)))
    for words in ("Min available:", "app=web", "Allowed disruptions:  1", "Current:              3", "web-1"):
        assert words in told
