"""What the variables and labels of services are once `env_file`, `label_file` and the shell have been asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from swarmlet.manifests.compose import dotenv, forms, nodes, typed
from swarmlet.manifests.compose.files import Files
from swarmlet.manifests.compose.model.lifecycle import EnvFile
from swarmlet.manifests.compose.nodes import Node

DEFAULT_FILE = ".env"
NO_FILE = "/dev/null"


def read(files: Files, paths: tuple[str, ...], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of .env files, later ones over earlier, and the environment over all of them.

    A path of /dev/null says that there is no such file, as with Docker.
    """
    found: dict[str, str] = {}
    for path in (each for each in paths if each != NO_FILE):
        found |= dotenv.parse(files.shown(path), files.text(path), {**found, **environment})
    return {**found, **environment}


def resolved(root: Node, files: Files, environment: Mapping[str, str], is_active: Callable[[Node], bool]) -> Node:
    """Return a tree whose services have all their variables and labels in `environment` and `labels`."""

    def service(node: Node, path: str) -> Node:
        if not isinstance(node.value, dict) or not is_active(node):
            return node.without("env_file", "label_file") if isinstance(node.value, dict) else node
        node = _with_environment(node, path, files, environment)
        return _with_labels(node, path, files, environment)

    return forms.by_key({"services": forms.each_entry(service)})(root, "")


def _with_environment(node: Node, path: str, files: Files, environment: Mapping[str, str]) -> Node:
    found: dict[str, Node] = {}
    written = node.entries.get("env_file")
    for number, each in enumerate(written.items if written is not None else ()):
        below = f"{path}.env_file[{number}]"
        values = _env_file(each, below, files, environment, {name: own.text for name, own in found.items()})
        found |= {name: each.like(value) for name, value in values.items()}
    own = node.entries.get("environment")
    if own is not None and own.value is not None and not isinstance(own.value, dict):
        raise nodes.fault(own, f"{path}.environment", f"must be a mapping or a list, not {nodes.kind(own)}")
    for name, value in (own.entries if own is not None else {}).items():
        found[name] = value.like(environment.get(name)) if value.value is None else value
    rest = node.without("env_file")
    return rest.with_entries({"environment": (own or node).like(found)}) if found else rest


def _env_file(
    node: Node, path: str, files: Files, environment: Mapping[str, str], above: Mapping[str, str]
) -> dict[str, str]:
    file = typed.read(node, EnvFile, path)
    if file.format not in ("", dotenv.RAW):
        raise nodes.fault(node, f"{path}.format", f"must be {dotenv.RAW}, or nothing, not {file.format!r}")
    try:
        text = files.text(file.path)
    except FileNotFoundError:
        if not file.required:
            return {}
        told = f"there is no file {files.shown(file.path)}; required: false makes it optional"
        raise nodes.fault(node, path, told) from None
    if file.format == dotenv.RAW:
        return dotenv.parse_raw(files.shown(file.path), text, environment)
    return dotenv.parse(files.shown(file.path), text, {**above, **environment})


def _with_labels(node: Node, path: str, files: Files, environment: Mapping[str, str]) -> Node:
    written = node.entries.get("label_file")
    found: dict[str, Node] = {}
    for number, each in enumerate(written.items if written is not None else ()):
        try:
            values = dotenv.parse(files.shown(each.text), files.text(each.text), environment)
        except FileNotFoundError:
            told = f"there is no file {files.shown(each.text)}"
            raise nodes.fault(each, f"{path}.label_file[{number}]", told) from None
        found |= {name: each.like(value) for name, value in values.items()}
    own = node.entries.get("labels")
    rest = node.without("label_file")
    if not found or (own is not None and not isinstance(own.value, dict | None)):
        return rest
    return rest.with_entries({"labels": (own or node).like({**found, **(own.entries if own is not None else {})})})
