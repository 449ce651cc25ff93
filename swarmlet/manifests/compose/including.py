"""`include`: what other Compose files define, as if it were written here; each is a project of its own folder.

Source: compose-spec/14-include.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarmlet.manifests.compose import forms, nodes, paths
from swarmlet.manifests.compose.nodes import Node
from swarmlet.manifests.compose.paths import Folder

DEPTH_MAX = 10
SECTIONS = ("services", "networks", "volumes", "configs", "secrets", "models")

_KEYS = ("path", "project_directory", "env_file")
_long = forms.by_key({"path": forms.as_list, "env_file": forms.as_list})


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Files that make one project: absolute paths, the folder theirs are relative to, and files of variables.

    `env_files` None is the .env of the folder, where there is one.
    """

    files: tuple[str, ...]
    folder: Folder
    env_files: tuple[str, ...] | None


Load = Callable[[Inclusion], Node]


def with_included(root: Node, folder: Folder, load: Load) -> Node:
    """Return a tree with all that it includes; raise `ManifestError` where two things have one name."""
    include = root.entries.get("include")
    root = root.without("include")
    if include is None or include.value is None:
        return root
    if not isinstance(include.value, list):
        raise nodes.fault(include, "include", f"must be a list, not {nodes.kind(include)}")
    for number, node in enumerate(include.value):
        path = f"include[{number}]"
        try:
            root = _imported(root, load(_inclusion(node, folder, path)))
        except FileNotFoundError as error:
            raise nodes.fault(node, path, f"there is no file {error}") from None
    return root


def _inclusion(node: Node, folder: Folder, path: str) -> Inclusion:
    long = node.like({"path": node}) if isinstance(node.value, str) else node
    if not isinstance(long.value, dict):
        raise nodes.fault(node, path, f"must be a path or a mapping, not {nodes.kind(node)}")
    for key, each in long.value.items():
        if key not in _KEYS:
            raise nodes.fault(each, f"{path}.{key}", f"no such key{nodes.suggestion(key, _KEYS)}")
    long = _long(long, path)
    files = _texts(long, "path", path)
    if not files:
        raise nodes.fault(node, path, "path is not set")
    directory = long.entries.get("project_directory")
    own = folder.beside(files[0])
    if directory is not None and directory.text:
        own = Folder(folder.resolve(directory.text), folder.home)
    env_files = _texts(long, "env_file", path) if "env_file" in long.entries else None
    return Inclusion(
        tuple(map(folder.resolve, files)), own, None if env_files is None else tuple(map(folder.resolve, env_files))
    )


def _texts(node: Node, key: str, path: str) -> list[str]:
    found = node.entries.get(key, node.like([]))
    if not isinstance(found.value, list) or not all(each.text for each in found.value):
        raise nodes.fault(found, f"{path}.{key}", "must be a path, or a list of paths")
    return [paths.local(each, f"{path}.{key}").text for each in found.value]


def _imported(root: Node, other: Node) -> Node:
    sections: dict[str, Node] = {}
    for section in SECTIONS:
        theirs = other.entries.get(section)
        if theirs is None or not theirs.entries:
            continue
        ours = root.entries.get(section, theirs.like({}))
        for name, node in theirs.entries.items():
            mine = ours.entries.get(name)
            if mine is not None and nodes.plain_value(mine) != nodes.plain_value(node):
                told = f"is defined twice, here and at {node.place}, which is included"
                raise nodes.fault(mine, f"{section}.{name}", told)
        sections[section] = ours.like({**theirs.entries, **ours.entries})
    return root.with_entries(sections)
