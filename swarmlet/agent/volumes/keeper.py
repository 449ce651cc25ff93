"""Tells the cluster of the folders of this node's volumes: which were made, and which are removed.

A volume that is marked for deletion never comes back, and its name is never another's. So the local replica's word is
enough, however old it is, to remove a folder; and a node that was away does it when it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import cast

import structlog

from swarmlet.agent.volumes import local_volumes
from swarmlet.clock import Clock
from swarmlet.errors import PeerError
from swarmlet.model import events, kinds, objects, storage, volumes
from swarmlet.model.pod import Pod
from swarmlet.model.storage import PersistentVolume
from swarmlet.store.commands import Put, Verdict
from swarmlet.store.replica import Change, Replica, Stored

VOLUMES = kinds.PERSISTENT_VOLUME.resource
RETRY_SECONDS = 5.0
MADE_SECONDS = 2.0
"""How often it is looked whether a folder that nobody was told of is there."""

log = structlog.get_logger()


class VolumeKeeper:
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
        """Tell what was made and remove what is to go, until cancelled."""
        unsubscribe = self._replica.view.subscribe(self._hear)
        self._wake.set()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                told = all([await self._tell_made(stored) for stored in self._own(is_new)])
                done = all([await self._reclaim(stored) for stored in self._own(is_to_be_removed)])
                if not (told and done):
                    await self._clock.sleep(MADE_SECONDS if done else RETRY_SECONDS)
                    self._wake.set()
        finally:
            unsubscribe()

    def _hear(self, changes: Sequence[Change]) -> None:
        if not changes or any(change.key.resource == VOLUMES for change in changes):
            self._wake.set()

    def _own(self, are: Callable[[PersistentVolume], bool]) -> list[Stored]:
        """Return this node's volumes of a sort."""
        return [
            stored
            for stored in self._replica.view.list(VOLUMES)
            if _is_of_node(volume := cast("PersistentVolume", stored.object), self._node_id) and are(volume)
        ]

    async def _tell_made(self, stored: Stored) -> bool:
        """Note that a folder is there; return whether it is, and is told."""
        volume = cast("PersistentVolume", stored.object)
        if not await asyncio.to_thread(local_volumes.place(volume, self._root).is_dir):
            return False
        told = volume.metadata.annotations | {storage.FOLDER_MADE: "true"}
        return await self._write(stored, objects.with_metadata(volume, annotations=told))

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
        log.info("volume_removed", volume=volume.metadata.name)
        return await self._write(stored, objects.with_metadata(volume, finalizers=left))

    async def _write(self, stored: Stored, volume: PersistentVolume) -> bool:
        """Write what became of a volume; return whether it stands."""
        bare = objects.to_json(objects.with_metadata(volume, resource_version=""))
        try:
            (outcome,) = await self._replica.propose([Put(stored.key, bare, stored.revision, volume.metadata.uid)])
        except PeerError as error:
            log.info("volume_not_told", volume=volume.metadata.name, error=str(error))
            return False
        return outcome.verdict in (Verdict.DONE, Verdict.UNCHANGED)


def is_new(volume: PersistentVolume) -> bool:
    """Whether nobody was told yet that the folder of a volume was made."""
    return not objects.is_terminating(volume) and storage.FOLDER_MADE not in volume.metadata.annotations


def is_to_be_removed(volume: PersistentVolume) -> bool:
    """Whether nothing protects a volume any more but the folder that it has here."""
    held = volume.metadata.finalizers
    return (
        objects.is_terminating(volume)
        and storage.LOCAL_FOLDER in held
        and storage.VOLUME_PROTECTION not in held
        and volume.spec.persistent_volume_reclaim_policy == storage.DELETE
    )


def _is_of_node(volume: PersistentVolume, node_id: str) -> bool:
    return volumes.is_our_own(volume) and volumes.node_id(volume) == node_id


def _mounts(pod: Pod, volume: PersistentVolume) -> bool:
    kept_for = volume.spec.claim_ref
    return (
        kept_for is not None
        and kept_for.namespace == pod.metadata.namespace
        and kept_for.name in volumes.claim_names(pod)
    )
