"""The volumes of a Pod: the fields that swarmlet honours. Source: k8s.io/api/core/v1/types.go."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import msgspec

from swarmlet.model.base import ApiStruct
from swarmlet.model.environment import ObjectFieldSelector, ResourceFieldSelector


class KeyToPath(ApiStruct, frozen=True, kw_only=True):
    key: str
    path: str
    mode: int | None = None


class EmptyDirVolumeSource(ApiStruct, frozen=True, kw_only=True):
    """`medium` is "" (disk) or "Memory" (tmpfs). `size_limit` is a quantity of bytes, "" for none."""

    medium: str = ""
    size_limit: str = ""


class HostPathVolumeSource(ApiStruct, frozen=True, kw_only=True):
    path: str
    type: str = ""


class ConfigMapVolumeSource(ApiStruct, frozen=True, kw_only=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None


class SecretVolumeSource(ApiStruct, frozen=True, kw_only=True):
    secret_name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None


class PersistentVolumeClaimVolumeSource(ApiStruct, frozen=True, kw_only=True):
    """The claim is of the Pod's namespace."""

    claim_name: str = ""
    read_only: bool = False


class DownwardAPIVolumeFile(ApiStruct, frozen=True, kw_only=True):
    """One of the two references is set."""

    path: str
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: int | None = None


class DownwardAPIVolumeSource(ApiStruct, frozen=True, kw_only=True):
    items: tuple[DownwardAPIVolumeFile, ...] = ()
    default_mode: int | None = None


class ConfigMapProjection(ApiStruct, frozen=True, kw_only=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None


class SecretProjection(ApiStruct, frozen=True, kw_only=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None


class DownwardAPIProjection(ApiStruct, frozen=True, kw_only=True):
    items: tuple[DownwardAPIVolumeFile, ...] = ()


class ServiceAccountTokenProjection(ApiStruct, frozen=True, kw_only=True):
    """`audience` "" is the cluster's API."""

    path: str
    audience: str = ""
    expiration_seconds: int | None = None


class VolumeProjection(ApiStruct, frozen=True, kw_only=True):
    """One of them is set."""

    config_map: ConfigMapProjection | None = None
    secret: SecretProjection | None = None
    downward_api: DownwardAPIProjection | None = msgspec.field(name="downwardAPI", default=None)
    service_account_token: ServiceAccountTokenProjection | None = None


class ProjectedVolumeSource(ApiStruct, frozen=True, kw_only=True):
    """Several sources in one folder; where two have the same path, the later one wins."""

    sources: tuple[VolumeProjection, ...] = ()
    default_mode: int | None = None


class Volume(ApiStruct, frozen=True, kw_only=True):
    """All fields but the name are sources, and exactly one is set; defaulting makes "none" an emptyDir."""

    name: str
    empty_dir: EmptyDirVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = msgspec.field(name="downwardAPI", default=None)
    projected: ProjectedVolumeSource | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None


@functools.cache
def source_names() -> Mapping[str, str]:
    """Return the name on the wire of each source, by its field: {"empty_dir": "emptyDir", ...}."""
    return {each.name: each.encode_name for each in msgspec.structs.fields(Volume) if each.name != "name"}


def sources_of(volume: Volume) -> list[str]:
    """Return the fields of the sources that are set: one in a volume that keeps the rules."""
    return [field for field in source_names() if getattr(volume, field) is not None]
