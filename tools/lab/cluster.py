"""A swarmlet cluster on a lab: real daemons, each on a machine of its own with its own Docker Engine."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from swarmlet.model import thresholds
from tools.engine import Door
from tools.lab.lab import Lab
from tools.lab.machine import Machine
from tools.lab.processes import LabError, Process, wait_until

BIN = Path(sys.executable).parent
T = TypeVar("T")


class Daemon:
    """The swarmlet daemon of one machine. `settings` are keys of its configuration, laid over what a lab needs.

    `env` is set for the swarmlet program alone, and not for what brings it into the machine.
    """

    def __init__(self, machine: Machine, settings: Mapping[str, Any] | None = None) -> None:
        self.machine = machine
        self.name = machine.name
        self.data_dir = machine.disk / "swarmlet"
        self.socket = machine.folder / "swarmlet.sock"
        self.log = machine.folder / "swarmlet.log"
        self.config = machine.folder / "swarmlet.yaml"
        self.env: dict[str, str] = {}
        self.process: Process | None = None
        document = {
            "data_dir": str(self.data_dir),
            "socket": str(self.socket),
            "node_name": self.name,
            "advertise": f"{machine.address}:7600",
            "docker_host": f"unix://{machine.socket}",
            "runtime": "docker",
            "eviction": {"hard": dict.fromkeys(thresholds.SIGNALS, "0")},  # they share the box's memory and disk
        }
        self.config.write_text(yaml.safe_dump(document | dict(settings or {})), encoding="utf-8")

    def init(self) -> None:
        """Make the cluster here and start."""
        self.swarmlet("init", "--config", str(self.config), "--no-start")
        self.start()

    def join(self, peer: Daemon) -> None:
        """Join `peer`'s cluster and start."""
        token = peer.swarmlet("token", "create").strip().splitlines()[-1]
        arguments = ("join", f"{peer.machine.address}:7600", "--config", str(self.config), "--no-start")
        self.swarmlet(*arguments, token=token)
        self.start()

    def start(self) -> None:
        """Start the daemon; it is not waited for."""
        argv = [*self._program(), "run", "--config", str(self.config)]
        self.process = self.machine.spawn(argv, log=self.log)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the daemon, its containers go on; wait until it is gone."""
        process = self.process
        assert process is not None
        process.signal(number)
        wait_until(lambda: not process.alive, 30, f"{self.name}: the daemon ends")

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.alive

    def swarmlet(self, *arguments: str, token: str = "", check: bool = True, seconds: float = 90) -> str:
        """Run the command line on this machine and return what it printed."""
        env = dict(os.environ, SWARMLET_SOCKET=str(self.socket))
        if token:
            env["SWARMLET_TOKEN"] = token
        done = self.machine.run(*self._program(), *arguments, check=check, seconds=seconds, env=env)
        return done.stdout if check else done.stdout + done.stderr

    def _program(self) -> list[str]:
        return ["env", *(f"{name}={value}" for name, value in self.env.items()), str(BIN / "swarmlet")]

    def tail(self, lines: int = 15) -> str:
        """Return the end of the daemon's log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def status(self) -> dict[str, Any]:
        """Return what `GET /status` answers on the administrator's socket; {} where nobody answers."""
        try:
            return dict(self.door(timeout_seconds=2).json("GET", "/status"))
        except OSError:
            return {}

    def door(self, *, timeout_seconds: float = 30) -> Door:
        """Return the administrator's socket, which the box sees too: a way in that no network fault closes."""
        return Door(f"unix://{self.socket}", timeout_seconds=timeout_seconds)


class Cluster:
    """Daemons on all machines of a lab, joined; and clients on the box."""

    def __init__(self, lab: Lab, settings: Mapping[str, Any] | None = None) -> None:
        self.lab = lab
        self.daemons = {machine.name: Daemon(machine, settings) for machine in lab}
        self.kubeconfig = lab.folder / "kubeconfig"

    def __getitem__(self, name: str) -> Daemon:
        return self.daemons[name]

    def __iter__(self) -> Iterator[Daemon]:
        return iter(self.daemons.values())

    def form(self) -> None:
        """Make the cluster on the first machine, join the others, wait until all vote and are ready."""
        first, *others = self
        first.init()
        self.wait_ready(1)
        for other in others:
            other.join(first)
        self.wait_ready(len(self.daemons))
        server = f"https://{first.machine.address}:7600"
        self.kubeconfig.write_text(first.swarmlet("kubeconfig", "--server", server), encoding="utf-8")

    def wait_ready(self, count: int, seconds: float = 60) -> None:
        """Wait until `count` nodes are ready and vote."""
        self._wait(lambda: self._ready_voters() >= count, seconds, f"{count} ready voters")

    def _ready_voters(self) -> int:
        """Count the ready voters that all running daemons agree on; 0 while one of them does not answer."""
        statuses = [daemon.status() for daemon in self if daemon.running]
        if not statuses or not all(status.get("healthy") for status in statuses):
            return 0
        return min(
            sum(1 for node in status["nodes"] if node["ready"] and node["role"] in ("leader", "voter"))
            for status in statuses
        )

    def _wait(self, condition: Callable[[], T], seconds: float, what: str) -> T:
        try:
            return wait_until(condition, seconds, what, step_seconds=0.1)
        except LabError as error:
            raise LabError(f"{error}\n{self.describe()}") from None

    def describe(self) -> str:
        """Return what a person needs to see why something did not come about."""
        return "\n".join(f"--- {daemon.name}\n{daemon.tail()}" for daemon in self)

    def leader(self, seconds: float = 15) -> Daemon:
        """Return the daemon that leads, once a running one says so."""

        def find() -> Daemon | None:
            for daemon in self:
                if daemon.running and (name := daemon.status().get("leader_name")) and self[name].running:
                    return self[name]
            return None

        return wait_until(find, seconds, "a leader")

    def followers(self) -> list[Daemon]:
        """Return the running daemons that do not lead."""
        leader = self.leader()
        return [daemon for daemon in self if daemon.running and daemon is not leader]

    def kubectl(self, *arguments: str, check: bool = True, stdin: str | None = None, seconds: float = 90) -> str:
        """Run the official kubectl on the first machine that is on, against any running daemon."""
        daemon = next(daemon for daemon in self if daemon.running)
        env = dict(
            os.environ, HOME=str(self.lab.folder), KUBECONFIG=str(self.kubeconfig), PATH=f"{BIN}:{os.environ['PATH']}"
        )
        server = ("--server", f"https://{daemon.machine.address}:7600")
        done = daemon.machine.run(
            str(BIN / "kubectl"), *server, *arguments, check=check, stdin=stdin, seconds=seconds, env=env
        )
        return done.stdout if check else done.stdout + done.stderr

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """Return the Pods of a selector, as objects."""
        return json.loads(self.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]

    def running(self, selector: str) -> list[dict[str, Any]]:
        """Return the Pods that run, are ready and are not on their way out."""
        return [pod for pod in self.pods(selector) if is_ready(pod) and not pod["metadata"].get("deletionTimestamp")]

    def wait_running(self, selector: str, count: int, seconds: float = 60) -> list[dict[str, Any]]:
        """Wait until exactly `count` Pods of a selector run."""

        def look() -> list[dict[str, Any]] | None:
            pods = self.running(selector)
            return pods if len(pods) == count else None

        return self._wait(look, seconds, f"{count} running Pods of {selector}")


def is_ready(pod: dict[str, Any]) -> bool:
    """Return whether a Pod's Ready condition is True."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def eventually(condition: Callable[[], T], seconds: float, what: str) -> T:
    """Wait for a condition with a deadline."""
    return wait_until(condition, seconds, what, step_seconds=0.1)


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the seconds since."""
    start = time.monotonic()
    yield lambda: time.monotonic() - start
