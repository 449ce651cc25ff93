"""Removing folders that Pods have filled: as deep as they like, with links where they like. It blocks.

`shutil.rmtree` calls itself for each level and gives up at about a thousand; paths end at 4096 bytes. So folders are
moved up to the top, by descriptors that follow no link, and emptied there one by one.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(root: Path) -> None:
    """Remove a folder and all that is in it.

    Raises `OSError` where it is none, and where something of it cannot go, once the rest is gone.
    """
    failures: list[OSError] = []
    top = os.open(root, _OPEN_FOLDER)
    try:
        folders = _without_files(top, failures)
        while folders:
            name = folders.pop()
            try:
                folders += _lifted(top, name, failures)
                os.rmdir(name, dir_fd=top)
            except OSError as error:
                failures.append(error)
    finally:
        os.close(top)
    if failures:
        raise failures[0]
    root.rmdir()


def _without_files(folder: int, failures: list[OSError]) -> list[str]:
    """Remove what is no folder from a folder; return the names of those that are."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            try:
                os.unlink(name, dir_fd=folder)
            except OSError as error:
                failures.append(error)
    return [name for name, is_folder in found if is_folder]


def _lifted(top: int, name: str, failures: list[OSError]) -> list[str]:
    """Empty one of the top's folders; what folders it holds are moved up beside it. Return their names there."""
    folder = os.open(name, _OPEN_FOLDER, dir_fd=top)
    lifted: list[str] = []
    try:
        for inner in _without_files(folder, failures):
            new = secrets.token_hex(16)
            try:
                os.rename(inner, new, src_dir_fd=folder, dst_dir_fd=top)
                lifted.append(new)
            except OSError as error:
                failures.append(error)
    finally:
        os.close(folder)
    return lifted
