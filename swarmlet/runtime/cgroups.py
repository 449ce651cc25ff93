"""What containers use, from the files of their cgroups: a few reads a container, and no call of the Engine.

    cgroup = Cgroups().find(pid, container_id)    # once: where it is does not change while the container runs
    cgroup.usage()

Both versions of cgroups are read, and whoever names them (cgroupfs or systemd): the kernel says where a process is.
The working set is as the kubelet counts it: what is in use, without file pages that were not touched lately.
Source: google/cadvisor container/libcontainer/handler.go (setMemoryStats), cgroups(7).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from swarmlet.runtime.runtime import Usage

PROC = Path("/proc")
MICROSECOND = 1_000
"""In nanoseconds."""


@dataclass(frozen=True, slots=True)
class Cgroup:
    """Where the files of one container are: the folders of its processor time and of its memory."""

    cpu: Path
    memory: Path
    unified: bool

    def usage(self) -> Usage:
        """Read what it has used; raise `OSError` or `ValueError` where it is gone or tells something else."""
        if self.unified:
            cpu = _entry(self.cpu / "cpu.stat", "usage_usec") * MICROSECOND
            memory = _number(self.memory / "memory.current")
            idle = _entry(self.memory / "memory.stat", "inactive_file")
        else:
            cpu = _number(self.cpu / "cpuacct.usage")
            memory = _number(self.memory / "memory.usage_in_bytes")
            idle = _entry(self.memory / "memory.stat", "total_inactive_file")
        return Usage(cpu, max(0, memory - idle))


class Cgroups:
    """Finds the cgroups of processes, as seen from this one. `proc` is where the kernel tells of processes."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._mounts: dict[str, tuple[str, Path]] | None = None

    def find(self, pid: int, container_id: str) -> Cgroup | None:
        """Return the cgroup of a container by one of its processes; None where it cannot be read from here.

        The name of the cgroup must bear the container's id: the process may be another machine's, where the Engine is.
        """
        try:
            if self._mounts is None:
                self._mounts = _mounts((self._proc / "self" / "mountinfo").read_text(encoding="utf-8"))
            paths = _paths((self._proc / str(pid) / "cgroup").read_text(encoding="utf-8"))
        except OSError:
            return None
        first = self._folder("cpuacct", paths, container_id), self._folder("memory", paths, container_id)
        if first[0] is not None and first[1] is not None:
            return Cgroup(first[0], first[1], unified=False)
        both = self._folder("", paths, container_id)
        return Cgroup(both, both, unified=True) if both is not None else None

    def _folder(self, controller: str, paths: dict[str, str], container_id: str) -> Path | None:
        """Return the folder of a controller ("": of version 2), up to the part of the path that names the container."""
        mount = (self._mounts or {}).get(controller)
        path = paths.get(controller)
        if mount is None or path is None:
            return None
        root, point = mount
        parts = path.removeprefix(root).strip("/").split("/")
        named = next((number for number, part in enumerate(parts, 1) if container_id in part), None)
        return None if named is None or ".." in parts else point.joinpath(*parts[:named])


def _mounts(mountinfo: str) -> dict[str, tuple[str, Path]]:
    """Return where each controller ("": version 2) is mounted, and which part of its tree. Source: proc(5)."""
    found: dict[str, tuple[str, Path]] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        type_, _, options = after.split(" ", 2)
        root, point = before.split(" ")[3:5]
        place = (root if root != "/" else "", Path(point))
        if type_ == "cgroup2":
            found.setdefault("", place)
        elif type_ == "cgroup":
            for option in options.split(","):
                found.setdefault(option, place)
    return found


def _paths(text: str) -> dict[str, str]:
    """Return the path of a process in the tree of each controller. Source: cgroups(7), /proc/[pid]/cgroup."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _number(path: Path) -> int:
    return int(path.read_bytes())


def _entry(path: Path, name: str) -> int:
    """Return the number beside a name in a file of names and numbers."""
    wanted = name.encode()
    for line in path.read_bytes().splitlines():
        key, _, value = line.partition(b" ")
        if key == wanted:
            return int(value)
    raise ValueError(f"{path} has no {name}")
