"""Rules of a Pod's volumes."""

from __future__ import annotations

from collections.abc import Sequence

from swarmlet.model.pod_volumes import (
    ConfigMapVolumeSource,
    EmptyDirVolumeSource,
    HostPathVolumeSource,
    SecretVolumeSource,
    Volume,
)
from swarmlet.model.problems import Place
from swarmlet.model.rules import container

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
    given = [
        name
        for name, source in (
            ("emptyDir", volume.empty_dir),
            ("hostPath", volume.host_path),
            ("configMap", volume.config_map),
            ("secret", volume.secret),
        )
        if source is not None
    ]
    if not given:
        place.required("must specify a volume type")
    for extra in given[1:]:
        place.field(extra).forbidden("may not specify more than 1 volume type")
    if volume.empty_dir:
        _empty_dir(volume.empty_dir, place.field("emptyDir"))
    if volume.host_path:
        _host_path(volume.host_path, place.field("hostPath"))
    if volume.config_map:
        _files(volume.config_map.name, volume.config_map, place.field("configMap"), "name")
    if volume.secret:
        _files(volume.secret.secret_name, volume.secret, place.field("secret"), "secretName")


def _empty_dir(source: EmptyDirVolumeSource, place: Place) -> None:
    if source.medium not in MEDIA:
        place.field("medium").unsupported(source.medium, MEDIA)


def _host_path(source: HostPathVolumeSource, place: Place) -> None:
    if source.path:
        container.no_back_steps(source.path, place.field("path"))
    else:
        place.field("path").required()
    if source.type not in HOST_PATH_TYPES:
        place.field("type").unsupported(source.type, HOST_PATH_TYPES)


def _files(name: str, source: ConfigMapVolumeSource | SecretVolumeSource, place: Place, name_field: str) -> None:
    if not name:
        place.field(name_field).required()
    _mode(source.default_mode, place.field("defaultMode"))
    for inner, item in place.field("items").each(source.items):
        if not item.key:
            inner.field("key").required()
        if item.path:
            container.relative_path(item.path, inner.field("path"))
        else:
            inner.field("path").required()
        _mode(item.mode, inner.field("mode"))


def _mode(mode: int | None, place: Place) -> None:
    if mode is not None and not 0 <= mode <= MODE_MAX:
        place.invalid(mode, "must be a number between 0 and 0777 (octal), both inclusive")
