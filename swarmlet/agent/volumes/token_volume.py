"""The volume in which each container finds its account's token, the cluster's authority and its namespace. Pure.

Kubernetes' admission writes it into the Pod; here the Pod's node adds it to what it reads (docs/decisions/0040).
Source: kubernetes plugin/pkg/admission/serviceaccount (TokenVolumeSource).
"""

from __future__ import annotations

import msgspec

from swarmlet.model import service_accounts
from swarmlet.model.container import Container, VolumeMount
from swarmlet.model.environment import ObjectFieldSelector
from swarmlet.model.pod import Pod
from swarmlet.model.pod_volumes import (
    ConfigMapProjection,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    KeyToPath,
    ProjectedVolumeSource,
    ServiceAccountTokenProjection,
    Volume,
    VolumeProjection,
)

NAME = "kube-api-access"
EXPIRATION_SECONDS = 3_607
"""An hour, and a few seconds by which Kubernetes knows such a token."""
MODE = 0o644

_SOURCES = (
    VolumeProjection(
        service_account_token=ServiceAccountTokenProjection(path="token", expiration_seconds=EXPIRATION_SECONDS)
    ),
    VolumeProjection(
        config_map=ConfigMapProjection(
            name=service_accounts.ROOT_CA,
            items=(KeyToPath(key=service_accounts.ROOT_CA_KEY, path=service_accounts.ROOT_CA_KEY),),
        )
    ),
    VolumeProjection(
        downward_api=DownwardAPIProjection(
            items=(
                DownwardAPIVolumeFile(
                    path="namespace",
                    field_ref=ObjectFieldSelector(api_version="v1", field_path="metadata.namespace"),
                ),
            )
        )
    ),
)


def added(pod: Pod) -> Pod:
    """Return a Pod with the volume, mounted in each container that has nothing else in its place."""
    if not service_accounts.mounts_token(pod):
        return pod
    taken = {volume.name for volume in pod.spec.volumes}
    name = NAME
    while name in taken:
        name += "-0"
    volume = Volume(name=name, projected=ProjectedVolumeSource(sources=_SOURCES, default_mode=MODE))
    spec = msgspec.structs.replace(
        pod.spec,
        volumes=(*pod.spec.volumes, volume),
        containers=tuple(_mounting(each, name) for each in pod.spec.containers),
        init_containers=tuple(_mounting(each, name) for each in pod.spec.init_containers),
    )
    return msgspec.structs.replace(pod, spec=spec)


def _mounting(container: Container, name: str) -> Container:
    if any(each.mount_path.rstrip("/") == service_accounts.FOLDER for each in container.volume_mounts):
        return container
    mount = VolumeMount(name=name, mount_path=service_accounts.FOLDER, read_only=True)
    return msgspec.structs.replace(container, volume_mounts=(*container.volume_mounts, mount))
