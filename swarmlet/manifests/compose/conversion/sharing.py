"""`volumes_from`: what another service mounts, mounted by this one too."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from swarmlet.manifests.compose.conversion.draft import Draft
from swarmlet.manifests.compose.model.services import Service
from swarmlet.manifests.compose.model.storage import BIND, VOLUME, Mount

READ_ONLY = "ro"
OF_A_CONTAINER = "container:"


def with_shared_volumes(draft: Draft, key: str, whole: Mapping[str, Service]) -> Service:
    """Return a service with the mounts of those that it takes volumes from; its own stay where targets are the same.

    `whole` are the services before it with theirs: taking volumes from a service is waiting for it.
    """
    service = draft.project.services[key]
    mounts = {mount.target: mount for mount in service.volumes}
    for source in service.volumes_from:
        if source.startswith(OF_A_CONTAINER):
            why = f"{source!r} is no service of this project; name the volume, and mount it"
            raise draft.refusal(f"services.{key}.volumes_from", why)
        name, _, mode = source.partition(":")
        if name not in whole:
            raise draft.refusal(f"services.{key}.volumes_from", f"there is no service {name} among the active profiles")
        for mount in whole[name].volumes:
            if mount.type in {VOLUME, BIND}:
                mounts.setdefault(mount.target, _shared(draft, key, mount, read_only=mode == READ_ONLY))
    return msgspec.structs.replace(service, volumes=tuple(mounts.values()))


def _shared(draft: Draft, key: str, mount: Mount, *, read_only: bool) -> Mount:
    if mount.type == VOLUME and not mount.source:
        why = f"{mount.target} has no name, so that each Pod has its own; name the volume"
        raise draft.refusal(f"services.{key}.volumes_from", why)
    return msgspec.structs.replace(mount, read_only=mount.read_only or read_only)
