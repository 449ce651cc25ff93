"""Folders, files and devices of the machine that a Pod mounts (`hostPath`): checked, and made where that is asked for.

Source: kubernetes pkg/volume/hostpath/host_path.go.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from swarmlet.agent.volumes.errors import VolumeError

FOLDER_MODE = 0o755
FILE_MODE = 0o644

_CHECKS: Mapping[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def prepare(path: Path, type_: str) -> None:
    """See to it that `path` is what `type_` says; "" is whatever it is, and a folder where it is nothing."""
    if type_ in ("", "DirectoryOrCreate") and not path.exists():
        path.mkdir(mode=FOLDER_MODE, parents=True)
    elif type_ == "FileOrCreate" and not path.exists():
        path.touch(mode=FILE_MODE)
    if type_ == "":
        return
    is_right, expected = _CHECKS[type_]
    if not path.exists() or not is_right(os.stat(path).st_mode):  # noqa: PTH116  follows links, as the mount will
        raise VolumeError(f"hostPath type check failed: {path} is not {expected}")
