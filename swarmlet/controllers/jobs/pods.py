"""A Job's Pods: how one is made, which index it has, and how it ended.

Source: kubernetes pkg/controller/job/indexed_job_utils.go, job_controller.go and backoff_utils.go.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import msgspec

from swarmlet.model import batch, conditions, defaults, kinds, names, objects, pods, singletons
from swarmlet.model.base import clock_time
from swarmlet.model.container import Container
from swarmlet.model.environment import EnvVar
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import ContainerStatus, PodStatus
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View

NODES = kinds.NODE.resource
BACK_OFF = timedelta(seconds=10)
BACK_OFF_MAX = timedelta(minutes=6)
NO_INDEX = -1


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which try of its index a Pod is: how often the index failed before, and how often that was ignored."""

    failures: int = 0
    ignored: int = 0

    @property
    def number(self) -> int:
        """How many tries there were before."""
        return self.failures + self.ignored


def is_tracked(pod: Pod) -> bool:
    """Whether the Pod is still to be counted."""
    return batch.TRACKING_FINALIZER in pod.metadata.finalizers


def tracked(pod: Pod) -> Pod:
    """Return the Pod held until it is counted."""
    if is_tracked(pod):
        return pod
    return objects.with_metadata(pod, finalizers=(*pod.metadata.finalizers, batch.TRACKING_FINALIZER))


def let_go(pod: Pod) -> Pod:
    """Return the Pod without what holds it."""
    left = tuple(each for each in pod.metadata.finalizers if each != batch.TRACKING_FINALIZER)
    return objects.with_metadata(pod, finalizers=left)


def index_of(pod: Pod) -> int:
    """Return the completion index of a Pod, `NO_INDEX` where it has none."""
    text = pod.metadata.annotations.get(batch.COMPLETION_INDEX, "")
    return int(text) if text.isascii() and text.isdigit() else NO_INDEX


def attempt_of(pod: Pod) -> Attempt:
    """Return which try of its index the Pod is."""
    return Attempt(_number(pod, batch.INDEX_FAILURES), _number(pod, batch.INDEX_IGNORED_FAILURES))


def has_failed(pod: Pod, job: batch.Job, view: View) -> bool:
    """Whether the Pod counts as failed: one that is about to go does at once, or when its end has come."""
    if pod.status.phase == "Failed":
        return True
    if pod.status.phase == "Succeeded" or not objects.is_terminating(pod):
        return False
    return not waits_for_ends(job) or not _has_node(pod, view)


def waits_for_ends(job: batch.Job) -> bool:
    """Whether a Pod is replaced only when its end has come."""
    return job.spec.pod_replacement_policy == "Failed" or singletons.asks_for_single(job.spec.template)


def is_going(pod: Pod, view: View) -> bool:
    """Whether the Pod's end is still to come."""
    return objects.is_terminating(pod) and not pods.is_finished(pod) and _has_node(pod, view)


def finished_at(pod: Pod) -> datetime | None:
    """Return when the Pod ended, as near as its status tells."""
    ends = [each.state.terminated.finished_at for each in _statuses(pod) if each.state.terminated]
    known = [at for at in ends if at is not None]
    if known:
        return max(known)
    ready = conditions.get(pod.status.conditions, "Ready")
    moved = ready.last_transition_time if ready else None
    return moved or pod.metadata.deletion_timestamp or pod.metadata.creation_timestamp


def restarts(pod: Pod) -> int:
    """Return how often the Pod's containers were started anew."""
    return sum(each.restart_count for each in _statuses(pod))


def back_off_seconds(failures: int, last: datetime | None, now: datetime) -> float:
    """Return how long the next try has to wait after so many failures in a row, the last of them then."""
    if failures == 0 or last is None:
        return 0.0
    delay = min(BACK_OFF * 2 ** min(failures - 1, 16), BACK_OFF_MAX)
    left: float = (last + delay - now).total_seconds()
    return max(0.0, left)


def failures_in_a_row(owned: Iterable[Pod]) -> tuple[int, datetime | None]:
    """Return how many of the Pods failed since one succeeded, and when the last of them did.

    One that was deleted did not fail by itself: what takes its place need not wait.
    """
    finished = [pod for pod in owned if pods.is_finished(pod) and not objects.is_terminating(pod)]
    known = [(at, pod.status.phase == "Failed") for pod in finished if (at := finished_at(pod))]
    success = max((at for at, failed in known if not failed), default=None)
    since = [at for at, failed in known if failed and (success is None or at > success)]
    return len(since), max(since, default=None)


def new_pod(job: batch.Job, now: datetime, rng: random.Random, index: int, attempt: Attempt) -> Pod:
    """Return a Pod of the Job's template, for a completion index or for `NO_INDEX`."""
    template = job.spec.template
    prefix = f"{job.metadata.name}-" if index == NO_INDEX else f"{job.metadata.name}-{index}-"
    marks = {} if index == NO_INDEX else {batch.COMPLETION_INDEX: str(index)}
    annotations = template.metadata.annotations | marks
    if job.spec.backoff_limit_per_index is not None:
        annotations[batch.INDEX_FAILURES] = str(attempt.failures)
        if attempt.ignored:
            annotations[batch.INDEX_IGNORED_FAILURES] = str(attempt.ignored)
    pod = Pod(
        metadata=ObjectMeta(
            name=names.generated(prefix, rng),
            generate_name=prefix,
            namespace=job.metadata.namespace,
            uid=names.new_uid(rng),
            generation=1,
            creation_timestamp=clock_time(now),
            labels=template.metadata.labels | marks,
            annotations=annotations,
            finalizers=(*template.metadata.finalizers, batch.TRACKING_FINALIZER),
            owner_references=(objects.owner_reference(job),),
        ),
        spec=template.spec if index == NO_INDEX else _indexed(template.spec, job.metadata.name, index),
        status=PodStatus(phase="Pending"),
    )
    return cast("Pod", defaults.fill(pod))


def _indexed(spec: PodSpec, name: str, index: int) -> PodSpec:
    return msgspec.structs.replace(
        spec,
        hostname=f"{name}-{index}",
        containers=tuple(_told(each, index) for each in spec.containers),
        init_containers=tuple(_told(each, index) for each in spec.init_containers),
    )


def _told(container: Container, index: int) -> Container:
    if any(each.name == batch.COMPLETION_INDEX_ENV for each in container.env):
        return container
    variable = EnvVar(name=batch.COMPLETION_INDEX_ENV, value=str(index))
    return msgspec.structs.replace(container, env=(*container.env, variable))


def _has_node(pod: Pod, view: View) -> bool:
    """Whether somebody will tell of the Pod's end: its agent, or who fences it."""
    if singletons.is_held(pod):
        return True
    return bool(pod.spec.node_name) and view.get(Key(NODES, "", pod.spec.node_name)) is not None


def _statuses(pod: Pod) -> tuple[ContainerStatus, ...]:
    return (*pod.status.init_container_statuses, *pod.status.container_statuses)


def _number(pod: Pod, annotation: str) -> int:
    text = pod.metadata.annotations.get(annotation, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def without_hold(view: View, stored: Stored) -> Pod | None:
    """Return a Pod without what holds it, where the Job that would count it is gone; else None."""
    pod = cast("Pod", stored.object)
    if not is_tracked(pod):
        return None
    reference = objects.controller_of(pod)
    if reference is not None and reference.kind == kinds.JOB.kind:
        job = view.get(Key(kinds.JOB.resource, pod.metadata.namespace, reference.name))
        if job is not None and job.object.metadata.uid == reference.uid:
            return None
    return let_go(pod)
