"""One container of the process runtime on disk: what it was made from, whether it runs, what it wrote."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from swarmlet import trees
from swarmlet.runtime import runtime, shim
from swarmlet.runtime.runtime import Container, ContainerSpec, State

LOG_NAMES = ("log.1", "log")
LOST_EXIT_CODE = 137


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line as the shim wrote it. `stamp` is RFC 3339."""

    stamp: bytes
    text: bytes

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.stamp.decode())


class Folder:
    """`<containers>/<id>`: spec.json, state.json, log, and `root` with links to the volumes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self._spec: dict[str, Any] | None = None

    @classmethod
    def create(cls, path: Path, spec: ContainerSpec, owner: str, address: str) -> Folder:
        """Write a new container's folder; nothing of its arguments and its environment, where secrets may be."""
        path.mkdir(parents=True, mode=0o700)
        document = {
            "cwd": str(path / "root"),
            "owner": owner,
            "pod": asdict(spec.pod),
            "name": spec.name,
            "attempt": spec.attempt,
            "spec_hash": spec.spec_hash,
            "strict": spec.strict,
            "address": address,
            "boot_id": boot_id(),
        }
        (path / "spec.json").write_text(json.dumps(document), encoding="utf-8")
        return cls(path)

    @property
    def spec(self) -> dict[str, Any]:
        if self._spec is None:
            self._spec = json.loads((self.path / "spec.json").read_text(encoding="utf-8"))
        return self._spec

    @property
    def address(self) -> str:
        return str(self.spec["address"])

    @property
    def pod_uid(self) -> str:
        return str(self.spec["pod"]["uid"])

    def log_bytes(self) -> int:
        """Return how much the log takes."""
        return sum(file.stat().st_size for name in LOG_NAMES if (file := self.path / name).exists())

    def state(self) -> dict[str, Any]:
        """Return what the shim wrote last, {} where there is nothing yet."""
        try:
            found: dict[str, Any] = json.loads((self.path / "state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def container(self) -> Container:
        """Return the container as it is now."""
        state = self.state()
        ended = "exit_code" in state
        running = not ended and (bool(state.get("sandbox")) or _is_alive(state, "shim", "shim_start"))
        if not running and not ended:
            state = self.give_up()
        return Container(
            id=self.id,
            pod=runtime.PodIdentity(**self.spec["pod"]),
            name=self.spec["name"],
            attempt=self.spec["attempt"],
            spec_hash=self.spec["spec_hash"],
            state=State.RUNNING if running else State.EXITED,
            address=self.address if running else "",
            exit_code=state.get("exit_code", 0),
            started_at=_time(state.get("started_at")),
            finished_at=_time(state.get("finished_at")),
            strict=bool(self.spec.get("strict")),
        )

    def give_up(self) -> dict[str, Any]:
        """The shim was killed, or the machine restarted: what it stood by ends too, and nobody knows how."""
        state = self.state()
        self.signal(signal.SIGKILL)
        finished_at = (self.path / "spec.json").stat().st_mtime if not state else state["started_at"]
        state |= {"exit_code": LOST_EXIT_CODE, "finished_at": max(finished_at, _log_time(self.path))}
        shim.write_state(str(self.path), state)
        return state

    def hold_sandbox(self, now: datetime) -> None:
        """A sandbox is an address and no process: it runs until it is stopped or the machine restarts."""
        shim.write_state(str(self.path), {"sandbox": True, "started_at": now.timestamp()})

    def end_sandbox(self, now: datetime) -> None:
        """Stop a sandbox."""
        shim.write_state(str(self.path), self.state() | {"exit_code": 0, "finished_at": now.timestamp()})

    def signal(self, number: int) -> None:
        """Send a signal to the process and all that it has started in its group."""
        state = self.state()
        if _is_alive(state, "pid", "start"):
            try:
                os.killpg(state["pid"], number)
            except ProcessLookupError:
                return

    def environment(self) -> dict[str, str]:
        """Return what the process was started with; raise `ContainerGoneError` where it has ended."""
        pid = self.state().get("pid")
        try:
            block = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError as error:
            raise runtime.ContainerGoneError(f"container {self.id} is not running") from error
        pairs = (entry.partition(b"=") for entry in block.split(b"\0") if entry)
        return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}

    def open_pidfd(self) -> int | None:
        """Return a descriptor that becomes readable when the shim ends, None where it has."""
        state = self.state()
        if not _is_alive(state, "shim", "shim_start"):
            return None
        try:
            pidfd = os.pidfd_open(state["shim"])
        except ProcessLookupError:
            return None
        if _is_alive(state, "shim", "shim_start"):  # still the same process, and not one that got its number
            return pidfd
        os.close(pidfd)
        return None

    def remove(self) -> None:
        """Remove the folder and what is in it, which the process may have made as deep as it liked."""
        with contextlib.suppress(OSError):
            trees.remove(self.path)


class LogReader:
    """Reads a container's log from its beginning, and goes on where it stopped, through a change of files too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._offset = 0

    def read(self) -> Iterator[LogLine]:
        """Yield the whole lines that were not yielded before."""
        reached = not self._inode
        for name in LOG_NAMES:
            try:
                stream = (self._path / name).open("rb")
            except FileNotFoundError:
                continue
            with stream:
                inode = os.fstat(stream.fileno()).st_ino
                goes_on = inode == self._inode
                if reached or goes_on:
                    yield from self._read_file(stream, inode, self._offset if goes_on else 0)
                reached |= goes_on

    def _read_file(self, stream: BinaryIO, inode: int, offset: int) -> Iterator[LogLine]:
        stream.seek(offset)
        self._inode, self._offset = inode, offset
        for line in stream:
            if line.endswith(b"\n"):
                self._offset += len(line)
                yield _parse_line(line)


def _parse_line(line: bytes) -> LogLine:
    """Read a line of the log."""
    stamp, _, rest = line.partition(b" ")
    return LogLine(stamp, rest.partition(b" ")[2])


def boot_id() -> str:
    """Return what names this run of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _is_alive(state: Mapping[str, Any], pid: str, start: str) -> bool:
    return bool(state.get(pid)) and bool(state.get(start)) and shim.start_time(state[pid]) == state[start]


def _log_time(path: Path) -> float:
    log = path / "log"
    return log.stat().st_mtime if log.exists() else 0.0


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
