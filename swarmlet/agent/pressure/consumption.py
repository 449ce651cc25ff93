"""What the Pods of this node use of what it is short of: measured when it is needed, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from swarmlet.agent.life.pod_machine import PodMachine
from swarmlet.agent.pressure.eviction import Consumption
from swarmlet.agent.pressure.pressures import MEMORY
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.runtime import runtime


class Meter:
    """One for a node."""

    def __init__(self, engine: runtime.Runtime, volumes: Volumes) -> None:
        self._engine = engine
        self._volumes = volumes

    async def memory(self, machines: Sequence[PodMachine]) -> dict[str, Consumption]:
        """Return the memory that Pods use, by their uids; one that could not be measured is left out."""
        ids = [container.id for machine in machines for container in machine.running()]
        measured = (await self._engine.usage(ids)).containers
        used = {each: usage.memory_bytes for each, usage in measured.items()}
        return {uid: Consumption(containers) for uid, containers in _by_pod(machines, used).items()}

    async def storage(self, machines: Sequence[PodMachine]) -> dict[str, Consumption]:
        """Return what Pods have written to this node's disks, by their uids: files, logs and volumes of their own.

        It looks at every file, so it takes a while.
        """
        ids = [container.id for machine in machines for container in machine.running()]
        found = _by_pod(machines, await self._engine.written_bytes(ids))
        pods = {machine.pod.metadata.uid: machine.pod for machine in machines}
        return {
            uid: Consumption(containers, await asyncio.to_thread(self._volumes.used_bytes, pods[uid]))
            for uid, containers in found.items()
        }

    async def of(self, resource: str, machines: Sequence[PodMachine]) -> dict[str, Consumption]:
        """Return what Pods use of a resource; of inodes what they use of the disk, which is as near as it gets."""
        return await (self.memory(machines) if resource == MEMORY else self.storage(machines))


def _by_pod(machines: Sequence[PodMachine], amounts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return amounts by container id as amounts by Pod and container; a Pod of which nothing is known is left out."""
    found: dict[str, dict[str, int]] = {}
    for machine in machines:
        mine = {each.name: amounts[each.id] for each in machine.running() if each.id in amounts}
        if mine:
            found[machine.pod.metadata.uid] = mine
    return found
