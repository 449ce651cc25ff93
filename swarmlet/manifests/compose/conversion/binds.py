"""Paths of the machine that a service mounts. A file that lies with the project goes along with it.

`./nginx.conf:/etc/nginx/nginx.conf` means the file beside compose.yaml, which is on one machine of many. So it is a
ConfigMap, or a Secret where its name says that it is one; and so is a folder that is only read (`:ro`). All
other paths are those of the Pod's machine.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from swarmlet.manifests.compose.conversion.draft import Document, FileBeside, ServiceDraft, object_name
from swarmlet.manifests.compose.conversion.files import Files, file_key
from swarmlet.manifests.compose.conversion.storage import PodVolumes
from swarmlet.manifests.compose.model.storage import BIND, Mount
from swarmlet.model import names

SECRET_SUFFIXES = (".key", ".pem", ".p12", ".pfx", ".jks", ".env", ".htpasswd")
SECRET_NAMES = (".env", ".htpasswd", ".pgpass", ".netrc")
KEY_ROOM = 240
"""What a path may take of its key, which may end in a hash and has 253 characters."""
READ_AND_RUN = 0o555
READ_BY_OWNER = 0o400
CONTENT_BYTES_MAX = 512 * 1024
"""Of a file, or all files of a folder: a ConfigMap or Secret has 1 MiB for all that is said of it."""


def add(it: ServiceDraft, found: PodVolumes, files: Files) -> None:
    """Mount the service's binds."""
    for position, mount in enumerate(it.service.volumes):
        if mount.type == BIND:
            _bind(it, found, files, mount, position)


def _bind(it: ServiceDraft, found: PodVolumes, files: Files, mount: Mount, position: int) -> None:
    for key in ("propagation", "recursive", "selinux"):
        if mount.bind and getattr(mount.bind, key):
            it.warn("volumes", f"bind.{key} is ignored")
    beside = it.draft.files(mount.source) or {}
    size = sum(len(each.content) for each in beside.values())
    if beside and ("" in beside or mount.read_only) and size <= CONTENT_BYTES_MAX:
        _with_contents(it, found, files, mount, beside)
        return
    it.warn("volumes", f"{mount.source} is a path of the machine that the Pod runs on: each machine has its own")
    told: Document = {"mountPath": mount.target} | ({"readOnly": True} if mount.read_only else {})
    if mount.bind and mount.bind.create_host_path is False:
        it.warn("volumes", f"bind.create_host_path is ignored: where {mount.source} is nothing, a folder is made")
    found.add(f"bind-{position}", {"hostPath": {"path": mount.source}}, told)


def _with_contents(
    it: ServiceDraft, found: PodVolumes, files: Files, mount: Mount, beside: Mapping[str, FileBeside]
) -> None:
    """Mount what lies with the project: a file in its place, or a folder with all in it."""
    name = posixpath.basename(mount.source)
    is_secret = any(_may_be_secret(path or name) for path in beside)
    keys = {path: _key(path or name) for path in beside}
    if not mount.read_only:
        it.warn("volumes", f"{name} goes along as it is now, and cannot be written to; say so with :ro")
    contents = {keys[path]: each.content for path, each in beside.items()}
    stored = files.of_contents(f"{it.draft.project.name}-{name}", contents, is_secret=is_secret)
    items = [{"key": key, "path": path or key, "mode": _mode(beside[path])} for path, key in keys.items()]
    source: Document = (
        {"secret": {"secretName": stored, "items": items}}
        if is_secret
        else {"configMap": {"name": stored, "items": items}}
    )
    part = {"subPath": keys[""]} if "" in keys else {}
    told = {"mountPath": mount.target, **part, "readOnly": True}
    found.add(object_name(f"file-{len(found.volumes)}-{name}"), source, told)


def _mode(file: FileBeside) -> int:
    """Return who may read or run it, as it lies there: nobody writes to what goes along, and root owns it."""
    return file.mode & READ_AND_RUN | READ_BY_OWNER


def _may_be_secret(path: str) -> bool:
    name = posixpath.basename(path)
    return name in SECRET_NAMES or name.endswith(SECRET_SUFFIXES)


def _key(path: str) -> str:
    """Return a path as a key: one that had to be changed ends in a hash, so that no two become one."""
    key = file_key(path)[:KEY_ROOM]
    return key if key == path else f"{key}-{names.hashed(path.encode())}"
