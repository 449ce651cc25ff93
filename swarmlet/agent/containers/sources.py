"""What a Pod's variables and volumes are filled from: which objects, and whether they show its own labels. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from swarmlet.model import kinds, volumes
from swarmlet.model.pod import Pod
from swarmlet.model.pod_volumes import DownwardAPIVolumeFile
from swarmlet.store.commands import Key

_SHOWN = ("metadata.labels", "metadata.annotations")


def of(pod: Pod) -> set[Key]:
    """Return the ConfigMaps, Secrets and claims that the Pod refers to."""
    namespace = pod.metadata.namespace
    return {
        *(Key(kinds.CONFIG_MAP.resource, namespace, name) for name in _config_maps(pod)),
        *(Key(kinds.SECRET.resource, namespace, name) for name in _secrets(pod)),
        *(Key(kinds.PERSISTENT_VOLUME_CLAIM.resource, namespace, name) for name in volumes.claim_names(pod)),
    }


def shows_change(before: Pod, after: Pod) -> bool:
    """Whether a volume shows labels or annotations of the Pod that have changed: both do so while it runs."""
    old, new = before.metadata, after.metadata
    changed = [old.labels != new.labels, old.annotations != new.annotations]
    if not any(changed):
        return False
    watched = {path for path, is_changed in zip(_SHOWN, changed, strict=True) if is_changed}
    paths = [item.field_ref.field_path for item in _downward_files(after) if item.field_ref is not None]
    return any(path.partition("[")[0] in watched for path in paths)


def _config_maps(pod: Pod) -> Iterator[str]:
    for volume in pod.spec.volumes:
        if volume.config_map is not None:
            yield volume.config_map.name
        for source in volume.projected.sources if volume.projected else ():
            if source.config_map is not None:
                yield source.config_map.name
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        for whole in container.env_from:
            if whole.config_map_ref is not None:
                yield whole.config_map_ref.name
        for variable in container.env:
            if variable.value_from and variable.value_from.config_map_key_ref:
                yield variable.value_from.config_map_key_ref.name


def _secrets(pod: Pod) -> Iterator[str]:
    for volume in pod.spec.volumes:
        if volume.secret is not None:
            yield volume.secret.secret_name
        for source in volume.projected.sources if volume.projected else ():
            if source.secret is not None:
                yield source.secret.name
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        for whole in container.env_from:
            if whole.secret_ref is not None:
                yield whole.secret_ref.name
        for variable in container.env:
            if variable.value_from and variable.value_from.secret_key_ref:
                yield variable.value_from.secret_key_ref.name


def _downward_files(pod: Pod) -> Iterator[DownwardAPIVolumeFile]:
    for volume in pod.spec.volumes:
        if volume.downward_api is not None:
            yield from volume.downward_api.items
        for source in volume.projected.sources if volume.projected else ():
            if source.downward_api is not None:
                yield from source.downward_api.items
