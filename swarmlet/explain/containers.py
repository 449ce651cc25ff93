"""Why a Pod's containers wait, ended, were restarted or are not ready: from their statuses and the agent's events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from swarmlet.explain.case import Case, about, by_event
from swarmlet.explain.findings import ERROR, INFO, WARNING, Finding
from swarmlet.explain.happenings import last_seen
from swarmlet.model import conditions, pods
from swarmlet.model.container import Container
from swarmlet.model.core import Event
from swarmlet.model.pod import Pod
from swarmlet.model.pod_status import ContainerStateTerminated, ContainerStateWaiting, ContainerStatus

PULLING = ("ErrImagePull", "ImagePullBackOff")
NO_IMAGE = (*PULLING, "InvalidImageName", "ErrImageNeverPull")
BEING_MADE = ("ContainerCreating", "PodInitializing", "")
CRASHING = "CrashLoopBackOff"
SIGNAL_CODES = 128
"""An exit code above it says by which signal the process ended."""
_DELAY = re.compile(r"back-off (\d+)s ")

_ADVICE = {
    "InvalidImageName": "correct the image's name",
    "ErrImageNeverPull": "load the image on the node, or change imagePullPolicy",
    "CreateContainerConfigError": "make what is missing, or correct its name in the Pod's template",
}


def findings(case: Case, pod: Pod) -> list[Finding]:
    """Return what is to be said of each container that does not simply run, init containers first."""
    specs = {each.name: each for each in (*pod.spec.init_containers, *pod.spec.containers)}
    events = case.events(pod)
    found: list[Finding] = []
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if status.name in specs:
            found += _Container(case, pod, specs[status.name], status, events).findings()
    return found


class _Container:
    """One container, by its specification, its status and what its agent told."""

    def __init__(self, case: Case, pod: Pod, spec: Container, status: ContainerStatus, events: list[Event]) -> None:
        self._case = case
        self._pod = pod
        self._spec = spec
        self._status = status
        self._is_init = any(spec is each for each in pod.spec.init_containers) and not pods.is_sidecar(spec)
        self._word = f"{'init container' if self._is_init else 'container'} {spec.name}"
        own = f"{{{spec.name}}}"
        self._events = [each for each in events if each.involved_object.field_path.endswith(own)]

    def findings(self) -> Iterator[Finding]:
        """Yield what is to be said."""
        state = self._status.state
        if state.waiting is not None:
            yield from self._waiting(state.waiting)
        elif state.terminated is not None:
            yield from self._terminated(state.terminated)
        else:
            if not self._status.ready and not self._is_init:
                yield self._unready()
            if self._status.restart_count:
                yield self._restarted()

    def _say(
        self, text: str, severity: str, *, since: datetime | None = None, at: datetime | None = None, advice: str = ""
    ) -> Finding:
        return Finding(
            text=text,
            severity=severity,
            since=since,
            at=at,
            about=about(self._pod),
            source=f"status of container {self._spec.name}",
            advice=advice,
        )

    def _event(self, *reasons: str) -> Event | None:
        return next((each for each in self._events if each.reason in reasons), None)

    # Waiting.

    def _waiting(self, waiting: ContainerStateWaiting) -> Iterator[Finding]:
        last = self._status.last_state.terminated
        if waiting.reason == CRASHING and last is not None:
            yield self._crashing(waiting, last)
        elif waiting.reason in NO_IMAGE:
            yield self._no_image(waiting)
        elif waiting.reason in BEING_MADE:
            if not self._pod.status.init_container_statuses or self._is_init:
                yield self._being_made()
        else:
            told = f": {waiting.message}" if waiting.message else ""
            text = f"{self._word} cannot start: {waiting.reason}{told}"
            yield self._say(text, ERROR, since=self._begun(), advice=_ADVICE.get(waiting.reason, ""))

    def _crashing(self, waiting: ContainerStateWaiting, last: ContainerStateTerminated) -> Finding:
        delay = _DELAY.search(waiting.message)
        again = ""
        if delay and last.finished_at:
            left = (last.finished_at + timedelta(seconds=int(delay[1])) - self._case.now).total_seconds()
            again = f", next try in {left:.0f} s" if left >= 1 else ", next try now"
        text = f"{self._word} ends again and again ({self._restarts()}){again}; it last {self._ended(last)}"
        return self._say(text, ERROR, at=last.finished_at, advice=self._what_helps(last))

    def _no_image(self, waiting: ContainerStateWaiting) -> Finding:
        failed = next((each for each in self._events if each.message.startswith("Failed to pull")), None)
        told = waiting.message
        if not told and failed is not None:
            told = failed.message.partition('": ')[2]
        text = f'{self._word} has no image "{self._spec.image}": {told or waiting.reason}'
        if failed is not None and failed.count > 1:
            text += f" (tried {failed.count} times)"
        private = (
            "" if self._pod.spec.image_pull_secrets else ", or name imagePullSecrets where the registry asks for them"
        )
        advice = _ADVICE.get(waiting.reason, f"correct the image's name or tag{private}")
        return self._say(text, ERROR, since=failed.first_timestamp if failed else self._begun(), advice=advice)

    def _being_made(self) -> Finding:
        mount = next((each for each in self._case.events(self._pod) if each.type == "Warning"), None)
        if mount is not None:
            return by_event(self._pod, mount, f"{self._word} is not made yet: {mount.message}", WARNING)
        pulling = self._event("Pulling")
        if pulling is not None and not self._event("Pulled"):
            return self._say(
                f'{self._word} waits for its image "{self._spec.image}"', WARNING, since=last_seen(pulling)
            )
        return self._say(f"{self._word} is being made", WARNING, since=self._begun())

    def _begun(self) -> datetime | None:
        """Return when the Pod's node took it up."""
        return self._pod.status.start_time

    # Ended.

    def _terminated(self, ended: ContainerStateTerminated) -> Iterator[Finding]:
        if self._is_init and not ended.exit_code:
            return
        severity = ERROR if ended.exit_code else INFO
        advice = self._what_helps(ended) if ended.exit_code else ""
        yield self._say(f"{self._word} {self._ended(ended)}", severity, at=ended.finished_at, advice=advice)

    def _restarted(self) -> Finding:
        last = self._status.last_state.terminated
        times = self._restarts()
        if last is None:
            return self._say(f"{self._word} was {times}; how its last run ended was not recorded", WARNING)
        killed = next(
            (each for each in self._events if each.reason == "Killing" and "will be restarted" in each.message), None
        )
        why = ""
        if killed is not None and last.finished_at is not None and _near(last_seen(killed), last.finished_at):
            why = (
                f": {killed.message.removesuffix(', will be restarted').removeprefix(f'Container {self._spec.name} ')}"
            )
            unhealthy = self._event("Unhealthy")
            why += f" ({unhealthy.message})" if unhealthy is not None and "probe" in why else ""
        text = f"{self._word} was {times}; its last run {self._ended(last)}{why}"
        return self._say(text, WARNING, at=last.finished_at, advice=self._what_helps(last) if last.exit_code else "")

    def _restarts(self) -> str:
        count = self._status.restart_count
        return "restarted once" if count == 1 else f"restarted {count} times"

    def _ended(self, ended: ContainerStateTerminated) -> str:
        if ended.reason == "OOMKilled":
            limit = self._spec.resources.limits.get("memory", "")
            return f"was killed for using more memory than its limit{f' of {limit}' if limit else ''} (OOMKilled)"
        by = f", signal {ended.exit_code - SIGNAL_CODES}" if ended.exit_code > SIGNAL_CODES else ""
        words = f'; its last words: "{_short(ended.message)}"' if ended.message else ""
        reason = "" if ended.reason in ("", "Error", "Completed") else f" ({ended.reason})"
        return f"ended with exit code {ended.exit_code}{by}{reason}{words}"

    def _what_helps(self, ended: ContainerStateTerminated) -> str:
        if ended.reason == "OOMKilled":
            return f"raise the memory limit of container {self._spec.name}, or let it use less"
        metadata = self._pod.metadata
        again = " --previous" if self._status.restart_count and self._status.state.terminated is None else ""
        return f"read what it wrote: swarmlet logs {metadata.name} -n {metadata.namespace} -c {self._spec.name}{again}"

    # Running.

    def _unready(self) -> Finding:
        running = self._status.state.running
        since = running.started_at if running else None
        startup = self._spec.startup_probe is not None and not self._status.started
        probe = "startup" if startup else "readiness"
        told = next(
            (each for each in self._events if each.reason == "Unhealthy" and probe in each.message.lower()), None
        )
        if told is not None:
            ready = conditions.get(self._pod.status.conditions, "Ready")
            times = f" ({told.count} times)" if told.count > 1 else ""
            text = f"{self._word} runs and is not ready: {told.message.rstrip(': ')}{times}"
            advice = f"see what its {probe} probe asks for, and whether the container answers that"
            return self._say(text, ERROR, since=ready.last_transition_time if ready else since, advice=advice)
        if startup or self._spec.readiness_probe is not None:
            return self._say(f"{self._word} runs and waits for its {probe} probe to succeed", WARNING, since=since)
        return self._say(f"{self._word} runs and is not ready", WARNING, since=since)


def _near(one: datetime | None, other: datetime) -> bool:
    """Whether an event is of the end that a status tells: a container has its grace to stop in."""
    return one is not None and abs((one - other).total_seconds()) <= 120


def _short(message: str) -> str:
    """Return the last line of what a container left behind."""
    lines = message.strip().splitlines()
    line = lines[-1] if lines else ""
    return line if len(line) <= 160 else line[:157] + "..."
