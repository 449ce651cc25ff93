"""What each thing that happens to one container changes in its record, and what is told about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from swarmlet.agent.life import stimuli
from swarmlet.agent.life.container_life import HAS_CONTAINER, Hook, Life, Record
from swarmlet.agent.life.probing import Kind
from swarmlet.agent.life.stimuli import Instruction, Tell
from swarmlet.model import events
from swarmlet.model.pod import Pod
from swarmlet.runtime import runtime
from swarmlet.runtime.runtime import State

FAILED_HOOK = "FailedPostStartHook"
CONFIG_ERROR = "CreateContainerConfigError"
SHOW_ERROR_SECONDS = 2
"""How long ErrImagePull is shown before it becomes ImagePullBackOff."""


def fetch(record: Record) -> Instruction:
    """Begin a start, the first or a further one, with its image."""
    record.move(Life.FETCHING)
    return stimuli.FetchImage(record.spec)


def image_ready(record: Record, image_id: str, note: str) -> Instruction:
    """The image is here."""
    record.pulls.reset()
    record.image_id = image_id
    return Tell(events.NORMAL, "Pulled", note, record.field_path)


def start(record: Record, sandbox_id: str) -> Instruction:
    """Start the container on the network of a sandbox ("": its own)."""
    record.move(Life.STARTING)
    record.sandbox_id = sandbox_id
    return stimuli.StartContainer(record.spec, record.next_attempt, sandbox_id)


def image_failed(record: Record, reason: str, message: str, now: datetime) -> Iterator[Instruction]:
    """Wait before the image is tried again, longer each time."""
    image = record.spec.image
    record.back_off(reason, message, now + record.pulls.fail())
    yield Tell(events.WARNING, "Failed", f'Failed to pull image "{image}": {message}', record.field_path)
    yield Tell(events.WARNING, "Failed", f"Error: {reason}", record.field_path)
    if reason == "ErrImagePull":
        record.reason_settled = "ImagePullBackOff"
        record.settles_at = now + timedelta(seconds=SHOW_ERROR_SECONDS)
        yield Tell(events.NORMAL, "BackOff", f'Back-off pulling image "{image}"', record.field_path)


def source_changed(records: Iterable[Record], now: datetime) -> None:
    """What a container's variables are filled from is new: one that waits for that tries again at once."""
    for record in records:
        if record.life is Life.BACK_OFF and record.reason == CONFIG_ERROR:
            record.retry_at = now


def started(record: Record, container: runtime.Container, now: datetime) -> Iterator[Instruction]:
    """Note the new attempt; it may have ended already, and its end may have been heard of before its beginning."""
    early = record.early if record.early and record.early.id == container.id else None
    record.early = None
    record.previous = record.current
    record.begin(container)
    yield Tell(events.NORMAL, "Created", f"Created container: {record.name}", record.field_path)
    yield Tell(events.NORMAL, "Started", f"Started container {record.name}", record.field_path)
    latest = early or container
    if latest.state is not State.RUNNING:
        ended(record, latest, now)


def start_failed(record: Record, reason: str, message: str, now: datetime) -> Instruction:
    """Wait before the start is tried again."""
    record.early = None
    record.back_off(reason, message, now + record.starts.fail())
    return Tell(events.WARNING, "Failed", f"Error: {message}", record.field_path)


def ended(record: Record, container: runtime.Container, now: datetime) -> None:
    """The container that ran does not any more."""
    record.end(container, now)
    record.move(Life.EXITED)


def observed(record: Record, container: runtime.Container, now: datetime) -> None:
    """The runtime tells how one of the record's containers is."""
    if record.current is None or record.current.id != container.id:
        if record.life is Life.STARTING and container.attempt == record.next_attempt:
            record.early = container
        elif record.previous and record.previous.id == container.id and container.state is State.REMOVED:
            record.previous = None
    elif container.state is State.RUNNING:
        _still_running(record, container)
    elif record.life in HAS_CONTAINER:
        ended(record, container, now)
    elif container.state is State.REMOVED:
        record.current = None


def _still_running(record: Record, container: runtime.Container) -> None:
    """It runs; if since another time than known, somebody restarted it by hand, and that counts like any restart."""
    if record.life not in HAS_CONTAINER or record.current is None:
        return
    if container.started_at != record.current.started_at:
        record.attempt += 1
        record.renew()
    record.current = container


def restarts(record: Record, policy: str) -> bool:
    """Whether a container that has ended is to be started again, by its Pod's restartPolicy."""
    assert record.terminated is not None
    failed = record.terminated.exit_code != 0
    if record.is_sidecar:
        return True
    if record.condemned:
        return policy != "Never"
    if record.is_init:
        return failed and policy != "Never"
    return policy in ("", "Always") or (policy == "OnFailure" and failed)


def settle(record: Record, policy: str) -> None:
    """Leave a container that has ended for good where its Pod's restartPolicy says so."""
    if record.life is Life.EXITED and not record.replacing and not restarts(record, policy):
        record.move(Life.DONE)


def restart(record: Record, pod: Pod, now: datetime) -> Iterator[Instruction]:
    """Start a container that has ended again: at once, or later where it ends too often."""
    assert record.terminated is not None
    delay = timedelta(0) if record.replacing else record.crashes.fail()
    retry_at = (record.terminated.finished_at or now) + delay
    if retry_at <= now:
        yield fetch(record)
        return
    where = f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"
    message = f"back-off {delay.seconds}s restarting failed container={record.name} pod={where}"
    record.back_off("CrashLoopBackOff", message, retry_at)
    told = f"Back-off restarting failed container {record.name} in pod {where}"
    yield Tell(events.WARNING, "BackOff", told, record.field_path)


def run_hook(record: Record) -> Instruction:
    """Begin with the container's postStart."""
    assert record.current is not None
    record.hook = Hook.RUNNING
    return stimuli.RunPostStart(record.current.id, record.spec)


def hook_ended(record: Record, container_id: str, error: str) -> Iterator[Instruction]:
    """Its postStart is done, or has failed: then the container is killed."""
    if record.hook is not Hook.RUNNING or not record.current or record.current.id != container_id:
        return
    if error:
        yield Tell(events.WARNING, FAILED_HOOK, f"PostStartHook failed: {error}", record.field_path)
        record.condemn(FAILED_HOOK)
    else:
        record.hook = Hook.DONE


def probed(record: Record, stimulus: stimuli.Probed) -> None:
    """What is thought of the container has changed."""
    if not record.is_up or not record.current or record.current.id != stimulus.container_id:
        return
    if stimulus.kind is Kind.READINESS:
        record.readiness_passed = stimulus.passed
    elif stimulus.passed:
        record.startup_passed = True
    else:
        word = stimulus.kind.value.lower()
        probe = record.spec.startup_probe if stimulus.kind is Kind.STARTUP else record.spec.liveness_probe
        grace = probe.termination_grace_period_seconds if probe else None
        record.condemn(f"Container {record.name} failed {word} probe", grace)


def kill(record: Record, policy: str, grace_seconds: int) -> Iterator[Instruction]:
    """Kill a condemned container; its Pod lives on."""
    restarts_ = record.is_sidecar or policy != "Never"
    is_probe = record.condemned != FAILED_HOOK
    told = f"{record.condemned}, will be restarted" if restarts_ and is_probe else record.condemned
    yield Tell(events.NORMAL, "Killing", told, record.field_path)
    asked = record.condemned_grace_seconds
    yield stop(record, grace_seconds if asked is None else asked)


def stop(record: Record, grace_seconds: int) -> Instruction:
    """Ask the container to end, or ask again."""
    assert record.current is not None
    if record.life is Life.RUNNING:
        record.move(Life.STOPPING)
    record.stop_grace_seconds = grace_seconds
    return stimuli.StopContainer(record.current.id, record.spec, grace_seconds)
