"""Consensus' own counters, and where the log stands, in Prometheus' form."""

from __future__ import annotations

import dataclasses
from collections import Counter

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from swarmlet.consensus.driver import Consensus
from swarmlet.store.replica import ReplicaStatus


class ConsensusMetrics(Collector):
    """Reads the counters when Prometheus asks."""

    def __init__(self, consensus: Consensus) -> None:
        self._consensus = consensus

    def collect(self) -> list[CounterMetricFamily | GaugeMetricFamily]:
        """Return the counters, and where the log stands."""
        counters = dataclasses.asdict(self._consensus.counters)
        status = self._consensus.status()
        gauges = {"term": status.term, "commit_index": status.commit, "applied_index": status.applied}
        own = next((member.role for member in status.members if member.node_id == status.node_id), "")
        gauges |= {"is_leader": int(self._consensus.is_leader), "is_spare": int(own in ("", "spare"))}
        return [
            *(_counter(name, value) for name, value in counters.items()),
            *(_gauge(name, value) for name, value in gauges.items()),
            self._members(status),
        ]

    def _members(self, status: ReplicaStatus) -> GaugeMetricFamily:
        """Return how many members have each role; the leader is a voter, too."""
        family = GaugeMetricFamily("swarmlet_consensus_members", "Members of the cluster by role.", labels=("role",))
        roles = Counter("voter" if member.role == "leader" else member.role for member in status.members)
        for role in ("voter", "standby", "spare"):
            family.add_metric([role], roles[role])
        return family


def _counter(name: str, value: float) -> CounterMetricFamily:
    words = name.replace("_", " ").capitalize()
    return CounterMetricFamily(f"swarmlet_consensus_{name}", f"{words} since the daemon started.", value=value)


def _gauge(name: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"swarmlet_consensus_{name}", f"{name.replace('_', ' ').capitalize()}.", value=value)
