"""The newest sample of each node: in the leader's memory only, and how it gets there.

A sample travels with a heartbeat (`reporting.Reporting`). Each reign is told it once, so a new leader knows after a
moment what the one before it knew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import structlog

from swarmlet.clock import Clock
from swarmlet.model.samples import NodeSample, PodSample

log = structlog.get_logger(__name__)

NODES_MAX = 10_000
SAMPLE_BYTES_MAX = 1024 * 1024
"""Of one node: some thousands of Pods."""
MISSED_MAX = 3
"""A node that has not sampled for so many of its periods is not known any more."""

Reign = tuple[str, int]
"""Who leads, and in which term."""


@dataclass(slots=True)
class _Letter:
    """A node's newest sample as it came, and decoded once somebody has asked for it."""

    at: float
    data: bytes
    _sample: NodeSample | None = None
    _by_uid: dict[str, PodSample] | None = None

    def sample(self) -> NodeSample | None:
        """Return the sample; None where this version cannot read what the node's sent."""
        if self._sample is None and self.data:
            try:
                self._sample = msgspec.msgpack.decode(self.data, type=NodeSample)
            except msgspec.MsgspecError as error:
                log.warning("sample_not_read", error=str(error))
                self.data = b""
        return self._sample

    def pod(self, uid: str) -> PodSample | None:
        if self._by_uid is None:
            sample = self.sample()
            self._by_uid = {pod.uid: pod for pod in sample.pods} if sample else {}
        return self._by_uid.get(uid)


class UsageMemory:
    """What the leader was told in its reign. A sample that is old counts as none.

    Samples are kept as they came, a hundred bytes a Pod: of most nodes nobody asks before the next one comes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: float | None = None
        self._nodes: dict[str, _Letter] = {}

    def begin(self) -> None:
        """Begin a reign with nothing known."""
        self._began = self._clock.monotonic()
        self._nodes.clear()

    def end(self) -> None:
        """End the reign, and forget what was told in it."""
        self._began = None
        self._nodes.clear()

    def take(self, node_name: str, data: bytes) -> None:
        """Take a node's newest sample; ignored where this machine does not lead, and over the limits."""
        if self._began is None or not data or len(data) > SAMPLE_BYTES_MAX:
            return
        if node_name in self._nodes or len(self._nodes) < NODES_MAX:
            self._nodes[node_name] = _Letter(self._clock.monotonic(), data)

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
        return found.pod(uid) if found is not None and self._fresh_sample(found) else None

    def _fresh(self) -> Sequence[NodeSample]:
        found = (self._fresh_sample(letter) for _, letter in sorted(self._nodes.items()))
        return [sample for sample in found if sample is not None]

    def _fresh_sample(self, letter: _Letter) -> NodeSample | None:
        sample = letter.sample()
        if sample is None or self._clock.monotonic() - letter.at > MISSED_MAX * sample.period_seconds:
            return None
        return sample


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
