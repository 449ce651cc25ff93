"""The container engine of a simulated machine: the fake runtime in a process of its own, with what befalls engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from typing import Any, TypeVar

from swarmlet.errors import EngineError
from swarmlet.runtime import runtime
from swarmlet.runtime.credentials import Credentials
from swarmlet.runtime.runtime import Container, ContainerSpec, Lease
from tests.fakes.runtime import KILLED, Engine, FakeRuntime, FakeWatchdog
from tests.simulation.machine import Machine
from tests.simulation.process import Process

STOPPED = "Cannot connect to the Docker daemon. Is the docker daemon running?"

T = TypeVar("T")


class MachineEngine(Engine):
    """The engine of one machine: it and its containers outlive the daemons.

    `tell_start` is told of each container that begins to run. `call_seconds` is what each call takes it.
    """

    def __init__(self, machine: Machine, registry: Sequence[str]) -> None:
        super().__init__(machine.clock)
        self.process = Process(machine.kernel, f"{machine.name}.engine", machine.clock)
        self.registry |= set(registry)
        self.registry_down = False
        self.call_seconds = 0.0
        self.tell_start: Callable[[Container], None] = lambda _container: None

    def containers(self) -> list[Container]:
        """Return all containers, those that have ended too."""
        return [process.container for process in self.processes.values()]

    # What befalls it.

    def stop(self, *, with_containers: bool) -> None:
        """The engine's service stops; its containers with it, or not (live-restore). Nobody is told of them."""
        self.down = STOPPED
        if with_containers:
            self.kill_all()

    def start(self) -> None:
        """The engine serves again: whoever watches is told that changes may have been missed."""
        self.down = ""
        for watcher in self.watchers:
            watcher.put_nowait(None)

    def kill_some(self, share: float, *, remove: bool) -> None:
        """One of the containers that run is killed, or removed, by another hand; `share` says which, 0 to 1."""
        if running := self.running():
            chosen = running[int(share * len(running))].id
            self.forget(chosen) if remove else self.kill(chosen)
            self.process.schedule()

    def kill_all(self) -> None:
        """Every container is killed at once: the machine loses its power, or the engine takes them with it."""
        for container in self.running():
            self.kill(container.id, KILLED)
        self.process.schedule()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self.process.spawn(work)

    def post(self, callback: Callable[[], object]) -> None:
        self.process.post(callback)

    def wipe(self) -> None:
        """Lose all that is on the machine's disk, whose power is off."""
        self.processes.clear()
        self.images.clear()

    def _tell(self, container: Container) -> None:
        if not self.down:
            super()._tell(container)


class MachineRuntime(FakeRuntime):
    """One daemon's way to its machine's engine. What it has asked for is done, though it dies meanwhile."""

    engine: MachineEngine

    def __init__(self, engine: MachineEngine, daemon: Process, *, cluster_id: str, node_id: str) -> None:
        super().__init__(engine, cluster_id=cluster_id, node_id=node_id)
        self._daemon = daemon

    async def info(self) -> runtime.RuntimeInfo:
        return await self._ask(super().info())

    async def list(self) -> Sequence[Container]:
        return await self._ask(super().list())

    async def stop(self, container_id: str, *, grace_seconds: float) -> Container:
        return await self._ask(super().stop(container_id, grace_seconds=grace_seconds))

    async def remove(self, container_id: str) -> None:
        await self._ask(super().remove(container_id))

    async def usage(self, container_ids: Collection[str]) -> runtime.Measurement:
        return await self._ask(super().usage(container_ids))

    async def image_id(self, image: str) -> str:
        return await self._ask(super().image_id(image))

    async def pull(self, image: str, progress: runtime.Progress, credentials: Credentials | None = None) -> str:
        if self.engine.registry_down:
            raise runtime.PullError(f"Get {image}: dial tcp: connection refused")
        return await self._ask(super().pull(image, progress, credentials))

    async def watch(self) -> AsyncIterator[Container | None]:
        letters: asyncio.Queue[Container | None] = asyncio.Queue()
        mailbox = _Mailbox(self._daemon, letters)
        self.engine.watchers.add(mailbox)
        try:
            yield None
            while True:
                container = await letters.get()
                if container is None or self._owns(container.id):
                    yield container
        finally:
            self.engine.watchers.discard(mailbox)

    def watchdog(self) -> MachineWatchdog:
        return MachineWatchdog(super().watchdog(), self._ask, self.engine.process)

    async def _start(self, spec: ContainerSpec) -> Container:
        return await self._ask(super()._start(spec))

    async def _ask(self, call: Coroutine[Any, Any, T]) -> T:
        """Have the engine's process do something, and wait for its answer."""
        engine, daemon = self.engine.process, self._daemon
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def serve() -> None:
            engine.spawn(self._serve(call, lambda outcome: daemon.post(_settle, answer, outcome)))

        engine.post(serve)
        return await answer

    async def _serve(self, call: Coroutine[Any, Any, T], tell: Callable[[object], None]) -> None:
        try:
            tell(await self._served(call))
        except EngineError as error:
            tell(error)

    async def _served(self, call: Coroutine[Any, Any, T]) -> T:
        if self.engine.call_seconds:
            await self.engine.clock.sleep(self.engine.call_seconds)
        if self.engine.down:
            call.close()
            raise EngineError(self.engine.down)
        result = await call
        if isinstance(result, Container) and result.state is runtime.State.RUNNING:
            self.engine.tell_start(result)
        return result


class MachineWatchdog(FakeWatchdog):
    """One daemon's way to the watchdog that runs beside its machine's engine."""

    def __init__(
        self, dog: FakeWatchdog, ask: Callable[[Coroutine[Any, Any, None]], Coroutine[Any, Any, None]], engine: Process
    ) -> None:
        self._dog = dog
        self._ask = ask
        self._process = engine

    async def start(self) -> None:
        await self._ask(self._dog.start())

    def is_watching(self) -> bool:
        return self._dog.is_watching()

    def renew(self, lease: Lease) -> None:
        self._dog.lease = lease
        self.changed()

    def last(self) -> Lease | None:
        return self._dog.last()

    def retire(self) -> None:
        self._process.post(self._dog.retire)

    def changed(self) -> None:
        self._process.post(self._dog.changed)


class _Mailbox(asyncio.Queue[Container | None]):
    """Carries the engine's news to the daemon's process."""

    def __init__(self, daemon: Process, letters: asyncio.Queue[Container | None]) -> None:
        super().__init__()
        self._daemon = daemon
        self._letters = letters

    def put_nowait(self, item: Container | None) -> None:
        self._daemon.post(self._letters.put_nowait, item)


def _settle(answer: asyncio.Future[Any], outcome: Any) -> None:
    if answer.done():
        return
    if isinstance(outcome, BaseException):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
