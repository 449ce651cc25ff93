"""What the leader hears from the nodes, and when it granted them leases. It is in memory only, and never in the log."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from swarmlet.clock import Clock
from swarmlet.controllers.nodes.usage import UsageMemory
from swarmlet.model import singletons
from swarmlet.model.base import clock_time
from swarmlet.model.core import Lease, LeaseSpec
from swarmlet.model.meta import ObjectMeta

NODES_MAX = 10_000
LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 5
GAP_SECONDS = 2.0
"""A heartbeat after a longer silence is worth a look at the node: it may have been given up."""
LEASE_UIDS = uuid.UUID("6f0f5a52-6f0c-4f53-9a53-0d2c9a3e5b10")


@dataclass(frozen=True, slots=True)
class Pulse:
    """One node as last heard. Times are monotonic seconds.

    `heard` is False while this leader only waits for its first heartbeat: `last_seen` is then when it began to wait.
    `unready_since` is None while the node says it is ready. `grace_seconds` is what a daemon that stops on purpose
    asked for, 0 otherwise. `pressures` are the types of the conditions of pressure that hold, None before the node has
    measured any.
    """

    last_seen: float
    heard: bool = False
    first_heard: datetime | None = None
    unready_since: float | None = None
    message: str = ""
    grace_seconds: float = 0.0
    pressures: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """The last lease of a node: which machine has it, since when (monotonic seconds), and for how many seconds."""

    node_id: str
    at: float
    fence_after: float


class Heartbeats:
    """The nodes' pulses and samples of usage, as one leader hears them from the beginning of its reign."""

    def __init__(self, clock: Clock) -> None:
        self.usage = UsageMemory(clock)
        self._clock = clock
        self._pulses: dict[str, Pulse] = {}
        self._tell: Callable[[str], None] | None = None
        self._began = 0.0
        self._grants: dict[str, Grant] = {}

    @property
    def clock(self) -> Clock:
        """Return the clock by which pulses and leases are told."""
        return self._clock

    @property
    def listening(self) -> bool:
        """Whether this machine leads, and so wants to hear heartbeats."""
        return self._tell is not None

    def begin(self, tell: Callable[[str], None]) -> None:
        """Begin a reign with nothing heard; `tell` is called with the name of a node that is worth a look."""
        self._tell = tell
        self._began = self._clock.monotonic()
        self._grants.clear()
        self.usage.begin()

    def end(self) -> None:
        """End the reign, and forget what was heard in it."""
        self._tell = None
        self._pulses.clear()
        self.usage.end()

    def beat(
        self,
        node_name: str,
        *,
        ready: bool = True,
        message: str = "",
        stop_grace_seconds: float = 0.0,
        pressures: Collection[str] | None = None,
    ) -> None:
        """Note a heartbeat. With `stop_grace_seconds` it says: this daemon stops on purpose, wait that long for it.

        `message` says in words why the node is not ready; `pressures` which conditions of pressure hold, None where it
        has not measured yet. Ignored where this machine does not lead.
        """
        if self._tell is None or (node_name not in self._pulses and len(self._pulses) >= NODES_MAX):
            return
        now = self._clock.monotonic()
        before = self._pulses.get(node_name)
        after = Pulse(
            last_seen=now,
            heard=True,
            first_heard=before.first_heard if before and before.first_heard else self._clock.now(),
            unready_since=None if ready else _since(before, now),
            message=message,
            grace_seconds=stop_grace_seconds,
            pressures=None if pressures is None else frozenset(pressures),
        )
        self._pulses[node_name] = after
        if before is None or now - before.last_seen > GAP_SECONDS or _mood(before) != _mood(after):
            self._tell(node_name)

    def grant(self, node_name: str, node_id: str, fence_after: float) -> bool:
        """Note a lease that is granted to a node now; False, and nothing noted, where another may still have one.

        Another is a machine that had this name before. The caller has asked its quorum after the node asked.
        """
        before = self._grants.get(node_name)
        if before is not None and before.node_id != node_id and self.lease_seconds_left(node_name, 0.0) > 0:
            return False
        self._grants[node_name] = Grant(node_id, self._clock.monotonic(), fence_after)
        return True

    def lease_seconds_left(self, node_name: str, fence_after: float | None) -> float:
        """Return how long it takes yet until a node has certainly ended its strict singletons.

        `fence_after` is what the node says of itself; None: nobody knows what it said. Earlier leaders granted no lease
        since this reign began: each grant stands on a quorum that still followed them.
        """
        grant = self._grants.get(node_name)
        if fence_after is None:
            fence_after = grant.fence_after if grant else singletons.FENCE_AFTER_SECONDS_MAX
        since = max(self._began, grant.at if grant else self._began)
        longest = max(fence_after, grant.fence_after if grant else 0.0)
        return max(0.0, since + singletons.certain_after_seconds(longest) - self._clock.monotonic())

    def pulse(self, node_name: str) -> Pulse:
        """Return what is known of a node; asked for the first time, this begins the wait for its first heartbeat."""
        if node_name not in self._pulses:
            self._pulses[node_name] = Pulse(last_seen=self._clock.monotonic())
        return self._pulses[node_name]

    def forget(self, node_name: str) -> None:
        """Drop a node that was removed."""
        self._pulses.pop(node_name, None)
        self.usage.forget(node_name)

    def monotonic(self) -> float:
        """Return the time in which pulses are told."""
        return self._clock.monotonic()

    def leases(self) -> tuple[Lease, ...]:
        """Return a Lease for each node heard of, by name: what `kubectl get leases -n kube-node-lease` shows."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        return tuple(
            _lease(name, pulse, now - timedelta(seconds=monotonic - pulse.last_seen))
            for name, pulse in sorted(self._pulses.items())
            if pulse.heard
        )


def _since(before: Pulse | None, now: float) -> float:
    return before.unready_since if before and before.unready_since is not None else now


def _mood(pulse: Pulse) -> Pulse:
    return replace(pulse, last_seen=0.0, first_heard=None, unready_since=None if pulse.unready_since is None else 0.0)


def _lease(name: str, pulse: Pulse, renewed: datetime) -> Lease:
    return Lease(
        metadata=ObjectMeta(
            name=name,
            namespace=LEASE_NAMESPACE,
            uid=str(uuid.uuid5(LEASE_UIDS, name)),
            resource_version=str(int(renewed.timestamp() * 1000)),
            creation_timestamp=clock_time(pulse.first_heard) if pulse.first_heard else None,
        ),
        spec=LeaseSpec(
            holder_identity=name,
            lease_duration_seconds=LEASE_SECONDS,
            renew_time=renewed,
        ),
    )
