"""The group that a Pod's volumes belong to (`securityContext.fsGroup`).

Source: kubernetes pkg/volume/volume_linux.go (SetVolumeOwnership).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

FOLDER_BITS = stat.S_ISGID | 0o110
WRITABLE_BITS = 0o660
READABLE_BITS = 0o440


def mode_for_group(mode: int, *, is_folder: bool, read_only: bool) -> int:
    """Return a mode with what the group needs added: to read, to write, to look into folders and pass itself on."""
    return mode | (READABLE_BITS if read_only else WRITABLE_BITS) | (FOLDER_BITS if is_folder else 0)


def give(path: Path, group: int, *, read_only: bool = False) -> None:
    """Give one folder or file to a group; a symbolic link's own, and not where it leads."""
    os.chown(path, -1, group, follow_symlinks=False)
    found = path.lstat().st_mode
    if not stat.S_ISLNK(found):
        is_folder = stat.S_ISDIR(found)
        path.chmod(mode_for_group(stat.S_IMODE(found), is_folder=is_folder, read_only=read_only))


def give_all(root: Path, group: int, *, always: bool) -> None:
    """Give a folder and all that is in it to a group; not `always`: only where the folder itself is another's."""
    if not always and root.stat().st_gid == group and root.stat().st_mode & FOLDER_BITS == FOLDER_BITS:
        return
    for folder, names, files in os.walk(root, topdown=False):
        for name in (*names, *files):
            give(Path(folder, name), group)
    give(root, group)
