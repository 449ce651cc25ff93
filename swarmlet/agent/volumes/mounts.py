"""The kernel's mounts that volumes need: a bounded tmpfs, and a folder bound by its descriptor. Linux only.

They are made in the daemon's own mount namespace, which is the Engine's too on a machine that systemd started.
Where the daemon lacks CAP_SYS_ADMIN, `PermissionError` is raised and the caller does without.
"""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

_NOSUID, _NODEV, _BIND = 2, 4, 4096
_DETACH, _NOFOLLOW = 2, 8
_OCTAL = re.compile(rb"\\([0-7]{3})")

_libc = ctypes.CDLL(None, use_errno=True)


def tmpfs(folder: Path, size_bytes: int) -> None:
    """Mount a tmpfs of at most so many bytes at a folder; its root is open to all."""
    options = f"size={size_bytes},mode=0777".encode()
    _mount(b"tmpfs", folder, b"tmpfs", _NOSUID | _NODEV, options)


def bind(descriptor: int, target: Path) -> None:
    """Show at `target`, a folder or file like it, what an open descriptor leads to, whatever its path says by now."""
    _mount(f"/proc/self/fd/{descriptor}".encode(), target, None, _BIND, None)


def below(folder: Path) -> list[Path]:
    """Return what is mounted at a folder or below it, the deepest first."""
    root = os.fsencode(folder.resolve())
    points = [_unescaped(line.split(b" ")[4]) for line in MOUNTS.read_bytes().splitlines()]
    found = [point for point in points if point == root or point.startswith(root + b"/")]
    return [Path(os.fsdecode(point)) for point in sorted(found, key=len, reverse=True)]


def unmount_below(folder: Path) -> None:
    """Unmount all that is mounted at a folder or below it, so that removing it takes nothing but itself."""
    for point in below(folder):
        if _libc.umount2(os.fsencode(point), _DETACH | _NOFOLLOW) != 0:
            raise _error(point)


def _mount(source: bytes, target: Path, filesystem: bytes | None, flags: int, options: bytes | None) -> None:
    if _libc.mount(source, os.fsencode(target), filesystem, ctypes.c_ulong(flags), options) != 0:
        raise _error(target)


def _error(path: Path) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), str(path))


def _unescaped(point: bytes) -> bytes:
    """Read a path as mountinfo writes it: blanks and the like as octal."""
    return _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), point)
