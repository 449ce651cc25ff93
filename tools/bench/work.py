"""The work that orchestrators are compared at, and what each must be able to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

IMAGE = "busybox:lab"
NEXT_IMAGE = "busybox:lab2"
COMMAND = ("hold",)
GRACE_SECONDS = 1
WAIT_SECONDS_MAX = 240.0


@dataclass(frozen=True)
class Work:
    """So many containers that hold, on the machines' own network or on the default one.

    `parallelism` is how many an update may replace at a time; the old one stops first, which is Swarm's default.
    `restart_delay_seconds` is what Swarm waits before it replaces a container; ours waits only after a second crash.
    """

    name: str
    replicas: int
    host_network: bool
    image: str = IMAGE
    parallelism: int = 1
    restart_delay_seconds: float = 0.0


class Orchestrator(Protocol):
    """Runs work on three machines. Each method returns once the orchestrator itself says that it is so."""

    async def create(self, work: Work) -> None:
        """Run new work."""

    async def change(self, work: Work) -> None:
        """Bring running work to other replicas, or to another image."""

    async def remove(self, work: Work) -> None:
        """Ask for the removal; its end is watched on the Engines."""

    async def close(self) -> None:
        """Let go of the connection."""
