"""Ends this node's strict containers when their lease is over, for a daemon that has died or is paused.

    python -I -S deputy.py FOLDER

It outlives the daemon, so it leaves its parent at once, and it imports nothing of ours, so it is small; FOLDER lies in
memory. It reads FOLDER/orders.json (how to find the containers; other ones end it) and FOLDER/lease.json (`until`, in
the seconds of CLOCK_BOOTTIME, which goes on while the machine is suspended), and writes the time to FOLDER/alive. One
watches a folder: a second ends soon. `{"retired": true}` in place of a lease ends it.

On a Docker Engine it knows the process of each container beforehand and kills that, so that it needs no answer of the
Engine when it counts; what was started meanwhile it then asks the Engine for, again and again.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

STEP_SECONDS = 0.2
LOOK_SECONDS = 1.0
IDLE_SECONDS = 1.0
BUSY_SECONDS = 10.0
"""For so long after a lease's end, and after the last container that was found, the Engine is asked at each step."""
ENGINE_SECONDS_MAX = 2.0
LOCK_STEPS_MAX = 10
ENDED = ("exited", "dead", "removing")


class Containers(Protocol):
    """The strict containers of one node."""

    def kill_known(self) -> None:
        """Kill those that are known, at once and without asking anybody."""

    def look(self, is_over: Callable[[], bool]) -> bool:
        """Learn what there is, and end what there is while the lease is over. Return whether there was any.

        It is asked anew before each end, for a look may take long: a lease that came meanwhile saves what it let start.
        """


class Engine:
    """Those on a Docker Engine: each one's process is known by a descriptor, which no other process can take over."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self._host: str = orders["docker"]
        self._labels: list[str] = orders["labels"]
        self._pidfds: dict[str, int] = {}

    def kill_known(self) -> None:
        for pidfd in list(self._pidfds.values()):
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def look(self, is_over: Callable[[], bool]) -> bool:
        query = urllib.parse.urlencode({"all": "1", "filters": json.dumps({"label": self._labels})})
        found = self._call("GET", f"/containers/json?{query}")
        states = {each["Id"]: each["State"] for each in found if each["State"] not in ENDED}
        for container in set(self._pidfds) - set(states):
            os.close(self._pidfds.pop(container))
        for container, state in states.items():
            over = is_over()
            if over and state == "created":  # not started yet: then it never will be
                self._call("DELETE", f"/containers/{container}?force=1&v=1")
            elif over:
                self._call("POST", f"/containers/{container}/kill?signal=KILL")
            elif container not in self._pidfds and state == "running":
                self._learn(container)
        return bool(states)

    def _learn(self, container: str) -> None:
        pid = self._call("GET", f"/containers/{container}/json")["State"]["Pid"]
        pidfd = os.pidfd_open(pid)
        if _text(f"/proc/{pid}/cgroup").count(container):  # an Engine elsewhere has processes of other numbers
            self._pidfds[container] = pidfd
        else:
            os.close(pidfd)

    def _call(self, method: str, path: str) -> Any:
        connection = _connection(self._host)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
            return json.loads(body) if answer.status == http.client.OK else None
        finally:
            connection.close()


class Processes:
    """Those among the process runtime's folders."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self._folder = Path(orders["processes"])
        self._owner: str = orders["owner"]

    def kill_known(self) -> None:
        self.look(lambda: True)

    def look(self, is_over: Callable[[], bool]) -> bool:
        pids = [pid for path in self._folder.glob("*/spec.json") if (pid := self._pid(path.parent))]
        for pid in pids if is_over() else ():
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
        return bool(pids)

    def _pid(self, folder: Path) -> int:
        """Return the process of a strict container of this node, 0 where there is none."""
        spec, state = _json(folder / "spec.json"), _json(folder / "state.json")
        if not spec.get("strict") or spec.get("owner") != self._owner:
            return 0
        pid = int(state.get("pid", 0))
        fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        return pid if fields and fields[0] not in "ZX" and fields[19] == state.get("start") else 0


class Deputy:
    """What watches: one thread reads the lease and kills, the other talks to the Engine, which may hang."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._orders = _json(folder / "orders.json")
        self._containers: Containers = Engine(self._orders) if "docker" in self._orders else Processes(self._orders)
        self._until = 0.0

    def run(self) -> None:
        """Watch until it is retired, or another is to watch with other orders."""
        threading.Thread(target=self._talk, daemon=True).start()
        alive = os.open(self._folder / "alive", os.O_CREAT | os.O_WRONLY, 0o600)
        while True:
            lease = _json(self._folder / "lease.json")
            if lease.get("retired"):
                self._clean_up()
            if lease.get("retired") or _json(self._folder / "orders.json") != self._orders:
                return
            self._until = float(lease.get("until", 0.0))
            if now() >= self._until:
                self._containers.kill_known()
            os.pwrite(alive, f"{now():020.3f}\n".encode(), 0)
            time.sleep(STEP_SECONDS)

    def _is_over(self) -> bool:
        """Whether the lease is over by what is written now: `run` may not have read it yet."""
        return now() >= float(_json(self._folder / "lease.json").get("until", 0.0))

    def _clean_up(self) -> None:
        with contextlib.suppress(OSError):  # where another is about to begin, the folder is its
            for name in ("alive", "lease.json", "lock"):
                (self._folder / name).unlink(missing_ok=True)
            self._folder.rmdir()

    def _talk(self) -> None:
        busy_until = 0.0
        while True:
            over = now() >= self._until
            try:
                found = self._containers.look(self._is_over)
            except (OSError, ValueError, TypeError, http.client.HTTPException):  # it does not answer, or not to this
                found = True
            if found or not over:
                busy_until = now() + BUSY_SECONDS
            time.sleep(STEP_SECONDS if over and now() < busy_until else LOOK_SECONDS if not over else IDLE_SECONDS)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ENGINE_SECONDS_MAX)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ENGINE_SECONDS_MAX)
        self.sock.connect(self._path)


def _connection(host: str) -> http.client.HTTPConnection:
    scheme, _, place = host.partition("://")
    if scheme == "unix":
        return _UnixConnection(place)
    return http.client.HTTPConnection(place, timeout=ENGINE_SECONDS_MAX)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def now() -> float:
    """Return the time in which leases are told."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def main() -> None:
    """Leave the parent and watch, unless another does."""
    folder = Path(sys.argv[1])
    if os.fork():
        os._exit(0)
    os.setsid()
    lock = os.open(folder / "lock", os.O_CREAT | os.O_WRONLY, 0o600)
    for _ in range(LOCK_STEPS_MAX):  # one of other orders is about to end
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            time.sleep(STEP_SECONDS)
    else:
        return
    with contextlib.suppress(OSError):  # where memory is short the kernel is to kill others; only root may ask for it
        Path("/proc/self/oom_score_adj").write_text("-999", encoding="ascii")
    Deputy(folder).run()


if __name__ == "__main__":
    main()
