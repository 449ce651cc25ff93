"""What a Pod's containers stand on: its volumes, and the sandbox that holds its network. Pure.

A Pod of one container needs no sandbox, for the container's own network is the Pod's; but one that is told the Pod's
address needs a network that stands before it does.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import datetime

from swarmlet.agent.containers import sandboxes
from swarmlet.agent.life import container_life, stimuli
from swarmlet.agent.life.container_life import BackOff
from swarmlet.agent.life.stimuli import Instruction, Tell
from swarmlet.model import events
from swarmlet.model.pod import Pod
from swarmlet.runtime import runtime
from swarmlet.runtime.runtime import State


class Step(enum.Enum):
    """How far something of the Pod's is, that is made once for all its containers."""

    ABSENT = "absent"
    MAKING = "making"
    READY = "ready"


class Pause:
    """After the engine has refused something: until when the Pod leaves it alone, longer each time."""

    def __init__(self) -> None:
        self.until: datetime | None = None
        self._setbacks = BackOff(container_life.ENGINE_DELAYS)

    @property
    def is_on(self) -> bool:
        return self.until is not None

    def begin(self, now: datetime) -> None:
        """Something failed."""
        self.until = now + self._setbacks.fail()

    def look(self, now: datetime) -> None:
        """End the pause if its time is over."""
        if self.until is not None and now >= self.until:
            self.until = None

    def end(self) -> None:
        """Go on at once: what failed may succeed now."""
        self.until = None

    def reset(self) -> None:
        """Something succeeded."""
        self._setbacks.reset()


class Ground:
    """Volumes and sandbox of one Pod. `attempt` is the number of the next sandbox."""

    def __init__(self, pod: Pod, pause: Pause) -> None:
        self.needs_sandbox = sandboxes.is_needed(pod)
        self.sandbox: runtime.Container | None = None
        self._attempt = 0
        self._sandbox_step = Step.ABSENT
        self._volumes = Step.ABSENT if pod.spec.volumes else Step.READY
        self._volumes_outdated = False
        self._is_cleared = False
        self._volumes_stand = self._volumes is Step.READY
        self._pause = pause
        self._refresh_pause = Pause()

    @property
    def stands(self) -> bool:
        """Whether containers can be started: volumes and network are there. What volumes show may be out of date."""
        return self._volumes_stand and (not self.needs_sandbox or self._sandbox_step is Step.READY)

    @property
    def refreshes_at(self) -> datetime | None:
        """When volumes that are there and could not be brought up to date are tried again."""
        return self._refresh_pause.until

    @property
    def is_busy(self) -> bool:
        """Whether something of it is being made."""
        return Step.MAKING in (self._volumes, self._sandbox_step)

    @property
    def sandbox_id(self) -> str:
        """The sandbox's id, "" where there is none."""
        return self.sandbox.id if self.sandbox else ""

    def adopt(self, sandbox: runtime.Container | None, attempt: int, *, is_used: bool) -> None:
        """Go on with what the daemon found; `is_used`: containers run, so the volumes that they see are there."""
        self._volumes_stand |= is_used
        self.sandbox, self._attempt = sandbox, attempt
        self._sandbox_step = Step.READY if sandbox else Step.ABSENT

    def prepare(self, now: datetime) -> Iterator[Instruction]:
        """Yield the next step, if none is under way."""
        self._refresh_pause.look(now)
        if self._volumes is Step.ABSENT and not self._refresh_pause.is_on:
            self._volumes = Step.MAKING
            yield stimuli.MakeVolumes(in_use=self._volumes_stand)
        elif self._volumes_stand and self.needs_sandbox and self._sandbox_step is Step.ABSENT:
            self._sandbox_step = Step.MAKING
            yield stimuli.StartSandbox(self._attempt)

    def clear(self) -> Iterator[Instruction]:
        """Remove the volumes, once: as in Kubernetes, nothing of them outlives the Pod's end, whoever keeps the Pod."""
        if not self.is_busy and not self._is_cleared:
            self._is_cleared = True
            self._volumes = Step.MAKING
            yield stimuli.RemoveVolumes()

    # What happens

    def volumes_removed(self) -> None:
        """Nothing is left of them."""
        self._volumes, self._volumes_stand = Step.ABSENT, False

    def volumes_ready(self) -> None:
        """They are made; what they show may have changed meanwhile."""
        self._volumes = Step.ABSENT if self._volumes_outdated else Step.READY
        self._volumes_outdated = False
        self._volumes_stand = True
        self._pause.reset()
        self._refresh_pause.reset()

    def volumes_failed(self, message: str, now: datetime) -> Instruction:
        """They cannot be made for now, or not be brought up to date; that holds no container up."""
        self._volumes = Step.ABSENT
        (self._refresh_pause if self._volumes_stand else self._pause).begin(now)
        return Tell(events.WARNING, "FailedMount", message)

    def source_changed(self) -> None:
        """What the volumes show is new."""
        self._volumes_outdated = self._volumes is Step.MAKING
        self._volumes = Step.MAKING if self._volumes is Step.MAKING else Step.ABSENT
        self._pause.end()
        self._refresh_pause.end()

    def sandbox_started(self, sandbox: runtime.Container) -> None:
        """The network stands."""
        self.sandbox, self._sandbox_step = sandbox, Step.READY
        self._pause.reset()

    def sandbox_failed(self, message: str, now: datetime) -> Instruction:
        """It cannot be made for now."""
        self._sandbox_step = Step.ABSENT
        self._pause.begin(now)
        return Tell(events.WARNING, "FailedCreatePodSandBox", message)

    def lose_sandbox(self, sandbox: runtime.Container) -> str:
        """The sandbox has ended or is gone; return the id of what is to be removed of it ("": nothing)."""
        self._attempt += 1
        dropped = self.drop_sandbox()
        return dropped if sandbox.state is not State.REMOVED else ""

    def drop_sandbox(self) -> str:
        """Need it no more; return the id of what is to be removed ("": there was none)."""
        dropped = self.sandbox_id
        self.sandbox, self._sandbox_step = None, Step.ABSENT
        return dropped

    def validate(self) -> None:
        """Raise AssertionError where what is known contradicts itself."""
        assert (self.sandbox is None) == (self._sandbox_step is not Step.READY)
