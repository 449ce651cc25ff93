"""One change in a large cluster is looked at alone: no reconciler goes through all Pods for it."""

from __future__ import annotations

import pytest

from swarmlet.model import kinds
from tools.bench import reconcile
from tools.bench.population import Population

SHARE = 0.02
"""Of thirty thousand Pods: what scales with them shows in the calls, not in the clock."""


@pytest.fixture(scope="module")
def population() -> Population:
    return reconcile.filled(SHARE)


@pytest.mark.parametrize("case", reconcile.CASES, ids=lambda case: case.name)
def test_a_change_makes_nobody_look_at_every_pod(population: Population, case, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    real = population.store.list

    def watched(resource: str, namespace: str = "") -> object:
        looked.append(resource)
        return real(resource, namespace)

    reconcile.spent(population, case, 0)
    operation = case.change(population, 1)
    monkeypatch.setattr(population.store, "list", watched)
    reconcile.spent(population, reconcile.Case(case.name, case.reconciler, lambda *_: operation), 1)
    assert kinds.POD.resource not in looked


def test_the_cases_concern_the_reconcilers_they_name(population: Population) -> None:
    assert {case.reconciler for case in reconcile.CASES} <= population.reconcilers.keys()
