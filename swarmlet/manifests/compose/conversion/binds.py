"""Paths of the machine that a service mounts. A file that lies with the project goes along with it.

`./nginx.conf:/etc/nginx/nginx.conf` means the file beside compose.yaml, which is on one machine of many. So it is a
ConfigMap, or a Secret where its name says that it is one. All other paths are those of the Pod's machine.
"""

from __future__ import annotations

import posixpath

from swarmlet.manifests.compose.conversion.draft import Document, ServiceDraft, object_name
from swarmlet.manifests.compose.conversion.files import Files, file_key
from swarmlet.manifests.compose.conversion.storage import PodVolumes
from swarmlet.manifests.compose.model.storage import BIND, Mount

SECRET_SUFFIXES = (".key", ".pem", ".p12", ".pfx", ".jks", ".env", ".htpasswd")
SECRET_NAMES = (".env", ".htpasswd", ".pgpass", ".netrc")
FILE_MODE = 0o444
SECRET_MODE = 0o400
CONTENT_BYTES_MAX = 512 * 1024
"""Of one file: a ConfigMap or Secret has 1 MiB for all that is said of it."""


def add(it: ServiceDraft, found: PodVolumes, files: Files) -> None:
    """Mount the service's binds."""
    for position, mount in enumerate(it.service.volumes):
        if mount.type == BIND:
            _bind(it, found, files, mount, position)


def _bind(it: ServiceDraft, found: PodVolumes, files: Files, mount: Mount, position: int) -> None:
    for key in ("propagation", "recursive", "selinux"):
        if mount.bind and getattr(mount.bind, key):
            it.warn("volumes", f"bind.{key} is ignored")
    content = it.draft.content(mount.source)
    if content is not None and len(content) <= CONTENT_BYTES_MAX:
        _with_content(it, found, files, mount, content)
        return
    it.warn("volumes", f"{mount.source} is a path of the machine that the Pod runs on: each machine has its own")
    told: Document = {"mountPath": mount.target} | ({"readOnly": True} if mount.read_only else {})
    found.add(f"bind-{position}", {"hostPath": _host_path(mount)}, told)


def _with_content(it: ServiceDraft, found: PodVolumes, files: Files, mount: Mount, content: bytes) -> None:
    name = posixpath.basename(mount.source)
    is_secret = name in SECRET_NAMES or name.endswith(SECRET_SUFFIXES)
    if not mount.read_only:
        it.warn("volumes", f"{name} goes along as it is now, and cannot be written to; say so with :ro")
    stored = files.of_content(f"{it.draft.project.name}-{name}", file_key(name), content, is_secret=is_secret)
    item = {"key": file_key(name), "path": file_key(name), "mode": SECRET_MODE if is_secret else FILE_MODE}
    source: Document = (
        {"secret": {"secretName": stored, "items": [item]}}
        if is_secret
        else {"configMap": {"name": stored, "items": [item]}}
    )
    told = {"mountPath": mount.target, "subPath": file_key(name), "readOnly": True}
    found.add(object_name(f"file-{len(found.volumes)}-{name}"), source, told)


def _host_path(mount: Mount) -> Document:
    """A path with a suffix is taken for a file or socket: making a folder in its place would be wrong."""
    may_make = mount.bind is None or mount.bind.create_host_path is not False
    if may_make and not posixpath.splitext(mount.source)[1]:
        return {"path": mount.source, "type": "DirectoryOrCreate"}
    return {"path": mount.source}
