"""A strict singleton on three machines: it has ended on the one before it begins on another, and then there is one."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest

from swarmlet.model.singletons import STRICT_SINGLETON
from tests.e2e.documents import deployment
from tools.lab.cluster import Cluster, Daemon, eventually

pytestmark = pytest.mark.alone

NAME = "single"
SELECTOR = f"app={NAME}"
FENCE_AFTER_SECONDS = 10.0
REPLACED_SECONDS_MAX = 40.0


@dataclass(frozen=True)
class Life:
    """A container's life by its Engine; all machines of a lab have one clock."""

    node: str
    began: datetime
    ended: datetime | None


def lives(cluster: Cluster) -> list[Life]:
    """Return all containers of the singleton that the machines know, in the order in which they began."""
    filters = quote(json.dumps({"label": ["io.swarmlet/strict"]}))
    found = []
    for daemon in cluster:
        engine = daemon.machine.engine
        for each in engine.json("GET", f"/containers/json?all=1&filters={filters}"):
            state = engine.json("GET", f"/containers/{each['Id']}/json")["State"]
            ended = None if state["Running"] else at(state["FinishedAt"])
            found.append(Life(daemon.name, at(state["StartedAt"]), ended))
    return sorted(found, key=lambda life: life.began)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text.rstrip('Z')[:26]}+00:00")  # the Engine tells nanoseconds


@pytest.fixture
def holder(cluster: Cluster) -> Iterator[Daemon]:
    """The machine that runs the singleton: one that does not lead, so that only one thing happens at a time."""
    manifest = deployment(NAME, 1).replace(
        "metadata: {labels:", f"metadata: {{annotations: {{{STRICT_SINGLETON}: 'true'}}, labels:"
    )
    cluster.kubectl("apply", "-f", "-", stdin=manifest)
    (pod,) = cluster.wait_running(SELECTOR, 1)
    holder = cluster[pod["spec"]["nodeName"]]
    if cluster.leader() is holder:
        holder.kill()
        eventually(lambda: next(each for each in cluster if each is not holder).status().get("healthy"), 10, "a leader")
        holder.start()
        cluster.wait_ready(3)
    time.sleep(3)  # so that leases are granted as they are at any time
    yield holder
    cluster.kubectl("delete", "deployment", NAME)
    eventually(lambda: not cluster.pods(SELECTOR), 60, "the Pod is gone")


def check(cluster: Cluster, holder: Daemon, strike: Callable[[], object], relieve: Callable[[], object]) -> None:
    """Let something befall the holder: its container ends, then another begins; afterwards there is one."""
    (before,) = [life for life in lives(cluster) if life.ended is None]
    struck = time.time()
    try:
        strike()
        elsewhere = eventually(lambda: successor(cluster, before), REPLACED_SECONDS_MAX, "it runs elsewhere")
        (ended,) = [life.ended for life in lives(cluster) if life.began == before.began]
    finally:
        relieve()
    assert ended is not None
    seconds, began = ended.timestamp() - struck, elsewhere.began.timestamp() - struck
    print(f"\nended {seconds:.1f} s after it was struck, begun elsewhere after {began:.1f} s")
    assert ended < elsewhere.began
    assert seconds < FENCE_AFTER_SECONDS + 2.0
    cluster.wait_ready(3)
    eventually(lambda: len(cluster.pods(SELECTOR)) == 1, 30, "one Pod is left")
    assert [life.node for life in lives(cluster) if life.ended is None] == [elsewhere.node]


def successor(cluster: Cluster, before: Life) -> Life | None:
    return next((life for life in lives(cluster) if life.node != before.node and life.began > before.began), None)


def told(daemon: Daemon) -> dict[str, Any]:
    return daemon.status().get("fencing") or {}


def test_on_a_machine_that_is_cut_off_it_ends_first(cluster: Cluster, holder: Daemon) -> None:
    def watch() -> None:
        cluster.lab.isolate(holder.name)
        other = next(daemon for daemon in cluster if daemon is not holder)
        (waiting,) = eventually(lambda: told(other).get("waiting"), 20, "it is told for what is waited")
        assert (waiting["pod"], waiting["node"]) == (f"default/{NAME}-single-0", holder.name)
        stopped = eventually(lambda: told(holder).get("stopped"), 20, "it is told what was stopped")
        assert stopped == [f"default/{NAME}-single-0"]

    check(cluster, holder, watch, cluster.lab.heal)
    events = cluster.kubectl("get", "events", "-o", "jsonpath={.items[*].message}")
    assert f"because {holder.name} may still run it" in events
    eventually(
        lambda: "cut off from the quorum since" in cluster.kubectl("get", "events", "-o", "jsonpath={..message}"),
        20,
        "the node tells of it when it is back",
    )


def test_beside_a_daemon_that_is_paused_it_ends_first(cluster: Cluster, holder: Daemon) -> None:
    assert holder.process is not None
    process = holder.process
    check(cluster, holder, lambda: process.signal(signal.SIGSTOP), lambda: process.signal(signal.SIGCONT))


def test_beside_a_daemon_that_was_killed_it_ends_first(cluster: Cluster, holder: Daemon) -> None:
    check(cluster, holder, holder.kill, holder.start)


def test_a_daemon_that_starts_again_soon_goes_on_with_it(cluster: Cluster, holder: Daemon) -> None:
    before = lives(cluster)
    holder.kill()
    holder.start()
    cluster.wait_ready(3)
    time.sleep(15)  # longer than the lease that the killed daemon had
    assert lives(cluster) == before
