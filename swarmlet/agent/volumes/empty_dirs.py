"""Folders that live as long as their Pod (`emptyDir`): on disk or in memory, and how full they are."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import structlog

from swarmlet.agent.volumes import mounts, ownership
from swarmlet.model import quantity
from swarmlet.model.pod import Pod
from swarmlet.model.pod_volumes import EmptyDirVolumeSource

IN_MEMORY = "Memory"
FOLDER_MODE = 0o777
BLOCK_BYTES = 512
"""The unit of `st_blocks`, on every file system."""

log = structlog.get_logger()


def make(place: Path, source: EmptyDirVolumeSource, pod: Pod, group: int | None) -> None:
    """Make the folder where it is not there; one in memory is a tmpfs of its own where something limits it."""
    size = memory_limit_bytes(source, pod) if source.medium == IN_MEMORY else 0
    if place.is_dir() and not (size and not mounts.below(place)):
        return
    place.mkdir(exist_ok=True)
    if size:
        try:
            mounts.tmpfs(place, size)
        except PermissionError:  # measured from time to time all the same, as a folder on disk is
            log.warning("tmpfs_not_allowed", place=str(place))
    place.chmod(FOLDER_MODE)
    if group is not None:
        ownership.give(place, group)


def limit_bytes(source: EmptyDirVolumeSource) -> int:
    """Return the most that the folder may hold, 0 where it is not limited."""
    return quantity.to_int(source.size_limit) if source.size_limit else 0


def memory_limit_bytes(source: EmptyDirVolumeSource, pod: Pod) -> int:
    """Return the size of a folder in memory: what it is limited to, and no more than the Pod's memory; 0 without both.

    Source: kubernetes pkg/volume/emptydir (calculateEmptyDirMemorySize).
    """
    limits = [each.resources.limits.get("memory", "") for each in pod.spec.containers]
    of_pod = sum(map(quantity.to_int, limits)) if all(limits) else 0
    return min((size for size in (limit_bytes(source), of_pod) if size), default=0)


def used_bytes(place: Path) -> int:
    """Return what a folder takes of its disk, as `du` counts: each file once, and nothing that is mounted into it."""
    try:
        device = place.stat().st_dev
    except FileNotFoundError:
        return 0
    total, seen, folders = 0, set[int](), [str(place)]
    while folders:
        for found, path in _entries(folders.pop()):
            if found.st_dev != device or found.st_ino in seen:
                continue
            if stat.S_ISDIR(found.st_mode):
                folders.append(path)
            elif found.st_nlink > 1:
                seen.add(found.st_ino)
            total += found.st_blocks * BLOCK_BYTES
    return total


def _entries(folder: str) -> Iterator[tuple[os.stat_result, str]]:
    """Yield what lies in a folder.

    What goes away or becomes something else meanwhile is left out, and so is what lies deeper than a path can tell.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                yield entry.stat(follow_symlinks=False), entry.path
