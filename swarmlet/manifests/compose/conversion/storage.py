"""Volumes: a named one is a claim that the services which name it share; Pods go where its data lie.

`docker compose` fills a new named volume with what the image holds there; a claim begins empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from swarmlet.manifests.compose import units
from swarmlet.manifests.compose.conversion import amounts, labels
from swarmlet.manifests.compose.conversion.draft import Document, Draft, ServiceDraft, object_name, with_labels
from swarmlet.manifests.compose.model.storage import BIND, TMPFS, VOLUME, Mount, Volume

TMPFS_DEFAULTS = ("mode=1777", "mode=777", "mode=0777", "rw")
DEFAULT_SIZE = "1Gi"
"""What a volume is promised where `driver_opts.size` says nothing; the class `local` does not enforce it."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108  where POSIX has it


@dataclass(slots=True)
class PodVolumes:
    """The volumes of one Pod and what its container sees of them. `claims` are the claims that it may write to."""

    volumes: list[Document] = field(default_factory=list)
    mounts: list[Document] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)

    def add(self, name: str, source: Document, mount: Document) -> None:
        """Mount a source; one that is there already is mounted once more."""
        volume = {"name": name, **source}
        if volume not in self.volumes:
            self.volumes.append(volume)
        self.mounts.append({"name": name, **mount})


def pod_volumes(it: ServiceDraft) -> PodVolumes:
    """Return the volumes and the memory that a service mounts; `binds` and `files` add theirs."""
    found = PodVolumes()
    for position, mount in enumerate(it.service.volumes):
        _mount(it, found, position, mount)
    for position, text in enumerate(it.service.tmpfs):
        path, _, options = text.partition(":")
        found.add(f"tmpfs-{position}", {"emptyDir": _tmpfs(it, options)}, {"mountPath": path})
    if it.service.shm_size:
        source = {"emptyDir": {"medium": "Memory", "sizeLimit": amounts.size(it.service.shm_size)}}
        found.add("shm", source, {"mountPath": SHARED_MEMORY})
    return found


# Mounts.


def _mount(it: ServiceDraft, found: PodVolumes, position: int, mount: Mount) -> None:
    name = f"volume-{position}"
    told: Document = {"mountPath": mount.target} | ({"readOnly": True} if mount.read_only else {})
    if mount.consistency:
        it.warn("volumes", "consistency is ignored: it is for Docker on other systems than Linux")
    if mount.volume and mount.volume.labels:
        it.warn("volumes", "volume.labels are ignored: label the volume where it is defined")
    if mount.type == VOLUME and mount.source:
        _named(it, found, mount, told)
    elif mount.type == VOLUME:
        it.warn(
            "volumes", f"{mount.target} has no name: it begins empty with each Pod and goes with it; name it to keep it"
        )
        found.add(name, {"emptyDir": {}}, told)
    elif mount.type == TMPFS:
        found.add(name, {"emptyDir": _memory(it, mount)}, told)
    elif mount.type != BIND:
        raise it.refusal("volumes", f"a mount of type {mount.type} cannot be had here")


def _named(it: ServiceDraft, found: PodVolumes, mount: Mount, told: Document) -> None:
    volume = it.draft.project.volumes.get(mount.source, Volume(name=mount.source))
    if mount.volume and mount.volume.subpath:
        told = {**told, "subPath": mount.volume.subpath}
    if source := _special_source(it.draft, mount.source, volume):
        found.add(object_name(f"volume-{mount.source}"), source, told)
        return
    claim = claim_name(volume, mount.source)
    if not mount.read_only and claim not in found.claims:
        found.claims.append(claim)
    found.add(object_name(f"volume-{mount.source}"), {"persistentVolumeClaim": {"claimName": claim}}, told)


def _tmpfs(it: ServiceDraft, options: str) -> Document:
    """Read "size=64m,mode=1777": a size is honoured, and everybody may write there anyway."""
    source = {"medium": "Memory"}
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        if key == "size":
            source["sizeLimit"] = _amount(it.draft, it.path("tmpfs"), value)
        elif option not in TMPFS_DEFAULTS:
            it.warn("tmpfs", f"the option {option} is ignored")
    return source


def _memory(it: ServiceDraft, mount: Mount) -> Document:
    options = mount.tmpfs
    if options and options.mode is not None:
        it.warn("volumes", f"tmpfs.mode is ignored: all may write in {mount.target}")
    limit = {"sizeLimit": amounts.size(options.size)} if options and options.size else {}
    return {"medium": "Memory", **limit}


# Named volumes.


def claim_name(volume: Volume, key: str) -> str:
    """Return the name of a volume's claim."""
    return object_name(volume.name or key)


def claims(draft: Draft) -> None:
    """Add the claims of all named volumes that the cluster is to make."""
    for key, volume in draft.project.volumes.items():
        if volume.external or _special_source(draft, key, volume):
            continue
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": _size(draft, key, volume)}}}
        if volume.driver not in {"", "local"}:
            spec["storageClassName"] = object_name(volume.driver)
            draft.warn(
                f"volumes.{key}.driver", f"taken for a StorageClass: {object_name(volume.driver)!r} must be there"
            )
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim_name(volume, key)},
            "spec": spec,
        }
        own, annotations = labels.split(draft, f"volumes.{key}.labels", volume.labels)
        draft.documents.append(with_labels(claim, own | draft.labels(), annotations))


def _special_source(draft: Draft, key: str, volume: Volume) -> Document | None:
    """Return the source of a volume that its options make a folder of the machine, or memory; None for a claim."""
    options = volume.driver_opts
    if volume.external or volume.driver not in {"", "local"} or "type" not in options:
        return None
    path = f"volumes.{key}.driver_opts"
    device = options.get("device", "")
    if options["type"] == "none" and "bind" in options.get("o", "").split(",") and device:
        draft.warn(path, f"{device} is a path of the machine that the Pod runs on: each machine has its own")
        return {"hostPath": {"path": device, "type": "DirectoryOrCreate"}}
    if options["type"] == "tmpfs":
        draft.warn(path, "a tmpfs is not shared: each Pod has its own")
        return {"emptyDir": {"medium": "Memory"}}
    raise draft.refusal(
        path, f"type {options['type']!r} cannot be mounted by a claim; make a PersistentVolume, and external: true"
    )


def _size(draft: Draft, key: str, volume: Volume) -> str:
    options = dict(volume.driver_opts)
    text = options.pop("size", "")
    for each in options:
        draft.warn(f"volumes.{key}.driver_opts", f"{each} is ignored")
    return _amount(draft, f"volumes.{key}.driver_opts.size", text) if text else DEFAULT_SIZE


def _amount(draft: Draft, path: str, text: str) -> str:
    try:
        return amounts.size(units.size(text))
    except ValueError as error:
        raise draft.refusal(path, f"{text!r} {error}") from None
