"""The volumes of a Pod: the fields that swarmlet honours. Source: k8s.io/api/core/v1/types.go."""

from __future__ import annotations

from swarmlet.model.base import ApiStruct


class KeyToPath(ApiStruct, frozen=True, kw_only=True):
    key: str
    path: str
    mode: int | None = None


class EmptyDirVolumeSource(ApiStruct, frozen=True, kw_only=True):
    """`medium` is "" (disk) or "Memory" (tmpfs)."""

    medium: str = ""


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


class Volume(ApiStruct, frozen=True, kw_only=True):
    """Exactly one source is set; validation makes "none" an emptyDir, as Kubernetes does."""

    name: str
    empty_dir: EmptyDirVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    secret: SecretVolumeSource | None = None
