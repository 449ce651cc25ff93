"""Leader election by a Lease: one leads, another takes over when it is killed, and there are never two."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest

from tests.clients.libraries.ground import Ground, Started, shows
from tools.lab.cluster import eventually

LEASE_SECONDS = 4
RENEW_SECONDS_MAX = 3
"""As the programs ask for."""
SECONDS_MAX = 30.0


def lease(ground: Ground) -> dict[str, Any]:
    printed = ground.cluster.kubectl("-n", ground.namespace, "get", "lease", "leader", "-o", "json")
    spec: dict[str, Any] = json.loads(printed)["spec"]
    return spec


@pytest.mark.parametrize(
    "library",
    [
        pytest.param("kubernetes", marks=shows("kubernetes", "leader election")),
        pytest.param(
            "kubernetes_asyncio",
            marks=[shows("kubernetes_asyncio", "leader election"), pytest.mark.long_clients],
        ),
    ],
)
def test_one_leads_and_another_after_it(ground: Ground, library: str) -> None:
    machines = {f"on-{node}": ground.cluster[node].machine for node in ("h1", "h2", "h3")}
    candidates = {
        name: ground.start(library, "elect", machine.address, machine.name, IDENTITY=name)
        for name, machine in machines.items()
    }

    def leaders() -> list[str]:
        return [name for name, each in candidates.items() if each.told("leads")]

    eventually(leaders, SECONDS_MAX, "one leads")
    (first,) = leaders()
    assert lease(ground)["holderIdentity"] == first
    killed = time.time()
    candidates[first].process.signal(signal.SIGKILL)
    eventually(lambda: len(leaders()) == 2, LEASE_SECONDS + SECONDS_MAX, "another one leads")
    (second,) = set(leaders()) - {first}
    assert lease(ground)["holderIdentity"] == second
    assert began(candidates[second]) > killed + LEASE_SECONDS - RENEW_SECONDS_MAX, "not before the Lease is over"
    for each in candidates.values():
        if each.process.alive:
            each.process.signal(signal.SIGKILL)
    ground.cluster.kubectl("-n", ground.namespace, "delete", "lease", "leader")


def began(candidate: Started) -> float:
    (moment,) = candidate.told("leads")
    return float(moment)
