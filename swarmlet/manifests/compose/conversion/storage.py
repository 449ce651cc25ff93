"""Volumes: a named one is a claim that the services which name it share; Pods go where its data lie.

`docker compose` fills a new named volume with what the image holds there; a claim begins empty.
"""

from __future__ import annotations

import base64
import posixpath
from dataclasses import dataclass, field

from swarmlet.manifests.compose.conversion import amounts
from swarmlet.manifests.compose.conversion.draft import Document, Draft, ServiceDraft, object_name, with_labels
from swarmlet.manifests.compose.model.storage import BIND, TMPFS, VOLUME, FileGrant, FileObject, Mount, Volume
from swarmlet.model import names, quantity
from swarmlet.errors import InvalidError

DEFAULT_SIZE = "1Gi"
"""What a volume is promised where `driver_opts.size` says nothing; the class `local` does not enforce it."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108  where POSIX has it
DEFAULT_MODE = 0o444
SECRET_FOLDER = "/run/secrets"  # noqa: S105  a path


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


def pod_volumes(it: ServiceDraft, files: Files) -> PodVolumes:
    """Return all that a service mounts."""
    found = PodVolumes()
    for position, mount in enumerate(it.service.volumes):
        _mount(it, found, position, mount)
    for position, text in enumerate(it.service.tmpfs):
        path, _, options = text.partition(":")
        if options:
            it.warn("tmpfs", f"the options {options!r} are ignored; write size and mode in the long form of volumes")
        found.add(f"tmpfs-{position}", {"emptyDir": {"medium": "Memory"}}, {"mountPath": path})
    if it.service.shm_size:
        source = {"emptyDir": {"medium": "Memory", "sizeLimit": amounts.size(it.service.shm_size)}}
        found.add("shm", source, {"mountPath": SHARED_MEMORY})
    for grant in it.service.configs:
        files.grant(it, found, grant, is_secret=False)
    for grant in it.service.secrets:
        files.grant(it, found, grant, is_secret=True)
    return found


# Mounts.


def _mount(it: ServiceDraft, found: PodVolumes, position: int, mount: Mount) -> None:
    name = f"volume-{position}"
    told: Document = {"mountPath": mount.target} | ({"readOnly": True} if mount.read_only else {})
    if mount.consistency:
        it.warn("volumes", "consistency is ignored: it is for Docker on other systems than Linux")
    if mount.type == VOLUME and mount.source:
        _named(it, found, mount, told)
    elif mount.type == VOLUME:
        it.warn(
            "volumes", f"{mount.target} has no name: it begins empty with each Pod and goes with it; name it to keep it"
        )
        found.add(name, {"emptyDir": {}}, told)
    elif mount.type == TMPFS:
        found.add(name, {"emptyDir": _memory(it, mount)}, told)
    elif mount.type == BIND:
        found.add(name, {"hostPath": _host_path(it, mount)}, told)
    else:
        raise it.refusal("volumes", f"a mount of type {mount.type} cannot be had here")


def _named(it: ServiceDraft, found: PodVolumes, mount: Mount, told: Document) -> None:
    volume = it.draft.project.volumes.get(mount.source, Volume(name=mount.source))
    if mount.volume and mount.volume.subpath:
        told = {**told, "subPath": mount.volume.subpath}
    if source := _special_source(it.draft, mount.source, volume):
        found.add(f"volume-{object_name(mount.source)}"[:63], source, told)
        return
    claim = claim_name(volume, mount.source)
    if not mount.read_only and claim not in found.claims:
        found.claims.append(claim)
    found.add(f"volume-{object_name(mount.source)}"[:63], {"persistentVolumeClaim": {"claimName": claim}}, told)


def _memory(it: ServiceDraft, mount: Mount) -> Document:
    options = mount.tmpfs
    if options and options.mode is not None:
        it.warn("volumes", f"tmpfs.mode is ignored: all may write in {mount.target}")
    limit = {"sizeLimit": amounts.size(options.size)} if options and options.size else {}
    return {"medium": "Memory", **limit}


def _host_path(it: ServiceDraft, mount: Mount) -> Document:
    it.warn("volumes", f"{mount.source} is a path of the machine that the Pod runs on: each machine has its own")
    bind = mount.bind
    for key in ("propagation", "recursive", "selinux"):
        if bind and getattr(bind, key):
            it.warn("volumes", f"bind.{key} is ignored")
    if bind and bind.create_host_path is False:
        return {"path": mount.source}
    return (
        {"path": mount.source, "type": "DirectoryOrCreate"} if _looks_like_a_folder(mount) else {"path": mount.source}
    )


def _looks_like_a_folder(mount: Mount) -> bool:
    """A path with a suffix is taken for a file, a socket for one: making a folder in its place would be wrong."""
    return not posixpath.splitext(mount.source)[1]


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
        labels, annotations = split_labels(draft, f"volumes.{key}.labels", volume.labels)
        draft.documents.append(with_labels(claim, labels | draft.labels(), annotations))


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
    if not text:
        return DEFAULT_SIZE
    spelled = text.strip().upper().removesuffix("IB").removesuffix("B")
    spelled = f"{spelled}i" if spelled[-1:] in {"K", "M", "G", "T", "P"} else spelled
    spelled = f"K{spelled[1:]}" if spelled.startswith("K") else spelled
    try:
        quantity.parse(spelled)
    except InvalidError:
        draft.warn(f"volumes.{key}.driver_opts", f"size {text!r} is no amount of bytes: {DEFAULT_SIZE} is asked for")
        return DEFAULT_SIZE
    return spelled


def split_labels(draft: Draft, path: str, labels: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return those of Compose's labels that may be labels here, and those that become annotations."""
    from swarmlet.model import syntax

    kept: dict[str, str] = {}
    annotations: dict[str, str] = {}
    for key, text in labels.items():
        if wrong := syntax.label_key(key.lower()):
            draft.warn(path, f"{key!r} is left out: {wrong[0]}")
        elif syntax.label_key(key) or syntax.label_value(text):
            annotations[key] = text
        else:
            kept[key] = text
    return kept, annotations


# Configs and secrets.


@dataclass(slots=True)
class Files:
    """The configs and secrets of a project. What is in one is part of its object's name: who mounts it starts anew."""

    draft: Draft
    _made: dict[tuple[bool, str], str] = field(default_factory=dict)

    def grant(self, it: ServiceDraft, found: PodVolumes, grant: FileGrant, *, is_secret: bool) -> None:
        """Mount one file of a config or secret."""
        word = "secrets" if is_secret else "configs"
        if grant.uid not in {"", "0"} or grant.gid not in {"", "0"}:
            it.warn(word, f"uid and gid of {grant.source} are ignored: it is root's, and its mode says who may read it")
        section = self.draft.project.secrets if is_secret else self.draft.project.configs
        stored = section[grant.source]
        key = file_key(grant.source if not stored.external else stored.name or grant.source)
        name = self._object(grant.source, stored, is_secret=is_secret)
        mode = DEFAULT_MODE if grant.mode is None else grant.mode
        item = {"key": key, "path": key, "mode": mode}
        source = (
            {"secret": {"secretName": name, "items": [item]}}
            if is_secret
            else {"configMap": {"name": name, "items": [item]}}
        )
        volume = object_name(f"{word.removesuffix('s')}-{len(found.volumes)}-{grant.source}")
        found.add(volume, source, {"mountPath": _target(grant, is_secret=is_secret), "subPath": key, "readOnly": True})

    def _object(self, key: str, stored: FileObject, *, is_secret: bool) -> str:
        """Return the name of the ConfigMap or Secret, which is made where it is not external."""
        if stored.external:
            return object_name(stored.name or key)
        if (is_secret, key) not in self._made:
            content = (self.draft.loaded.secrets if is_secret else self.draft.loaded.configs)[key]
            name = object_name(f"{object_name(stored.name or key)[:52]}-{names.hashed(content)}")
            self._made[is_secret, key] = name
            self._make(key, stored, name, content, is_secret=is_secret)
        return self._made[is_secret, key]

    def _make(self, key: str, stored: FileObject, name: str, content: bytes, *, is_secret: bool) -> None:
        path = f"{'secrets' if is_secret else 'configs'}.{key}"
        for option in ("driver", "driver_opts", "template_driver"):
            if getattr(stored, option):
                self.draft.warn(f"{path}.{option}", "ignored: what is in it is taken as it is")
        document: Document = {
            "apiVersion": "v1",
            "kind": "Secret" if is_secret else "ConfigMap",
            "metadata": {"name": name},
        }
        if is_secret:
            document |= {"type": "Opaque", "data": {file_key(key): base64.b64encode(content).decode()}}
        else:
            document |= _config_data(file_key(key), content)
        labels, annotations = split_labels(self.draft, f"{path}.labels", stored.labels)
        document["immutable"] = True
        self.draft.documents.append(with_labels(document, labels | self.draft.labels(), annotations))


def file_key(key: str) -> str:
    """Return a config's name as a key of a ConfigMap; the specification's names are such keys."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in key)


def _config_data(key: str, content: bytes) -> Document:
    try:
        return {"data": {key: content.decode("utf-8")}}
    except UnicodeDecodeError:
        return {"binaryData": {key: base64.b64encode(content).decode()}}


def _target(grant: FileGrant, *, is_secret: bool) -> str:
    if grant.target:
        return grant.target if grant.target.startswith("/") else f"{SECRET_FOLDER if is_secret else ''}/{grant.target}"
    return f"{SECRET_FOLDER}/{grant.source}" if is_secret else f"/{grant.source}"
