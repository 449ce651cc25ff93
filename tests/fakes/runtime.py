"""A runtime in memory: deterministic on virtual time, with levers to break it. It passes the contract suite."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from swarmlet.clock import Clock
from swarmlet.errors import EngineError
from swarmlet.runtime import runtime
from swarmlet.runtime.credentials import Credentials
from swarmlet.runtime.runtime import Container, ContainerGoneError, ContainerSpec, Lease, State
from swarmlet.runtime.sessions import Pipe, Session
from tests.fakes import sessions
from tests.fakes.shell import Shell

KILLED = 137
TERMINATED = 143


@dataclasses.dataclass(slots=True)
class Process:
    container: Container
    spec: ContainerSpec
    shell: Shell | None = None
    task: asyncio.Task[None] | None = None
    lines: list[tuple[datetime, str]] = dataclasses.field(default_factory=list)
    ended: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    cpu_nanoseconds: int = 0
    measured_at: float = 0.0


class Engine:
    """What outlives a daemon: the containers and the images. Several runtimes may share one."""

    def __init__(self, clock: Clock, images: Sequence[str] = ()) -> None:
        self.clock = clock
        self.images = set(images)
        self.registry: set[str] = set()
        self.image_users: dict[str, str] = {}
        self.passwords: dict[str, str] = {}
        self.pulls: list[tuple[str, str]] = []
        self.processes: dict[str, Process] = {}
        self.owners: dict[str, tuple[str, str]] = {}
        self.watchers: set[asyncio.Queue[Container | None]] = set()
        self.down = ""
        self.start_seconds = 0.0
        self.commands: dict[str, int] = {}  # how `exec` of a command's last word ends, where that is scripted
        self.execs = 0
        self.listening = {8080}  # the ports of every Pod: what comes in goes out again
        self.starts = 0
        self.load_cores = 0.0  # of each container
        self.memory_bytes = 16 * 1024 * 1024  # of each container
        self.memory_of: dict[str, int] = {}  # of each container of a Pod, by the Pod's name
        self.written: dict[str, int] = {}  # by each container of a Pod, by the Pod's name
        self.machine_memory_bytes = 8 * 1024**3
        self.image_bytes = 10 * 1024 * 1024  # of each image
        self.watchdogs: dict[tuple[str, str], FakeWatchdog] = {}
        self.networks: dict[str, tuple[tuple[str, str], runtime.BridgeNetwork]] = {}

    def running(self, name: str = "") -> list[Container]:
        found = [process.container for process in self.processes.values()]
        return [each for each in found if each.state is State.RUNNING and name in ("", each.name)]

    def kill(self, container_id: str, exit_code: int = KILLED, *, oom_killed: bool = False) -> None:
        """A container dies by another hand."""
        process = self.processes[container_id]
        if process.task is not None:
            process.task.cancel()
        self._end(process, exit_code, oom_killed=oom_killed)

    def forget(self, container_id: str) -> None:
        """A container is removed by another hand."""
        process = self.processes[container_id]
        if process.container.state is State.RUNNING:
            self.kill(container_id)
        del self.processes[container_id]
        self._tell(dataclasses.replace(process.container, state=State.REMOVED))

    def lose_memory(self) -> None:
        """The machine's power goes: nothing watches it any more, and what was told is forgotten."""
        for watchdog in self.watchdogs.values():
            watchdog.retire()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin something that outlives the daemons."""
        return asyncio.get_running_loop().create_task(work)

    def post(self, callback: Callable[[], object]) -> None:
        """Call something of the engine's own."""
        callback()

    def _end(self, process: Process, exit_code: int, *, oom_killed: bool = False) -> None:
        if process.container.state is not State.RUNNING:
            return
        process.container = dataclasses.replace(
            process.container,
            state=State.EXITED,
            exit_code=exit_code,
            oom_killed=oom_killed,
            finished_at=self.clock.now(),
            address="",
        )
        process.ended.set()
        self._tell(process.container)

    def _tell(self, container: Container) -> None:
        for watcher in self.watchers:
            watcher.put_nowait(container)


class FakeNetworks:
    """The `runtime.Networks` of one node."""

    def __init__(self, engine: Engine, owner: tuple[str, str]) -> None:
        self._engine = engine
        self._owner = owner

    async def ensure(self, network: runtime.BridgeNetwork) -> None:
        if self._engine.down:
            raise EngineError(self._engine.down)
        owner, _ = self._engine.networks.get(network.name, (self._owner, network))
        running = [each for each in self._engine.processes.values() if each.container.state is State.RUNNING]
        if owner != self._owner and any(each.spec.network.bridge_network == network.name for each in running):
            raise EngineError(f"a network {network.name} that is not this node's")
        self._engine.networks[network.name] = (self._owner, network)

    async def remove(self, name: str) -> None:
        if name in self._engine.networks and self._engine.networks[name][0] == self._owner:
            del self._engine.networks[name]


class FakeWatchdog:
    """A `runtime.Watchdog` of one node: it lives as long as the engine, whatever becomes of the daemons."""

    def __init__(self, engine: Engine, owner: tuple[str, str]) -> None:
        self.lease: Lease | None = None
        self.works = True
        self._engine = engine
        self._owner = owner
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def start(self) -> None:
        if not self.works:
            raise EngineError("the watchdog does not start")
        if self._task is None:
            self._task = self._engine.spawn(self._watch())

    def is_watching(self) -> bool:
        return self._task is not None and self.works

    def renew(self, lease: Lease) -> None:
        self.lease = lease
        self.changed()

    def last(self) -> Lease | None:
        return self.lease

    def retire(self) -> None:
        if self._task is not None:
            self._engine.post(self._task.cancel)
        self._task, self.lease = None, None

    def changed(self) -> None:
        """The lease is another, or a strict container was started."""
        self._engine.post(self._changed.set)

    async def _watch(self) -> None:
        while True:
            left = (self.lease.until if self.lease else 0.0) - self._engine.clock.monotonic()
            if left <= 0 and self.works:
                self._kill_all()
            try:
                async with asyncio.timeout(left if left > 0 else None):
                    await self._changed.wait()
            except TimeoutError:
                continue
            self._changed.clear()

    def _kill_all(self) -> None:
        for each in self._engine.running():
            if each.strict and self._engine.owners[each.id] == self._owner:
                self._engine.kill(each.id)


class FakeRuntime:
    """A `runtime.Runtime` for one node of one cluster."""

    def __init__(self, engine: Engine, *, cluster_id: str = "cluster", node_id: str = "node") -> None:
        self.engine = engine
        self._owner = (cluster_id, node_id)

    async def info(self) -> runtime.RuntimeInfo:
        self._check()
        return runtime.RuntimeInfo(
            scheme="fake",
            version="fake://1.0",
            cpus=4,
            memory_bytes=self.engine.machine_memory_bytes,
            os_image="Fake",
            kernel_version="6.0",
            architecture="x86_64",
        )

    async def list(self) -> Sequence[Container]:
        self._check()
        return [each.container for each in self.engine.processes.values() if self._owns(each.container.id)]

    async def start_sandbox(self, spec: ContainerSpec) -> Container:
        return await self._start(dataclasses.replace(spec, command=("sleep", "1e9")))

    async def start(self, spec: ContainerSpec) -> Container:
        if spec.image not in self.engine.images:
            raise runtime.ImageMissingError(f"No such image: {spec.image}")
        return await self._start(spec)

    async def _start(self, spec: ContainerSpec) -> Container:
        self._check()
        if self.engine.start_seconds:
            await self.engine.clock.sleep(self.engine.start_seconds)
        self._check()
        self.engine.starts += 1
        number = self.engine.starts
        if (spec.command or ("hold",))[0] == "no-such-program":
            raise runtime.StartError("exec: no-such-program: executable file not found in $PATH")
        container = Container(
            id=f"{number:064x}",
            pod=spec.pod,
            name=spec.name,
            attempt=spec.attempt,
            spec_hash=spec.spec_hash,
            state=State.RUNNING,
            image_id=f"sha256:{spec.image}",
            address="" if spec.sandbox else spec.network.address or f"10.244.0.{number % 250 + 1}",
            address_v6="" if spec.sandbox else spec.network.address_v6,
            started_at=self.engine.clock.now(),
            strict=spec.strict,
            devices=spec.devices.units,
        )
        process = Process(container, spec, measured_at=self.engine.clock.monotonic())
        self.engine.processes[container.id] = process
        self.engine.owners[container.id] = self._owner
        self.watchdog().changed()
        process.task = asyncio.get_running_loop().create_task(self._run(process))
        return container

    async def _run(self, process: Process) -> None:
        command = [*(process.spec.command or ("sleep", "1e9")), *process.spec.args]
        shell = Shell(
            command, process.spec.env, lambda path: self._read(process, path), lambda text: self._write(process, text),
            self.engine.clock.sleep,
        )  # fmt: skip
        process.shell = shell
        self.engine._end(process, await shell.run())

    async def stop(self, container_id: str, *, grace_seconds: float) -> Container:
        self._check()
        process = self._process(container_id)
        if process.container.state is State.RUNNING:
            shell = process.shell
            if shell is not None and shell.ignores_term:
                await self.engine.clock.sleep(grace_seconds)
                self._process(container_id)  # it may be gone by now
                self.engine.kill(container_id, KILLED)
            else:
                code = shell.exit_on_term if shell else None
                self.engine.kill(container_id, TERMINATED if code is None else code)
        return process.container

    async def remove(self, container_id: str) -> None:
        self._check()
        if container_id in self.engine.processes:
            self.engine.forget(container_id)

    async def inspect(self, container_id: str) -> Container:
        self._check()
        return self._process(container_id).container

    async def logs(self, container_id: str, options: runtime.LogOptions) -> AsyncIterator[bytes]:
        process = self._process(container_id)
        if options.follow:
            await process.ended.wait()
        lines = [each for each in process.lines if options.since is None or each[0] >= options.since]
        if options.tail_lines is not None:
            lines = lines[len(lines) - min(options.tail_lines, len(lines)) :]
        text = "".join(f"{at.isoformat()} {line}\n" if options.timestamps else f"{line}\n" for at, line in lines)
        data = text.encode()
        yield data if options.limit_bytes is None else data[: options.limit_bytes]

    async def exec(self, container_id: str, command: Sequence[str], *, timeout_seconds: float) -> runtime.ExecResult:
        process = self._process(container_id)
        self.engine.execs += 1
        if command[-1] in self.engine.commands:
            code = self.engine.commands[command[-1]]
            return runtime.ExecResult(code, f"{command[-1]} said {code}\n".encode())
        output: list[str] = []
        shell = Shell(
            command, process.spec.env, lambda path: self._read(process, path), output.append, self.engine.clock.sleep
        )
        async with asyncio.timeout(timeout_seconds):
            code = await shell.run()
        return runtime.ExecResult(code, "".join(f"{line}\n" for line in output).encode())

    async def open_exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Session:
        process = self._process(container_id)
        self.engine.execs += 1
        return sessions.command(command, process.spec.env, self.engine.clock.sleep)

    async def attach(self, container_id: str, *, stdin: bool) -> Session:
        process = self._process(container_id)
        return sessions.AttachedSession(process.lines, process.ended)

    async def dial(self, container_id: str, port: int) -> Pipe:
        self._process(container_id)
        if port not in self.engine.listening:
            raise EngineError(f"failed to connect to localhost:{port} inside the pod: connection refused")
        return await sessions.echo()

    async def usage(self, container_ids: Collection[str]) -> runtime.Measurement:
        self._check()
        measured = {
            each: self._measured(self._process(each))
            for each in container_ids
            if each in self.engine.processes and self._process(each).container.state is State.RUNNING
        }
        total = sum(each.cpu_nanoseconds for each in self.engine.processes.values())
        memory = len(self.engine.running()) * self.engine.memory_bytes
        return runtime.Measurement(runtime.Usage(total, memory), measured)

    def _measured(self, process: Process) -> runtime.Usage:
        now = self.engine.clock.monotonic()
        process.cpu_nanoseconds += round((now - process.measured_at) * self.engine.load_cores * 1e9)
        process.measured_at = now
        memory = self.engine.memory_of.get(process.container.pod.name, self.engine.memory_bytes)
        return runtime.Usage(process.cpu_nanoseconds, memory)

    async def written_bytes(self, container_ids: Collection[str]) -> Mapping[str, int]:
        self._check()
        found = (each for each in container_ids if each in self.engine.processes)
        return {each: self.engine.written.get(self._process(each).container.pod.name, 0) for each in found}

    async def images(self) -> Sequence[runtime.Image]:
        self._check()
        return [
            runtime.Image(f"sha256:{each}", (each,), self.engine.image_bytes) for each in sorted(self.engine.images)
        ]

    async def remove_image(self, name: str) -> None:
        self._check()
        if any(process.spec.image == name for process in self.engine.processes.values()):
            raise runtime.ImageInUseError(f"conflict: unable to remove repository reference {name}")
        self.engine.images.discard(name)

    async def image_id(self, image: str) -> str:
        self._check()
        if image not in self.engine.images:
            raise runtime.ImageMissingError(f"No such image: {image}")
        return f"sha256:{image}"

    async def image_user(self, image: str) -> str:
        await self.image_id(image)
        return self.engine.image_users.get(image, "")

    async def pull(self, image: str, progress: runtime.Progress, credentials: Credentials | None = None) -> str:
        self._check()
        progress("Downloading")
        if image not in self.engine.registry:
            raise runtime.PullError(f"manifest for {image} not found: manifest unknown")
        password = self.engine.passwords.get(image, "")
        if password and (credentials is None or credentials.password != password):
            raise runtime.PullError(f"pull access denied for {image}: unauthorized")
        self.engine.pulls.append((image, credentials.username if credentials else ""))
        self.engine.images.add(image)
        return f"sha256:{image}"

    async def watch(self) -> AsyncIterator[Container | None]:
        queue: asyncio.Queue[Container | None] = asyncio.Queue()
        self.engine.watchers.add(queue)
        try:
            yield None
            while True:
                container = await queue.get()
                if container is None or self._owns(container.id):
                    yield container
        finally:
            self.engine.watchers.discard(queue)

    def networks(self) -> FakeNetworks:
        return FakeNetworks(self.engine, self._owner)

    def watchdog(self) -> FakeWatchdog:
        return self.engine.watchdogs.setdefault(self._owner, FakeWatchdog(self.engine, self._owner))

    async def close(self) -> None:
        pass

    def _check(self) -> None:
        if self.engine.down:
            raise EngineError(self.engine.down)

    def _owns(self, container_id: str) -> bool:
        return self.engine.owners.get(container_id) == self._owner

    def _process(self, container_id: str) -> Process:
        if container_id not in self.engine.processes:
            raise ContainerGoneError(f"No such container: {container_id}")
        return self.engine.processes[container_id]

    def _write(self, process: Process, text: str) -> None:
        process.lines.append((self.engine.clock.now(), text))

    def _read(self, process: Process, path: str) -> str:
        for mount in process.spec.mounts:
            if path.startswith(mount.target):
                return Path(mount.source + path[len(mount.target) :]).read_text(encoding="utf-8").rstrip("\n")
        raise LookupError(path)
