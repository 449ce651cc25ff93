"""What --from-literal, --from-file and --from-env-file say: the keys and contents of a ConfigMap or a Secret.

Source: kubernetes/kubectl/pkg/cmd/create/create_configmap.go, pkg/util/env_file.go.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from swarmlet.cli.exits import UsageError
from swarmlet.errors import CallerError

BYTES_MAX = 1024 * 1024
"""Of one object's content: the server takes no more."""
FILES_MAX = 10_000

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


def read(literals: Sequence[str], files: Sequence[str], env_files: Sequence[str]) -> dict[str, bytes]:
    """Return key -> content; raise `UsageError` for a key that is none or stands twice, `CallerError` for files."""
    if env_files and (literals or files):
        raise UsageError("from-env-file cannot be combined with from-file or from-literal")
    found: dict[str, bytes] = {}
    for pairs in (_of_files(files), _of_literals(literals), _of_env_files(env_files)):
        for key, content in pairs:
            if not _KEY.fullmatch(key):
                raise UsageError(f"{key!r} is not a valid key name: a key has letters, digits, '-', '_' or '.'")
            if key in found:
                raise UsageError(f"cannot add key {key!r}: another key by that name already exists")
            found[key] = content
    if sum(map(len, found.values())) > BYTES_MAX:
        raise CallerError(f"over {BYTES_MAX} bytes of content")
    return found


def file_bytes(path: Path) -> bytes:
    """Return what a file holds, up to one byte over `BYTES_MAX`."""
    try:
        with path.open("rb") as stream:
            return stream.read(BYTES_MAX + 1)
    except OSError as error:
        raise CallerError(f"error reading {path}: {error.strerror or error}") from error


def _of_literals(literals: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for literal in literals:
        key, equals, value = literal.partition("=")
        if not key or not equals:
            raise UsageError(f"invalid literal source {literal}, expected key=value")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        yield key, value.encode()


def _of_files(files: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for given in files:
        key, equals, name = given.rpartition("=")
        if equals and (not key or not name):
            raise UsageError(f"invalid file source {given}, expected key=path")
        path = Path(name)
        if not path.is_dir():
            yield key or path.name, file_bytes(path)
            continue
        if key:
            raise UsageError(f"cannot give a key name for a directory path: {given}")
        entries = sorted(each for each in path.iterdir() if each.is_file() and _KEY.fullmatch(each.name))
        if len(entries) > FILES_MAX:
            raise CallerError(f"{path}: over {FILES_MAX} files")
        for each in entries:
            yield each.name, file_bytes(each)


def _of_env_files(files: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for name in files:
        try:
            lines = file_bytes(Path(name)).decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise CallerError(f"{name}: not UTF-8 at byte {error.start}") from None
        for number, line in enumerate(lines, 1):
            text = line.lstrip()
            if not text or text.startswith("#"):
                continue
            key, equals, value = text.partition("=")
            if not _ENV_NAME.fullmatch(key):
                raise CallerError(f"{name}: line {number}: {key!r} is not a valid key name")
            yield key, (value if equals else os.environ.get(key, "")).encode()
