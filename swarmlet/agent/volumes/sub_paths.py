"""A part of a volume (`subPath`), found without being led out of the volume by its links.

Whoever may write into a volume may put links into it, and may exchange a folder for a link between a look at the path
and its mount. So the path is walked from the volume's folder by descriptors that follow no link, and what the last one
leads to is bound to a place of the agent's own: that place is what the Engine mounts.
Source: kubernetes pkg/volume/util/subpath/subpath_linux.go.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import structlog

from swarmlet.agent.containers import environment
from swarmlet.agent.volumes import mounts
from swarmlet.agent.volumes.errors import VolumeError
from swarmlet.model.container import VolumeMount

FOLDER = ".subpaths"
"""Beside the Pod's volumes, with a name that no volume can have."""

log = structlog.get_logger()


def wanted(mount: VolumeMount, env: Mapping[str, str]) -> str:
    """Return the part of the volume that a mount asks for, "" for all of it; a variable in it must have a value."""
    if not mount.sub_path_expr:
        return mount.sub_path
    missing: set[str] = set()

    def value_of(name: str, _written: str) -> str:
        if not env.get(name):
            missing.add(name)
        return env.get(name, "")

    path = environment.expand_with(mount.sub_path_expr, value_of)
    if missing:
        raise VolumeError(f"missing value for {', '.join(sorted(missing))}")
    return path


def prepare(volume: Path, sub_path: str, target: Path) -> Path:
    """Return a path that leads to `sub_path` in a volume, whatever becomes of the volume's links.

    A part that is missing is made as a folder. `target` is where it is bound; it may be bound already, by an earlier
    start of the container. Raises `VolumeError` or `OSError` where the part cannot be had.
    """
    if Path(sub_path).is_absolute() or ".." in Path(sub_path).parts:
        raise VolumeError(f"unable to provision SubPath `{sub_path}`: must not contain '..'")
    descriptor = _open_inside(volume, sub_path)
    try:
        return _bound(descriptor, target)
    finally:
        os.close(descriptor)


def _open_inside(volume: Path, sub_path: str) -> int:
    """Return a descriptor of a part of the volume, reached through links inside it only."""
    root = volume.resolve(strict=True)
    resolved = Path(os.path.realpath(root / sub_path))  # it minds no links that run in a circle
    if not resolved.is_relative_to(root):
        raise VolumeError(f"subpath {sub_path} is not within the volume path")
    folder_mode = stat.S_IMODE(root.stat().st_mode) & 0o777
    descriptor = os.open(root, os.O_PATH | os.O_CLOEXEC)
    for name in resolved.relative_to(root).parts:
        outer = descriptor
        try:
            descriptor = _step(outer, name, folder_mode)
        finally:
            os.close(outer)
        if stat.S_ISLNK(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise VolumeError(f"subpath {sub_path} leads to a link that cannot be followed")
    return descriptor


def _step(folder: int, name: str, folder_mode: int) -> int:
    """Return a descriptor of what lies in a folder, of a link itself too; a folder is made where there is nothing."""
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        os.mkdir(name, dir_fd=folder)
    made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        inherited = stat.S_IMODE(os.fstat(made).st_mode) & stat.S_ISGID
        os.fchmod(made, folder_mode | inherited)
        return os.open(f"/proc/self/fd/{made}", os.O_PATH | os.O_CLOEXEC)
    finally:
        os.close(made)


def _bound(descriptor: int, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    mounts.unmount_below(target)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        if target.is_file():
            target.unlink()
        target.mkdir(exist_ok=True)
    else:
        if target.is_dir():
            target.rmdir()
        target.touch()
    try:
        mounts.bind(descriptor, target)
    except PermissionError:  # a daemon without rights keeps nobody out: it runs Pods as itself
        log.debug("bind_not_allowed", target=str(target))
        return Path(f"/proc/self/fd/{descriptor}").readlink()
    return target
