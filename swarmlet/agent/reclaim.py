"""Removes the folders of this node's volumes that are to go, and says so by taking its finalizer off them.

A volume that is marked for deletion never comes back, and its name is never another's. So the local replica's word is
enough, however old it is; and a node that was away does it when it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import cast

import structlog

from swarmlet.agent import local_volumes
from swarmlet.clock import Clock
from swarmlet.errors import PeerError
from swarmlet.model import events, kinds, objects, storage, volumes
from swarmlet.model.pod import Pod
from swarmlet.model.storage import PersistentVolume
from swarmlet.store.commands import Put
from swarmlet.store.replica import Change, Replica, Stored

VOLUMES = kinds.PERSISTENT_VOLUME.resource
RETRY_SECONDS = 5.0

log = structlog.get_logger()


class Reclaimer:
    """One for a node. `root` holds the folders; `mounted` are the Pods whose containers may still use one."""

    def __init__(
        self,
        *,
        node_id: str,
        root: Path,
        replica: Replica,
        clock: Clock,
        mounted: Callable[[], Iterable[Pod]],
        record: Callable[[events.Note], None],
    ) -> None:
        self._node_id = node_id
        self._root = root
        self._replica = replica
        self._clock = clock
        self._mounted = mounted
        self._record = record
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Remove what is to go, until cancelled."""
        unsubscribe = self._replica.view.subscribe(self._hear)
        self._wake.set()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                if not all([await self._reclaim(stored) for stored in self._leaving()]):
                    await self._clock.sleep(RETRY_SECONDS)
                    self._wake.set()
        finally:
            unsubscribe()

    def _hear(self, changes: Sequence[Change]) -> None:
        if not changes or any(change.key.resource == VOLUMES for change in changes):
            self._wake.set()

    def _leaving(self) -> list[Stored]:
        return [
            stored
            for stored in self._replica.view.list(VOLUMES)
            if is_to_be_removed(cast("PersistentVolume", stored.object), self._node_id)
        ]

    async def _reclaim(self, stored: Stored) -> bool:
        """Remove one folder; return whether it is done and told."""
        volume = cast("PersistentVolume", stored.object)
        if any(_mounts(pod, volume) for pod in self._mounted()):
            return False
        try:
            await asyncio.to_thread(local_volumes.remove, volume, self._root)
        except OSError as error:
            self._record(events.Note(volume, events.WARNING, "VolumeFailedDelete", str(error)))
            log.warning("volume_not_removed", volume=volume.metadata.name, error=str(error))
            return False
        left = tuple(each for each in volume.metadata.finalizers if each != storage.LOCAL_FOLDER)
        freed = objects.with_metadata(volume, finalizers=left, resource_version="")
        put = Put(stored.key, objects.to_json(freed), stored.revision, volume.metadata.uid)
        try:
            await self._replica.propose([put])
        except PeerError as error:
            log.info("volume_removal_not_told", volume=volume.metadata.name, error=str(error))
            return False
        log.info("volume_removed", volume=volume.metadata.name)
        return True


def is_to_be_removed(volume: PersistentVolume, node_id: str) -> bool:
    """Whether this node has the folder of a volume that nothing protects any more."""
    held = volume.metadata.finalizers
    return (
        objects.is_terminating(volume)
        and storage.LOCAL_FOLDER in held
        and storage.VOLUME_PROTECTION not in held
        and volume.spec.persistent_volume_reclaim_policy == storage.DELETE
        and volumes.is_our_own(volume)
        and volumes.node_id(volume) == node_id
    )


def _mounts(pod: Pod, volume: PersistentVolume) -> bool:
    kept_for = volume.spec.claim_ref
    return (
        kept_for is not None
        and kept_for.namespace == pod.metadata.namespace
        and kept_for.name in volumes.claim_names(pod)
    )
