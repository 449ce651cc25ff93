"""Which files are Compose files, and which are read where none is named.

Source: compose-spec/03-compose-file.md; docker compose's `-f` and COMPOSE_FILE.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping

from swarmlet.manifests.compose import nodes
from swarmlet.manifests.reading import ManifestError

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
FILES_VARIABLE = "COMPOSE_FILE"
SEPARATOR_VARIABLE = "COMPOSE_PATH_SEPARATOR"

_SECTIONS = ("services", "include")


def is_compose(source: str, text: str) -> bool:
    """Return whether text is of a Compose file: a mapping of services, or of what it includes, and no object."""
    try:
        documents = nodes.parse(source, text)
    except ManifestError:
        return False
    return any(
        any(key in document.entries for key in _SECTIONS) and "apiVersion" not in document.entries
        for document in documents
    )


def default_files(folder: str, exists: Callable[[str], bool], environment: Mapping[str, str]) -> list[str]:
    """Return the absolute paths of the files of a folder that are read where none is named, none if there are none.

    COMPOSE_FILE names them; else it is the first of `NAMES`, and its override beside it. Folders above are looked in
    when this one has none.
    """
    named = environment.get(FILES_VARIABLE, "")
    if named:
        separator = environment.get(SEPARATOR_VARIABLE) or ":"
        return [posixpath.normpath(posixpath.join(folder, path)) for path in named.split(separator) if path]
    for each in _upwards(folder):
        for name in NAMES:
            path = posixpath.join(each, name)
            if exists(path):
                return [path, *_overrides(path, exists)]
    return []


def _overrides(path: str, exists: Callable[[str], bool]) -> list[str]:
    stem = posixpath.splitext(path)[0]
    return [over for suffix in (".yaml", ".yml") if exists(over := f"{stem}.override{suffix}")][:1]


def _upwards(folder: str) -> list[str]:
    folders = [folder]
    while (above := posixpath.dirname(folders[-1])) != folders[-1]:
        folders.append(above)
    return folders
