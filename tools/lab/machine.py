"""One machine of a lab: power, processes, a Docker daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.engine import Engine
from tools.lab import disk, processes
from tools.lab.line import Line
from tools.lab.processes import LabError, Process
from tools.lab.switch import Switch

INSIDE = Path(__file__).with_name("inside.py")
DOCKERD_START_SECONDS_MAX = 60


class Machine:
    """A machine that can be switched on and off. `folder` is its disk: it outlives a loss of power.

    With `disk_mebibytes`, `disk` is a file system of its own, of that size; else it is `folder` itself.
    """

    def __init__(
        self,
        *,
        name: str,
        address: str,
        netns: str,
        folder: Path,
        switch: Switch,
        image: bytes,
        disk_mebibytes: int = 0,
    ) -> None:
        self.name = name
        self.address = address
        self.folder = folder
        self.disk = folder / "disk" if disk_mebibytes else folder
        self.line = Line(netns)
        self.socket = folder / "docker.sock"
        self.engine = Engine(f"unix://{self.socket}")
        self._netns = netns
        self._switch = switch
        self._image = image
        self._disk_mebibytes = disk_mebibytes
        self._init: Process | None = None
        self._dockerd: Process | None = None

    # Power

    @property
    def on(self) -> bool:
        return self._init is not None and self._init.alive

    def power_on(self, *, docker: bool = True) -> None:
        """Boot with the disk it had."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "var-lib").mkdir(exist_ok=True)
        if self._disk_mebibytes:
            disk.mount(self.disk, self._disk_mebibytes)
        (self.folder / "hostname").write_text(self.name + "\n", encoding="ascii")
        self._switch.plug(self.name, self._netns, self.address)
        argv = [sys.executable, "-I", "-S", str(INSIDE), "init", self._netns, str(self.folder), self.name]
        log = self.folder / "init.log"
        with (
            log.open("ab") as errors,
            subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, cwd="/"
            ) as starter,
        ):
            assert starter.stdout is not None
            words = starter.stdout.read().split()  # ends when init has closed its output
        if len(words) != 2 or words[1] != "ready":
            raise LabError(f"{self.name}: its init did not start: {log.read_text(encoding='utf-8')[-500:]}")
        self._init = Process.of(int(words[0]))
        if docker:
            self.start_dockerd()

    def power_off(self) -> None:
        """Lose power: first the link goes, so that no FIN or RST gets out; then SIGKILL of its init takes all."""
        if self._init is None:
            return
        self._switch.pull_cable(self.name)
        victims = self.processes() if self.on else []
        self._init.kill()
        for victim in victims:
            processes.wait_until(lambda victim=victim: not victim.alive, 20, f"{self.name}: {victim} is gone")
        self._switch.unplug(self.name, self._netns)
        self._init = self._dockerd = None

    def freeze(self) -> None:
        """Stop every process but init, as a machine that hangs; `thaw` ends it."""
        for _ in range(2):  # twice: what was forked while the first round went on
            self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let everything go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        for process in self.processes():
            if process != self._init:
                process.signal(number)

    # Processes

    def processes(self) -> list[Process]:
        """Return all processes of the machine, its containers' too."""
        inode = processes.namespace_inode(self._powered().pid, "pid")
        return processes.inside(inode) if inode else []

    def run(
        self,
        *argv: str,
        check: bool = True,
        seconds: float = 60,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine and return what it printed; LabError where it fails and `check`."""
        done = subprocess.run(
            [*self._nsenter(), *argv],
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
            timeout=seconds,
            env=env,
        )
        if check and done.returncode:
            raise LabError(f"{self.name}: {' '.join(argv)}: exit {done.returncode}: {done.stderr or done.stdout}")
        return done

    def popen_on(self, terminal: int, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a command in the machine on a terminal, whose end for programs `terminal` is."""
        return subprocess.Popen(
            [*self._nsenter(), *argv], stdin=terminal, stdout=terminal, stderr=terminal, env=env, start_new_session=True
        )

    def popen(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start an attached command in the machine with its output piped here."""
        return subprocess.Popen(
            [*self._nsenter(), *argv], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env
        )

    def spawn(self, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> Process:
        """Start a daemon in the machine, a child of its init."""
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(INSIDE), "spawn", str(self._powered().pid), str(log), os.getcwd(), *argv],
            capture_output=True,
            text=True,
            check=False,
            env=env,
        )
        if done.returncode or not done.stdout.strip():
            raise LabError(f"{self.name}: {argv[0]}: {done.stderr.strip()}")
        return Process.of(int(done.stdout))

    def _powered(self) -> Process:
        if self._init is None or not self._init.alive:
            raise LabError(f"{self.name} is off")
        return self._init

    def _nsenter(self) -> list[str]:
        return ["nsenter", "-t", str(self._powered().pid), "-m", "-u", "-i", "-n", "-p", f"--wd={os.getcwd()}", "--"]

    # Docker

    def start_dockerd(self) -> None:
        """Start the machine's Docker daemon, wait until it answers, and load the image."""
        self.socket.unlink(missing_ok=True)
        log = self.folder / "dockerd.log"
        argv = [
            "dockerd",
            "--data-root", str(self.folder / "docker"),
            "--exec-root", "/run/docker",  # the machine's /run is its own
            "--pidfile", "/run/docker.pid",
            "--host", f"unix://{self.socket}",  # seen from the box
            "--host", "unix:///run/docker.sock",  # the usual place, seen in the machine
            "--cgroup-parent", f"/{self._netns}",
            "--storage-driver", "overlay2",
            "--add-runtime", "crun=/usr/bin/crun",
            "--log-level", "warn",
        ]  # fmt: skip
        # No machine of a lab reaches a registry: Swarm need not ask one for each task, which only helps it.
        self._dockerd = self.spawn(argv, log=log, env=dict(os.environ, DOCKER_SERVICE_PREFER_OFFLINE_IMAGE="1"))
        what = f"{self.name}: dockerd answers ({log})"
        processes.wait_until(self._docker_answers, DOCKERD_START_SECONDS_MAX, what, step_seconds=0.05)
        self.engine.load(self._image)

    def stop_dockerd(self, number: int = signal.SIGTERM) -> None:
        """End the Docker daemon (its containers' fate is Docker's business) and wait until it is gone."""
        daemon = self._dockerd
        if daemon is not None:
            daemon.signal(number)
            processes.wait_until(lambda: not daemon.alive, 40, f"{self.name}: dockerd ends")

    def _docker_answers(self) -> bool:
        if self._dockerd is None or not self._dockerd.alive:
            log = (self.folder / "dockerd.log").read_text(encoding="utf-8", errors="replace")
            raise LabError(f"{self.name}: dockerd ended: {log[-800:]}")
        return self.engine.answers()
