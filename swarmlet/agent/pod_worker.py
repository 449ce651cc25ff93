"""Carries out what a Pod's machine wants done, and tells the machine what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from swarmlet.agent.containers import api_variables, downward, environment, specs
from swarmlet.agent.containers.downward import Find
from swarmlet.agent.containers.grants import Grants
from swarmlet.agent.containers.termination import Terminations
from swarmlet.agent.images import fetching as images
from swarmlet.agent.images.fetching import Images
from swarmlet.agent.life import container_steps, stimuli
from swarmlet.agent.life.pod_machine import PodMachine
from swarmlet.agent.life.probing import Target
from swarmlet.agent.machine.fence import Fence
from swarmlet.agent.machine.pod_addresses import PodAddresses
from swarmlet.agent.probes import hooks, prober
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.clock import Clock
from swarmlet.errors import EngineError, SwarmletError
from swarmlet.model import events, kinds, objects, singletons
from swarmlet.model.container import Container
from swarmlet.runtime import runtime
from swarmlet.runtime.runtime import ContainerSpec
from swarmlet.store.commands import Key

GRACE_SECONDS_MIN = 2
"""What SIGTERM is given even where preStop has used up the grace period."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What all workers of a node share. `changed` asks for the Pod's status (or its deletion) to be written."""

    runtime: runtime.Runtime
    clock: Clock
    images: Images
    volumes: Volumes
    grants: Grants
    fence: Fence
    addresses: PodAddresses | None
    hooks: hooks.Hooks
    prober: prober.Prober
    terminations: Terminations
    find: Find
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    record: Callable[[events.Note], None]
    changed: Callable[[PodWorker], None]


class PodWorker:
    """One Pod on this node, from the moment it is bound until nothing is left of it."""

    def __init__(self, machine: PodMachine, tools: Tools) -> None:
        self.machine = machine
        self.uid = machine.pod.metadata.uid
        self.key = Key(kinds.POD.resource, machine.pod.metadata.namespace, machine.pod.metadata.name)
        self.cleaned = False
        self._tools = tools
        self._alarm: asyncio.Task[None] | None = None
        self._seen_since: dict[str, runtime.Container | None] = {}  # of those whose last words are being read
        self._probes = prober.PodProbes(tools.prober, self._probed, self._tell_unhealthy)

    def feed(self, stimulus: stimuli.Stimulus) -> None:
        """Tell the machine what happened, and begin what it wants done."""
        if isinstance(stimulus, stimuli.PodChanged):
            stimulus = stimuli.PodChanged(self._tools.volumes.equipped(stimulus.pod))
        try:
            instructions = self.machine.handle(stimulus, self._tools.clock.now())
            targets = self.machine.probe_targets()
        except Exception:  # a bug that one Pod brings out must not take the others with it
            log.exception("pod_machine_failed", pod=str(self.key), stimulus=type(stimulus).__name__)
            return
        for instruction in instructions:
            match instruction:
                case stimuli.Tell(type_, reason, message, field_path):
                    self._tools.record(events.Note(self.machine.pod, type_, reason, message, field_path))
                case stimuli.Wake(at):
                    self._set_alarm(at)
                case _:
                    self._tools.spawn(self._perform(instruction))
        self._probes.follow(targets)
        self._tools.changed(self)

    def observe(self, container: runtime.Container) -> None:
        """Tell the machine how the runtime says that a container of the Pod's is."""
        if container.id in self._seen_since:
            self._seen_since[container.id] = container
        elif container.state is runtime.State.EXITED and container.name != runtime.SANDBOX:
            self._seen_since[container.id] = None
            self._tools.spawn(self._observe_end(container))
        else:
            self.feed(stimuli.Observed(container))

    async def _observe_end(self, container: runtime.Container) -> None:
        """Tell of an end with its message, and only then what has become of the container meanwhile."""
        try:
            ended = await self._tools.terminations.with_message(self.machine.pod, container)
        finally:
            since = self._seen_since.pop(container.id)
        self.feed(stimuli.Observed(ended))
        if since is not None:
            self.feed(stimuli.Observed(since))

    def _probed(self, target: Target, passed: bool) -> None:
        self.feed(stimuli.Probed(target.container.name, target.container_id, target.kind, passed))

    def _tell_unhealthy(self, target: Target, message: str) -> None:
        note = events.Note(self.machine.pod, events.WARNING, "Unhealthy", message.strip(), target.field_path)
        self._tools.record(note)

    async def _perform(self, instruction: stimuli.Instruction) -> None:
        try:
            outcome = await self._outcome(instruction)
        except SwarmletError as error:
            if isinstance(error, runtime.ImageMissingError) and isinstance(instruction, stimuli.StartContainer):
                self._tools.images.forget(instruction.container.image)
            outcome = failure(instruction, error)
        except Exception as error:  # a bug in one step of one Pod: it is told, and the step counts as failed
            log.exception("instruction_failed", pod=str(self.key), instruction=type(instruction).__name__)
            outcome = failure(instruction, error)
        if outcome is not None:
            self.feed(outcome)

    async def _outcome(self, instruction: stimuli.Instruction) -> stimuli.Stimulus | None:  # noqa: C901, PLR0911  arms
        pod, tools = self.machine.pod, self._tools
        match instruction:
            case stimuli.MakeVolumes(in_use):
                await asyncio.to_thread(tools.volumes.refresh if in_use else tools.volumes.make, pod, tools.find)
                return stimuli.VolumesReady()
            case stimuli.RemoveVolumes():
                await asyncio.to_thread(tools.volumes.remove, self.uid)
                return stimuli.VolumesRemoved()
            case stimuli.StartSandbox(attempt):
                spec = await tools.grants.for_sandbox(pod, specs.sandbox_spec(pod, attempt))
                return stimuli.SandboxStarted(await self._start(tools.runtime.start_sandbox, spec))
            case stimuli.FetchImage(container):
                keyring = await tools.grants.keyring(pod)
                fetched = await tools.images.fetch(
                    container, keyring, lambda message: self._tell_pulling(container.name, message)
                )
                return stimuli.ImageReady(container.name, fetched.image_id, fetched.note)
            case stimuli.StartContainer(container, attempt, sandbox):
                env = environment.make(container, downward.facts(pod, tools.find, self.machine.pod_ips), tools.find)
                env = api_variables.of(tools.find) | env
                mounts = await self._mounts(container, env)
                spec = specs.container_spec(pod, container, attempt, sandbox, env, mounts)
                spec = await tools.grants.for_container(pod, container, spec)
                spec = await tools.terminations.with_file(pod, container, spec)
                started = await self._start(tools.runtime.start, spec)
                return stimuli.Started(container.name, await tools.terminations.with_message(pod, started))
            case stimuli.RunPostStart():
                return await self._run_post_start(instruction)
            case stimuli.StopContainer():
                return stimuli.Observed(await tools.terminations.with_message(pod, await self._stop(instruction)))
            case stimuli.RemoveContainer(container_id):
                await tools.runtime.remove(container_id)
                return stimuli.Removed(container_id)
            case stimuli.Finish():
                if singletons.must_be_single(pod):
                    await tools.fence.confirm_end(lambda: self.machine.is_gone)
                await asyncio.to_thread(tools.volumes.remove, self.uid)
                if tools.addresses is not None:
                    await tools.addresses.release(self.uid)
                self.cleaned = True
                tools.changed(self)
        return None

    async def _mounts(self, container: Container, env: Mapping[str, str]) -> tuple[runtime.Mount, ...]:
        if not container.volume_mounts:
            return ()
        return await asyncio.to_thread(self._tools.volumes.mounts, self.machine.pod, container, env, self._tools.find)

    async def _start(
        self, start: Callable[[ContainerSpec], Awaitable[runtime.Container]], spec: ContainerSpec
    ) -> runtime.Container:
        """Start a container; one of a strict singleton only while the node has a lease, and is killed if it ran out."""
        if self._tools.addresses is not None:
            spec = await self._tools.addresses.with_address(spec)
        if not spec.strict:
            return await start(spec)
        await self._tools.fence.admit(self._is_unwanted, self._tell_waiting)
        container = await start(spec)
        if not self._tools.fence.is_held:
            await self._tools.runtime.stop(container.id, grace_seconds=0)
        return container

    def _tell_waiting(self, why: str) -> None:
        message = f"waits for a lease to run it on this node: {why}"
        self._tools.record(events.Note(self.machine.pod, events.WARNING, "WaitsForLease", message))

    def _is_unwanted(self) -> bool:
        """Whether the Pod is given up, to end or gone; that by the store: the machine may not have been told yet."""
        if self.machine.is_given_up:
            return True
        pod = self._tools.find(self.key)
        return pod is None or pod.metadata.uid != self.uid or objects.is_terminating(pod)

    async def _stop(self, instruction: stimuli.StopContainer) -> runtime.Container:
        """Run preStop, ask to end, kill: all within the grace period."""
        pod, clock, lifecycle = self.machine.pod, self._tools.clock, instruction.container.lifecycle
        grace = float(instruction.grace_seconds)
        if lifecycle is not None and lifecycle.pre_stop is not None and grace > 0:
            began = clock.monotonic()
            error = await self._tools.hooks.run(
                lifecycle.pre_stop,
                instruction.container,
                instruction.container_id,
                self.machine.pod_ip,
                timeout_seconds=grace,
            )
            if error:
                where = self.machine.field_path(instruction.container.name)
                message = f"PreStopHook failed: {error}"
                self._tools.record(events.Note(pod, events.WARNING, "FailedPreStopHook", message, where))
            grace = max(grace - (clock.monotonic() - began), GRACE_SECONDS_MIN)
        try:
            return await self._tools.runtime.stop(instruction.container_id, grace_seconds=grace)
        except runtime.ContainerGoneError:
            return self._gone(instruction)

    async def _run_post_start(self, instruction: stimuli.RunPostStart) -> stimuli.HookEnded:
        container, container_id = instruction.container, instruction.container_id
        assert container.lifecycle is not None
        assert container.lifecycle.post_start is not None
        error = await self._tools.hooks.run(
            container.lifecycle.post_start,
            container,
            container_id,
            self.machine.pod_ip,
            timeout_seconds=hooks.POST_START_SECONDS_MAX,
        )
        return stimuli.HookEnded(container.name, container_id, error)

    def _gone(self, instruction: stimuli.StopContainer) -> runtime.Container:
        return runtime.Container(
            id=instruction.container_id,
            pod=specs.identity(self.machine.pod),
            name=instruction.container.name,
            attempt=0,
            spec_hash="",
            state=runtime.State.REMOVED,
        )

    def _tell_pulling(self, name: str, message: str) -> None:
        where = self.machine.field_path(name)
        self._tools.record(events.Note(self.machine.pod, events.NORMAL, "Pulling", message, where))

    def _set_alarm(self, at: datetime) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._tools.spawn(self._ring(at))

    async def _ring(self, at: datetime) -> None:
        await self._tools.clock.sleep(max(0.0, (at - self._tools.clock.now()).total_seconds()))
        self._alarm = None
        self.feed(stimuli.Woken())


def failure(instruction: stimuli.Instruction, error: Exception) -> stimuli.Stimulus | None:  # noqa: PLR0911  an arm each
    """Return what an instruction that failed with `error` means to the machine, in Kubernetes' words."""
    message = str(error) or type(error).__name__
    match instruction:
        case stimuli.MakeVolumes():
            return stimuli.VolumesFailed(message)
        case stimuli.RemoveVolumes():
            return stimuli.VolumesRemoved()
        case stimuli.StartSandbox():
            return stimuli.SandboxFailed(f"Failed to create pod sandbox: {message}")
        case stimuli.FetchImage(container):
            never = isinstance(error, images.NeverPullError)
            return stimuli.ImageFailed(container.name, "ErrImageNeverPull" if never else "ErrImagePull", message)
        case stimuli.StartContainer(container):
            if isinstance(error, runtime.ImageMissingError):
                return stimuli.ImageVanished(container.name, message)
            return stimuli.StartFailed(container.name, start_failure_reason(error), message)
        case stimuli.RunPostStart(container_id, container):
            return stimuli.HookEnded(container.name, container_id, message)
        case stimuli.StopContainer(container_id):
            return stimuli.StopFailed(container_id, message)
        case stimuli.RemoveContainer(container_id):
            return stimuli.RemoveFailed(container_id, message)
    return None


def start_failure_reason(error: Exception) -> str:
    """Return the reason that `kubectl get pods` shows for a container that did not start."""
    if isinstance(error, runtime.StartError):
        return "RunContainerError"
    if isinstance(error, EngineError):
        return "CreateContainerError"
    return container_steps.CONFIG_ERROR
