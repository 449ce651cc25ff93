"""One campaign: a cluster, its clients, its faults, and what all of it comes to."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tools.chaos import logs, plan, verdict
from tools.chaos.doors import NAMESPACE, WRITTEN, Doors, nap
from tools.chaos.faults import Faults
from tools.chaos.gauges import Gauges
from tools.chaos.history import History
from tools.chaos.nemesis import Nemesis
from tools.chaos.spans import State
from tools.chaos.verdict import Verdict
from tools.chaos.watchers import Watcher, entry_of
from tools.chaos.writers import Writers
from tools.lab.cluster import Cluster, is_ready
from tools.lab.processes import LabError

CLIENTS = 8
CALM_SECONDS = 3.0
"""For which the clients go on when all is mended."""
QUIET_SECONDS_MAX = 30
WORKLOAD_SECONDS_MAX = 90
POLL_SECONDS = 0.2
REPLICAS = 4
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"
SETTINGS: dict[str, Any] = {
    "runtime": "process",
    "consensus": {"snapshot_entries": 60, "snapshot_bytes": 65_536, "tail_entries": 15},
    "log": {"format": "json"},
}
"""Thresholds so small that a log is cut every second or so, and who is a little behind needs a snapshot."""
COMPARED = (
    "/api/v1/configmaps",
    "/api/v1/namespaces",
    "/api/v1/nodes",
    "/api/v1/pods",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/replicasets",
)
"""What all daemons must hold alike in the end."""
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "workload"},
    "spec": {
        "replicas": REPLICAS,
        "selector": {"matchLabels": {"app": "workload"}},
        "template": {
            "metadata": {"labels": {"app": "workload"}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "hold", "image": "none", "command": ["sleep", "1000000"]}],
            },
        },
    },
}


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Everything that a report is made of."""

    seed: int
    machines: int
    history: History
    nemesis: Nemesis
    gauges: Gauges
    watchers: list[Watcher]
    faults: Faults
    started: float = 0.0
    ended: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def findings(self) -> list[str]:
        """All that is wrong, a line each; empty where all is well."""
        lagging = [line for watcher in self.watchers for line in watcher.lagging]
        return [*self.verdict.findings(), *lagging, *self.faults.complaints]


class Campaign:
    """Faults on a formed cluster for so many seconds, all drawn from `seed`; `tell` hears how it goes."""

    def __init__(self, cluster: Cluster, *, seed: int, seconds: float, tell: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._seed = seed
        self._seconds = seconds
        self._tell = tell
        self._faults = Faults(cluster, random.Random(f"{seed}/faults"))  # noqa: S311  a seed is to give the same again
        self._history = History()
        self._written = asyncio.Event()
        self._watched = asyncio.Event()

    async def run(self) -> Outcome:
        """Form the cluster, torment it, and judge."""
        await asyncio.to_thread(self._cluster.form)
        async with Doors(self._cluster) as doors:
            outcome = Outcome(
                seed=self._seed,
                machines=len(doors.names),
                history=self._history,
                nemesis=Nemesis(self._cluster, self._faults, self._tell),
                gauges=Gauges(doors),
                watchers=[Watcher(doors, name, self._history, self._watched) for name in doors.names],
                faults=self._faults,
            )
            final: State | None = None
            try:
                await self._prepare(doors)
                final = await self._torment(doors, outcome)
                await self._compare(doors)
                await self._see_workload(doors)
            except* (OSError, LabError) as errors:
                self._faults.complaints += [str(error) for error in errors.exceptions]
        self._tell("judging what the clients saw")
        outcome.verdict = verdict.judge(self._history.operations, self._history.sightings, final)
        self._faults.complaints += logs.complaints(self._cluster)
        return outcome

    async def _prepare(self, doors: Doors) -> None:
        """Make the namespace, and a Deployment that is to have its Pods in the end."""
        first = doors.names[0]
        await doors.made(first, "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        await doors.made(first, DEPLOYMENTS, DEPLOYMENT)

    async def _torment(self, doors: Doors, outcome: Outcome) -> State:
        """Let clients and faults go on together; return the state that is left when all has come to rest."""
        writers = Writers(doors, self._history, self._seed, self._written)
        outcome.started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for watcher in outcome.watchers:
                group.create_task(watcher.run())
            group.create_task(outcome.gauges.run(self._watched))
            writing = group.create_task(writers.run(CLIENTS))
            try:
                trials = plan.trials(self._seed, doors.names)
                await outcome.nemesis.run(trials, outcome.started + self._seconds)
                await nap(CALM_SECONDS, self._written)
                self._written.set()
                await writing
                return await self._settled(doors, outcome.watchers)
            finally:
                outcome.ended = time.monotonic()
                self._written.set()
                self._watched.set()

    async def _settled(self, doors: Doors, watchers: list[Watcher]) -> State:
        """Return what is left; wait until every watch has come as far."""
        document = json.loads(await doors.body(doors.names[0], WRITTEN))
        final = {item["metadata"]["name"]: entry_of(item) for item in document["items"]}
        last = max((event.revision for seen in self._history.sightings for event in seen.events), default=0)
        last = max(last, *(revision for revision, _ in final.values()))
        async with asyncio.timeout(QUIET_SECONDS_MAX):
            while any(watcher.revision < last for watcher in watchers):
                await asyncio.sleep(POLL_SECONDS)
        return final

    async def _compare(self, doors: Doors) -> None:
        """Complain where daemons hold different bytes at one revision."""
        revision = json.loads(await doors.body(doors.names[0], WRITTEN))["metadata"]["resourceVersion"]
        at = f"?resourceVersion={revision}&resourceVersionMatch=Exact"
        for path in COMPARED:
            bodies = {name: await doors.body(name, path + at) for name in doors.names}
            if len(set(bodies.values())) > 1:
                sizes = ", ".join(f"{name}: {len(body)} bytes" for name, body in bodies.items())
                self._faults.complaints.append(f"the daemons differ in {path} at {revision}: {sizes}")

    async def _see_workload(self, doors: Doors) -> None:
        """Complain where the Deployment does not come back to its count."""

        async def ready() -> int:
            pods = json.loads(await doors.body(doors.names[0], PODS))["items"]
            return len(pods) if all(map(is_ready, pods)) else 0

        try:
            async with asyncio.timeout(WORKLOAD_SECONDS_MAX):
                while await ready() != REPLICAS:
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            pods = (await doors.body(doors.names[0], PODS)).decode()
            self._faults.complaints.append(f"the Deployment has not its {REPLICAS} Pods in the end: {pods[:2000]}")
