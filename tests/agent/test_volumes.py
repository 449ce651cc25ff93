"""The folders behind volumes."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from swarmlet.agent.volumes.errors import VolumeError
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.model import kinds
from swarmlet.model.core import ConfigMap, Secret
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_volumes import (
    ConfigMapVolumeSource,
    EmptyDirVolumeSource,
    HostPathVolumeSource,
    KeyToPath,
    SecretVolumeSource,
    Volume,
)
from swarmlet.store.commands import Key

MAP = Key(kinds.CONFIG_MAP.resource, "default", "m")
SECRET = Key(kinds.SECRET.resource, "default", "s")


class Place:
    """Volumes in a temporary folder, and the objects that they show."""

    def __init__(self, folder: Path) -> None:
        self.volumes = Volumes(disk=folder / "disk", memory=folder / "memory")
        self.objects: dict[Key, Object] = {}

    def make(self, **source: Any) -> Path:
        pod = pod_with(**source)
        self.volumes.make(pod, self.objects.get)
        return self.volumes.place(pod, "v", self.objects.get)


def pod_with(**source: Any) -> Pod:
    metadata = ObjectMeta(name="web", namespace="default", uid="uid")
    return Pod(metadata=metadata, spec=PodSpec(volumes=(Volume(name="v", **source),)))


def files(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.iterdir() if not each.name.startswith("..")}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_an_empty_dir_is_writable_by_all_and_kept(place: Place) -> None:
    path = place.make(empty_dir=EmptyDirVolumeSource())
    assert path.stat().st_mode & 0o777 == 0o777
    (path / "file").touch()
    assert place.make(empty_dir=EmptyDirVolumeSource()) == path
    assert (path / "file").exists()


def test_memory_volumes_and_secrets_lie_in_memory(place: Place, tmp_path: Path) -> None:
    place.objects[SECRET] = Secret(data={"k": base64.b64encode(b"\x00v").decode()})
    memory = tmp_path / "memory"
    assert memory in place.make(empty_dir=EmptyDirVolumeSource(medium="Memory")).parents
    path = place.make(secret=SecretVolumeSource(secret_name="s"))
    assert memory in path.parents
    assert files(path) == {"k": b"\x00v"}


def test_a_config_map_becomes_files_with_modes(place: Place) -> None:
    place.objects[MAP] = ConfigMap(data={"a": "1", "b": "2"}, binary_data={"c": base64.b64encode(b"3").decode()})
    path = place.make(config_map=ConfigMapVolumeSource(name="m", default_mode=0o640))
    assert files(path) == {"a": b"1", "b": b"2", "c": b"3"}
    assert (path / "a").stat().st_mode & 0o777 == 0o640


def test_items_choose_name_and_mode(place: Place) -> None:
    place.objects[MAP] = ConfigMap(data={"a": "1", "b": "2"})
    items = (KeyToPath(key="a", path="deep/file", mode=0o400),)
    path = place.make(config_map=ConfigMapVolumeSource(name="m", items=items))
    assert (path / "deep" / "file").read_bytes() == b"1"
    assert (path / "deep" / "file").stat().st_mode & 0o777 == 0o400
    assert sorted(each.name for each in path.iterdir() if not each.name.startswith("..")) == ["deep"]


def test_an_update_swaps_all_files_at_once(place: Place) -> None:
    place.objects[MAP] = ConfigMap(data={"a": "1", "gone": "x"})
    source = ConfigMapVolumeSource(name="m")
    path = place.make(config_map=source)
    before = (path / "..data").readlink()
    place.objects[MAP] = ConfigMap(data={"a": "2"})
    place.make(config_map=source)
    assert files(path) == {"a": b"2"}
    assert (path / "..data").readlink() != before
    assert len([each for each in path.iterdir() if each.name.startswith("..")]) == 2


def test_names_that_a_daemon_before_did_not_come_to_are_made(place: Place) -> None:
    place.objects[MAP] = ConfigMap(data={"a": "1", "b": "2"})
    folder = place.make(config_map=ConfigMapVolumeSource(name="m"))
    (folder / "b").unlink()
    place.make(config_map=ConfigMapVolumeSource(name="m"))
    assert files(folder) == {"a": b"1", "b": b"2"}


def test_an_unchanged_source_is_not_written_again(place: Place) -> None:
    place.objects[MAP] = ConfigMap(data={"a": "1"})
    path = place.make(config_map=ConfigMapVolumeSource(name="m"))
    before = (path / "a").stat().st_ino
    place.make(config_map=ConfigMapVolumeSource(name="m"))
    assert (path / "a").stat().st_ino == before


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"config_map": ConfigMapVolumeSource(name="x")}, 'configmap "x" not found'),
        ({"secret": SecretVolumeSource(secret_name="x")}, 'secret "x" not found'),
        (
            {"config_map": ConfigMapVolumeSource(name="m", items=(KeyToPath(key="z", path="z"),))},
            "configmap references non-existent config key: z",
        ),
        (
            {"config_map": ConfigMapVolumeSource(name="m", items=(KeyToPath(key="a", path="../out"),))},
            "leads out of the volume",
        ),
        ({"host_path": HostPathVolumeSource(path="/nowhere/at/all", type="Directory")}, "is not a directory"),
        ({"host_path": HostPathVolumeSource(path="/etc/passwd", type="Directory")}, "is not a directory"),
        ({"host_path": HostPathVolumeSource(path="/etc", type="Socket")}, "is not a socket file"),
    ],
)
def test_what_cannot_be_made_is_told_in_kubernetes_words(place: Place, source: dict[str, Any], words: str) -> None:
    place.objects[MAP] = ConfigMap(data={"a": "1"})
    with pytest.raises(VolumeError, match=words) as refused:
        place.make(**source)
    assert str(refused.value).startswith('MountVolume.SetUp failed for volume "v" : ')


def test_optional_sources_may_be_missing(place: Place) -> None:
    assert files(place.make(config_map=ConfigMapVolumeSource(name="x", optional=True))) == {}
    assert files(place.make(secret=SecretVolumeSource(secret_name="x", optional=True))) == {}


def test_host_paths_are_made_where_that_is_asked_for(place: Place, tmp_path: Path) -> None:
    folder, file = tmp_path / "a" / "b", tmp_path / "f"
    place.make(host_path=HostPathVolumeSource(path=str(folder), type="DirectoryOrCreate"))
    place.make(host_path=HostPathVolumeSource(path=str(file), type="FileOrCreate"))
    assert folder.is_dir()
    assert file.is_file()


def test_removing_a_pods_volumes_leaves_the_machines_own(place: Place, tmp_path: Path) -> None:
    own = tmp_path / "own"
    place.make(host_path=HostPathVolumeSource(path=str(own)))
    place.make(empty_dir=EmptyDirVolumeSource())
    assert place.volumes.pod_uids() == {"uid"}
    place.volumes.remove("uid")
    assert place.volumes.pod_uids() == set()
    assert own.is_dir()


def test_a_machine_that_has_left_keeps_no_volume_and_no_secret(place: Place, tmp_path: Path) -> None:
    place.objects[SECRET] = Secret(data={"key": "aHVzaA=="})
    place.make(empty_dir=EmptyDirVolumeSource())
    place.make(secret=SecretVolumeSource(secret_name="s"))
    place.volumes.remove_all()
    assert list(tmp_path.iterdir()) == []


def test_strangers_cannot_look_into_a_pods_folder(place: Place) -> None:
    path = place.make(empty_dir=EmptyDirVolumeSource())
    assert os.stat(path.parent).st_mode & 0o077 == 0  # noqa: PTH116
