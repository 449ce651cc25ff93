"""Where the files are that a Compose file names: relative paths made absolute, from the folder it is read for."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from swarmlet.manifests.compose import nodes
from swarmlet.manifests.compose.forms import Form, by_key, each_entry, each_item
from swarmlet.manifests.compose.nodes import Node

_URL = re.compile(r"[a-z][a-z0-9+.-]*://|git@", re.IGNORECASE)
_REMOTE_NAMES = ("github.com/", "docker-image:", "service:", "target:", "oci-layout:")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that relative paths start from, as an absolute path; `home` is what ~ stands for, "" if unknown."""

    path: str
    home: str = ""

    def resolve(self, path: str) -> str:
        """Return an absolute path, without "." and ".."."""
        if self.home and (path == "~" or path.startswith("~/")):
            path = self.home + path[1:]
        return posixpath.normpath(posixpath.join(self.path, path))

    def beside(self, path: str) -> Folder:
        """Return the folder that a file is in."""
        return Folder(posixpath.dirname(self.resolve(path)), self.home)


def local(node: Node, path: str) -> Node:
    """Return a path as it is; raise `ManifestError` where it leads to another machine."""
    if _URL.match(node.text):
        told = f"{node.text[:60]!r} is elsewhere; only files of this machine are read, so fetch it first"
        raise nodes.fault(node, path, told)
    return node


def absolute(root: Node, folder: Folder) -> Node:
    """Return a tree in long form with the paths in it absolute."""

    def path_of(node: Node, path: str) -> Node:
        if node.text.startswith("~") and not folder.home:
            raise nodes.fault(node, path, "~ stands for HOME, which is not set")
        return node.like(folder.resolve(local(node, path).text)) if node.text else node

    def context(node: Node, path: str) -> Node:
        is_remote = _URL.match(node.text) or node.text.startswith(_REMOTE_NAMES)
        return node if is_remote else path_of(node, path)

    def mount(node: Node, path: str) -> Node:
        kind = node.entries.get("type")
        return by_key({"source": path_of})(node, path) if kind is not None and kind.text == "bind" else node

    with_file: Form = by_key({"file": path_of})
    service = by_key(
        {
            "build": by_key({"context": context, "additional_contexts": each_entry(context)}),
            "develop": by_key({"watch": each_item(by_key({"path": path_of}))}),
            "env_file": each_item(by_key({"path": path_of})),
            "extends": with_file,
            "label_file": each_item(path_of),
            "volumes": each_item(mount),
        }
    )
    sections: Mapping[str, Form] = {
        "services": each_entry(service),
        "configs": each_entry(with_file),
        "secrets": each_entry(with_file),
    }
    return by_key(sections)(root, "")
