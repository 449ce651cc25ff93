"""A container's environment and where its values come from. Source: k8s.io/api/core/v1/types.go."""

from __future__ import annotations

from swarmlet.model.base import ApiStruct


class ObjectFieldSelector(ApiStruct, frozen=True, kw_only=True):
    """A field of the Pod itself, such as `metadata.labels['app']`."""

    field_path: str
    api_version: str = ""


class ResourceFieldSelector(ApiStruct, frozen=True, kw_only=True):
    """A limit or request of a container ("limits.memory"), counted in units of `divisor`; "0" counts as "1"."""

    resource: str
    container_name: str = ""
    divisor: str = ""


class ConfigMapKeySelector(ApiStruct, frozen=True, kw_only=True):
    key: str
    name: str = ""
    optional: bool | None = None


class SecretKeySelector(ApiStruct, frozen=True, kw_only=True):
    key: str
    name: str = ""
    optional: bool | None = None


class EnvVarSource(ApiStruct, frozen=True, kw_only=True):
    """One of them is set."""

    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    config_map_key_ref: ConfigMapKeySelector | None = None
    secret_key_ref: SecretKeySelector | None = None


class EnvVar(ApiStruct, frozen=True, kw_only=True):
    name: str
    value: str = ""
    value_from: EnvVarSource | None = None


class ConfigMapEnvSource(ApiStruct, frozen=True, kw_only=True):
    name: str = ""
    optional: bool | None = None


class SecretEnvSource(ApiStruct, frozen=True, kw_only=True):
    name: str = ""
    optional: bool | None = None


class EnvFromSource(ApiStruct, frozen=True, kw_only=True):
    """All keys of a ConfigMap or of a Secret, each with `prefix` before it."""

    prefix: str = ""
    config_map_ref: ConfigMapEnvSource | None = None
    secret_ref: SecretEnvSource | None = None
