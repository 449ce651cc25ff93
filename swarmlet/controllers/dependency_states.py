"""Whether what a Pod waits for is there, and the words for it, by kind of what it waits for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from swarmlet.controllers.deployments import revisions
from swarmlet.controllers.deployments import status as deployment_status
from swarmlet.model import batch, conditions, dependencies, kinds, pods
from swarmlet.model.apps import Deployment, ReplicaSet
from swarmlet.model.apps_sets import ON_DELETE, DaemonSet, StatefulSet
from swarmlet.model.batch import Job
from swarmlet.model.dependencies import Dependency
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from swarmlet.store.replica import View

KINDS: Mapping[str, kinds.Kind] = {
    "deployment": kinds.DEPLOYMENT,
    "statefulset": kinds.STATEFUL_SET,
    "daemonset": kinds.DAEMON_SET,
    "job": kinds.JOB,
    "pod": kinds.POD,
}
OWNERS: Mapping[str, kinds.Kind] = {kind.kind: kind for kind in (kinds.REPLICA_SET, kinds.JOB)}
"""What owns Pods and tells whether any has run when none is left, by the kind's name."""
_VERBS = {
    dependencies.STARTED: "to be started",
    dependencies.READY: "to be ready",
    dependencies.COMPLETE: "to complete",
}


@dataclass(frozen=True, slots=True)
class State:
    """`failed`: it will not come about unless somebody does something. `words` tell what is waited for; "" if met."""

    met: bool
    failed: bool = False
    words: str = ""


MET = State(met=True)


@dataclass(frozen=True, slots=True)
class _Count:
    """How many of its Pods are as they are to be. `settled`: none of an earlier version are left among them."""

    done: int
    wanted: int
    settled: bool = True
    failure: str = ""


def state_of(view: View, namespace: str, dependency: Dependency) -> State:
    """Return how it stands with one thing that is waited for."""
    stored = view.get(Key(KINDS[dependency.kind].resource, namespace, dependency.name))
    if stored is None:
        return MET if dependency.optional else State(met=False, words=f"waits for {dependency.target} to exist")
    count = _COUNTERS[dependency.kind](view, stored.object, dependency.condition)
    if count.failure:
        words = f"{dependency.target} failed: {count.failure}"
        return MET if dependency.optional else State(met=False, failed=True, words=words)
    if count.settled and count.done >= count.wanted:
        return MET
    figures = f"({min(count.done, count.wanted)}/{count.wanted})"
    return State(met=False, words=f"waits for {dependency.target} {_VERBS[dependency.condition]} {figures}")


def _deployment(view: View, value: Object, condition: str) -> _Count:
    deployment = cast("Deployment", value)
    status = deployment.status
    wanted = 1 if deployment.spec.replicas is None else deployment.spec.replicas
    seen = status.observed_generation >= deployment.metadata.generation
    if condition == dependencies.STARTED:
        owned = [each.object for each in view.by_owner(deployment.metadata.uid)]
        new = revisions.find_new(deployment, [each for each in owned if isinstance(each, ReplicaSet)])
        return _Count(_running(view, new.metadata.uid) if new else 0, wanted, settled=seen)
    settled = seen and status.updated_replicas >= wanted and status.replicas <= status.updated_replicas
    progress = conditions.get(status.conditions, deployment_status.PROGRESSING)
    late = seen and progress is not None and progress.reason == deployment_status.TIMED_OUT
    done = status.ready_replicas
    return _Count(done, wanted, settled, progress.message if late and progress and done < wanted else "")


def _stateful_set(view: View, value: Object, condition: str) -> _Count:
    stateful_set = cast("StatefulSet", value)
    status = stateful_set.status
    wanted = 1 if stateful_set.spec.replicas is None else stateful_set.spec.replicas
    seen = status.observed_generation >= stateful_set.metadata.generation
    if condition == dependencies.STARTED:
        return _Count(_running(view, stateful_set.metadata.uid), wanted, settled=seen)
    strategy = stateful_set.spec.update_strategy
    partition = (strategy.rolling_update and strategy.rolling_update.partition) or 0
    updated = strategy.type == ON_DELETE or status.updated_replicas >= wanted - partition
    return _Count(status.ready_replicas, wanted, settled=seen and updated)


def _daemon_set(view: View, value: Object, condition: str) -> _Count:
    daemon_set = cast("DaemonSet", value)
    status = daemon_set.status
    wanted = status.desired_number_scheduled
    seen = status.observed_generation >= daemon_set.metadata.generation
    if condition == dependencies.STARTED:
        return _Count(_running(view, daemon_set.metadata.uid), wanted, settled=seen)
    updated = daemon_set.spec.update_strategy.type == ON_DELETE or status.updated_number_scheduled >= wanted
    return _Count(status.number_ready, wanted, settled=seen and updated)


def _job(view: View, value: Object, condition: str) -> _Count:  # noqa: ARG001  the shape of a counter
    job = cast("Job", value)
    status = job.status
    failed = conditions.get(status.conditions, batch.FAILED)
    failure = f"{failed.reason}: {failed.message}" if failed and failed.status == "True" else ""
    if condition == dependencies.STARTED:
        done = max(status.ready or 0, status.succeeded, int(conditions.is_true(status.conditions, batch.COMPLETE)))
        return _Count(done, 1, failure=failure)
    if conditions.is_true(status.conditions, batch.COMPLETE):
        return _Count(0, 0)
    wanted = job.spec.completions if job.spec.completions is not None else job.spec.parallelism or 1
    return _Count(status.succeeded, wanted, settled=False, failure=failure)


def _pod(view: View, value: Object, condition: str) -> _Count:  # noqa: ARG001  the shape of a counter
    pod = cast("Pod", value)
    phase = pod.status.phase
    reached = {
        dependencies.STARTED: phase in ("Running", "Succeeded"),
        dependencies.READY: pods.is_ready(pod),
        dependencies.COMPLETE: phase == "Succeeded",
    }[condition]
    failure = (pod.status.reason or pod.status.message or "its containers have failed") if phase == "Failed" else ""
    return _Count(int(reached), 1, failure=failure)


def _running(view: View, owner_uid: str) -> int:
    owned = [each.object for each in view.by_owner(owner_uid)]
    return sum(isinstance(each, Pod) and pods.is_active(each) and each.status.phase == "Running" for each in owned)


_COUNTERS: Mapping[str, Callable[[View, Object, str], _Count]] = {
    "deployment": _deployment,
    "statefulset": _stateful_set,
    "daemonset": _daemon_set,
    "job": _job,
    "pod": _pod,
}
