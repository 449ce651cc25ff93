"""One Compose tree over another: several files, a service over what it extends.

Mappings merge, sequences grow, scalars are replaced; commands are replaced whole; what is unique by its target (ports,
volumes, configs, secrets ...) is replaced by the later entry of the same. `!override` replaces, `!reset` takes away.
Both trees are in long form. Source: compose-spec/13-merge.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from swarmlet.manifests.compose import nodes
from swarmlet.manifests.compose.nodes import Node

Identity = Callable[[Node], object]

_SERVICE = "services.*."
_REPLACED = frozenset({_SERVICE + key for key in ("command", "entrypoint", "healthcheck.test", "ulimits.*")})
_LOGGING = _SERVICE + "logging"


def merged(base: Node, over: Node) -> Node:
    """Return the tree `over` over the tree `base`; raise `ManifestError` where one has another kind of value.

    The tags of `over` stay, for what this tree may be put over in turn; `settled` follows the last merge.
    """
    return _merged(base, over, "", "")


def merged_service(base: Node, over: Node, path: str) -> Node:
    """Return one service over another, as `merged` does; `path` is for errors."""
    return _merged(settled(base), over, "services.*", path)


def settled(node: Node) -> Node:
    """Return a tree that stands over nothing: what its tags take away is gone, and no tags are left."""
    if isinstance(node.value, dict):
        kept = {key: settled(each) for key, each in node.value.items() if each.tag != nodes.RESET}
        return Node(kept, node.place)
    if isinstance(node.value, list):
        return Node([settled(each) for each in node.value if each.tag != nodes.RESET], node.place)
    return Node(node.value, node.place, node.plain)


def distinct(node: Node, pattern: str = "") -> Node:
    """Return a tree where what is unique by its target stands once: the later one, in the place of the first."""
    if isinstance(node.value, dict):
        return node.like({key: distinct(each, _below(pattern, key)) for key, each in node.value.items()})
    if isinstance(node.value, list) and pattern in _IDENTITIES:
        return _sequence([], node, pattern)
    return node


def _merged(base: Node, over: Node, pattern: str, path: str) -> Node:
    """`pattern` is the path with names that people choose as "*"."""
    if over.tag or base.tag == nodes.RESET or pattern in _REPLACED or base.value is None:
        return over
    if isinstance(base.value, dict | list) and over.value is None:
        return base
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        if pattern == _LOGGING and _is_other_driver(base, over):
            return over
        return _mapping(base.value, over, pattern, path)
    if isinstance(base.value, list) and isinstance(over.value, list):
        return _sequence(base.value, over, pattern)
    if isinstance(base.value, str) and isinstance(over.value, str | None):
        return over
    raise nodes.fault(over, path, f"cannot be put over what stands at {base.place}: {nodes.kind(base)}")


def _mapping(base: Mapping[str, Node], over: Node, pattern: str, path: str) -> Node:
    entries = dict(base)
    for key, node in over.entries.items():
        if key in entries and not key.startswith("x-"):
            entries[key] = _merged(entries[key], node, _below(pattern, key), nodes.below(path, key))
        else:
            entries[key] = node
    return over.like(entries)


def _below(pattern: str, key: str) -> str:
    """Return the pattern of an entry: the second level is of names, and so are the keys of a few mappings."""
    if pattern and ("." not in pattern or pattern in (_SERVICE + "ulimits", _SERVICE + "networks")):
        return f"{pattern}.*"
    return f"{pattern}.{key}" if pattern else key


def _sequence(base: list[Node], over: Node, pattern: str) -> Node:
    identity = _IDENTITIES.get(pattern, _as_scalar)
    kept: dict[object, Node] = {}
    for node in (*base, *over.items):
        kept[identity(node)] = node
    return over.like(list(kept.values()))


def _is_other_driver(base: Node, over: Node) -> bool:
    before, after = base.entries.get("driver"), over.entries.get("driver")
    return before is not None and after is not None and before.text != after.text


def _as_scalar(node: Node) -> object:
    """Return the text of a scalar: it stands once. A mapping is like no other."""
    return node.text if isinstance(node.value, str) else id(node)


def _by(*keys: str) -> Identity:
    def identity(node: Node) -> object:
        found = tuple(node.entries[key].text if key in node.entries else "" for key in keys)
        return found if isinstance(node.value, dict) else _as_scalar(node)

    return identity


_IDENTITIES: Mapping[str, Identity] = {
    _SERVICE + "volumes": _by("target"),
    _SERVICE + "configs": _by("target"),
    _SERVICE + "secrets": _by("target"),
    _SERVICE + "build.secrets": _by("target"),
    _SERVICE + "ports": _by("host_ip", "target", "published", "protocol"),
    _SERVICE + "devices": _by("target"),
    _SERVICE + "env_file": _by("path"),
    _SERVICE + "develop.watch": _by("path", "action"),
    **{
        f"{_SERVICE}blkio_config.{key}": _by("path")
        for key in ("weight_device", "device_read_bps", "device_read_iops", "device_write_bps", "device_write_iops")
    },
    "networks.*.ipam.config": _by("subnet"),
    "models.*.runtime_flags": id,
}
