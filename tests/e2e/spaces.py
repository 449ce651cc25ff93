"""A namespace of the shared cluster, what runs in it, and what its machines and Pods get from URLs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tools.lab.cluster import Cluster, eventually, is_ready

GONE_SECONDS_MAX = 30.0
RUNNING_SECONDS_MAX = 60.0
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n"

FETCH = """
import sys, urllib.request
for url in sys.argv[2:] * int(sys.argv[1]):
    try:
        print(urllib.request.urlopen(url, timeout=1).read().decode().strip())
    except OSError as error:
        print(error)
"""


class Space:
    """One namespace; `cluster` is where it is."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def kubectl(self, *words: str, **more: Any) -> str:
        return self.cluster.kubectl("-n", self.name, *words, **more)

    def apply(self, manifest: str) -> None:
        self.kubectl("apply", "-f", "-", stdin=manifest)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def running(self, app: str) -> list[dict[str, Any]]:
        """Return the Pods of an app that are ready and are not on their way out."""
        pods = json.loads(self.kubectl("get", "pods", "-l", f"app={app}", "-o", "json"))["items"]
        return [each for each in pods if is_ready(each) and not each["metadata"].get("deletionTimestamp")]

    def wait_running(self, app: str, count: int) -> list[dict[str, Any]]:
        """Wait until exactly `count` Pods of an app run."""

        def look() -> list[dict[str, Any]] | None:
            pods = self.running(app)
            return pods if len(pods) == count else None

        return eventually(look, RUNNING_SECONDS_MAX, f"{count} Pods of {app}") or []

    def fetched(self, node: str, urls: Sequence[str], *, times: int = 1, inside: str = "") -> list[str]:
        """Return what a machine, or a container `inside` it, is told at each URL, or why it is not."""
        argv = [sys.executable, "-S", "-c", FETCH, str(times), *urls]
        return self.run(node, inside, *argv).splitlines()

    def run(self, node: str, inside: str, *argv: str, namespaces: str = "-n") -> str:
        """Run a program on a machine, in some namespaces of a container where one is named; return what it printed."""
        machine = self.cluster[node].machine
        if inside:
            process = machine.engine.json("GET", f"/containers/{inside}/json")["State"]["Pid"]
            argv = ("nsenter", "-t", str(process), *namespaces.split(), *argv)
        return machine.run(*argv, check=False).stdout


@contextmanager
def space(cluster: Cluster, name: str) -> Iterator[Space]:
    """Make a namespace; afterwards it is gone, with all that is in it."""
    cluster.kubectl("apply", "-f", "-", stdin=NAMESPACE.format(name=name))
    try:
        yield Space(cluster, name)
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")
        eventually(
            lambda: f"namespace/{name}" not in cluster.kubectl("get", "namespaces", "-o", "name").split(),
            GONE_SECONDS_MAX,
            f"{name} is gone",
        )


def container(pod: dict[str, Any]) -> str:
    """Return the id of a Pod's first container."""
    return str(pod["status"]["containerStatuses"][0]["containerID"].partition("://")[2])
