"""Consensus' own counters, and where the log stands, in Prometheus' form."""

from __future__ import annotations

import dataclasses

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from swarmlet.consensus.driver import Consensus


class ConsensusMetrics(Collector):
    """Reads the counters when Prometheus asks."""

    def __init__(self, consensus: Consensus) -> None:
        self._consensus = consensus

    def collect(self) -> list[CounterMetricFamily | GaugeMetricFamily]:
        """Return the counters, and where the log stands."""
        counters = dataclasses.asdict(self._consensus.counters)
        status = self._consensus.status()
        gauges = {"term": status.term, "commit_index": status.commit, "applied_index": status.applied}
        gauges["is_leader"] = int(self._consensus.is_leader)
        return [
            *(_counter(name, value) for name, value in counters.items()),
            *(_gauge(name, value) for name, value in gauges.items()),
        ]


def _counter(name: str, value: float) -> CounterMetricFamily:
    words = name.replace("_", " ").capitalize()
    return CounterMetricFamily(f"swarmlet_consensus_{name}", f"{words} since the daemon started.", value=value)


def _gauge(name: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"swarmlet_consensus_{name}", f"{name.replace('_', ' ').capitalize()}.", value=value)
