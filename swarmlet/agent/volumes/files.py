"""The files that ConfigMaps, Secrets and the Pod's own fields become in its volumes. Pure.

Source: kubernetes pkg/volume/{configmap,secret,downwardapi,projected}.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence

from swarmlet.agent.containers import downward
from swarmlet.agent.containers.downward import Facts, Find
from swarmlet.agent.volumes.errors import VolumeError
from swarmlet.model import core, kinds
from swarmlet.model.pod_volumes import (
    DownwardAPIVolumeFile,
    KeyToPath,
    ServiceAccountTokenProjection,
    Volume,
    VolumeProjection,
)
from swarmlet.store.commands import Key

FILE_MODE_DEFAULT = 0o644

Files = Mapping[str, tuple[bytes, int]]
"""Content and mode of each file, by its path in the volume."""

Token = Callable[[ServiceAccountTokenProjection], str]


def no_token(asked: ServiceAccountTokenProjection) -> str:
    """Refuse a token: whoever makes these files cannot issue any."""
    raise VolumeError(f"failed to fetch token for {asked.path}: this daemon issues none")


def files_of(volume: Volume, known: Facts, find: Find, token: Token = no_token) -> Files:
    """Return the files of a volume that shows objects of the cluster; `token` issues those of its Pod's account.

    Raises `VolumeError` in Kubernetes' words where something is needed and not there.
    """
    if volume.config_map is not None:
        source = volume.config_map
        contents = _config_map(source.name, known, find, optional=bool(source.optional))
        return _chosen(_CONFIG_MAP, contents, source.items, _mode(source.default_mode), bool(source.optional))
    if volume.secret is not None:
        sealed = volume.secret
        contents = _secret(sealed.secret_name, known, find, optional=bool(sealed.optional))
        return _chosen(_SECRET, contents, sealed.items, _mode(sealed.default_mode), bool(sealed.optional))
    if volume.downward_api is not None:
        return _downward(volume.downward_api.items, known, _mode(volume.downward_api.default_mode))
    files: dict[str, tuple[bytes, int]] = {}
    if volume.projected is not None:
        for projection in volume.projected.sources:
            mode = _mode(volume.projected.default_mode)
            if (asked := projection.service_account_token) is not None:
                files[asked.path] = (token(asked).encode(), mode)
            else:
                files |= _projection(projection, known, find, mode)
    return files


_CONFIG_MAP, _SECRET = "configmap references non-existent config key", "references non-existent secret key"


def _projection(source: VolumeProjection, known: Facts, find: Find, mode: int) -> Files:
    if source.config_map is not None:
        optional = bool(source.config_map.optional)
        contents = _config_map(source.config_map.name, known, find, optional=optional)
        return _chosen(_CONFIG_MAP, contents, source.config_map.items, mode, optional)
    if source.secret is not None:
        optional = bool(source.secret.optional)
        contents = _secret(source.secret.name, known, find, optional=optional)
        return _chosen(_SECRET, contents, source.secret.items, mode, optional)
    return _downward(source.downward_api.items, known, mode) if source.downward_api is not None else {}


def _config_map(name: str, known: Facts, find: Find, *, optional: bool) -> Mapping[str, bytes]:
    found = find(Key(kinds.CONFIG_MAP.resource, known.pod.metadata.namespace, name))
    if isinstance(found, core.ConfigMap):
        return {key: text.encode() for key, text in found.data.items()} | _decoded(found.binary_data)
    return _nothing(f'configmap "{name}" not found', optional=optional)


def _secret(name: str, known: Facts, find: Find, *, optional: bool) -> Mapping[str, bytes]:
    found = find(Key(kinds.SECRET.resource, known.pod.metadata.namespace, name))
    if isinstance(found, core.Secret):
        return _decoded(found.data)
    return _nothing(f'secret "{name}" not found', optional=optional)


def _nothing(why: str, *, optional: bool) -> Mapping[str, bytes]:
    if not optional:
        raise VolumeError(why)
    return {}


def _chosen(
    missing: str, contents: Mapping[str, bytes], items: Sequence[KeyToPath], mode: int, optional: bool
) -> Files:
    if not items:
        return {key: (value, mode) for key, value in contents.items()}
    for item in items:
        if item.key not in contents and not optional:
            raise VolumeError(f"{missing}: {item.key}")
    return {
        item.path: (contents[item.key], mode if item.mode is None else item.mode)
        for item in items
        if item.key in contents
    }


def _downward(items: Sequence[DownwardAPIVolumeFile], known: Facts, mode: int) -> Files:
    files: dict[str, tuple[bytes, int]] = {}
    for item in items:
        text = ""
        if item.field_ref is not None:
            text = downward.field_value(item.field_ref, known)
        elif item.resource_field_ref is not None:
            text = downward.resource_value_of(item.resource_field_ref, known)
        files[item.path] = (text.encode(), mode if item.mode is None else item.mode)
    return files


def _mode(given: int | None) -> int:
    return FILE_MODE_DEFAULT if given is None else given


def _decoded(values: Mapping[str, str]) -> dict[str, bytes]:
    try:
        return {name: base64.b64decode(text) for name, text in values.items()}
    except ValueError as error:
        raise VolumeError(f"a value is not base64: {error}") from error
