"""Compose files among what `-f` names: told from manifests, and made into them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarmlet.errors import CallerError
from swarmlet.manifests.documents import Manifest
from swarmlet.manifests.reading import Place

_MARKS = ("services", "include")

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
    """The manifests of a project, and what is to be said of it."""

    project: str
    manifests: tuple[Manifest, ...]
    warnings: tuple[str, ...]


def is_compose(source: str, text: str) -> bool:
    """Whether a text is a Compose file; one that cannot be is told at a glance."""
    if not any(mark in text for mark in _MARKS):
        return False
    from swarmlet.manifests.compose import discovery

    return discovery.is_compose(source, text)


def of_folder(folder: Path) -> list[Path]:
    """Return the Compose files that lie in a folder: the first of the usual names, and its override."""
    from swarmlet.manifests.compose import discovery

    found = discovery.default_files(str(folder.absolute()), lambda path: Path(path).is_file(), {})
    return [folder / Path(path).name for path in found if Path(path).parent == folder.absolute()]


def compose(texts: Texts, choice: Choice) -> Composed:
    """Return the manifests of Compose files, later ones over earlier."""
    from swarmlet.cli import compose_files
    from swarmlet.manifests.compose.conversion import converting

    loaded = compose_files.load(texts, name=choice.name, profiles=choice.profiles, env_files=choice.env_files)
    first = texts[0][0]
    folder = Path(first).parent if first != compose_files.STDIN_SHOWN else Path()
    converted = converting.convert(loaded, _content_below(folder))
    source = f"{first} (converted)"
    manifests = tuple(Manifest(Place(source, number, 1), each) for number, each in enumerate(converted.documents, 1))
    return Composed(converted.project, manifests, converted.warnings)


def _content_below(folder: Path) -> Callable[[str], bytes | None]:
    """Return what gives the content of a file that lies in the folder, and None for any other path."""
    from swarmlet.cli import compose_files

    root = folder.resolve()

    def content(path: str) -> bytes | None:
        if not Path(path).resolve().is_relative_to(root):
            return None
        try:
            return compose_files.read_file(path)
        except (FileNotFoundError, CallerError):
            return None

    return content
