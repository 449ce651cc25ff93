"""How long a daemon's event loop is held up when it first settles the NetworkPolicies of a large cluster."""

from __future__ import annotations

import asyncio
import itertools
import time

from swarmlet import slices
from swarmlet.clock import SystemClock
from swarmlet.model import decode, defaults, kinds, objects
from swarmlet.network.policies import rules as policy_rules
from swarmlet.network.policies.desired import DesiredPolicies
from swarmlet.network.ruleset import Part, Table
from swarmlet.store.commands import Command, Key, Put
from swarmlet.store.state import Store
from tools.bench.lag import LagMeter
from tools.bench.report import Report

PODS, POLICIES, NAMESPACES, NODES, APPS, TEAMS = 5_000, 500, 50, 49, 20, 10
PAUSE_MS_MAX = 50.0


async def measure(report: Report) -> None:
    """Settle everything from nothing, beside a task that only wants to have its turn every 2 ms."""
    store = _store()
    desired = DesiredPolicies(store, "n1", lambda: None)
    table = Table(policy_rules.TABLE, policy_rules.base())
    meter = LagMeter()
    metering = asyncio.create_task(meter.run())
    await asyncio.sleep(0.1)
    meter.reset()
    start = time.perf_counter()
    parts: dict[Key, Part] = {}
    await slices.work_through(desired.settle(parts), SystemClock())
    settled = time.perf_counter() - start
    await asyncio.to_thread(table.update, parts)
    script = await asyncio.to_thread(table.whole)
    taken = time.perf_counter() - start
    await asyncio.sleep(0.01)
    metering.cancel()
    report.judge(
        f"policies settled first, {PODS:,} Pods, {POLICIES} policies: longest pause",
        f"{meter.pause_ms:.0f} ms, own work {meter.own_ms:.0f} ms",
        value=meter.own_ms,
        at_most=PAUSE_MS_MAX,
        unit=" ms",
        beside=f"{taken:.1f} s in all, of it {settled:.1f} s on the loop; {len(script) / 1024:,.0f} KiB",
    )


def _store() -> Store:
    store = Store()
    requests = itertools.count(1)

    def write(kind: kinds.Kind, document: dict[str, object]) -> None:
        value = defaults.fill(decode.decode(kind, document).object)
        key = Key(kind.resource, value.metadata.namespace, value.metadata.name)
        store.apply(Command(next(requests).to_bytes(16, "big"), (Put(key, objects.to_json(value)),)))

    for number in range(NAMESPACES):
        write(kinds.NAMESPACE, {"metadata": {"name": f"ns{number}", "labels": {"team": f"t{number % TEAMS}"}}})
    for number in range(PODS):
        write(kinds.POD, _pod(number))
    for number in range(POLICIES):
        write(kinds.NETWORK_POLICY, _policy(number))
    return store


def _pod(number: int) -> dict[str, object]:
    labels = {"app": f"a{number // NAMESPACES % APPS}"}
    metadata = {"name": f"p{number}", "namespace": f"ns{number % NAMESPACES}", "uid": f"u{number}", "labels": labels}
    ports = [{"name": "http", "containerPort": 8080}]
    return {
        "metadata": metadata,
        "spec": {
            "containers": [{"name": "main", "image": "web:1", "ports": ports}],
            "nodeName": f"n{number % NODES}",
        },
        "status": {"phase": "Running", "podIP": f"10.42.{number // 250}.{number % 250 + 2}"},
    }


def _policy(number: int) -> dict[str, object]:
    """Return one that selects some or all Pods of its namespace, and lets in others and another team's."""
    app = f"a{number // NAMESPACES * 2}"
    peers = [
        {"podSelector": {"matchLabels": {"app": f"a{number // NAMESPACES}"}}},
        {"namespaceSelector": {"matchLabels": {"team": f"t{number % TEAMS}"}}},
    ]
    spec = {
        "podSelector": {"matchLabels": {"app": app}} if number % 2 else {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": peers, "ports": [{"port": "http"}]}],
        "egress": [{"to": [{"podSelector": {}}], "ports": [{"port": 8080, "protocol": "TCP"}]}],
    }
    return {
        "metadata": {"name": f"pol{number}", "namespace": f"ns{number % NAMESPACES}", "uid": f"o{number}"},
        "spec": spec,
    }
