"""The newest sample of each node: in the leader's memory only, and how it gets there.

A sample travels with a heartbeat (`reporting.Reporting`). Each reign is told it once, so a new leader knows after a
moment what the one before it knew.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from swarmlet.clock import Clock
from swarmlet.model.samples import NodeSample, PodSample

NODES_MAX = 10_000
PODS_PER_NODE_MAX = 2_000
MISSED_MAX = 3
"""A node that has not sampled for so many of its periods is not known any more."""

Reign = tuple[str, int]
"""Who leads, and in which term."""


class UsageMemory:
    """What the leader was told in its reign. A sample that is old counts as none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: float | None = None
        self._nodes: dict[str, tuple[float, NodeSample, dict[str, PodSample]]] = {}

    def begin(self) -> None:
        """Begin a reign with nothing known."""
        self._began = self._clock.monotonic()
        self._nodes.clear()

    def end(self) -> None:
        """End the reign, and forget what was told in it."""
        self._began = None
        self._nodes.clear()

    def take(self, data: bytes) -> None:
        """Take a node's newest sample; ignored where this machine does not lead, and over the limits."""
        if self._began is None or not data:
            return
        sample = msgspec.msgpack.decode(data, type=NodeSample)
        is_new = sample.node_name not in self._nodes
        if (is_new and len(self._nodes) >= NODES_MAX) or len(sample.pods) > PODS_PER_NODE_MAX:
            return
        pods = {pod.uid: pod for pod in sample.pods}
        self._nodes[sample.node_name] = (self._clock.monotonic(), sample, pods)

    def forget(self, node_name: str) -> None:
        """Drop a node that was removed."""
        self._nodes.pop(node_name, None)

    def reign_seconds(self) -> float:
        """Return for how long this machine has led, and so been told; 0 where it does not."""
        return 0.0 if self._began is None else self._clock.monotonic() - self._began

    def nodes(self) -> list[NodeSample]:
        """Return the nodes without their Pods, by name."""
        return [msgspec.structs.replace(sample, pods=()) for sample in self._fresh()]

    def pods(self, namespace: str = "", name: str = "") -> list[PodSample]:
        """Return the Pods of a namespace ("": of all), or those of one name."""
        return [
            pod
            for sample in self._fresh()
            for pod in sample.pods
            if namespace in ("", pod.namespace) and name in ("", pod.name)
        ]

    def pod(self, node_name: str, uid: str) -> PodSample | None:
        """Return what a Pod used when its node sampled last."""
        found = self._nodes.get(node_name)
        return found[2].get(uid) if found is not None and self._is_fresh(found[0], found[1]) else None

    def _fresh(self) -> Sequence[NodeSample]:
        return [sample for _, (at, sample, _) in sorted(self._nodes.items()) if self._is_fresh(at, sample)]

    def _is_fresh(self, at: float, sample: NodeSample) -> bool:
        return self._clock.monotonic() - at <= MISSED_MAX * sample.period_seconds


class Outbox:
    """A node's newest sample until the leader has it."""

    def __init__(self) -> None:
        self._sample = b""
        self._told: Reign | None = None

    def put(self, sample: NodeSample) -> None:
        """Have a new sample told."""
        self._sample = msgspec.msgpack.encode(sample)
        self._told = None

    def waiting_for(self, reign: Reign) -> bytes:
        """Return what this reign is yet to be told, b"" where it knows."""
        return b"" if self._told == reign else self._sample

    def told(self, reign: Reign, sample: bytes) -> None:
        """Note that a reign was told this sample, and took it."""
        if sample and sample is self._sample:
            self._told = reign
