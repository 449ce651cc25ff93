"""One change among 30,000 stored Pods: how long the leader computes from the event to the commands.

The reconcilers are asked as a reign asks them, without the log: every one hears of the change, and those whose keys
come of it reconcile them. A change is made several times; the best counts, for a busy machine only adds. Processor
time is told: it is what the machine would take by the clock if nothing else ran.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from swarmlet.controllers.work.drafts import creation, update
from swarmlet.model import conditions, kinds, names, objects
from swarmlet.model.core import Node
from swarmlet.model.meta import Condition
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Delete, Operation
from swarmlet.store.replica import Change, Stored
from tools.bench.population import Population, key_of
from tools.bench.report import Report

MILLISECONDS_MAX = 20
REPEATS = 7


@dataclass(frozen=True, slots=True)
class Case:
    """One change, made anew each time it is asked for, and the reconciler that it is about."""

    name: str
    reconciler: str
    change: Callable[[Population, int], Operation]


async def measure(report: Report) -> None:
    """Fill a cluster and change one thing after the other."""
    population = await asyncio.to_thread(filled)
    pods = len(population.store.list(kinds.POD.resource))
    for case in CASES:
        best = min(spent(population, case, number) for number in range(REPEATS))
        name = f"{case.name}, among {pods:,} Pods: event to commands"
        report.judge(name, f"{best:.2f} ms of processor time", value=best, at_most=MILLISECONDS_MAX, unit=" ms")


def filled(share: float = 1.0) -> Population:
    """Return a cluster at rest whose controllers know everything in it, as they do some time into a reign."""
    population = Population(share=share)
    population.fill()
    for reconciler in population.reconcilers.values():
        for key in list(reconciler.all_keys(population.store)):
            if key.resource != kinds.POD.resource:
                reconciler.reconcile(population.store, key, population.now)
    return population


def spent(population: Population, case: Case, number: int) -> float:
    """Make a change; return the milliseconds of processor time from the event to the commands of all it concerns."""
    operation = case.change(population, number)
    changes: list[Change] = []
    end = population.store.subscribe(changes.extend)
    population.apply([operation])
    end()
    assert changes, f"{case.name}: nothing changed"
    asked: set[str] = set()
    answers: list[Operation] = []
    start = time.thread_time()
    for change in changes:
        for reconciler in population.reconcilers.values():
            if change.key.resource not in reconciler.watches:
                continue
            for key in dict.fromkeys(reconciler.keys_for(change, population.store)):
                asked.add(reconciler.name)
                answers += reconciler.reconcile(population.store, key, population.now).operations
    milliseconds = (time.thread_time() - start) * 1000
    assert case.reconciler in asked, f"{case.name}: {case.reconciler} was not asked, but {sorted(asked)}"
    population.apply(answers)
    return milliseconds


# Changes.


def _pod_of(prefix: str) -> Callable[[Population, int], Operation]:
    """Return the change by which a Pod of a workload becomes ready, or ceases to be."""

    def change(population: Population, number: int) -> Operation:
        stored = next(_pods(population, prefix))
        pod = cast("Pod", stored.object)
        ready = Condition(type="Ready", status="False" if number % 2 == 0 else "True", reason=f"Time{number}")
        status = msgspec.structs.replace(
            pod.status, conditions=conditions.put(pod.status.conditions, ready, population.now)
        )
        return update(stored, msgspec.structs.replace(pod, status=status))

    return change


def _pods(population: Population, prefix: str) -> Iterator[Stored]:
    everyone = population.store.list(kinds.POD.resource)
    return (each for each in everyone if each.key.name.startswith(prefix))


def _job_pod_ends(population: Population, _number: int) -> Operation:
    running = (each for each in _pods(population, "batch-") if cast("Pod", each.object).status.phase == "Running")
    stored = next(running)
    pod = cast("Pod", stored.object)
    return update(stored, msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, phase="Succeeded")))


def _scaled(kind: kinds.Kind, name: str) -> Callable[[Population, int], Operation]:
    def change(population: Population, number: int) -> Operation:
        stored = population.store.get(key_of(kind, name))
        assert stored is not None
        value = cast("Any", stored.object)
        spec = msgspec.structs.replace(value.spec, replicas=value.spec.replicas + (1 if number % 2 == 0 else -1))
        bare = msgspec.structs.replace(value, spec=spec)
        return update(stored, objects.with_metadata(bare, generation=value.metadata.generation + 1))

    return change


def _pending_pod(population: Population, number: int) -> Operation:
    """Return the making of a Pod of nobody that waits for a node."""
    model = cast("Pod", next(_pods(population, "web-")).object)
    metadata = msgspec.structs.replace(
        model.metadata,
        name=f"lone-{population.store.revision}-{number}",
        uid=names.new_uid(population.rng),
        owner_references=(),
        labels={},
    )
    spec = msgspec.structs.replace(model.spec, node_name="")
    status = msgspec.structs.replace(type(model.status)(), phase="Pending", qos_class=model.status.qos_class)
    bare = objects.with_metadata(model, resource_version="")
    return creation(kinds.POD, msgspec.structs.replace(bare, metadata=metadata, spec=spec, status=status))


def _node_told(population: Population, number: int) -> Operation:
    stored = population.store.get(key_of(kinds.NODE, f"node-{number:04}"))
    assert stored is not None
    node = cast("Node", stored.object)
    return update(stored, objects.with_metadata(node, labels=node.metadata.labels | {"seen": str(number)}))


def _owner_goes(population: Population, _number: int) -> Operation:
    stored = population.store.list(kinds.REPLICA_SET.resource)[-1]
    return Delete(stored.key)


CASES = (
    Case("Pod of a Deployment of 200 turns unready", "replicaset", _pod_of("web-")),
    Case("Deployment of 200 is scaled by one", "deployment", _scaled(kinds.DEPLOYMENT, "web-000")),
    Case("Pod of a StatefulSet of 50 turns unready", "statefulset", _pod_of("db-")),
    Case("StatefulSet of 50 is scaled by one", "statefulset", _scaled(kinds.STATEFUL_SET, "db-000")),
    Case("Pod of a DaemonSet on 1,000 nodes turns unready", "daemonset", _pod_of("agent-")),
    Case("Pod of a Job of 100 succeeds", "job", _job_pod_ends),
    Case("Pod waits for one of 1,000 nodes", "scheduling", _pending_pod),
    Case("Pod of a PodDisruptionBudget over 200 turns unready", "disruption", _pod_of("web-000")),
    Case("Pod that a ResourceQuota counts comes", "quotas", _pending_pod),
    Case("Node changes", "node-lifecycle", _node_told),
    Case("ReplicaSet with 200 Pods is deleted", "garbage", _owner_goes),
)
