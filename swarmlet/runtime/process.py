"""Pods as plain processes of this machine, for a machine without Docker. It isolates nothing, and says so.

What differs from containers: an image is ignored and a command is needed; a volume mounted at /data is found at
$POD_ROOT/data; a Pod's address is in $POD_IP, and its processes share the machine with everybody; limits are not kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import platform
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

import swarmlet
from swarmlet.clock import Clock
from swarmlet.errors import EngineError
from swarmlet.runtime import dialling, log_stream, loopback, proc, process_sessions, runtime, shim, watchdog
from swarmlet.runtime.credentials import Credentials
from swarmlet.runtime.process_folder import Folder, LogReader
from swarmlet.runtime.runtime import Container, ContainerGoneError, ContainerSpec, State
from swarmlet.runtime.sessions import Pipe, Session

START_SECONDS_MAX = 30.0
KILL_SECONDS_MAX = 10.0
FOLLOW_SECONDS = 0.2
EXEC_OUTPUT_BYTES_MAX = 16 * 1024
CHANGES_MAX = 10_000
INHERITED = ("PATH", "HOME", "LANG", "TZ", "USER")

log = structlog.get_logger()


class ProcessRuntime:
    """A `runtime.Runtime`. `folder` holds the containers, which outlive the daemon."""

    def __init__(
        self,
        *,
        cluster_id: str,
        node_id: str,
        clock: Clock,
        folder: Path,
        environ: Mapping[str, str] = os.environ,
        starts_max: int = 0,
    ) -> None:
        self._owner = f"{cluster_id}/{node_id}"
        self._clock = clock
        self._folder = folder
        self._environ = environ
        self._starts = asyncio.Semaphore(starts_max or os.cpu_count() or 1)
        self._folders: dict[str, Folder] | None = None
        self._pidfds: dict[str, int] = {}
        self._changes: asyncio.Queue[Container] = asyncio.Queue(CHANGES_MAX)
        self._ended: dict[str, asyncio.Event] = {}
        self._addresses: loopback.Addresses | None = None

    async def info(self) -> runtime.RuntimeInfo:
        return runtime.RuntimeInfo(
            scheme="process",
            version=f"process://{swarmlet.__version__}",
            cpus=os.cpu_count() or 1,
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            os_image=_os_name(),
            kernel_version=platform.release(),
            architecture=platform.machine(),
            isolates=False,
            data_root=str(self._folder),
        )

    async def list(self) -> Sequence[Container]:
        return [folder.container() for folder in self._all().values()]

    async def start_sandbox(self, spec: ContainerSpec) -> Container:
        folder = await self._create(spec)
        folder.hold_sandbox(self._clock.now())
        return folder.container()

    async def start(self, spec: ContainerSpec) -> Container:
        if not spec.command:
            raise runtime.CreateError("the process runtime has no images: give spec.containers[].command")
        async with self._starts:
            folder = await self._create(spec)
            env = self._environment(spec, folder.path / "root", folder.address)
            order = {"argv": [*spec.command, *spec.args], "env": env, "cwd": folder.spec["cwd"]}
            try:
                await self._run_shim(folder, order)
            except BaseException:
                await self.remove(folder.id)
                raise
        self._attend(folder)
        return folder.container()

    async def stop(self, container_id: str, *, grace_seconds: float) -> Container:
        folder = self._get(container_id)
        if folder.state().get("sandbox"):
            folder.end_sandbox(self._clock.now())
            return folder.container()
        for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, KILL_SECONDS_MAX)):
            if folder.container().state is not State.RUNNING:
                break
            folder.signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._ended[container_id].wait()
        container = folder.container()
        if container.state is State.RUNNING:
            raise EngineError(f"process {folder.state().get('pid')} does not end, not even by SIGKILL")
        return container

    async def remove(self, container_id: str) -> None:
        with contextlib.suppress(ContainerGoneError):
            folder = self._get(container_id)
            container = await self.stop(container_id, grace_seconds=0)
            del self._all()[container_id]
            self._ignore(container_id)
            if ended := self._ended.pop(container_id, None):
                ended.set()  # for those who follow its log
            await asyncio.to_thread(folder.remove)
            if self._addresses and not any(each.pod_uid == folder.pod_uid for each in self._all().values()):
                self._addresses.release(folder.pod_uid)
            self._tell(dataclasses.replace(container, state=State.REMOVED))

    async def inspect(self, container_id: str) -> Container:
        return self._get(container_id).container()

    async def exec(self, container_id: str, command: Sequence[str], *, timeout_seconds: float) -> runtime.ExecResult:
        folder = self._get(container_id)
        env = folder.environment()
        pipe = asyncio.subprocess.PIPE
        try:
            child = await asyncio.create_subprocess_exec(
                *command, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env=env, cwd=folder.spec["cwd"],
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise EngineError(f"exec: {command[0]}: {error.strerror}") from error
        try:
            async with asyncio.timeout(timeout_seconds):
                output = await _beginning(child.stdout)
                await child.wait()
        except TimeoutError:
            raise EngineError(f"exec: {command[0]}: not done in {timeout_seconds:g} s") from None
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
        return runtime.ExecResult(child.returncode or 0, output)

    async def open_exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Session:
        folder = self._get(container_id)
        env = folder.environment()
        return await process_sessions.start(command, env=env, cwd=folder.spec["cwd"], stdin=stdin, tty=tty)

    async def attach(self, container_id: str, *, stdin: bool) -> Session:
        if stdin:
            raise EngineError("the process runtime keeps no standard input: attach without stdin")
        return process_sessions.LogSession(self.logs(container_id, runtime.LogOptions(follow=True, tail_lines=0)))

    async def dial(self, container_id: str, port: int) -> Pipe:
        return await dialling.dial(port, [self._get(container_id).address or dialling.LOOPBACK[0]])

    async def usage(self, container_ids: Collection[str]) -> runtime.Measurement:
        folders = [folder for each in container_ids if (folder := self._all().get(each)) is not None]
        running = {folder.id: folder.state() for folder in folders if folder.container().state is State.RUNNING}
        leaders = {state["pid"]: container_id for container_id, state in running.items() if "pid" in state}
        machine, found = await asyncio.to_thread(lambda: (proc.machine(), proc.sessions(leaders)))
        return runtime.Measurement(machine, {leaders[pid]: usage for pid, usage in found.items()})

    async def written_bytes(self, container_ids: Collection[str]) -> Mapping[str, int]:
        """A process has no files of its own; its log is bounded by the shim, and counted."""
        folders = self._all()
        return {each: folders[each].log_bytes() for each in container_ids if each in folders}

    async def images(self) -> Sequence[runtime.Image]:
        return ()

    async def remove_image(self, name: str) -> None:
        """There is none."""

    async def image_id(self, image: str) -> str:  # noqa: ARG002  the protocol's
        """All images are here, since none is used."""
        return ""

    async def image_user(self, image: str) -> str:  # noqa: ARG002  the protocol's
        """Every process runs as the daemon's user."""
        return ""

    async def pull(self, image: str, progress: runtime.Progress, credentials: Credentials | None = None) -> str:  # noqa: ARG002  the protocol's
        """Nothing is fetched, since nothing is used."""
        return ""

    async def logs(self, container_id: str, options: runtime.LogOptions) -> AsyncGenerator[bytes, None]:
        folder = self._get(container_id)
        async for data in log_stream.limited(self._log_lines(folder, options), options.limit_bytes):
            yield data

    async def watch(self) -> AsyncIterator[Container | None]:
        self._all()
        yield None
        while True:
            yield await self._changes.get()

    def networks(self) -> None:
        return None

    def watchdog(self) -> runtime.Watchdog:
        orders = {"processes": str(self._folder.resolve()), "owner": self._owner}
        return watchdog.DeputyWatchdog(f"{self._owner} {orders['processes']}", orders, self._clock)

    async def close(self) -> None:
        for container_id in list(self._pidfds):
            self._ignore(container_id)
        if self._addresses is not None:
            self._addresses.close()
        self._folders = self._addresses = None

    # Folders

    def _all(self) -> dict[str, Folder]:
        """Return the containers by id; at first they are read from disk, and those that run are attended again."""
        if self._folders is None:
            self._folders = {}
            log.warning("runtime_isolates_nothing", runtime="process", folder=str(self._folder))
            paths = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
            found = [Folder(path) for path in paths if (path / "spec.json").exists()]
            mine = [each for each in found if each.spec["owner"] == self._owner]
            self._addresses = loopback.Addresses(self._owner, (each.address for each in mine if each.address))
            for folder in mine:
                self._folders[folder.id] = folder
                if folder.address:
                    self._addresses.keep(folder.pod_uid, folder.address)
                self._attend(folder)
        return self._folders

    def _get(self, container_id: str) -> Folder:
        folder = self._all().get(container_id)
        if folder is None:
            raise ContainerGoneError(f"no such container: {container_id}")
        return folder

    async def _create(self, spec: ContainerSpec) -> Folder:
        folders = self._all()
        assert self._addresses is not None
        container_id = f"{spec.pod.uid}.{spec.name}.{spec.attempt}"
        if container_id in folders:  # a start of ours that was not heard of
            await self.remove(container_id)
        path = self._folder / container_id
        address = "" if spec.network.host_network else self._addresses.of(spec.pod.uid)
        try:
            folder = Folder.create(path, spec, self._owner, address)
            _link_volumes(path / "root", spec.mounts)
        except OSError as error:
            raise runtime.CreateError(f"{error.filename}: {error.strerror}") from error
        _set_working_dir(folder, spec.working_dir)
        folders[container_id] = folder
        return folder

    def _environment(self, spec: ContainerSpec, root: Path, address: str) -> dict[str, str]:
        inherited = {name: self._environ[name] for name in INHERITED if name in self._environ}
        return {**inherited, "HOSTNAME": spec.network.hostname, "POD_IP": address, "POD_ROOT": str(root), **spec.env}

    # Processes

    async def _run_shim(self, folder: Folder, order: Mapping[str, Any]) -> None:
        pipe = asyncio.subprocess.PIPE
        argv = [sys.executable, "-I", "-S", shim.__file__, str(folder.path)]
        starter = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                answer, errors = await starter.communicate(json.dumps(order).encode())
        except TimeoutError:
            raise runtime.StartError(f"no answer of the shim in {START_SECONDS_MAX:g} s") from None
        try:
            document = json.loads(answer)
        except ValueError:
            raise runtime.StartError(f"the shim failed: {errors.decode(errors='replace')[-300:]}") from None
        if "error" in document:
            raise runtime.StartError(document["error"])

    def _attend(self, folder: Folder) -> None:
        """Be told when the process ends."""
        ended = self._ended[folder.id] = asyncio.Event()
        pidfd = folder.open_pidfd()
        if pidfd is None:
            ended.set()
            return
        self._pidfds[folder.id] = pidfd
        asyncio.get_running_loop().add_reader(pidfd, self._on_end, folder)

    def _on_end(self, folder: Folder) -> None:
        self._ignore(folder.id)
        self._ended[folder.id].set()
        self._tell(folder.container())

    def _ignore(self, container_id: str) -> None:
        pidfd = self._pidfds.pop(container_id, None)
        if pidfd is not None:
            asyncio.get_running_loop().remove_reader(pidfd)
            os.close(pidfd)

    def _tell(self, container: Container) -> None:
        if self._changes.full():
            self._changes.get_nowait()
        self._changes.put_nowait(container)

    async def _log_lines(self, folder: Folder, options: runtime.LogOptions) -> AsyncIterator[bytes]:
        reader = LogReader(folder.path)
        lines = [line for line in reader.read() if options.since is None or line.at >= options.since]
        if options.tail_lines is not None:
            lines = lines[len(lines) - min(options.tail_lines, len(lines)) :]
        end = self._ended[folder.id]
        while True:
            ended = end.is_set()
            for line in lines:
                yield line.stamp + b" " + line.text if options.timestamps else line.text
            if not options.follow or (ended and not lines):
                return
            if not ended:
                await self._clock.sleep(FOLLOW_SECONDS)
            lines = list(reader.read())


async def _beginning(stream: asyncio.StreamReader | None) -> bytes:
    """Read a stream to its end; keep what fits."""
    output = b""
    while stream is not None and (data := await stream.read(EXEC_OUTPUT_BYTES_MAX)):
        output = (output + data)[:EXEC_OUTPUT_BYTES_MAX]
    return output


def _link_volumes(root: Path, mounts: Sequence[runtime.Mount]) -> None:
    root.mkdir()
    for mount in mounts:
        link = root / mount.target.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(mount.source)


def _set_working_dir(folder: Folder, working_dir: str) -> None:
    """A working directory is one of the Pod's own where it has it, else one of the machine's."""
    inside = folder.path / "root" / working_dir.lstrip("/")
    cwd = str(inside) if inside.is_dir() else working_dir
    folder.spec["cwd"] = cwd
    (folder.path / "spec.json").write_text(json.dumps(folder.spec), encoding="utf-8")


def _os_name() -> str:
    with contextlib.suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return "Linux"
