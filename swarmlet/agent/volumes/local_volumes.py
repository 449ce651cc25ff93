"""The volumes that claims have, on this machine: where each lies, and the folders of the class `local` among them.

`<data_dir>/volumes/<volume's name>` is made when a Pod first mounts it, outlives its Pods and the daemon, and is
removed by `agent.volume_keeper` once the volume is to go. All calls block and belong in a thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from swarmlet import trees
from swarmlet.agent.containers.downward import Find
from swarmlet.agent.volumes import empty_dirs, host_paths, ownership
from swarmlet.agent.volumes.errors import VolumeError
from swarmlet.model import affinity, kinds, storage, volumes
from swarmlet.model.pod import Pod
from swarmlet.model.pod_volumes import PersistentVolumeClaimVolumeSource
from swarmlet.model.storage import PersistentVolume, PersistentVolumeClaim
from swarmlet.store.commands import Key

FOLDER = "volumes"
"""In the daemon's data_dir."""
PRIVATE_MODE = 0o700


def volume_of(pod: Pod, source: PersistentVolumeClaimVolumeSource, find: Find) -> PersistentVolume:
    """Return the volume of a Pod's claim; raise `VolumeError` where it has none yet, or none that is here."""
    claim = _claim(Key(kinds.PERSISTENT_VOLUME_CLAIM.resource, pod.metadata.namespace, source.claim_name), find)
    if not volumes.is_bound(claim):
        raise VolumeError(f'PVC "{source.claim_name}" is not bound')
    name = claim.spec.volume_name
    found = cast("PersistentVolume | None", find(Key(kinds.PERSISTENT_VOLUME.resource, "", name)))
    if found is None or not volumes.is_for(found, claim):
        raise VolumeError(f'persistentvolume "{name}" of PVC "{source.claim_name}" not found')
    wanted = volumes.required_nodes(found)
    node = find(Key(kinds.NODE.resource, "", pod.spec.node_name))
    if wanted is not None and not (node and affinity.matches(wanted, pod.spec.node_name, node.metadata.labels)):
        raise VolumeError(f'volume "{name}" lies on another node: no matching NodeSelectorTerms')
    return found


def place(volume: PersistentVolume, root: Path) -> Path:
    """Return where a volume lies; `root` holds those of the class `local`."""
    if volumes.is_our_own(volume):
        return root / volume.metadata.name
    if volume.spec.local is not None:
        return Path(volume.spec.local.path)
    if volume.spec.host_path is not None:
        return Path(volume.spec.host_path.path)
    raise VolumeError(f'volume "{volume.metadata.name}" is of a kind that swarmlet cannot mount')


def make(volume: PersistentVolume, root: Path, group: int | None, *, always: bool) -> None:
    """See to it that a volume is there and that `group` may use it; `always`: however it looks like."""
    path = place(volume, root)
    if volume.spec.host_path is not None:
        host_paths.prepare(path, volume.spec.host_path.type)
        return
    if volumes.is_our_own(volume) and not path.is_dir():
        if storage.FOLDER_MADE in volume.metadata.annotations:
            raise VolumeError(f'the folder "{path}" of volume "{volume.metadata.name}" is gone, and its data with it')
        root.mkdir(mode=PRIVATE_MODE, parents=True, exist_ok=True)
        path.mkdir()
        path.chmod(empty_dirs.FOLDER_MODE)
    if not path.exists():
        raise VolumeError(f'local volume "{volume.metadata.name}": path "{path}" does not exist')
    if group is not None:
        ownership.give_all(path, group, always=always)


def remove(volume: PersistentVolume, root: Path) -> None:
    """Remove the folder of a volume of the class `local`; raise `OSError` where it cannot be."""
    path = root / volume.metadata.name
    if path.exists():
        trees.remove(path)


def _claim(key: Key, find: Find) -> PersistentVolumeClaim:
    found = find(key)
    if found is None:
        raise VolumeError(f'persistentvolumeclaim "{key.name}" not found')
    return cast("PersistentVolumeClaim", found)
