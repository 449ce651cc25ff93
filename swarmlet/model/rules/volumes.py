"""Rules of a Pod's volumes. Source: k8s.io/kubernetes pkg/apis/core/validation (validateVolumeSource).

A kind of volume is a field of `pod_volumes.Volume` and a rule in `_RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from swarmlet.model import pod_volumes, syntax
from swarmlet.model.account_tokens import EXPIRATION_SECONDS_MAX, EXPIRATION_SECONDS_MIN
from swarmlet.model.pod_volumes import (
    ConfigMapVolumeSource,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    HostPathVolumeSource,
    KeyToPath,
    PersistentVolumeClaimVolumeSource,
    ProjectedVolumeSource,
    SecretVolumeSource,
    ServiceAccountTokenProjection,
    Volume,
    VolumeProjection,
)
from swarmlet.model.problems import Place
from swarmlet.model.rules import container, downward

MODE_MAX = 0o777
HOST_PATH_TYPES = (
    "",
    "DirectoryOrCreate",
    "Directory",
    "FileOrCreate",
    "File",
    "Socket",
    "CharDevice",
    "BlockDevice",
)
MEDIA = ("", "Memory")
TOO_MANY = "may not specify more than 1 volume type"


def volumes(values: Sequence[Volume], place: Place) -> set[str]:
    """Check a Pod's volumes; return the names that containers may mount."""
    names: set[str] = set()
    for inner, volume in place.each(values):
        container.required_label(volume.name, inner.field("name"))
        if volume.name in names:
            inner.field("name").duplicate(volume.name)
        names.add(volume.name)
        _source(volume, inner)
    return names


def _source(volume: Volume, place: Place) -> None:
    given = pod_volumes.sources_of(volume)
    if not given:
        place.required("must specify a volume type")
    for position, field in enumerate(given):
        inner = place.field(pod_volumes.source_names()[field])
        if position:
            inner.forbidden(TOO_MANY)
        _RULES[field](getattr(volume, field), inner)


def _empty_dir(source: EmptyDirVolumeSource, place: Place) -> None:
    if source.medium not in MEDIA:
        place.field("medium").unsupported(source.medium, MEDIA)
    if source.size_limit and (container.amount_of(source.size_limit) or 0) < 0:
        place.field("sizeLimit").forbidden("SizeLimit field must be a valid resource quantity")


def host_path(source: HostPathVolumeSource, place: Place) -> None:
    """Check a folder or file of the machine, as a Pod or a PersistentVolume names it."""
    if source.path:
        container.no_back_steps(source.path, place.field("path"))
    else:
        place.field("path").required()
    if source.type not in HOST_PATH_TYPES:
        place.field("type").unsupported(source.type, HOST_PATH_TYPES)


def _claim(source: PersistentVolumeClaimVolumeSource, place: Place) -> None:
    if not source.claim_name:
        place.field("claimName").required()


def _config_map(source: ConfigMapVolumeSource, place: Place) -> None:
    _named_files(source.name, source.items, place, "name")
    _mode(source.default_mode, place.field("defaultMode"))


def _secret(source: SecretVolumeSource, place: Place) -> None:
    _named_files(source.secret_name, source.items, place, "secretName")
    _mode(source.default_mode, place.field("defaultMode"))


def _downward_api(source: DownwardAPIVolumeSource, place: Place) -> None:
    _mode(source.default_mode, place.field("defaultMode"))
    _downward_files(source.items, place.field("items"))


def _projected(source: ProjectedVolumeSource, place: Place) -> None:
    taken: set[str] = set()
    for inner, projection in place.field("sources").each(source.sources):
        for path in _projection(projection, inner):
            if path in taken:
                place.invalid(path, "conflicting duplicate paths")
            taken.add(path)
    _mode(source.default_mode, place.field("defaultMode"))


def _projection(source: VolumeProjection, place: Place) -> list[str]:
    """Check one source of a projected volume; return the paths that it names."""
    given = (source.secret, source.config_map, source.downward_api, source.service_account_token)
    if sum(each is not None for each in given) > 1:
        place.forbidden(TOO_MANY)
    paths: list[str] = []
    if source.secret is not None:
        _named_files(source.secret.name, source.secret.items, place.field("secret"), "name")
        paths += [item.path for item in source.secret.items]
    if source.config_map is not None:
        _named_files(source.config_map.name, source.config_map.items, place.field("configMap"), "name")
        paths += [item.path for item in source.config_map.items]
    if source.downward_api is not None:
        _downward_files(source.downward_api.items, place.field("downwardAPI").field("items"))
        paths += [item.path for item in source.downward_api.items]
    if source.service_account_token is not None:
        paths.append(source.service_account_token.path)
        _token(source.service_account_token, place.field("serviceAccountToken"))
    return paths


def _token(source: ServiceAccountTokenProjection, place: Place) -> None:
    seconds = source.expiration_seconds or 0
    if seconds < EXPIRATION_SECONDS_MIN:
        place.field("expirationSeconds").invalid(seconds, "may not specify a duration less than 10 minutes")
    elif seconds > EXPIRATION_SECONDS_MAX:
        place.field("expirationSeconds").invalid(seconds, "may not specify a duration larger than 2^32 seconds")
    _file_path(source.path, place.field("path"))


def _named_files(name: str, items: Sequence[KeyToPath], place: Place, name_field: str) -> None:
    if not name:
        place.field(name_field).required()
    else:
        place.field(name_field).invalid_each(name, syntax.dns_subdomain(name))
    for inner, item in place.field("items").each(items):
        if not item.key:
            inner.field("key").required()
        _file_path(item.path, inner.field("path"))
        _mode(item.mode, inner.field("mode"))


def _downward_files(items: Sequence[DownwardAPIVolumeFile], place: Place) -> None:
    for inner, item in place.each(items):
        _file_path(item.path, inner.field("path"))
        if item.field_ref is not None:
            downward.field(item.field_ref, inner.field("fieldRef"), downward.VOLUME_FIELDS)
            if item.resource_field_ref is not None:
                inner.invalid("resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
        elif item.resource_field_ref is not None:
            downward.resource(item.resource_field_ref, inner.field("resourceFieldRef"), in_volume=True)
        else:
            inner.required("one of fieldRef and resourceFieldRef is required")
        _mode(item.mode, inner.field("mode"))


def _file_path(path: str, place: Place) -> None:
    """Check where in a volume a file is to lie: inside it, and not where the volume keeps its own."""
    if not path:
        place.required()
        return
    container.relative_path(path, place)
    if path.startswith("..") and not path.startswith("../"):
        place.invalid(path, "must not start with '..'")


def _mode(mode: int | None, place: Place) -> None:
    if mode is not None and not 0 <= mode <= MODE_MAX:
        place.invalid(mode, "must be a number between 0 and 0777 (octal), both inclusive")


_RULES: Mapping[str, Callable[[Any, Place], None]] = {
    "empty_dir": _empty_dir,
    "host_path": host_path,
    "config_map": _config_map,
    "secret": _secret,
    "downward_api": _downward_api,
    "projected": _projected,
    "persistent_volume_claim": _claim,
}
