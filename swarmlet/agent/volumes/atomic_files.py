"""Files that change all at once: a reader sees all of one version or all of the other.

Each version lies in a folder of its own; `..data` is a link to the current one, and each name is a link through it.
Source: kubernetes pkg/volume/util/atomic_writer.go.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from swarmlet.agent.volumes import ownership
from swarmlet.agent.volumes.errors import VolumeError
from swarmlet.agent.volumes.files import Files

CURRENT = "..data"
_SWAP = "..swap"
_RESERVED = ".."
FOLDER_MODE = 0o755


def write(place: Path, files: Files, group: int | None = None) -> None:
    """Write a new version beside the old one and swap `..data`; nothing where it is the same. `group` may read it."""
    version = f"..{_digest(files)}"
    current = place / CURRENT
    names = {Path(name).parts[0] for name in files}
    if current.is_symlink() and current.readlink() == Path(version):
        _link_names(place, names)  # a daemon before this one may not have come so far
        return
    shutil.rmtree(place / version, ignore_errors=True)
    _write_version(place / version, files, group)
    swap = place / _SWAP
    swap.unlink(missing_ok=True)
    swap.symlink_to(version)
    swap.rename(current)
    _link_names(place, names)
    for old in place.iterdir():
        if old.name.startswith(_RESERVED) and old.name not in (version, CURRENT):
            shutil.rmtree(old)


def _write_version(folder: Path, files: Files, group: int | None) -> None:
    _make_folder(folder, group)
    for name, (content, mode) in files.items():
        path = _inside(folder, name)
        for parent in reversed(path.relative_to(folder).parents[:-1]):
            _make_folder(folder / parent, group)
        path.write_bytes(content)
        path.chmod(mode)
        if group is not None:
            ownership.give(path, group, read_only=True)


def _make_folder(folder: Path, group: int | None) -> None:
    """Make a folder that all may look into, whatever the daemon's umask is."""
    if folder.is_dir():
        return
    folder.mkdir()
    folder.chmod(FOLDER_MODE)
    if group is not None:
        ownership.give(folder, group, read_only=True)


def _link_names(place: Path, wanted: set[str]) -> None:
    for path in place.iterdir():
        if path.is_symlink() and not path.name.startswith(_RESERVED) and path.name not in wanted:
            path.unlink()
    for name in wanted:
        if not os.path.lexists(place / name):  # a folder that a subPath asked for may be in the way, and stays
            (place / name).symlink_to(Path(CURRENT) / name)


def _inside(folder: Path, name: str) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise VolumeError(f"the path {name!r} leads out of the volume")
    return folder / name


def _digest(files: Files) -> str:
    digest = hashlib.sha256()
    for name, (content, mode) in sorted(files.items()):
        digest.update(f"{len(name)}:{name}:{mode}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()[:16]
