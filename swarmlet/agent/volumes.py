"""The folders behind a Pod's volumes. Secrets and memory volumes lie on tmpfs and never on a disk.

`<disk>/<pod uid>/<volume>` and `<memory>/<pod uid>/<volume>`; all calls block and belong in a thread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from swarmlet.errors import SwarmletError
from swarmlet.model import core, kinds
from swarmlet.model import pod as pod_model
from swarmlet.model.meta import Object
from swarmlet.model.pod_volumes import ConfigMapVolumeSource, KeyToPath, SecretVolumeSource, Volume
from swarmlet.store.commands import Key

DISK_FOLDER = "pods"
FOLDER_MODE = 0o777
PRIVATE_MODE = 0o700
FILE_MODE_DEFAULT = 0o644
CURRENT = "..data"
"""The link that turns a volume's files from the old to the new all at once, as kubelet's atomic writer does."""

Find = Callable[[Key], Object | None]


class VolumeError(SwarmletError):
    """A volume cannot be made as the Pod asks for it; it may be possible later."""

    retryable = True


def memory_dir(node_id: str) -> Path:
    """Return the folder on tmpfs where a node's Secrets and memory volumes lie; any user may have one there."""
    return Path("/dev/shm") / f"swarmlet-{node_id}"  # noqa: S108  named by the node and closed to others


def sources_of(pod: pod_model.Pod) -> set[Key]:
    """Return the ConfigMaps and Secrets that the Pod's volumes show."""
    namespace = pod.metadata.namespace
    return {
        Key(kinds.CONFIG_MAP.resource, namespace, volume.config_map.name)
        for volume in pod.spec.volumes
        if volume.config_map
    } | {
        Key(kinds.SECRET.resource, namespace, volume.secret.secret_name) for volume in pod.spec.volumes if volume.secret
    }


class Volumes:
    """The volumes of all Pods of this node."""

    def __init__(self, *, disk: Path, memory: Path) -> None:
        self._disk = disk
        self._memory = memory

    @classmethod
    def of_node(cls, data_dir: Path, node_id: str) -> Volumes:
        """Return the volumes of a node, where its agent keeps them."""
        return cls(disk=data_dir / DISK_FOLDER, memory=memory_dir(node_id))

    def sources(self, pod: pod_model.Pod) -> dict[str, str]:
        """Return where each volume of the Pod lies on this machine."""
        return {volume.name: str(self._place(pod, volume)) for volume in pod.spec.volumes}

    def make(self, pod: pod_model.Pod, find: Find) -> None:
        """Make all volumes of the Pod, or bring them up to date; raise `VolumeError` with Kubernetes' words."""
        for volume in pod.spec.volumes:
            try:
                self._make(pod, volume, find)
            except (OSError, VolumeError) as error:
                raise VolumeError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error

    def remove(self, pod_uid: str) -> None:
        """Remove what is left of a Pod's volumes."""
        for root in (self._disk, self._memory):
            shutil.rmtree(root / pod_uid, ignore_errors=True)

    def remove_all(self) -> None:
        """Remove the volumes of all Pods, and the folders that held them: this machine runs none any more."""
        for root in (self._disk, self._memory):
            shutil.rmtree(root, ignore_errors=True)

    def pod_uids(self) -> set[str]:
        """Return the uids of the Pods that have folders here."""
        return {path.name for root in (self._disk, self._memory) if root.is_dir() for path in root.iterdir()}

    def _place(self, pod: pod_model.Pod, volume: Volume) -> Path:
        if volume.host_path is not None:
            return Path(volume.host_path.path)
        in_memory = volume.secret is not None or (volume.empty_dir is not None and volume.empty_dir.medium == "Memory")
        return (self._memory if in_memory else self._disk) / pod.metadata.uid / volume.name

    def _make(self, pod: pod_model.Pod, volume: Volume, find: Find) -> None:
        place = self._place(pod, volume)
        if volume.host_path is not None:
            _check_host_path(place, volume.host_path.type)
            return
        place.parent.parent.mkdir(mode=PRIVATE_MODE, parents=True, exist_ok=True)
        place.parent.mkdir(mode=PRIVATE_MODE, exist_ok=True)
        if not place.is_dir():
            place.mkdir()
            place.chmod(FOLDER_MODE)
        if volume.config_map is not None:
            _write_files(place, _config_map_files(volume.config_map, pod.metadata.namespace, find))
        elif volume.secret is not None:
            _write_files(place, _secret_files(volume.secret, pod.metadata.namespace, find))


# Files of ConfigMaps and Secrets

Files = Mapping[str, tuple[bytes, int]]


def _config_map_files(source: ConfigMapVolumeSource, namespace: str, find: Find) -> Files:
    found = find(Key(kinds.CONFIG_MAP.resource, namespace, source.name))
    contents: dict[str, bytes] | None = None
    if isinstance(found, core.ConfigMap):
        contents = {name: text.encode() for name, text in found.data.items()} | _decoded(found.binary_data)
    mode = FILE_MODE_DEFAULT if source.default_mode is None else source.default_mode
    return _chosen("configmap", source.name, contents, source.items, mode, bool(source.optional))


def _secret_files(source: SecretVolumeSource, namespace: str, find: Find) -> Files:
    found = find(Key(kinds.SECRET.resource, namespace, source.secret_name))
    contents = _decoded(found.data) if isinstance(found, core.Secret) else None
    mode = FILE_MODE_DEFAULT if source.default_mode is None else source.default_mode
    return _chosen("secret", source.secret_name, contents, source.items, mode, bool(source.optional))


def _chosen(
    kind: str,
    name: str,
    contents: Mapping[str, bytes] | None,
    items: Sequence[KeyToPath],
    mode: int,
    optional: bool,
) -> Files:
    if contents is None:
        if optional:
            return {}
        raise VolumeError(f'{kind} "{name}" not found')
    if not items:
        return {key: (value, mode) for key, value in contents.items()}
    missing = [item.key for item in items if item.key not in contents]
    if missing and not optional:
        raise VolumeError(f'{kind} "{name}" references non-existent key: {", ".join(missing)}')
    return {
        item.path: (contents[item.key], mode if item.mode is None else item.mode)
        for item in items
        if item.key in contents
    }


def _decoded(values: Mapping[str, str]) -> dict[str, bytes]:
    try:
        return {name: base64.b64decode(text, validate=True) for name, text in values.items()}
    except binascii.Error as error:
        raise VolumeError(f"a value is not base64: {error}") from error


def _write_files(place: Path, files: Files) -> None:
    """Write a new version beside the old one and swap `..data`: a reader sees all of one or all of the other."""
    version = f"..{_digest(files)}"
    current = place / CURRENT
    if current.is_symlink() and current.readlink() == Path(version):
        return
    shutil.rmtree(place / version, ignore_errors=True)
    for name, (content, mode) in files.items():
        path = _inside(place / version, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
    (place / version).mkdir(exist_ok=True)
    swap = place / "..swap"
    swap.unlink(missing_ok=True)
    swap.symlink_to(version)
    swap.rename(current)
    _link_names(place, {Path(name).parts[0] for name in files})
    for old in place.iterdir():
        if old.name.startswith("..") and old.name not in (version, CURRENT):
            shutil.rmtree(old)


def _link_names(place: Path, wanted: set[str]) -> None:
    for path in place.iterdir():
        if path.is_symlink() and not path.name.startswith("..") and path.name not in wanted:
            path.unlink()
    for name in wanted:
        if not (place / name).is_symlink():
            (place / name).symlink_to(Path(CURRENT) / name)


def _inside(folder: Path, name: str) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise VolumeError(f"the path {name!r} leads out of the volume")
    return folder / name


def _digest(files: Files) -> str:
    digest = hashlib.sha256()
    for name, (content, mode) in sorted(files.items()):
        digest.update(f"{len(name)}:{name}:{mode}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


# Folders of the machine

_CHECKS: Mapping[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def _check_host_path(path: Path, type_: str) -> None:
    if type_ in ("", "DirectoryOrCreate") and not path.exists():
        path.mkdir(mode=0o755, parents=True)
    elif type_ == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    if type_ == "":
        return
    is_right, expected = _CHECKS[type_]
    if not path.exists():
        raise VolumeError(f"hostPath type check failed: {path} does not exist")
    if not is_right(os.stat(path).st_mode):  # noqa: PTH116  follows links, as the mount will
        raise VolumeError(f"hostPath type check failed: {path} is not {expected}")
