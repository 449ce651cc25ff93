"""The short forms of volumes, configs, secrets and devices.

    data:/var/lib/data:ro    a named volume; ./conf:/etc/conf:ro,z a folder of the host; /cache an anonymous volume
    my_config                at /my_config; a secret at /run/secrets/my_secret
    /dev/ttyUSB0:/dev/tty0:rw

Source: compose-spec/05-services.md.
"""

from __future__ import annotations

import posixpath
import re

from swarmlet.manifests.compose import nodes
from swarmlet.manifests.compose.nodes import Node

SECRETS_FOLDER = "/run/secrets"

_PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_DRIVE = re.compile(r"[A-Za-z]:(\\|/[^:]*:/)")
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_CDI = re.compile(r"[^/=:]+/[^/=:]+=.+")


def mount(node: Node, path: str) -> Node:
    """Return one of a service's volumes in long form."""
    if isinstance(node.value, dict):
        target = node.entries.get("target")
        if target is None or not target.text:
            raise nodes.fault(node, path, "target is not set")
        return node.with_entries({"target": target.like(_clean(target.text))})
    if _DRIVE.match(node.text):
        raise nodes.fault(node, path, f"{node.text[:60]!r} is a path of Windows; containers here are Linux'")
    source, target_path, options = _parts(node, path)
    if not target_path.startswith("/"):
        raise nodes.fault(node, path, f"{target_path[:60]!r} is no absolute path in the container")
    is_bind = source[:1] in ("/", ".", "~")
    if source and not is_bind and not _VOLUME_NAME.fullmatch(source):
        raise nodes.fault(node, path, f"{source[:60]!r} is no name of a volume; a folder begins with ./ or /")
    entries = {"type": "bind" if is_bind else "volume", "source": source, "target": _clean(target_path)}
    long = node.like({key: node.like(value) for key, value in entries.items() if value})
    if is_bind:
        long = long.with_entries({"bind": node.like({"create_host_path": node.like("true")})})
    for option in options:
        long = _with_option(node, long, option, path)
    return long


def grant(node: Node, path: str, folder: str) -> Node:
    """Return a config or secret of a service in long form, its target absolute under `folder`."""
    long = node if isinstance(node.value, dict) else node.like({"source": node})
    source = long.entries.get("source")
    if source is None or not source.text:
        raise nodes.fault(node, path, "source is not set")
    written = long.entries.get("target")
    target = written.text if written is not None and written.text else source.text
    return long.with_entries({"target": (written or node).like(posixpath.join(folder, target))})


def device(node: Node, path: str) -> Node:
    """Return a device in long form."""
    if isinstance(node.value, dict):
        return node
    if _CDI.fullmatch(node.text):
        return node.like({"source": node})
    parts = node.text.split(":")
    if len(parts) > 3 or not all(parts):
        raise nodes.fault(node, path, f"{node.text[:60]!r} is no device; it is HOST[:CONTAINER[:PERMISSIONS]]")
    target = parts[1] if len(parts) > 1 else parts[0]
    permissions = parts[2] if len(parts) > 2 else "rwm"
    entries = {"source": parts[0], "target": target, "permissions": permissions}
    return node.like({key: node.like(value) for key, value in entries.items()})


def _parts(node: Node, path: str) -> tuple[str, str, list[str]]:
    parts = node.text.split(":")
    if len(parts) > 3 or not all(parts):
        raise nodes.fault(node, path, f"{node.text[:60]!r} is no volume; it is [SOURCE:]TARGET[:OPTIONS]")
    if len(parts) == 1:
        return "", parts[0], []
    return parts[0], parts[1], parts[2].split(",") if len(parts) == 3 else []


def _with_option(node: Node, long: Node, option: str, path: str) -> Node:
    if option in ("ro", "rw"):
        return long.with_entries({"read_only": node.like("true")}) if option == "ro" else long
    if option == "nocopy":
        return long.with_entries({"volume": node.like({"nocopy": node.like("true")})})
    if option in ("cached", "delegated", "consistent"):
        return long.with_entries({"consistency": node.like(option)})
    key = "propagation" if option in _PROPAGATIONS else "selinux" if option in ("z", "Z") else ""
    if not key:
        raise nodes.fault(node, path, f"{option[:60]!r} is no option of a volume; there are ro, rw, nocopy, z and Z")
    bind = long.entries.get("bind", node.like({}))
    return long.with_entries({"bind": bind.with_entries({key: node.like(option)})})


def _clean(target: str) -> str:
    return posixpath.normpath(target) if target.startswith("/") else target
