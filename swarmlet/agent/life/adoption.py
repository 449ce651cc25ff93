"""What a daemon that has just started makes of the containers it finds and of the status it wrote before. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from swarmlet.agent.life import container_life, stimuli
from swarmlet.agent.life.container_life import Hook, Life, Record
from swarmlet.model import pod as pod_model
from swarmlet.model.base import clock_time
from swarmlet.model.container import Container
from swarmlet.model.pod_status import ContainerStateTerminated, ContainerStatus, PodStatus
from swarmlet.runtime import runtime
from swarmlet.runtime.runtime import State

HASH_CHARACTERS = 16
FAILURES = ("DeadlineExceeded", "Evicted")
"""Reasons for which a node gives a Pod up by itself."""

_encoder = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class Adopted:
    """Of the containers found: the sandbox, the number of the next one, and what belongs to nobody and must go."""

    stray: set[str]
    sandbox: runtime.Container | None
    sandbox_attempt: int


def spec_hash(container: Container) -> str:
    """Return a word that changes with the container's specification."""
    return hashlib.sha256(_encoder.encode(container)).hexdigest()[:HASH_CHARACTERS]


def record(container: Container, pod: pod_model.Pod, *, is_init: bool) -> Record:
    """Return the record of a container as the Pod's stored status tells it, without the container itself."""
    found = Record(spec=container, spec_hash=spec_hash(container), is_init=is_init)
    told = _told(container.name, pod.status)
    if told is not None:
        found.attempt = told.restart_count
        found.image_id = told.image_id
        found.terminated, found.last_terminated = told.state.terminated, told.last_state.terminated
        if told.state.waiting is not None:  # to be started again
            found.terminated, found.last_terminated = found.last_terminated, None
    return found


def adopt(records: Sequence[Record], containers: Sequence[runtime.Container], status: PodStatus) -> Adopted:
    """Give each record the containers that are its own; the youngest attempt counts."""
    stray = {each.id for each in containers}
    for each in records:
        mine = [container for container in containers if container.name == each.name and container.started_at]
        mine.sort(key=lambda container: (container.attempt, container.state is State.RUNNING), reverse=True)
        if mine:
            stray -= _adopt_record(each, mine, _told(each.name, status))
        else:
            _do_without(each, _told(each.name, status))
    sandboxes = [each for each in containers if each.name == runtime.SANDBOX]
    sandbox = next((each for each in sandboxes if each.state is State.RUNNING), None)
    last = max((each.attempt for each in sandboxes), default=-1)
    return Adopted(stray - ({sandbox.id} if sandbox else set()), sandbox, last + 1)


def failure(status: PodStatus) -> stimuli.Fail | None:
    """Return why the daemon before had given the Pod up, where its containers have not all ended since."""
    if status.reason not in FAILURES or status.phase in ("Succeeded", "Failed"):
        return None
    return stimuli.Fail(status.reason, status.message)


def take_as_done(init: Record) -> None:
    """An init container whose Pod went on after it must have succeeded, whatever is left of it."""
    if init.life in (Life.WAITING, Life.EXITED) and not init.is_sidecar:
        if init.terminated is None or init.terminated.exit_code:
            init.terminated = ContainerStateTerminated(exit_code=0, reason="Completed")
        init.move(Life.DONE)


def _adopt_record(each: Record, mine: Sequence[runtime.Container], told: ContainerStatus | None) -> set[str]:
    current, *older = mine
    each.attempt = max(each.attempt, current.attempt)
    each.image_id = current.image_id or each.image_id
    each.crashes.failures = each.attempt
    if current.state is State.RUNNING:
        each.begin(current)
        _resume(each, told)
    else:
        assert current.started_at is not None, "containers that never started are sorted out before"
        if each.terminated is not None and not each.terminated.container_id.endswith(current.id):
            each.last_terminated = each.terminated
        each.end(current, current.finished_at or current.started_at)
        each.move(Life.EXITED)
    each.previous = next((container for container in older if container.state is State.EXITED), None)
    return {current.id} | ({each.previous.id} if each.previous else set())


def _resume(each: Record, told: ContainerStatus | None) -> None:
    """Take over what was thought of a container that runs on: readiness that nothing contradicts drops no requests."""
    assert each.current is not None
    if told is None or told.state.running is None or not told.container_id.endswith(each.current.id):
        return
    began = each.current.started_at
    if began is not None and told.state.running.started_at != clock_time(began):  # somebody restarted it meanwhile
        return
    each.hook = Hook.DONE
    each.startup_passed = bool(told.started)
    each.readiness_passed = told.ready


def _do_without(each: Record, told: ContainerStatus | None) -> None:
    """Nothing is found of the container: go by the status; what ran by it was killed."""
    if told is not None and told.state.running is not None:
        each.terminated = ContainerStateTerminated(
            exit_code=container_life.KILLED_EXIT_CODE,
            reason=container_life.LOST_REASON,
            message="The container could not be located when the daemon started",
            started_at=told.state.running.started_at,
            container_id=told.container_id,
        )
    if each.terminated is not None:
        each.move(Life.EXITED)


def _told(name: str, status: PodStatus) -> ContainerStatus | None:
    statuses = (*status.init_container_statuses, *status.container_statuses)
    return next((each for each in statuses if each.name == name), None)
