"""The group that a Pod's volumes belong to (`securityContext.fsGroup`).

Source: kubernetes pkg/volume/volume_linux.go (SetVolumeOwnership).
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

FOLDER_BITS = stat.S_ISGID | 0o110
WRITABLE_BITS = 0o660
READABLE_BITS = 0o440


def mode_for_group(mode: int, *, is_folder: bool, read_only: bool) -> int:
    """Return a mode with what the group needs added: to read, to write, to look into folders and pass itself on."""
    return mode | (READABLE_BITS if read_only else WRITABLE_BITS) | (FOLDER_BITS if is_folder else 0)


def give(path: Path | str, group: int, *, read_only: bool = False, folder: int | None = None) -> None:
    """Give one folder or file, seen from the descriptor `folder` where that is given, to a group.

    Of a symbolic link it is the link's own, and not where it leads, though somebody puts it there at this moment.
    """
    os.chown(path, -1, group, dir_fd=folder, follow_symlinks=False)
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        found = os.fstat(descriptor).st_mode
        if not stat.S_ISLNK(found):
            mode = mode_for_group(stat.S_IMODE(found), is_folder=stat.S_ISDIR(found), read_only=read_only)
            Path(f"/proc/self/fd/{descriptor}").chmod(mode)
    finally:
        os.close(descriptor)


def give_all(root: Path, group: int, *, always: bool) -> None:
    """Give a folder and all that is in it to a group; not `always`: only where the folder itself is another's.

    Others may be at work in it (a claim that two Pods mount), so it is walked by descriptors and not by paths.
    """
    if not always and root.stat().st_gid == group and root.stat().st_mode & FOLDER_BITS == FOLDER_BITS:
        return
    for _, names, files, folder in os.fwalk(root, topdown=False):
        for name in (*names, *files):
            with contextlib.suppress(FileNotFoundError):  # it is gone by now
                give(name, group, folder=folder)
    give(root, group)
