"""The daemon's metrics registry: one a daemon, passed around, so that several daemons can share a process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Info, ProcessCollector, exposition

from swarmlet import __version__

CONTENT_TYPE = exposition.CONTENT_TYPE_PLAIN_0_0_4


def new_registry() -> CollectorRegistry:
    """Return a registry that knows the process (memory, CPU, files) and the build."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    Info("swarmlet_build", "What runs here.", registry=registry).info({"version": __version__})
    return registry


def render(registry: CollectorRegistry) -> bytes:
    """Return all metrics in Prometheus' text format (`CONTENT_TYPE`)."""
    return exposition.generate_latest(registry)
