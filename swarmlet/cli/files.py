"""Manifests from what `-f` names: files, folders, stdin; Compose files among them become manifests."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarmlet.cli.compose import manifests as compose_manifests
from swarmlet.cli.compose.manifests import Choice
from swarmlet.cli.exits import UsageError, say
from swarmlet.errors import CallerError
from swarmlet.manifests import documents
from swarmlet.manifests.documents import Manifest
from swarmlet.manifests.reading import TEXT_BYTES_MAX

STDIN = "-"
SUFFIXES = (".yaml", ".yml", ".json")
FILES_MAX = 10_000
NO_CHOICE = Choice()


@dataclass(frozen=True, slots=True)
class Found:
    """All manifests; `project` is the Compose project that some of them are of, "" where there is none.

    `inactive` are the project's services of profiles that are not active, as their label says them.
    """

    manifests: list[Manifest]
    project: str = ""
    inactive: frozenset[str] = frozenset()


def manifests(names: Sequence[str] | None, *, recursive: bool) -> list[Manifest]:
    """Return all manifests of the files, folders (their files in alphabetical order) and stdin that are named."""
    return find(names, recursive=recursive).manifests


def find(names: Sequence[str] | None, *, recursive: bool, choice: Choice = NO_CHOICE) -> Found:
    """Return the same, and the Compose project that they are of; several Compose files are one project.

    What of Compose means something else here is told on stderr.
    """
    if not names:
        raise UsageError("name what to read with -f: a file, a folder, or - for stdin")
    texts = list(_texts(names, recursive=recursive))
    composed = [each for each in texts if compose_manifests.is_compose(*each)]
    found = documents.parse(each for each in texts if each not in composed)
    made = compose_manifests.NOTHING
    if composed:
        made = compose_manifests.compose(composed, choice)
        for warning in made.warnings:
            say(f"Warning: {warning}")
        found += made.manifests
    elif choice != NO_CHOICE:
        raise UsageError("--project-name, --profile and --env-file are for Compose files; there is none")
    if not found:
        raise CallerError(f"{', '.join(names)}: no objects in there")
    return Found(found, made.project, made.inactive)


def _texts(names: Sequence[str], *, recursive: bool) -> Iterator[tuple[str, str]]:
    if list(names).count(STDIN) > 1:
        raise UsageError("-f -: stdin can be read once")
    for name in names:
        if name == STDIN:
            yield "<stdin>", _decoded("<stdin>", sys.stdin.buffer.read(TEXT_BYTES_MAX + 1))
            continue
        for path in _files(Path(name), recursive=recursive):
            yield str(path), _decoded(str(path), _read(path))


def _files(path: Path, *, recursive: bool) -> list[Path]:
    if not path.is_dir():
        return [path]
    if composed := compose_manifests.of_folder(path):  # what lies beside a Compose file belongs to its services
        return composed
    entries = path.rglob("*") if recursive else path.glob("*")
    files = sorted(entry for entry in entries if entry.suffix in SUFFIXES and entry.is_file())
    if not files:
        deeper = "" if recursive else "; -R looks into its folders too"
        raise CallerError(f"{path}: no {', '.join(SUFFIXES)} file in this folder{deeper}")
    if len(files) > FILES_MAX:
        raise CallerError(f"{path}: over {FILES_MAX} files")
    for folder in dict.fromkeys(each.parent for each in files):
        if compose_manifests.of_folder(folder):  # a project of its own: its paths start there, and so does its name
            raise CallerError(f"{folder}: a Compose project lies here; name it by itself with -f {folder}")
    return files


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(TEXT_BYTES_MAX + 1)
    except OSError as error:
        raise CallerError(f"{path}: {error.strerror or error}") from error


def _decoded(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CallerError(f"{name}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
