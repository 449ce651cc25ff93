"""What a project reads besides the files it was given: how many, how large, and what they are called in an error."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from swarmlet.errors import TooLargeError
from swarmlet.manifests.compose import canonical, interpolation, merging, nodes, paths
from swarmlet.manifests.compose.interpolation import Variables
from swarmlet.manifests.compose.nodes import Node
from swarmlet.manifests.compose.paths import Folder
from swarmlet.manifests.reading import ManifestError

FILES_MAX = 200
CONTENT_BYTES_MAX = 1024 * 1024

ReadFile = Callable[[str], bytes]
"""Gives what is in the file of an absolute path; `FileNotFoundError` where there is none, a `CallerError` where it
cannot be read or is no file (a folder, a device)."""


@dataclass(slots=True)
class Files:
    """All reading of one project goes through here. `shown_from` is the folder that paths are shown relative to."""

    read: ReadFile
    shown_from: str
    warnings: dict[str, None] = field(default_factory=dict)
    _count: int = 0
    _trees: dict[tuple[str, str], Node] = field(default_factory=dict)

    def warn(self, line: str) -> None:
        """Keep a warning, once."""
        self.warnings[line] = None

    def shown(self, path: str) -> str:
        """Return a path as a person would write it."""
        relative = posixpath.relpath(path, self.shown_from)
        return path if self.shown_from == "/" or relative.startswith("../../..") else relative

    def content(self, path: str, bytes_max: int = CONTENT_BYTES_MAX) -> bytes:
        """Return what is in a file; raise `FileNotFoundError` with the path as shown, `TooLargeError` over a limit."""
        self._count += 1
        if self._count > FILES_MAX:
            raise TooLargeError(f"{self.shown(path)}: the project reads over {FILES_MAX} files")
        try:
            content = self.read(path)
        except FileNotFoundError:
            raise FileNotFoundError(self.shown(path)) from None
        if len(content) > bytes_max:
            raise TooLargeError(f"{self.shown(path)}: over {bytes_max} bytes")
        return content

    def text(self, path: str) -> str:
        """Return the text of a file; raise `FileNotFoundError`, or `ManifestError` where it is not UTF-8."""
        try:
            return self.content(path, nodes.FILE_BYTES_MAX).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ManifestError(f"{self.shown(path)}: not UTF-8 at byte {error.start}; save it as UTF-8") from None

    def tree(self, path: str, folder: Folder, environment: Mapping[str, str]) -> Node:
        """Return the tree of a Compose file by its absolute path, read once for a folder."""
        key = (path, folder.path)
        if key not in self._trees:
            documents = nodes.parse(self.shown(path), self.text(path))
            self._trees[key] = tree(documents, self.shown(path), folder, environment, self.warn)
        return self._trees[key]


def tree(
    documents: list[Node], source: str, folder: Folder, environment: Mapping[str, str], warn: Callable[[str], None]
) -> Node:
    """Return the documents of one file as one tree: variables replaced, keys in long form, paths absolute."""
    whole = Node({}, f"{source}:1")
    for document in documents:
        if not isinstance(document.value, dict):
            raise nodes.fault(document, "", f"a Compose file is a mapping with services:, not {nodes.kind(document)}")
        given = interpolation.interpolate(document, Variables(environment), warn)
        whole = merging.merged(whole, paths.absolute(canonical.document(given, warn), folder))
    return whole
