"""Where the volumes of this node's Pods lie, how they are made, and what containers see of them.

`<disk>/<pod uid>/<volume>` and `<memory>/<pod uid>/<volume>`: Secrets, what may hold them, and volumes in memory lie on
tmpfs and never on a disk. Nothing is ever mounted below `<disk>`. All calls block and belong in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from swarmlet import trees
from swarmlet.agent.containers import downward
from swarmlet.agent.containers.downward import Find
from swarmlet.agent.volumes import atomic_files, empty_dirs, host_paths, local_volumes, mounts, sub_paths, token_volume
from swarmlet.agent.volumes import files as volume_files
from swarmlet.agent.volumes.errors import VolumeError
from swarmlet.agent.volumes.pod_tokens import PodTokens
from swarmlet.model import security
from swarmlet.model.container import Container, VolumeMount
from swarmlet.model.pod import Pod
from swarmlet.model.pod_volumes import Volume, sources_of
from swarmlet.runtime import runtime

log = structlog.get_logger()

DISK_FOLDER = "pods"
PRIVATE_MODE = 0o700


def memory_dir(node_id: str) -> Path:
    """Return the folder on tmpfs where a node's Secrets and memory volumes lie; any user may have one there."""
    return Path("/dev/shm") / f"swarmlet-{node_id}"  # noqa: S108  named by the node and closed to others


@dataclass(frozen=True, slots=True)
class Request:
    """One volume of one Pod. `disk` and `memory` are the Pod's own folders; `find` looks into the store.

    `kept` holds the volumes that outlive their Pods; `tokens` issues those of their accounts.
    """

    pod: Pod
    volume: Volume
    disk: Path
    memory: Path
    kept: Path
    find: Find
    tokens: PodTokens | None

    @property
    def group(self) -> int | None:
        """The group that may use what is made for the Pod."""
        return security.fs_group(self.pod.spec.security_context)


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of volume: where it lies, and how it is made.

    `shows`: it shows objects of the cluster. So nobody may write it, and making it anew brings it up to date.
    """

    place: Callable[[Request], Path]
    make: Callable[[Request, Path], None]
    shows: bool = False


class Volumes:
    """The volumes of all Pods of this node. `tokens` issues those of their accounts; None: none has one."""

    def __init__(self, *, disk: Path, memory: Path, tokens: PodTokens | None = None) -> None:
        self._disk = disk
        self._memory = memory
        self.tokens = tokens

    @classmethod
    def of_node(cls, data_dir: Path, node_id: str, tokens: PodTokens | None = None) -> Volumes:
        """Return the volumes of a node, where its agent keeps them."""
        return cls(disk=data_dir / DISK_FOLDER, memory=memory_dir(node_id), tokens=tokens)

    def equipped(self, pod: Pod) -> Pod:
        """Return a Pod as this node runs it: with the volume of its account's token, where this node issues any."""
        return token_volume.added(pod) if self.tokens else pod

    def make(self, pod: Pod, find: Find) -> None:
        """Make all volumes of the Pod; raise `VolumeError` with Kubernetes' words."""
        self._make(self._requests(pod, find))

    def refresh(self, pod: Pod, find: Find) -> None:
        """Bring up to date what volumes show, and leave those alone that the Pod's containers may be writing to.

        Raises `VolumeError` with Kubernetes' words.
        """
        self._make([each for each in self._requests(pod, find) if _source_of(each.volume).shows])

    def _make(self, requests: Sequence[Request]) -> None:
        for request in requests:
            source = _source_of(request.volume)
            try:
                source.make(request, source.place(request))
            except (OSError, VolumeError, downward.DownwardError) as error:
                raise VolumeError(f'MountVolume.SetUp failed for volume "{request.volume.name}" : {error}') from error

    def place(self, pod: Pod, name: str, find: Find) -> Path:
        """Return where a volume of the Pod lies on this machine."""
        request = next(each for each in self._requests(pod, find) if each.volume.name == name)
        return _source_of(request.volume).place(request)

    def mounts(self, pod: Pod, container: Container, env: Mapping[str, str], find: Find) -> tuple[runtime.Mount, ...]:
        """Return what a container sees of the Pod's volumes; `env` is its environment, for `subPathExpr`.

        Raises `VolumeError` where a part of a volume cannot be had.
        """
        requests = {each.volume.name: each for each in self._requests(pod, find)}
        return tuple(
            self._mount(requests[mount.name], container, position, mount, env)
            for position, mount in enumerate(container.volume_mounts)
        )

    def over_limit(self, pod: Pod, find: Find) -> str:
        """Return why the Pod must go: an emptyDir holds more than its sizeLimit. "" where none does.

        It walks the folders, and takes as long as that takes.
        """
        for request in self._requests(pod, find):
            source = request.volume.empty_dir
            limit = empty_dirs.limit_bytes(source) if source else 0
            if source and limit and empty_dirs.used_bytes(_source_of(request.volume).place(request)) > limit:
                return f'Usage of EmptyDir volume "{request.volume.name}" exceeds the limit "{source.size_limit}".'
        return ""

    def used_bytes(self, pod: Pod) -> int:
        """Return what the Pod's own volumes take of the node's disk; those in memory do not count."""
        return empty_dirs.used_bytes(self._disk / pod.metadata.uid)

    def folder(self, pod_uid: str) -> Path:
        """Return the Pod's folder on disk, which may hold more than its volumes; it is there once somebody makes it."""
        return self._disk / pod_uid

    def remove(self, pod_uid: str) -> None:
        """Remove what is left of a Pod's volumes."""
        for root in (self._disk, self._memory):
            _remove_tree(root / pod_uid)

    def remove_all(self) -> None:
        """Remove the volumes of all Pods, and the folders that held them: this machine runs none any more."""
        for root in (self._disk, self._memory):
            _remove_tree(root)

    def pod_uids(self) -> set[str]:
        """Return the uids of the Pods that have folders here."""
        return {path.name for root in (self._disk, self._memory) if root.is_dir() for path in root.iterdir()}

    def _requests(self, pod: Pod, find: Find) -> list[Request]:
        disk, memory = self._disk / pod.metadata.uid, self._memory / pod.metadata.uid
        return [Request(pod, volume, disk, memory, self.kept, find, self.tokens) for volume in pod.spec.volumes]

    @property
    def kept(self) -> Path:
        """The folder of the volumes that outlive their Pods."""
        return self._disk.parent / local_volumes.FOLDER

    def _mount(
        self, request: Request, container: Container, position: int, mount: VolumeMount, env: Mapping[str, str]
    ) -> runtime.Mount:
        source = _source_of(request.volume)
        place = source.place(request)
        if sub_path := sub_paths.wanted(mount, env):
            target = request.memory / sub_paths.FOLDER / container.name / str(position)
            _make_private(request.memory)
            try:
                place = sub_paths.prepare(place, sub_path, target)
            except (OSError, VolumeError) as error:
                what = f'subPath for volumeMount "{mount.name}" of container "{container.name}"'
                raise VolumeError(f"failed to prepare {what}: {error}") from error
        claim = request.volume.persistent_volume_claim
        read_only = mount.read_only or source.shows or (claim is not None and claim.read_only)
        return runtime.Mount(str(place), mount.mount_path, read_only)


# Kinds of volumes


def _on_disk(request: Request) -> Path:
    return request.disk / request.volume.name


def _in_memory(request: Request) -> Path:
    return request.memory / request.volume.name


def _empty_dir_place(request: Request) -> Path:
    source = request.volume.empty_dir
    return _in_memory(request) if source and source.medium == empty_dirs.IN_MEMORY else _on_disk(request)


def _make_empty_dir(request: Request, place: Path) -> None:
    assert request.volume.empty_dir is not None
    _make_private(place.parent)
    empty_dirs.make(place, request.volume.empty_dir, request.pod, request.group)


def _host_path_place(request: Request) -> Path:
    assert request.volume.host_path is not None
    return Path(request.volume.host_path.path)


def _make_host_path(request: Request, place: Path) -> None:
    assert request.volume.host_path is not None
    host_paths.prepare(place, request.volume.host_path.type)


def _make_files(request: Request, place: Path) -> None:
    _make_private(place.parent)
    place.mkdir(exist_ok=True)
    place.chmod(empty_dirs.FOLDER_MODE)
    known = downward.facts(request.pod, request.find)
    files = volume_files.files_of(request.volume, known, request.find, _tokens(request))
    atomic_files.write(place, files, request.group)


def _tokens(request: Request) -> volume_files.Token:
    tokens = request.tokens
    if tokens is None:
        return volume_files.no_token
    return lambda asked: tokens.token(request.pod, asked, request.find)


def _claim_place(request: Request) -> Path:
    assert request.volume.persistent_volume_claim is not None
    volume = local_volumes.volume_of(request.pod, request.volume.persistent_volume_claim, request.find)
    return local_volumes.place(volume, request.kept)


def _make_claim(request: Request, _place: Path) -> None:
    assert request.volume.persistent_volume_claim is not None
    volume = local_volumes.volume_of(request.pod, request.volume.persistent_volume_claim, request.find)
    always = security.changes_group_always(request.pod.spec.security_context)
    local_volumes.make(volume, request.kept, request.group, always=always)


_SOURCES: Mapping[str, Source] = {
    "empty_dir": Source(_empty_dir_place, _make_empty_dir),
    "host_path": Source(_host_path_place, _make_host_path),
    "config_map": Source(_on_disk, _make_files, shows=True),
    "secret": Source(_in_memory, _make_files, shows=True),
    "downward_api": Source(_in_memory, _make_files, shows=True),
    "projected": Source(_in_memory, _make_files, shows=True),
    "persistent_volume_claim": Source(_claim_place, _make_claim),
}
"""By the field of `pod_volumes.Volume`."""


def _source_of(volume: Volume) -> Source:
    return _SOURCES[sources_of(volume)[0]]


def _make_private(folder: Path) -> None:
    """Make a Pod's folder, where no other user may look in."""
    folder.parent.mkdir(mode=PRIVATE_MODE, parents=True, exist_ok=True)
    folder.mkdir(mode=PRIVATE_MODE, exist_ok=True)


def _remove_tree(root: Path) -> None:
    """Remove a folder, once nothing is mounted in it: what is, is not its own and must stay whole."""
    try:
        mounts.unmount_below(root)
        trees.remove(root)
    except FileNotFoundError:
        pass
    except OSError as error:  # the next start of the daemon looks at it again
        log.warning("volumes_not_removed", folder=str(root), error=str(error))
