"""Compose files from the disk: the reading that `swarmlet.manifests.compose` asks for, and the shell's variables."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from swarmlet.cli import exits
from swarmlet.cli.compose import manifests as compose_manifests
from swarmlet.errors import CallerError
from swarmlet.manifests.compose import discovery, files, loading, nodes
from swarmlet.manifests.compose.model.project import Loaded

STDIN = "-"
STDIN_SHOWN = "<stdin>"


def load(
    sources: Sequence[tuple[str, str]],
    *,
    folder: str = "",
    name: str = "",
    profiles: Sequence[str] = (),
    env_files: Sequence[str] = (),
) -> Loaded:
    """Return the project of (path, text) pairs of Compose files, later ones over earlier.

    `folder` is the project's: where relative paths start, and where its .env is. It is the first file's when not given.
    """
    first = sources[0][0] if sources else STDIN_SHOWN
    own = Path(folder) if folder else Path() if first in (STDIN, STDIN_SHOWN) else Path(first).parent
    options = loading.Options(
        folder=str(Path(os.path.normpath(own.absolute()))),
        name=name,
        profiles=tuple(profiles),
        env_files=tuple(str(Path(path).absolute()) for path in env_files),
    )
    return loading.load(sources, read_file, os.environ, options)


def sources(names: Sequence[str] | None) -> list[tuple[str, str]]:
    """Return the (path, text) pairs of the files that are named, those of folders too, or else of this folder."""
    named = [path for name in names or () for path in _files(name)]
    paths = list(named or discovery.default_files(str(Path.cwd()), lambda path: Path(path).is_file(), os.environ))
    if not paths:
        raise exits.UsageError(f"no Compose file here ({', '.join(discovery.NAMES)}); name one with -f")
    if paths.count(STDIN) > 1:
        raise exits.UsageError("-f -: stdin can be read once")
    return [_source(path) for path in paths]


def read_file(path: str) -> bytes:
    """Return what is in a file; raise `FileNotFoundError`, or `CallerError` where it is none or cannot be read."""
    try:
        with open(path, "rb", opener=_regular) as stream:  # Path.open takes no opener
            return stream.read(max(nodes.FILE_BYTES_MAX, files.CONTENT_BYTES_MAX) + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CallerError(f"{path}: {error.strerror or error}") from error


def _regular(path: str, flags: int) -> int:
    """Open a regular file; a pipe or a device would wait or never end."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    raise CallerError(f"{path}: is {'a folder' if stat.S_ISDIR(mode) else 'no regular file'}")


def _files(name: str) -> list[str]:
    found = compose_manifests.of_folder(Path(name)) if name != STDIN and Path(name).is_dir() else ()
    return list(map(str, found)) or [name]


def _source(path: str) -> tuple[str, str]:
    if path == STDIN:
        return STDIN_SHOWN, _decoded(STDIN_SHOWN, sys.stdin.buffer.read(nodes.FILE_BYTES_MAX + 1))
    shown = os.path.relpath(path)
    try:
        return shown, _decoded(shown, read_file(path))
    except FileNotFoundError:
        raise CallerError(f"{shown}: there is no such file") from None


def _decoded(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CallerError(f"{name}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
