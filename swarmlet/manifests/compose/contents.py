"""What is in the configs and secrets of a project: read from files, variables or the Compose file itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from swarmlet.manifests.compose.files import Files
from swarmlet.manifests.compose.model.storage import FileObject
from swarmlet.manifests.reading import ManifestError


def read(
    section: str,
    objects: Mapping[str, FileObject],
    files: Files,
    environment: Mapping[str, str],
    at: Callable[[str, str], ManifestError],
) -> dict[str, bytes]:
    """Return what is in each config or secret that is not kept elsewhere; raise where that cannot be told."""
    found: dict[str, bytes] = {}
    for name, each in objects.items():
        path = f"{section}.{name}"
        if each.content is not None:
            found[name] = each.content.encode()
        elif each.environment:
            if each.environment not in environment:
                raise at(f"{path}.environment", f"the variable {each.environment} is not set")
            found[name] = environment[each.environment].encode()
        elif each.file:
            try:
                found[name] = files.content(each.file)
            except FileNotFoundError:
                raise at(f"{path}.file", f"there is no file {files.shown(each.file)}") from None
    return found
