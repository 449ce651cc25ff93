"""What is filled in where the sources of volumes and of variables say nothing.

Source: k8s.io/kubernetes/pkg/apis/core/v1/defaults.go.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from swarmlet.model.account_tokens import EXPIRATION_SECONDS_DEFAULT
from swarmlet.model.base import ApiStruct
from swarmlet.model.container import Container
from swarmlet.model.environment import EnvVar, ObjectFieldSelector, ResourceFieldSelector
from swarmlet.model.pod_volumes import (
    DownwardAPIVolumeFile,
    EmptyDirVolumeSource,
    Volume,
    VolumeProjection,
    sources_of,
)

FILE_MODE = 0o644
FIELD_VERSION = "v1"
UNSET_DIVISOR = "0"

_replace = msgspec.structs.replace
_MODED = ("config_map", "secret", "downward_api", "projected")

Moded = TypeVar("Moded", bound=ApiStruct)


def volume(value: Volume) -> Volume:
    """Return a volume with the modes of its files, and with an emptyDir where it names no source."""
    if not sources_of(value):
        return _replace(value, empty_dir=EmptyDirVolumeSource())
    filled: dict[str, Any] = {
        field: _with_mode(source) for field in _MODED if (source := getattr(value, field)) is not None
    }
    if downward := filled.get("downward_api"):
        filled["downward_api"] = _replace(downward, items=_files(downward.items))
    if projected := filled.get("projected"):
        filled["projected"] = _replace(projected, sources=tuple(map(_projection, projected.sources)))
    return _replace(value, **filled) if filled else value


def environment(container: Container) -> Container:
    """Return a container with the versions and divisors of what its variables refer to."""
    if not any(variable.value_from for variable in container.env):
        return container
    return _replace(container, env=tuple(map(_variable, container.env)))


def _variable(variable: EnvVar) -> EnvVar:
    source = variable.value_from
    if source is None:
        return variable
    filled = _replace(source, field_ref=_field(source.field_ref), resource_field_ref=_unit(source.resource_field_ref))
    return _replace(variable, value_from=filled)


def _projection(source: VolumeProjection) -> VolumeProjection:
    token = source.service_account_token
    if token is not None and token.expiration_seconds is None:
        token = _replace(token, expiration_seconds=EXPIRATION_SECONDS_DEFAULT)
        return _replace(source, service_account_token=token)
    if source.downward_api is None:
        return source
    return _replace(source, downward_api=_replace(source.downward_api, items=_files(source.downward_api.items)))


def _files(items: tuple[DownwardAPIVolumeFile, ...]) -> tuple[DownwardAPIVolumeFile, ...]:
    return tuple(
        _replace(item, field_ref=_field(item.field_ref), resource_field_ref=_unit(item.resource_field_ref))
        for item in items
    )


def _field(selector: ObjectFieldSelector | None) -> ObjectFieldSelector | None:
    return selector and _replace(selector, api_version=selector.api_version or FIELD_VERSION)


def _unit(selector: ResourceFieldSelector | None) -> ResourceFieldSelector | None:
    return selector and _replace(selector, divisor=selector.divisor or UNSET_DIVISOR)


def _with_mode(source: Moded) -> Moded:
    given: int | None = getattr(source, "default_mode")  # noqa: B009  which of the four sources is not known here
    return source if given is not None else _replace(source, default_mode=FILE_MODE)
