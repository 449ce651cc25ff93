"""How long a person waits: kubectl and our own command line, with many Pods to print and with nothing to do."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence

from tools.bench.kubernetes import pods
from tools.bench.report import Report
from tools.lab import LabError
from tools.lab.cluster import BIN, Cluster, Daemon

ROUNDS = 3
SECONDS_MAX = 60.0
LIST = ("get", "pods", "-n", pods.NAMESPACE)


async def measure(report: Report, cluster: Cluster, daemon: Daemon, *, count: int) -> None:
    """Print all Pods, and then only what a program says of itself: that is its start."""
    with tempfile.TemporaryDirectory(prefix="swarmlet-bench-") as home:
        env = {"HOME": home, "PATH": os.environ["PATH"]}
        through_tls = env | {"KUBECONFIG": str(cluster.kubeconfig)}
        through_door = env | {"SWARMLET_SOCKET": str(daemon.socket)}
        for name, words, lines, environment in (
            ("kubectl get pods", [str(BIN / "kubectl"), *LIST], count, through_tls),
            ("swarmlet get pods", [str(BIN / "swarmlet"), *LIST], count, through_door),
            ("kubectl version --client", [str(BIN / "kubectl"), "version", "--client"], 1, through_tls),
            ("swarmlet --help", [str(BIN / "swarmlet"), "--help"], 1, through_door),
        ):
            taken = [await asyncio.to_thread(_run, words, lines, environment) for _ in range(ROUNDS)]
            wall, cpu = min(wall for wall, _ in taken), min(cpu for _, cpu in taken)
            told = name + (f", {count:,} Pods" if words[1] == "get" else "")
            report.add(told, f"{wall:.2f} s", beside=f"{cpu:.2f} s of a core")


def _run(words: Sequence[str], lines: int, env: Mapping[str, str]) -> tuple[float, float]:
    """Run a program that prints so many lines at least; return its seconds, and those of a core that it took."""
    before, begun = _cpu_seconds(), time.monotonic()
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=SECONDS_MAX)
    taken = time.monotonic() - begun
    if done.returncode or len(done.stdout.splitlines()) < lines:
        raise LabError(f"{words[0]}: {done.returncode}, {len(done.stdout)} characters, {done.stderr[-500:]}")
    return taken, _cpu_seconds() - before


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
