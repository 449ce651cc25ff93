"""A whole daemon on the process runtime, as a process of its own: for clients that are programs."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CLIENTS = ("kubectl", "kubectl-1.32", "helm-3", "helm-4")
"""Beside Python: the first by pip, the others by `make clients`."""
PROGRAMS = {
    **{name: [str(Path(sys.executable).with_name(name))] for name in CLIENTS},
    "swarmlet": [sys.executable, "-c", "from swarmlet.cli import main; main()"],
}
SECONDS_MAX = 60.0


@dataclass
class LoneDaemon:
    """A cluster of one. `kubectl` and `swarmlet` are run with a home of their own."""

    folder: Path
    socket: Path
    process: subprocess.Popen[bytes]

    @property
    def env(self) -> dict[str, str]:
        kubeconfig = {"KUBECONFIG": str(self.folder / "kubeconfig"), "SWARMLET_SOCKET": str(self.socket)}
        return {"HOME": str(self.folder), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **kubeconfig}

    def run(
        self, program: str, *words: str, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*PROGRAMS[program], *words],
            input=stdin,
            capture_output=True,
            timeout=SECONDS_MAX,
            env=self.env | (env or {}),
            check=False,
        )

    def start(self, program: str, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*PROGRAMS[program], *words], env=self.env, **options)

    def kubectl(self, *words: str, stdin: Any = None) -> str:
        done = self.run("kubectl", *words, stdin=json.dumps(stdin).encode() if stdin is not None else b"")
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout.decode()

    def run_pod(self, name: str, script: str, **container: Any) -> None:
        """Make a Pod of one container that runs a script, and wait until it does."""
        self.create(name, ["sh", "-c", script], **container)
        self.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=30s")

    def create(self, name: str, command: Sequence[str], **container: Any) -> None:
        main = {"name": "main", "image": "none", "command": list(command), **container}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}}
        grace = {"terminationGracePeriodSeconds": 0}
        self.kubectl("create", "-f", "-", stdin=pod | {"spec": {"containers": [main], **grace}})


@contextlib.contextmanager
def lone_daemon(folder: Path) -> Iterator[LoneDaemon]:
    """Run a daemon until the end of the block."""
    data = folder / "data"
    config = folder / "config.yaml"
    network = {"mode": "none", "dns": False, "services": "off", "policies": False}  # this kernel is others', too
    document = {"data_dir": str(data), "node_name": "alpha", "runtime": "process", "network": network}
    document |= {"listen": f"127.0.0.1:{_free_port()}", "status_listen": f"127.0.0.1:{_free_port()}"}
    document["socket"] = str(data / "swarmlet.sock")
    config.write_text(json.dumps(document), encoding="utf-8")
    program, env = PROGRAMS["swarmlet"], dict(os.environ, PYTHONPATH=str(ROOT))
    init = [*program, "init", "--config", str(config), "--no-start"]
    subprocess.run(init, check=True, capture_output=True, env=env)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*program, "run", "--config", str(config)], stdout=log, stderr=log, env=env)
    daemon = LoneDaemon(folder, data / "swarmlet.sock", process)
    try:
        _wait_ready(daemon)
        yield daemon
    finally:
        daemon.run("kubectl", "delete", "pods", "--all", "--now")
        process.terminate()
        process.wait(SECONDS_MAX)


def _wait_ready(daemon: LoneDaemon) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while b" Ready " not in daemon.run("swarmlet", "get", "nodes").stdout:
        assert time.monotonic() < deadline, (daemon.folder / "log").read_text()[-2000:]
        time.sleep(0.2)
    printed = daemon.run("swarmlet", "kubeconfig")
    assert printed.returncode == 0, printed.stderr
    (daemon.folder / "kubeconfig").write_bytes(printed.stdout)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
