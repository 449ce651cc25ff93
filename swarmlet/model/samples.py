"""What a node has measured of itself and of its Pods: on the wire between daemons, in memory, never stored.

Rates are over `window_seconds` that end at `at`, by the clock of the node that measured.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class ContainerSample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`cpu_nanocores` is thousand-millionths of a core; `memory_bytes` the working set."""

    name: str
    cpu_nanocores: int
    memory_bytes: int


class PodSample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All containers of a Pod that run: one of which less is known leaves its Pod out."""

    namespace: str
    name: str
    uid: str
    at: datetime
    window_seconds: float
    containers: tuple[ContainerSample, ...]

    @property
    def cpu_nanocores(self) -> int:
        return sum(each.cpu_nanocores for each in self.containers)

    @property
    def memory_bytes(self) -> int:
        return sum(each.memory_bytes for each in self.containers)


class NodeSample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A node and its Pods. The next one comes in `period_seconds`."""

    node_name: str
    at: datetime
    period_seconds: float
    window_seconds: float
    cpu_nanocores: int
    memory_bytes: int
    pods: tuple[PodSample, ...] = ()
