"""The life of one Pod on its node, as a state machine: stimuli in, instructions out. Pure.

Each stimulus changes what is known; `_advance` then derives what is to be done next from what is known alone, whatever
woke it. Nothing is asked for twice: what is under way is part of what is known.

    machine = PodMachine(pod, adopted=containers, settings=settings)
    for instruction in machine.handle(stimuli.PodChanged(pod), now): ...  # carry out; outcomes come back as stimuli
    status = machine.status(stored_status, now)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from swarmlet.agent.life import adoption, container_life, container_order, container_steps, pod_status, probing, stimuli
from swarmlet.agent.life.container_life import Hook, Life, Record
from swarmlet.agent.life.pod_end import PodEnd
from swarmlet.agent.life.pod_ground import Ground, Pause
from swarmlet.agent.life.stimuli import Instruction, Tell
from swarmlet.model import events, objects
from swarmlet.model.pod import Pod
from swarmlet.model.pod_status import PodStatus
from swarmlet.runtime import runtime
from swarmlet.runtime.runtime import State

GRACE_SECONDS_DEFAULT = 30
DEADLINE_EXCEEDED = "DeadlineExceeded"
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"
GONE_GRACE_SECONDS = 2
"""For a Pod whose object was deleted without waiting for its containers."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is true of the node and goes into each Pod's status. `id_scheme` is "docker" in "docker://4f5..."."""

    host_ip: str
    id_scheme: str


class PodMachine:
    """One Pod. Made anew when the daemon starts, with the containers that it finds (`adopted`)."""

    def __init__(self, pod: Pod, settings: Settings, adopted: Sequence[runtime.Container] = ()) -> None:
        self.pod = pod
        self._settings = settings
        self.is_gone = False
        self.finished = False
        self._inits = tuple(adoption.record(each, pod, is_init=True) for each in pod.spec.init_containers)
        self._mains = tuple(adoption.record(each, pod, is_init=False) for each in pod.spec.containers)
        self._pause = Pause()
        self._ground = Ground(pod, self._pause)
        self._end = PodEnd(self._inits, self._mains, self._pause)
        self._failure = adoption.failure(pod.status)
        self._active_since: datetime | None = None
        self._stray: set[str] = set()
        self._removing: set[str] = set()
        self._adopt(adopted)

    # What others may ask

    @property
    def is_ending(self) -> bool:
        return self.is_gone or objects.is_terminating(self.pod)

    @property
    def is_given_up(self) -> bool:
        """Whether the node gives the Pod up: past its deadline, or evicted."""
        return self._failure is not None

    @property
    def pod_ip(self) -> str:
        return next(iter(self.pod_ips), "")

    @property
    def pod_ips(self) -> tuple[str, ...]:
        """Its addresses, one of each family that it has; none before it has any."""
        if self.pod.spec.host_network:
            return tuple(filter(None, (self._settings.host_ip,)))
        holder = self._ground.sandbox
        if not self._ground.needs_sandbox:
            holder = next((each.current for each in self._mains if each.has_started and each.current), None)
        return tuple(filter(None, (holder.address, holder.address_v6))) if holder else ()

    def probe_targets(self) -> list[probing.Target]:
        """Return what is to be probed now, at any time until this is asked again."""
        if not any(record.is_probed for record in self._records()):
            return []
        is_ending = self.is_ending or self._is_over()
        pod_ip = self.pod_ip
        return [each for record in self._records() for each in probing.targets(record, pod_ip, is_ending=is_ending)]

    def status(self, previous: PodStatus, now: datetime) -> PodStatus:
        """Return the Pod's status; times in it that have not changed are those of `previous`."""
        if previous.phase in pod_status.TERMINAL_PHASES:
            return previous
        facts = pod_status.Facts(
            pod=self.pod,
            inits=self._inits,
            mains=self._mains,
            host_ip=self._settings.host_ip,
            pod_ips=self.pod_ips,
            network_ready=self._network_is_ready(),
            failure=self._failure,
            id_scheme=self._settings.id_scheme,
        )
        return pod_status.make(facts, previous, now)

    @property
    def wants_status(self) -> bool:
        """Whether a status is worth writing: not for an object that is about to be deleted or is gone."""
        if self.is_gone:
            return False
        return bool(self.pod.metadata.finalizers) or not self.is_ending or self._end.is_busy

    def container(self, name: str, *, previous: bool = False) -> runtime.Container | None:
        """Return the container of that name that was started last, or the one before it."""
        record = self._record(name)
        if record is None:
            return None
        return record.previous if previous else record.current

    def field_path(self, name: str) -> str:
        """Return where a container stands in the Pod, as Events name it."""
        return self._expect(name).field_path

    def running(self) -> list[runtime.Container]:
        """Return the containers that run as far as is known, the sandbox too."""
        found = [record.current for record in self._records() if record.has_started and record.current]
        return found + ([self._ground.sandbox] if self._ground.sandbox else [])

    def container_ids(self) -> set[str]:
        """Return the ids of all containers that the Pod has or had and that are not removed yet."""
        found = {each.id for record in self._records() for each in (record.current, record.previous) if each}
        return found | self._stray | ({self._ground.sandbox_id} - {""})

    def validate(self) -> None:
        """Raise AssertionError where what is known contradicts itself."""
        for record in self._records():
            if record.life in container_life.HAS_CONTAINER:
                assert record.current is not None, f"{record.name} runs without a container"
                assert record.terminated is None, f"{record.name} runs and has ended"
            if record.life is Life.BACK_OFF:
                assert record.retry_at is not None, f"{record.name} waits for no time"
                assert record.reason, f"{record.name} waits for no reason"
            if record.life is Life.EXITED:
                assert record.terminated is not None, f"{record.name} ended without a trace"
        if self._inits and any(record.has_started for record in self._mains):
            early = [record for record in self._inits if not record.is_sidecar]
            assert not any(record.has_started for record in early), "init containers run before the others"
        assert not self.finished or not self.container_ids(), "finished with containers left"
        self._ground.validate()

    # What happens

    def handle(self, stimulus: stimuli.Stimulus, now: datetime) -> list[Instruction]:
        """Take in what happened; return what is to be done now."""
        instructions = list(self._take(stimulus, now))
        instructions += self._advance(now)
        wake = self._next_wake(now)
        return instructions if wake is None else [*instructions, stimuli.Wake(wake)]

    def _take(self, stimulus: stimuli.Stimulus, now: datetime) -> Iterator[Instruction]:  # noqa: C901, PLR0912  one arm a stimulus
        match stimulus:
            case stimuli.PodChanged(pod):
                self._change(pod)
            case stimuli.PodGone():
                self.is_gone = True
            case stimuli.VolumesReady():
                self._ground.volumes_ready()
            case stimuli.SourceChanged():
                self._ground.source_changed()
                container_steps.source_changed(self._records(), now)
            case stimuli.VolumesFailed(message):
                yield self._ground.volumes_failed(message, now)
            case stimuli.VolumesRemoved():
                self._ground.volumes_removed()
            case stimuli.SandboxStarted(container):
                self._ground.sandbox_started(container)
            case stimuli.SandboxFailed(message):
                yield self._ground.sandbox_failed(message, now)
            case stimuli.ImageReady(name, image_id, note):
                yield from self._image_ready(self._expect(name), image_id, note)
            case stimuli.ImageFailed(name, reason, message):
                if (record := self._expect(name)).life is Life.FETCHING:
                    yield from container_steps.image_failed(record, reason, message, now)
            case stimuli.ImageVanished(name, message):
                record = self._expect(name)
                record.back_off("ErrImagePull", message, now + record.starts.fail())
            case stimuli.Started(name, container):
                yield from self._started(self._expect(name), container, now)
            case stimuli.StartFailed(name, reason, message):
                yield container_steps.start_failed(self._expect(name), reason, message, now)
            case stimuli.HookEnded(name, container_id, error):
                yield from container_steps.hook_ended(self._expect(name), container_id, error)
            case stimuli.Probed():
                container_steps.probed(self._expect(stimulus.name), stimulus)
            case stimuli.Fail():
                self._fail(stimulus)
            case stimuli.Observed(container):
                self._observe(container, now)
            case stimuli.StopFailed(container_id, message):
                yield from self._stop_failed(container_id, message, now)
            case stimuli.Removed(container_id):
                self._removing.discard(container_id)
                self._forget(container_id)
            case stimuli.RemoveFailed(container_id, _):
                self._removing.discard(container_id)
                self._pause.begin(now)

    def _change(self, pod: Pod) -> None:
        self.pod = pod
        wanted = {each.name: each for each in (*pod.spec.init_containers, *pod.spec.containers)}
        for record in self._records():
            if record.name in wanted:
                record.spec = wanted[record.name]
                record.spec_hash = adoption.spec_hash(record.spec)

    def _image_ready(self, record: Record, image_id: str, note: str) -> Iterator[Instruction]:
        if record.life is not Life.FETCHING:
            return
        yield container_steps.image_ready(record, image_id, note)
        if self.is_ending or not self._ground.stands or not any(each is record for each in self._due()):
            record.move(Life.WAITING)
        else:
            yield container_steps.start(record, self._ground.sandbox_id)

    def _started(self, record: Record, container: runtime.Container, now: datetime) -> Iterator[Instruction]:
        if record.previous:
            self._stray.add(record.previous.id)
        yield from container_steps.started(record, container, now)
        record.replacing = record.has_started and record.sandbox_id != self._ground.sandbox_id

    def _stop_failed(self, container_id: str, message: str, now: datetime) -> Iterator[Instruction]:
        for record in self._records():
            if record.life is Life.STOPPING and record.current and record.current.id == container_id:
                record.stop_grace_seconds = None
                self._pause.begin(now)
                yield Tell(
                    events.WARNING, "FailedKillPod", f"Error stopping {record.name}: {message}", record.field_path
                )

    def _observe(self, container: runtime.Container, now: datetime) -> None:
        if container.name == runtime.SANDBOX:
            if self._ground.sandbox_id == container.id and container.state is not State.RUNNING:
                self._lose_sandbox(container)
        elif (record := self._record(container.name)) is not None:
            container_steps.observed(record, container, now)
        if container.state is State.REMOVED:
            self._stray.discard(container.id)

    def _lose_sandbox(self, sandbox: runtime.Container) -> None:
        """Without it the containers' network is gone: they are started anew beside a new one."""
        self._stray |= {self._ground.lose_sandbox(sandbox)} - {""}
        for record in self._records():
            if record.has_started:
                record.replacing = True

    # What is to be done

    def _advance(self, now: datetime) -> Iterator[Instruction]:
        self._pause.look(now)
        for record in self._records():
            container_steps.settle(record, self.pod.spec.restart_policy)
        if self._is_past_deadline(now):
            yield Tell(events.NORMAL, DEADLINE_EXCEEDED, DEADLINE_MESSAGE)
            self._fail(stimuli.Fail(DEADLINE_EXCEEDED, DEADLINE_MESSAGE))
        if self.is_ending:
            yield from self._advance_ending(now)
        elif self._is_over():
            yield from self._advance_over(now)
        else:
            yield from self._advance_living(now)
        yield from self._sweep(self._stray)

    def _advance_living(self, now: datetime) -> Iterator[Instruction]:
        for record in self._records():
            yield from self._end_run(record)
        if self._pause.is_on:
            return
        yield from self._ground.prepare(now)
        if self._ground.stands:
            for record in self._due():
                yield from self._drive(record, now)

    def _due(self) -> Sequence[Record]:
        return container_order.due(self._inits, self._mains)

    def _drive(self, record: Record, now: datetime) -> Iterator[Instruction]:
        if record.life is Life.EXITED:
            yield from container_steps.restart(record, self.pod, now)
        elif record.life is Life.WAITING or (record.life is Life.BACK_OFF and _due_at(record.retry_at, now)):
            yield container_steps.fetch(record)
        elif record.life is Life.RUNNING and record.hook is Hook.DUE:
            yield container_steps.run_hook(record)

    def _end_run(self, record: Record) -> Iterator[Instruction]:
        """Stop a container that is to be started anew: its specification changed, or it does not do what it should."""
        if record.life is Life.STOPPING and record.stop_grace_seconds is None and not self._pause.is_on:
            yield container_steps.stop(record, self._grace_seconds())
        if record.life is not Life.RUNNING or record.current is None:
            return
        if record.current.spec_hash != record.spec_hash:
            record.replacing = True
            told = f"Container {record.name} definition changed, will be restarted"
            yield Tell(events.NORMAL, "Killing", told, record.field_path)
        if record.replacing:
            yield container_steps.stop(record, self._grace_seconds())
        elif record.condemned:
            yield from container_steps.kill(record, self.pod.spec.restart_policy, self._grace_seconds())

    def _advance_over(self, now: datetime) -> Iterator[Instruction]:
        """What the Pod is for has ended for good: the rest is stopped, the containers stay for their logs."""
        yield from self._end.advance(self._grace_seconds(), now)
        if not self._end.is_busy:
            self._stray |= {self._ground.drop_sandbox()} - {""}
            if pod_status.is_terminal(self.pod):
                yield from self._ground.clear()

    def _advance_ending(self, now: datetime) -> Iterator[Instruction]:
        yield from self._end.advance(GONE_GRACE_SECONDS if self.is_gone else self._grace_seconds(), now)
        if self._end.is_busy or self._ground.is_busy:
            return
        yield from self._sweep(self.container_ids())
        if not self.container_ids() and not self.finished:
            self.finished = True
            yield stimuli.Finish()

    def _sweep(self, container_ids: set[str]) -> Iterator[Instruction]:
        if self._pause.is_on:
            return
        for container_id in sorted(container_ids - self._removing):
            self._removing.add(container_id)
            yield stimuli.RemoveContainer(container_id)

    # Small questions

    def _adopt(self, containers: Sequence[runtime.Container]) -> None:
        adopted = adoption.adopt(self._records(), containers, self.pod.status)
        self._stray |= adopted.stray
        is_used = any(record.has_started for record in self._records())
        self._ground.adopt(adopted.sandbox, adopted.sandbox_attempt, is_used=is_used)
        if self._mains and any(record.current for record in self._mains):
            for record in self._inits:
                adoption.take_as_done(record)
        for record in self._records():
            record.sandbox_id = self._ground.sandbox_id
            record.replacing = record.has_started and self._ground.needs_sandbox and self._ground.sandbox is None

    def _forget(self, container_id: str) -> None:
        self._stray.discard(container_id)
        if self._ground.sandbox_id == container_id:
            self._ground.drop_sandbox()
        for record in self._records():
            if record.current and record.current.id == container_id and not record.has_started:
                record.current = None
            if record.previous and record.previous.id == container_id:
                record.previous = None

    def _next_wake(self, now: datetime) -> datetime | None:
        times = [self._pause.until, self._ground.refreshes_at]
        if self.is_ending or self._is_over():
            times += [self._end.wake_at]
        else:
            times += [self._deadline()]
            for record in self._records():
                times += [record.retry_at, record.settles_at]
        return min((at for at in times if at is not None and at > now), default=None)

    def _network_is_ready(self) -> bool:
        if self._ground.needs_sandbox:
            return self._ground.sandbox is not None
        return any(record.has_started or record.terminated is not None for record in self._records())

    def _is_over(self) -> bool:
        """Whether what the Pod is for has ended for good, though some of it may run still."""
        return (
            self._failure is not None
            or pod_status.is_terminal(self.pod)
            or bool(container_order.outcome(self._inits, self._mains, self.pod.spec.restart_policy))
        )

    def _fail(self, failure: stimuli.Fail) -> None:
        if self._failure is None and not self._is_over():
            self._failure = failure

    def _deadline(self) -> datetime | None:
        """Return when the Pod has been active for as long as it may."""
        seconds = self.pod.spec.active_deadline_seconds
        since = self.pod.status.start_time or self._active_since
        return since + timedelta(seconds=seconds) if seconds and since else None

    def _is_past_deadline(self, now: datetime) -> bool:
        self._active_since = self._active_since or now
        deadline = self._deadline()
        return deadline is not None and now >= deadline and not self.is_ending and not self._is_over()

    def _grace_seconds(self) -> int:
        asked = self.pod.metadata.deletion_grace_period_seconds
        given = self._failure.grace_seconds if self._failure else None
        wanted = self.pod.spec.termination_grace_period_seconds
        return next((each for each in (asked, given, wanted) if each is not None), GRACE_SECONDS_DEFAULT)

    def _records(self) -> tuple[Record, ...]:
        return self._inits + self._mains

    def _record(self, name: str) -> Record | None:
        return next((record for record in self._records() if record.name == name), None)

    def _expect(self, name: str) -> Record:
        record = self._record(name)
        assert record is not None, f"no container {name} in {self.pod.metadata.name}"
        return record


def _due_at(at: datetime | None, now: datetime) -> bool:
    return at is None or now >= at
