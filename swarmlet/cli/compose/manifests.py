"""Compose files among what `-f` names: told from manifests, and made into them."""

from __future__ import annotations

import itertools
import json
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swarmlet.errors import CallerError
from swarmlet.manifests.documents import Manifest
from swarmlet.manifests.reading import Place

if TYPE_CHECKING:
    from swarmlet.manifests.compose.conversion.draft import FileBeside, FindFiles

FOLDER_ENTRIES_MAX = 200
FOLDER_BYTES_MAX = 512 * 1024
"""A folder with more in it does not go along with what mounts it: it lies on the machines."""
FLOW_CHARS_MAX = 64 * 1024
"""Of YAML in braces that is looked at for being a Compose file: nobody writes longer ones."""
SECTIONS = ("services", "include")
_SECTION = re.compile(rf"""^(["']?)({"|".join(SECTIONS)})\1\s*:""", re.MULTILINE)

Texts = Sequence[tuple[str, str]]
"""(path as it was named, text) of files."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the command line says of a Compose project; what is empty is as the files and the environment say."""

    name: str = ""
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, profiles: Sequence[str] | None, env_files: Sequence[str] | None) -> Choice:
        """Return what options say."""
        return cls(name, tuple(profiles or ()), tuple(env_files or ()))


@dataclass(frozen=True, slots=True)
class Composed:
    """The manifests of a project, and what is to be said of it; `inactive` as in `files.Found`."""

    project: str = ""
    manifests: tuple[Manifest, ...] = ()
    warnings: tuple[str, ...] = ()
    inactive: frozenset[str] = frozenset()


NOTHING = Composed()


def is_compose(source: str, text: str) -> bool:
    """Whether a text is a Compose file. Manifests, however many, are told at a glance."""
    start = text.lstrip()[:1]
    if start in {"{", "["}:
        return _is_compose_json(source, text)
    if not _SECTION.search(text):
        return False
    from swarmlet.manifests.compose import discovery

    return discovery.is_compose(source, text)


def _is_compose_json(source: str, text: str) -> bool:
    """Whether JSON, or YAML that looks like it, is a Compose file."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # several documents, or YAML
        from swarmlet.manifests.compose import discovery

        return len(text) <= FLOW_CHARS_MAX and discovery.is_compose(source, text)
    return isinstance(value, dict) and "apiVersion" not in value and any(key in value for key in SECTIONS)


def of_folder(folder: Path) -> list[Path]:
    """Return the Compose files that lie in a folder: the first of the usual names, and its override."""
    from swarmlet.manifests.compose import discovery

    found = discovery.default_files(str(folder.absolute()), lambda path: Path(path).is_file(), {})
    return [folder / Path(path).name for path in found if Path(path).parent == folder.absolute()]


def compose(texts: Texts, choice: Choice) -> Composed:
    """Return the manifests of Compose files, later ones over earlier."""
    from swarmlet.cli.compose import files as compose_files
    from swarmlet.manifests.compose.conversion import converting

    loaded = compose_files.load(texts, name=choice.name, profiles=choice.profiles, env_files=choice.env_files)
    first = texts[0][0]
    folder = Path(first).parent if first != compose_files.STDIN_SHOWN else Path()
    converted = converting.convert(loaded, files_below(folder))
    source = f"{first} (converted)"
    manifests = tuple(Manifest(Place(source, number, 1), each) for number, each in enumerate(converted.documents, 1))
    return Composed(converted.project, manifests, converted.warnings, converted.inactive)


def files_below(folder: Path) -> FindFiles:
    """Return what gives the files at a path that lies in the folder, and None for any other path."""
    root = folder.resolve()

    def find(path: str) -> Mapping[str, FileBeside] | None:
        place = Path(path).resolve()
        if not place.is_relative_to(root):
            return None
        try:
            return _contents(place)
        except (OSError, CallerError):  # a folder of somebody else's, such as a database's
            return None

    return find


def _contents(place: Path) -> Mapping[str, FileBeside] | None:
    """Return a file under "", or a folder's files; None where it is neither, or too large.

    Raises `CallerError` or `OSError` where something of it cannot be read.
    """
    if place.is_file():
        return {"": _beside(place)}
    found: dict[str, FileBeside] = {}
    size = 0
    entries = list(itertools.islice(place.rglob("*"), FOLDER_ENTRIES_MAX + 1)) if place.is_dir() else []
    if len(entries) > FOLDER_ENTRIES_MAX:
        return None
    for each in sorted(entries):
        if each.is_symlink() or not (each.is_file() or each.is_dir()):
            return None
        if each.is_file():
            size += each.stat().st_size
            if size > FOLDER_BYTES_MAX:
                return None
            found[str(each.relative_to(place))] = _beside(each)
    return found or None


def _beside(path: Path) -> FileBeside:
    from swarmlet.cli.compose import files as compose_files
    from swarmlet.manifests.compose.conversion.draft import FileBeside

    return FileBeside(compose_files.read_file(str(path)), stat.S_IMODE(path.stat().st_mode))
