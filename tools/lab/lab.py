"""The lab: so many machines on one switch, and what can be done to the network between them."""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import ipaddress
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.lab import image, processes
from tools.lab.machine import Machine
from tools.lab.processes import LabError
from tools.lab.switch import EXT, Switch

IMAGE_TAGS = {"busybox:lab": "1", "busybox:lab2": "2"}
NEEDED = ("ip", "nsenter", "ebtables-restore", "dockerd", "containerd", "runc", "busybox")


class Lab:
    """`count` machines h1..hN at `<subnet>.11` and up. A context manager: up on entry, down on exit.

    `name` keeps labs apart that run at the same time: at most ten letters and digits; give each a subnet of its own.
    `disk_mebibytes`: each machine's `disk` is a file system of its own, of that size.
    """

    def __init__(
        self,
        name: str,
        *,
        count: int,
        subnet: str = "10.77.0.0/24",
        docker: bool = True,
        disk_mebibytes: int = 0,
    ) -> None:
        self.name = name
        self.subnet = ipaddress.IPv4Network(subnet)
        self.folder = Path(tempfile.gettempdir()) / f"lab.{name}"
        self._docker = docker
        self._switch = Switch(name, self.subnet)
        archive = image.build_image(IMAGE_TAGS) if docker else b""
        self.machines = {
            f"h{number}": Machine(
                name=f"h{number}",
                address=str(self.subnet[10 + number]),
                netns=f"{name}-h{number}",
                folder=self.folder / f"h{number}",
                switch=self._switch,
                image=archive,
                disk_mebibytes=disk_mebibytes,
            )
            for number in range(1, count + 1)
        }

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    def __iter__(self) -> Iterator[Machine]:
        return iter(self.machines.values())

    def __enter__(self) -> Self:
        _check_tools()
        self._claim()
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.down()

    def up(self) -> None:
        """Make the switch and boot all machines at once; what a killed run left under this name goes first."""
        self.down()
        self.folder.mkdir(parents=True)
        hosts = ["127.0.0.1 localhost", *(f"{machine.address} {machine.name}" for machine in self)]
        for machine in self:
            machine.folder.mkdir()
            (machine.folder / "hosts").write_text("\n".join(hosts) + "\n", encoding="ascii")
            # Nobody listens there: a look-up fails at once instead of timing out.
            resolver = f"nameserver {self.subnet[1]}\noptions timeout:1 attempts:1\n"
            (machine.folder / "resolv.conf").write_text(resolver, encoding="ascii")
        self._switch.up()
        with concurrent.futures.ThreadPoolExecutor(len(self.machines)) as pool:
            list(pool.map(lambda machine: machine.power_on(docker=self._docker), self))

    def _claim(self) -> None:
        """Make sure that nobody else runs a lab of this name: one would end the other as a leftover."""
        self._lock = open(f"{self.folder}.lock", "w", encoding="ascii")  # noqa: SIM115  held until this process ends
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LabError(f"a lab named {self.name} is in use by another process") from error

    # Network faults

    def isolate(self, name: str) -> None:
        """Let a machine hear and reach no other machine, and not the box either."""
        others = [*(other for other in self.machines if other != name), EXT]
        self._switch.partition([[name], others])

    def partition(self, *groups: list[str]) -> None:
        """Let each group of machines hear only itself; the box (`EXT`) may be in one."""
        self._switch.partition(groups)

    def cut(self, sender: str, receiver: str) -> None:
        """Drop the frames from one machine to another: one way only."""
        self._switch.cut([(sender, receiver)])

    def heal(self) -> None:
        """Undo all cuts."""
        self._switch.heal()

    # The end

    def down(self) -> None:
        """Remove all that this lab made, or that one of the same name left behind; safe to repeat."""
        for machine in self:
            machine.power_off()
        self._kill_leftovers()
        self._switch.down()
        for netns in self._namespaces():
            processes.run("ip", "netns", "del", netns, check=False)
        for mount in reversed(self._mounts()):
            processes.run("umount", "-l", mount, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        _remove_cgroups(self.name)

    def _namespaces(self) -> list[str]:
        with contextlib.suppress(OSError):
            return sorted(name for name in os.listdir("/run/netns") if name.startswith(f"{self.name}-"))
        return []

    def _kill_leftovers(self) -> None:
        inodes = set()
        for netns in self._namespaces():
            with contextlib.suppress(OSError):
                inodes.add(Path(f"/run/netns/{netns}").stat().st_ino)
        for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()] if inodes else []:
            if processes.namespace_inode(pid, "net") in inodes:
                processes.Process.of(pid).kill()

    def _mounts(self) -> list[str]:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        return [point for point in (line.split()[4] for line in lines) if point.startswith(f"{self.folder}/")]


def _check_tools() -> None:
    if os.geteuid():
        raise LabError("a lab needs root")
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing:
        raise LabError(f"a lab needs {', '.join(missing)}: make engine")


def _remove_cgroups(lab_name: str) -> None:
    """Remove the empty control groups that Docker's `--cgroup-parent` left."""
    for controller in Path("/sys/fs/cgroup").iterdir():
        for top in controller.glob(f"{lab_name}-h*"):
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
