"""The life of one container of a Pod: its states, which may follow which, and what is remembered of it. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from swarmlet.model import pods
from swarmlet.model.container import Container
from swarmlet.model.pod_status import ContainerStateTerminated
from swarmlet.runtime import runtime


class Life(enum.Enum):
    WAITING = "waiting"  # for its turn
    FETCHING = "fetching"  # its image
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    EXITED = "exited"  # and what becomes of it is not decided
    BACK_OFF = "back-off"  # until `retry_at`
    DONE = "done"  # for good


TRANSITIONS: dict[Life, frozenset[Life]] = {
    Life.WAITING: frozenset({Life.FETCHING, Life.RUNNING, Life.EXITED, Life.DONE}),  # the last three: adopted
    Life.FETCHING: frozenset({Life.STARTING, Life.BACK_OFF, Life.WAITING, Life.DONE}),
    Life.STARTING: frozenset({Life.RUNNING, Life.BACK_OFF}),
    Life.RUNNING: frozenset({Life.STOPPING, Life.EXITED}),
    Life.STOPPING: frozenset({Life.EXITED}),
    Life.EXITED: frozenset({Life.FETCHING, Life.BACK_OFF, Life.DONE}),
    Life.BACK_OFF: frozenset({Life.FETCHING, Life.DONE}),
    Life.DONE: frozenset(),
}


class Hook(enum.Enum):
    """How far a container's postStart is; until it is done the container does not count as running."""

    DUE = "due"
    RUNNING = "running"
    DONE = "done"


HAS_CONTAINER = frozenset({Life.RUNNING, Life.STOPPING})

CRASH_DELAYS = (0.0, 10.0, 300.0)
PULL_DELAYS = (10.0, 20.0, 300.0)
ENGINE_DELAYS = (1.0, 2.0, 60.0)
"""Seconds before the first and the second retry, and the most; from the second on each wait doubles."""

HEALTHY_SECONDS = 600.0
"""A container that ran so long starts with a clean sheet."""

KILLED_EXIT_CODE = 137
LOST_REASON = "ContainerStatusUnknown"


@dataclass(slots=True)
class BackOff:
    """Counts failures and says how long to wait after each."""

    delays: tuple[float, float, float]
    failures: int = 0

    def fail(self) -> timedelta:
        """Note a failure; return how long to wait before the next try."""
        first, second, most = self.delays
        self.failures += 1
        if self.failures == 1:
            return timedelta(seconds=first)
        doublings = min(self.failures - 2, 32)
        return timedelta(seconds=min(second * 2**doublings, most))

    def reset(self) -> None:
        """Forget the failures."""
        self.failures = 0


@dataclass(slots=True)
class Record:
    """What the machine knows of one container.

    `attempt` numbers the last start that came about: it is the restart count. `current` is the container of that start,
    dead or alive; `previous` the one before it, kept for its logs. `terminated` tells how `current` ended, None while
    it runs. `early` is news of the container that is being started. `reason` and `message` tell why it waits;
    `reason_settled`, where set, takes its place at `settles_at`. `condemned` says why the container is killed though
    its Pod lives on, and `condemned_grace_seconds` how long it is given where not as long as its Pod.
    """

    spec: Container
    spec_hash: str
    is_init: bool = False
    life: Life = Life.WAITING
    attempt: int = 0
    image_id: str = ""
    current: runtime.Container | None = None
    previous: runtime.Container | None = None
    terminated: ContainerStateTerminated | None = None
    last_terminated: ContainerStateTerminated | None = None
    reason: str = ""
    message: str = ""
    reason_settled: str = ""
    settles_at: datetime | None = None
    retry_at: datetime | None = None
    replacing: bool = False
    sandbox_id: str = ""
    early: runtime.Container | None = None
    stop_grace_seconds: int | None = None
    hook: Hook = Hook.DONE
    startup_passed: bool = False
    readiness_passed: bool = False
    condemned: str = ""
    condemned_grace_seconds: int | None = None
    crashes: BackOff = field(default_factory=lambda: BackOff(CRASH_DELAYS))
    pulls: BackOff = field(default_factory=lambda: BackOff(PULL_DELAYS))
    starts: BackOff = field(default_factory=lambda: BackOff(ENGINE_DELAYS))

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def field_path(self) -> str:
        """Where the container stands in the Pod, as Events name it."""
        return f"spec.{'initContainers' if self.is_init else 'containers'}{{{self.name}}}"

    @property
    def has_started(self) -> bool:
        return self.life in HAS_CONTAINER

    @property
    def is_sidecar(self) -> bool:
        """Whether it is an init container that runs on beside the others."""
        return self.is_init and pods.is_sidecar(self.spec)

    @property
    def is_probed(self) -> bool:
        """Whether there is anything to ask it."""
        spec = self.spec
        return any(probe is not None for probe in (spec.startup_probe, spec.liveness_probe, spec.readiness_probe))

    @property
    def is_up(self) -> bool:
        """Whether it runs and its postStart is done."""
        return self.has_started and self.hook is Hook.DONE

    @property
    def started(self) -> bool:
        """Whether it is up and its startup probe has passed, where it has one."""
        return self.is_up and (self.spec.startup_probe is None or self.startup_passed)

    @property
    def ready(self) -> bool:
        """Whether it may serve."""
        return self.started and (self.spec.readiness_probe is None or self.readiness_passed)

    @property
    def next_attempt(self) -> int:
        """The number of the next start: 0 for the first."""
        return self.attempt + 1 if self.terminated is not None else self.attempt

    @property
    def succeeded(self) -> bool:
        return self.life is Life.DONE and self.terminated is not None and self.terminated.exit_code == 0

    def move(self, life: Life) -> None:
        """Go on to another state."""
        assert life in TRANSITIONS[self.life], f"{self.name}: {self.life} -> {life}"
        self.life = life
        if life is not Life.BACK_OFF:
            self.reason = self.message = self.reason_settled = ""
            self.settles_at = self.retry_at = None

    def back_off(self, reason: str, message: str, retry_at: datetime) -> None:
        """Wait until `retry_at`, saying why."""
        self.move(Life.BACK_OFF)
        self.reason, self.message, self.retry_at = reason, message, retry_at
        self.reason_settled, self.settles_at = "", None

    def begin(self, container: runtime.Container) -> None:
        """Note that `container` runs as a new attempt."""
        self.last_terminated = self.terminated or self.last_terminated
        self.terminated = None
        self.current = container
        self.attempt = max(self.attempt, container.attempt)
        self.image_id = container.image_id or self.image_id
        self.replacing = False
        self.stop_grace_seconds = None
        self.starts.reset()
        self.renew()
        self.move(Life.RUNNING)

    def renew(self) -> None:
        """Forget what was learnt of the run before: this is another one."""
        has_hook = self.spec.lifecycle is not None and self.spec.lifecycle.post_start is not None
        self.hook = Hook.DUE if has_hook else Hook.DONE
        self.startup_passed = self.readiness_passed = False
        self.condemned, self.condemned_grace_seconds = "", None

    def condemn(self, why: str, grace_seconds: int | None = None) -> None:
        """Have it killed, to start it anew where its Pod's restartPolicy lets it."""
        if self.life is Life.RUNNING and not self.condemned:
            self.condemned, self.condemned_grace_seconds = why, grace_seconds

    def end(self, container: runtime.Container, now: datetime) -> None:
        """Note that the current container has exited, or is gone without a word."""
        known = self.current or container
        ran_since = container.started_at or known.started_at
        finished_at = container.finished_at or now
        lost = container.state is runtime.State.REMOVED
        self.terminated = ContainerStateTerminated(
            exit_code=KILLED_EXIT_CODE if lost else container.exit_code,
            reason=_exit_reason(container),
            started_at=_whole_seconds(ran_since),
            finished_at=_whole_seconds(finished_at),
            container_id=container.id,
            message=container.message,
        )
        self.current = None if lost else container
        if ran_since is not None and (finished_at - ran_since).total_seconds() >= HEALTHY_SECONDS:
            self.crashes.reset()


def _exit_reason(container: runtime.Container) -> str:
    if container.state is runtime.State.REMOVED:
        return LOST_REASON
    if container.oom_killed:
        return "OOMKilled"
    return "Error" if container.exit_code else "Completed"


def _whole_seconds(at: datetime | None) -> datetime | None:
    return at.replace(microsecond=0) if at else None
