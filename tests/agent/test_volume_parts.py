"""Parts of volumes (subPath), whom volumes belong to, how full they are, and what is mounted for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swarmlet.agent.volumes import mounts, ownership, sub_paths
from swarmlet.agent.volumes.errors import VolumeError
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.model import kinds
from swarmlet.model.container import Container, ResourceRequirements, VolumeMount
from swarmlet.model.core import ConfigMap
from swarmlet.model.environment import ObjectFieldSelector, ResourceFieldSelector
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_volumes import (
    ConfigMapProjection,
    ConfigMapVolumeSource,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    HostPathVolumeSource,
    ProjectedVolumeSource,
    SecretProjection,
    Volume,
    VolumeProjection,
)
from swarmlet.model.security import PodSecurityContext
from swarmlet.runtime.runtime import Mount
from swarmlet.store.commands import Key

MAP = Key(kinds.CONFIG_MAP.resource, "default", "m")
GROUP = 4321

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and gives files away")


class Place:
    """Volumes in a temporary folder, and the objects that they show."""

    def __init__(self, folder: Path) -> None:
        self.volumes = Volumes(disk=folder / "disk", memory=folder / "memory")
        self.objects: dict[Key, Object] = {MAP: ConfigMap(data={"a": "1"})}

    def pod(self, **source: Any) -> Pod:
        resources = ResourceRequirements(limits=source.pop("limits", {}))
        context = source.pop("security_context", None)
        metadata = ObjectMeta(name="web", namespace="default", uid="uid", labels=source.pop("labels", {"app": "web"}))
        container = Container(name="main", resources=resources)
        volume = Volume(name="v", **source)
        return Pod(
            metadata=metadata, spec=PodSpec(containers=(container,), volumes=(volume,), security_context=context)
        )

    def make(self, pod: Pod) -> Path:
        self.volumes.make(pod, self.objects.get)
        return self.volumes.place(pod, "v", self.objects.get)

    def mount(self, pod: Pod, env: dict[str, str] | None = None, **mount: Any) -> Mount:
        container = Container(name="main", volume_mounts=(VolumeMount(name="v", mount_path="/data", **mount),))
        (found,) = self.volumes.mounts(pod, container, env or {}, self.objects.get)
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.volumes.remove_all()
    assert mounts.below(tmp_path) == []


def texts(folder: Path) -> dict[str, str]:
    found = [path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0][:2] != ".."]
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in found}


# What volumes show


def test_a_pod_is_told_of_itself_in_files(place: Place) -> None:
    items = (
        DownwardAPIVolumeFile(path="labels", field_ref=ObjectFieldSelector(field_path="metadata.labels")),
        DownwardAPIVolumeFile(path="deep/name", field_ref=ObjectFieldSelector(field_path="metadata.name"), mode=0o400),
        DownwardAPIVolumeFile(
            path="memory",
            resource_field_ref=ResourceFieldSelector(container_name="main", resource="limits.memory", divisor="1Mi"),
        ),
    )
    pod = place.pod(downward_api=DownwardAPIVolumeSource(items=items), limits={"memory": "64Mi"})
    folder = place.make(pod)
    assert texts(folder) == {"labels": 'app="web"', "memory": "64"}
    assert (folder / "deep" / "name").read_text() == "web"
    assert (folder / "deep" / "name").stat().st_mode & 0o777 == 0o400
    source = pod.spec.volumes[0].downward_api
    place.make(place.pod(downward_api=source, limits={"memory": "64Mi"}, labels={"app": "new"}))
    assert texts(folder)["labels"] == 'app="new"'


def test_several_sources_share_a_folder(place: Place, tmp_path: Path) -> None:
    name = DownwardAPIVolumeFile(path="name", field_ref=ObjectFieldSelector(field_path="metadata.name"))
    sources = (
        VolumeProjection(config_map=ConfigMapProjection(name="m")),
        VolumeProjection(secret=SecretProjection(name="none", optional=True)),
        VolumeProjection(downward_api=DownwardAPIProjection(items=(name,))),
    )
    folder = place.make(place.pod(projected=ProjectedVolumeSource(sources=sources, default_mode=0o440)))
    assert texts(folder) == {"a": "1", "name": "web"}
    assert (folder / "a").stat().st_mode & 0o777 == 0o440
    assert tmp_path / "memory" in folder.parents


def test_what_shows_objects_may_not_be_written(place: Place) -> None:
    pod = place.pod(config_map=ConfigMapVolumeSource(name="m"))
    place.make(pod)
    assert place.mount(pod).read_only
    pod = place.pod(empty_dir=EmptyDirVolumeSource())
    assert not place.mount(pod).read_only
    assert place.mount(pod, read_only=True).read_only


# Parts of volumes


@needs_root
def test_a_part_of_a_volume_is_mounted_and_made_where_it_is_missing(place: Place) -> None:
    pod = place.pod(empty_dir=EmptyDirVolumeSource())
    folder = place.make(pod)
    seen = Path(place.mount(pod, sub_path="logs/today").source)
    assert (folder / "logs" / "today").is_dir()
    assert (folder / "logs").stat().st_mode & 0o777 == 0o777
    (folder / "logs" / "today" / "file").write_text("x", encoding="utf-8")
    assert (seen / "file").read_text() == "x"


@needs_root
def test_a_file_can_be_a_part_and_keeps_its_content(place: Place) -> None:
    pod = place.pod(config_map=ConfigMapVolumeSource(name="m"))
    place.make(pod)
    seen = Path(place.mount(pod, sub_path="a").source)
    assert seen.read_text() == "1"
    place.objects[MAP] = ConfigMap(data={"a": "2"})
    folder = place.make(pod)
    assert (folder / "a").read_text() == "2"
    assert seen.read_text() == "1"
    assert Path(place.mount(pod, sub_path="a").source).read_text() == "2"  # the next start of the container


def test_a_part_is_named_by_variables(place: Place) -> None:
    pod = place.pod(empty_dir=EmptyDirVolumeSource())
    folder = place.make(pod)
    place.mount(pod, {"POD": "web-0"}, sub_path_expr="logs/$(POD)")
    assert (folder / "logs" / "web-0").is_dir()
    with pytest.raises(VolumeError, match="missing value for A, B"):
        place.mount(pod, {"B": ""}, sub_path_expr="$(B)/$(A)")
    with pytest.raises(VolumeError, match=r"must not contain '\.\.'"):
        place.mount(pod, {"POD": "../.."}, sub_path_expr="$(POD)")


@pytest.mark.parametrize("target", ["/etc", "../../../..", "/"])
def test_links_do_not_lead_out_of_the_volume(place: Place, target: str) -> None:
    pod = place.pod(empty_dir=EmptyDirVolumeSource())
    folder = place.make(pod)
    (folder / "out").symlink_to(target)
    for sub_path in ("out", "out/deeper"):
        told = f'failed to prepare subPath for volumeMount "v" of container "main": subpath {sub_path} is not within'
        with pytest.raises(VolumeError, match=told):
            place.mount(pod, sub_path=sub_path)


def test_links_that_run_in_a_circle_are_told(place: Place) -> None:
    pod = place.pod(empty_dir=EmptyDirVolumeSource())
    folder = place.make(pod)
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    with pytest.raises(VolumeError, match="leads to a link that cannot be followed"):
        place.mount(pod, sub_path="a")


def test_a_folder_exchanged_for_a_link_after_the_first_look_is_noticed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = place.pod(empty_dir=EmptyDirVolumeSource())
    folder = place.make(pod)
    (folder / "part").mkdir()
    step = sub_paths._step

    def exchange_first(descriptor: int, name: str, mode: int) -> int:
        (folder / "part").rmdir()
        (folder / "part").symlink_to("/etc")
        return step(descriptor, name, mode)

    monkeypatch.setattr(sub_paths, "_step", exchange_first)
    with pytest.raises(VolumeError, match="leads to a link that cannot be followed"):
        place.mount(pod, sub_path="part")


@needs_root
def test_what_is_bound_stays_what_it_was(place: Place) -> None:
    pod = place.pod(empty_dir=EmptyDirVolumeSource())
    folder = place.make(pod)
    (folder / "part").mkdir()
    (folder / "part" / "mine").touch()
    seen = Path(place.mount(pod, sub_path="part").source)
    (folder / "part").rename(folder / "old")
    (folder / "part").symlink_to("/etc")
    assert [path.name for path in seen.iterdir()] == ["mine"]


@needs_root
def test_removing_a_pods_volumes_leaves_what_was_mounted_of_the_machine(place: Place, tmp_path: Path) -> None:
    (tmp_path / "own" / "part").mkdir(parents=True)
    (tmp_path / "own" / "part" / "precious").touch()
    pod = place.pod(host_path=HostPathVolumeSource(path=str(tmp_path / "own")))
    place.make(pod)
    place.mount(pod, sub_path="part")
    place.mount(pod, sub_path="part")  # the container starts again
    assert len(mounts.below(tmp_path)) == 1
    place.volumes.remove("uid")
    assert (tmp_path / "own" / "part" / "precious").exists()
    assert place.volumes.pod_uids() == set()


def test_a_daemon_without_rights_goes_by_the_path(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(mounts, "bind", refuse)
    pod = place.pod(empty_dir=EmptyDirVolumeSource())
    folder = place.make(pod)
    assert place.mount(pod, sub_path="part").source == str(folder / "part")


# Whom volumes belong to


@needs_root
def test_volumes_belong_to_the_pods_group(place: Place) -> None:
    context = PodSecurityContext(fs_group=GROUP)
    folder = place.make(place.pod(empty_dir=EmptyDirVolumeSource(), security_context=context))
    assert folder.stat().st_gid == GROUP
    assert folder.stat().st_mode & 0o7777 == 0o2777
    source = ConfigMapVolumeSource(name="m", default_mode=0o400)
    pod = place.pod(config_map=source, security_context=context)
    place.volumes.remove("uid")
    file = place.make(pod) / "a"
    assert file.stat().st_gid == GROUP
    assert file.stat().st_mode & 0o777 == 0o440


@needs_root
def test_a_link_put_in_a_files_place_leads_no_right_out_of_the_volume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "shadow"
    outside.touch(mode=0o600)
    volume = tmp_path / "volume"
    (volume / "inner").mkdir(parents=True)
    (volume / "inner" / "file").touch()
    mode_for_group = ownership.mode_for_group

    def and_exchange(mode: int, *, is_folder: bool, read_only: bool) -> int:
        (volume / "inner" / "file").unlink(missing_ok=True)
        (volume / "inner" / "file").symlink_to(outside)
        return mode_for_group(mode, is_folder=is_folder, read_only=read_only)

    monkeypatch.setattr(ownership, "mode_for_group", and_exchange)
    ownership.give_all(volume, GROUP, always=True)
    assert (outside.stat().st_mode & 0o777, outside.stat().st_gid) == (0o600, os.getegid())
    assert (volume / "inner").stat().st_gid == GROUP


@needs_root
def test_folders_of_the_machine_stay_their_owners(place: Place, tmp_path: Path) -> None:
    context = PodSecurityContext(fs_group=GROUP)
    folder = place.make(place.pod(host_path=HostPathVolumeSource(path=str(tmp_path / "own")), security_context=context))
    assert folder.stat().st_gid != GROUP


# How full they are


def test_a_folder_over_its_limit_is_told_in_kubernetes_words(place: Place) -> None:
    pod = place.pod(empty_dir=EmptyDirVolumeSource(size_limit="100Ki"))
    folder = place.make(pod)
    (folder / "deep").mkdir()
    assert place.volumes.over_limit(pod, place.objects.get) == ""
    (folder / "deep" / "file").write_bytes(b"x" * 64 * 1024)
    (folder / "same").hardlink_to(folder / "deep" / "file")
    assert place.volumes.over_limit(pod, place.objects.get) == ""
    assert 64 * 1024 <= place.volumes.used_bytes(pod) < 128 * 1024
    (folder / "more").write_bytes(b"x" * 64 * 1024)
    told = 'Usage of EmptyDir volume "v" exceeds the limit "100Ki".'
    assert place.volumes.over_limit(pod, place.objects.get) == told


@needs_root
def test_a_folder_in_memory_is_no_larger_than_its_limit_and_its_pods_memory(place: Place) -> None:
    memory = EmptyDirVolumeSource(medium="Memory", size_limit="1Mi")
    pod = place.pod(empty_dir=memory, limits={"memory": "64Ki"})
    folder = place.make(pod)
    assert folder.stat().st_mode & 0o777 == 0o777
    (folder / "file").write_bytes(b"x" * 64 * 1024)
    with pytest.raises(OSError, match="No space left"):
        (folder / "more").write_bytes(b"x")
    place.make(pod)  # again, as each change of a source does
    assert (folder / "file").exists()
    assert len(mounts.below(folder)) == 1
