"""`extends`: a service over another, of the same file or of another one, which may extend a third.

Source: compose-spec/05-services.md, "extends".
"""

from __future__ import annotations

from collections.abc import Mapping

from swarmlet.errors import TooLargeError
from swarmlet.manifests.compose import merging, nodes
from swarmlet.manifests.compose.files import Files
from swarmlet.manifests.compose.nodes import Node
from swarmlet.manifests.compose.paths import Folder
from swarmlet.manifests.reading import VALUES_MAX

CHAIN_MAX = 20

Link = tuple[str, str]
"""A file, "" for the one at hand, and a service in it."""


class Extension:
    """Follows what services extend, in the folder and with the variables of one project."""

    def __init__(self, files: Files, folder: Folder, environment: Mapping[str, str]) -> None:
        self._files = files
        self._folder = folder
        self._environment = environment

    def extended(self, root: Node) -> Node:
        """Return a tree whose services have merged in what they extend."""
        services = root.entries.get("services")
        if services is None or not services.entries:
            return root
        whole: dict[str, Node] = {}
        values = 0
        for name in services.entries:
            whole[name] = self._service(root, ("", name), ())
            values += nodes.count(whole[name])
            if values > VALUES_MAX:
                raise TooLargeError(f"{services.place}: services: over {VALUES_MAX} values with what is extended")
        return root.with_entries({"services": services.like(whole)})

    def _service(self, root: Node, link: Link, chain: tuple[Link, ...]) -> Node:
        file, name = link
        service = root.entries["services"].entries[name]
        extends = service.entries.get("extends")
        path = f"services.{name}"
        if extends is None or extends.value is None:
            return service.without("extends")
        chain = (*chain, link)
        other = self._other(extends, file, f"{path}.extends")
        if other in chain:
            told = " -> ".join(each[1] for each in (*chain, other))
            raise nodes.fault(extends, f"{path}.extends", f"the services extend each other in a circle: {told}")
        if len(chain) >= CHAIN_MAX:
            raise nodes.fault(extends, f"{path}.extends", f"a chain of over {CHAIN_MAX} services")
        tree = root if other[0] == file else self._tree(extends, other[0], f"{path}.extends")
        known = tree.entries["services"].entries if "services" in tree.entries else {}
        if other[1] not in known:
            where = f" in {self._files.shown(other[0])}" if other[0] else ""
            told = f"there is no service {other[1]}{where}{nodes.suggestion(other[1], known)}"
            raise nodes.fault(extends, f"{path}.extends", told)
        return merging.merged_service(self._service(tree, other, chain), service.without("extends"), path)

    def _other(self, extends: Node, file: str, path: str) -> Link:
        for key, each in extends.entries.items():
            if key not in ("service", "file"):
                raise nodes.fault(each, f"{path}.{key}", f"no such key{nodes.suggestion(key, ('service', 'file'))}")
        named = extends.entries.get("service")
        if named is None or not named.text:
            raise nodes.fault(extends, path, "service is not set")
        other = extends.entries.get("file")
        return (other.text if other is not None and other.text else file), named.text

    def _tree(self, extends: Node, file: str, path: str) -> Node:
        try:
            return self._files.tree(file, self._folder.beside(file), self._environment)
        except FileNotFoundError:
            raise nodes.fault(extends, path, f"there is no file {self._files.shown(file)}") from None
