"""The versions of kubectl, and how each is run on a machine as a user would run it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.lab.cluster import BIN, Cluster, Daemon, eventually

VERSIONS = {"1.37": "kubectl", "1.34": "kubectl-1.34", "1.32": "kubectl-1.32"}
"""Each minor version, and the program that is of it."""
NEWEST = "1.37"
SECONDS_MAX = 60.0
GONE_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Ended:
    """What a kubectl that has ended printed, and its exit code."""

    code: int
    out: str
    errors: str

    @property
    def all(self) -> str:
        return self.out + self.errors


@dataclass(frozen=True)
class Kubectl:
    """One kubectl in a namespace. It writes to the first machine; `there` reads from another one's daemon."""

    cluster: Cluster
    version: str
    namespace: str

    def __call__(self, *words: str, stdin: str | None = None, code: int = 0, node: str = "", **env: str) -> str:
        """Run to the end, ask for its exit code, and return its stdout; where it is to fail, all it printed."""
        ended = self.ended(*words, stdin=stdin, node=node, **env)
        assert ended.code == code, (words, ended)
        return ended.all if code else ended.out

    def ended(self, *words: str, stdin: str | None = None, node: str = "", **env: str) -> Ended:
        """Run to the end, whatever that is."""
        daemon = self._daemon(node)
        argv = self._argv(daemon, words)
        done = daemon.machine.run(*argv, check=False, stdin=stdin, seconds=SECONDS_MAX, env=self._env | env)
        return Ended(done.returncode, done.stdout, done.stderr)

    def started(self, *words: str, node: str = "") -> subprocess.Popen[str]:
        """Start one that goes on."""
        daemon = self._daemon(node)
        return daemon.machine.popen(*self._argv(daemon, words), env=self._env)

    def on_a_terminal(
        self, *words: str, rows: int, columns: int, keys_after: dict[str, bytes], node: str = ""
    ) -> tuple[int, str]:
        """Run on a terminal of a size, with keys that are pressed once something is read; return code and output."""
        daemon = self._daemon(node)
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        process = daemon.machine.popen_on(theirs, *self._argv(daemon, words), env=self._env)
        os.close(theirs)
        said, waiting = "", dict(keys_after)
        with (
            os.fdopen(ours, "r+b", buffering=0) as terminal,
            contextlib.suppress(OSError),
        ):  # EIO: the other end is shut
            while chunk := terminal.read(4096):
                said += chunk.decode()
                for word in [each for each in waiting if each in said]:
                    terminal.write(waiting.pop(word))
        return process.wait(SECONDS_MAX), said

    def there(self, *words: str, **more: Any) -> str:
        """Run against the daemon of another machine than the one that is written to."""
        return self(*words, node="h2", **more)

    def apply(self, manifest: str, *words: str) -> str:
        return self("apply", "-f", "-", *words, stdin=manifest)

    def get(self, *words: str) -> dict[str, Any]:
        """Return an object or a list as another machine has it."""
        found: dict[str, Any] = json.loads(self.there("get", *words, "-o", "json"))
        return found

    def names(self, *words: str) -> list[str]:
        """Return what `get -o name` prints there, sorted."""
        return sorted(self.there("get", *words, "-o", "name").split())

    def path(self, *words: str, path: str) -> str:
        """Return what a JSONPath finds there."""
        return self.there("get", *words, "-o", f"jsonpath={path}")

    def raw(self, path: str, *, node: str = "h2") -> Any:
        """Return the document at a path."""
        return json.loads(self("get", "--raw", path, node=node))

    def wait_gone(self, *words: str) -> None:
        """Wait until nothing is found by `get`."""
        eventually(lambda: not self.names(*words), GONE_SECONDS_MAX, f"{' '.join(words)} is gone")

    def _daemon(self, node: str) -> Daemon:
        return self.cluster[node or "h1"]

    def _argv(self, daemon: Daemon, words: tuple[str, ...]) -> list[str]:
        server = ("--server", f"https://{daemon.machine.address}:7600")
        namespace = () if "-A" in words else ("-n", self.namespace)
        where = () if words[0] == "config" else (*server, *namespace)
        return [str(BIN / VERSIONS[self.version]), *where, *words]

    @property
    def _env(self) -> dict[str, str]:
        return dict(
            os.environ,
            HOME=str(self.home),
            KUBECONFIG=str(self.cluster.kubeconfig),
            PATH=f"{BIN}:{os.environ['PATH']}",
        )

    @property
    def home(self) -> Path:
        """Its own, where it keeps what it discovered."""
        return self.cluster.lab.folder / f"home-{self.version}"


@contextmanager
def installed(cluster: Cluster, version: str, namespace: str) -> Iterator[Kubectl]:
    """Yield a kubectl in a namespace of its own; afterwards that is gone, with all that is in it."""
    kubectl = Kubectl(cluster, version, namespace)
    kubectl("create", "namespace", namespace)
    try:
        yield kubectl
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")
        kubectl.wait_gone("namespaces", "--field-selector", f"metadata.name={namespace}")
