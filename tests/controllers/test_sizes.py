"""Whatever number of Pods is asked for, one look at it takes the room of one step's Pods and no more."""

from __future__ import annotations

import random
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest

from swarmlet.controllers.deployments.replicaset import ReplicaSets
from swarmlet.controllers.jobs.job import Jobs
from swarmlet.controllers.sets.statefulset import StatefulSets
from swarmlet.model import decode, defaults, kinds, objects
from swarmlet.model.singletons import STRICT_SINGLETON
from swarmlet.store.commands import Command, Key, Put
from swarmlet.store.state import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MANY = 2_000_000
STEP_BYTES_MAX = 12 * 1024 * 1024

SELECTED = {
    "replicas": MANY,
    "selector": {"matchLabels": {"app": "web"}},
    "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "web"}]}},
}
ALONE = {"labels": {"app": "web"}, "annotations": {STRICT_SINGLETON: "true"}}
SINGLE = SELECTED | {"template": {"metadata": ALONE, "spec": {"containers": [{"name": "main", "image": "web"}]}}}
CLAIM = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
JOB = {
    "parallelism": MANY,
    "completions": MANY,
    "selector": {"matchLabels": {"app": "web"}},
    "template": SELECTED["template"],
}
CASES = [
    (ReplicaSets, kinds.REPLICA_SET, SELECTED),
    (ReplicaSets, kinds.REPLICA_SET, SINGLE),
    (StatefulSets, kinds.STATEFUL_SET, SELECTED | {"podManagementPolicy": "Parallel"}),
    (StatefulSets, kinds.STATEFUL_SET, SELECTED | {"volumeClaimTemplates": [CLAIM]}),
    (Jobs, kinds.JOB, JOB),
]


@pytest.mark.parametrize(("reconciler", "kind", "spec"), CASES)
def test_a_step_towards_millions_of_pods_is_a_small_one(reconciler: Any, kind: kinds.Kind, spec: dict) -> None:
    document = {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    value = defaults.fill(decode.decode(kind, document).object)
    value = objects.with_metadata(value, uid="u", generation=1, creation_timestamp=NOW)
    store, key = Store(), Key(kind.resource, "default", "web")
    store.apply(Command(b"0" * 16, (Put(key, objects.to_json(value)),)))
    tracemalloc.start()
    try:
        step = reconciler(random.Random(1)).reconcile(store, key, NOW)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert step.operations
    assert peak < STEP_BYTES_MAX
