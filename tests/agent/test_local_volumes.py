"""Volumes of claims on this machine: found, made, mounted, and removed once they are to go."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from swarmlet.agent.volumes import local_volumes
from swarmlet.agent.volumes.errors import VolumeError
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.model import kinds, objects, storage, volumes
from swarmlet.model.affinity import NodeSelector, NodeSelectorRequirement, NodeSelectorTerm
from swarmlet.model.container import Container, VolumeMount
from swarmlet.model.core import Node
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_volumes import HostPathVolumeSource, PersistentVolumeClaimVolumeSource, Volume
from swarmlet.model.security import PodSecurityContext
from swarmlet.model.storage import (
    LocalVolumeSource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeSpec,
    VolumeNodeAffinity,
)
from swarmlet.store.commands import Key, Put
from tests.agent.home import IMAGE, NODE, Home

CLAIM = Key(kinds.PERSISTENT_VOLUME_CLAIM.resource, "default", "data")
LABELS = {"kubernetes.io/hostname": NODE, "swarmlet.io/node-id": "id-1"}
MOUNT = VolumeMount(name="v", mount_path="/data")


def volume_key(name: str = "pvc-1") -> Key:
    return Key(kinds.PERSISTENT_VOLUME.resource, "", name)


def new_claim(volume: str = "pvc-1", **metadata) -> PersistentVolumeClaim:
    told = ObjectMeta(
        name="data", namespace="default", uid="c-1", annotations={storage.BIND_COMPLETED: "yes"}, **metadata
    )
    spec = PersistentVolumeClaimSpec(access_modes=("ReadWriteOnce",), volume_name=volume)
    return PersistentVolumeClaim(metadata=told, spec=spec)


def new_volume(**spec) -> PersistentVolume:
    """Return a volume of the class `local` on this node, bound to the claim."""
    given = {"local": LocalVolumeSource(path="/elsewhere"), "node_affinity": volumes.on_node(LABELS)} | spec
    whole = PersistentVolumeSpec(
        claim_ref=volumes.reference_to(new_claim()), persistent_volume_reclaim_policy="Delete", **given
    )
    metadata = ObjectMeta(
        name="pvc-1",
        uid="v-1",
        annotations={storage.PROVISIONED_BY: storage.LOCAL_PROVISIONER},
        finalizers=(storage.LOCAL_FOLDER,),
    )
    return PersistentVolume(metadata=metadata, spec=whole)


def by_hand(**spec) -> PersistentVolume:
    return objects.with_metadata(new_volume(**{"local": None, "node_affinity": None} | spec), annotations={})


class Place:
    """Volumes in a temporary folder, and the objects that they come from."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / local_volumes.FOLDER
        self.volumes = Volumes(disk=folder / "pods", memory=folder / "memory")
        node = Node(metadata=ObjectMeta(name=NODE, labels=LABELS))
        self.objects: dict[Key, Object] = {
            Key(kinds.NODE.resource, "", NODE): node,
            CLAIM: new_claim(),
            volume_key(): new_volume(),
        }

    def make(self, pod: Pod | None = None) -> Path:
        pod = pod or new_pod()
        self.volumes.make(pod, self.objects.get)
        return self.volumes.place(pod, "v", self.objects.get)


def new_pod(*, read_only: bool = False, **spec) -> Pod:
    source = PersistentVolumeClaimVolumeSource(claim_name="data", read_only=read_only)
    whole = PodSpec(volumes=(Volume(name="v", persistent_volume_claim=source),), node_name=NODE, **spec)
    return Pod(metadata=ObjectMeta(name="web", namespace="default", uid="uid"), spec=whole)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_local_volume_is_a_folder_that_outlives_its_pod(place: Place) -> None:
    path = place.make()
    assert path == place.root / "pvc-1"
    assert path.stat().st_mode & 0o777 == 0o777
    assert place.root.stat().st_mode & 0o777 == 0o700
    (path / "kept").write_text("x")
    place.volumes.remove("uid")
    assert (place.make() / "kept").read_text() == "x"


def test_it_is_mounted_read_only_where_the_pod_says_so(place: Place) -> None:
    container = Container(name="main", image=IMAGE, volume_mounts=(MOUNT,))
    for read_only in (False, True):
        pod = new_pod(read_only=read_only, containers=(container,))
        place.make(pod)
        [mount] = place.volumes.mounts(pod, container, {}, place.objects.get)
        assert (mount.source, mount.read_only) == (str(place.root / "pvc-1"), read_only)


def test_a_part_of_it_can_be_mounted(place: Place) -> None:
    part = VolumeMount(name="v", mount_path="/data", sub_path="part")
    container = Container(name="main", image=IMAGE, volume_mounts=(part,))
    pod = new_pod(containers=(container,))
    place.make(pod)
    place.volumes.mounts(pod, container, {}, place.objects.get)
    assert (place.root / "pvc-1" / "part").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_its_files_are_given_to_the_pods_group(place: Place) -> None:
    path = place.make()
    (path / "old").write_text("x")
    place.make(new_pod(security_context=PodSecurityContext(fs_group=4321)))
    assert (path.stat().st_gid, (path / "old").stat().st_gid) == (4321, 4321)


def test_folders_named_by_hand_are_mounted_where_they_are(place: Place, tmp_path: Path) -> None:
    place.objects[volume_key()] = by_hand(host_path=HostPathVolumeSource(path=str(tmp_path / "made")))
    assert place.make() == tmp_path / "made"
    (tmp_path / "disk").mkdir()
    place.objects[volume_key()] = by_hand(local=LocalVolumeSource(path=str(tmp_path / "disk")))
    assert place.make() == tmp_path / "disk"


def elsewhere() -> VolumeNodeAffinity:
    here = NodeSelectorRequirement(key="kubernetes.io/hostname", operator="In", values=("other",))
    return VolumeNodeAffinity(required=NodeSelector(node_selector_terms=(NodeSelectorTerm(match_expressions=(here,)),)))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({CLAIM: None}, 'persistentvolumeclaim "data" not found'),
        ({CLAIM: new_claim("")}, 'PVC "data" is not bound'),
        ({volume_key(): None}, 'persistentvolume "pvc-1" of PVC "data" not found'),
        ({volume_key(): new_volume(node_affinity=elsewhere())}, "lies on another node"),
        ({volume_key(): by_hand(local=LocalVolumeSource(path="/no/such/folder"))}, "does not exist"),
    ],
)
def test_why_it_cannot_be_mounted_is_told(place: Place, changes: dict, told: str) -> None:
    place.objects = {key: each for key, each in {**place.objects, **changes}.items() if each is not None}
    with pytest.raises(VolumeError, match=r"MountVolume.SetUp failed for volume \"v\" : ") as caught:
        place.make()
    assert told in str(caught.value)


# On a node


def store(home: Home, key: Key, value: Object) -> None:
    home.replica.apply(Put(key, objects.to_json(objects.with_metadata(value, resource_version=""))))


def going(volume: PersistentVolume) -> PersistentVolume:
    return objects.with_metadata(volume, deletion_timestamp=datetime(2026, 1, 1, tzinfo=UTC))


def finalizers(home: Home) -> tuple[str, ...]:
    stored = home.replica.view.get(volume_key())
    assert stored
    return stored.object.metadata.finalizers


def is_there(folder: Path) -> bool:
    return folder.exists()


@pytest.fixture
def folder(home: Home) -> Path:
    path = home.folder / "data" / local_volumes.FOLDER / "pvc-1"
    path.mkdir(parents=True)
    (path / "kept").write_text("x")
    return path


async def test_a_pod_waits_for_its_claim_and_starts_once_that_is_bound(home: Home) -> None:
    async with home.running():
        key = home.bind(volumes=new_pod().spec.volumes)
        await home.pause(200)  # it is tried again more and more seldom
        assert "FailedMount" in {event.reason for event in home.events()}
        store(home, volume_key(), new_volume())
        store(home, CLAIM, new_claim())
        assert await home.until(lambda: home.is_ready(key)) < 1


async def test_it_is_told_when_a_folder_was_made_and_one_that_is_lost_is_not_made_anew(home: Home) -> None:
    store(home, volume_key(), new_volume())
    store(home, CLAIM, new_claim())
    async with home.running():
        key = home.bind(volumes=new_pod().spec.volumes)
        await home.until(lambda: home.is_ready(key))
        await home.until(is_told_made(home))
        home.delete_at_once(key)
        await home.pause(10)
        shutil.rmtree(home.folder / "data" / local_volumes.FOLDER)
        key = home.bind("again", volumes=new_pod().spec.volumes)
        await home.pause(5)
        assert not home.is_ready(key)
        assert "is gone, and its data with it" in home.events("FailedMount")[-1].message


def is_told_made(home: Home):
    def told() -> bool:
        stored = home.replica.view.get(volume_key())
        return stored is not None and stored.object.metadata.annotations.get(storage.FOLDER_MADE) == "true"

    return told


async def test_nothing_is_told_of_a_folder_that_is_not_there_yet(home: Home) -> None:
    store(home, volume_key(), new_volume())
    async with home.running():
        await home.pause(20)
        assert not is_told_made(home)()


async def test_the_folder_of_a_volume_that_is_to_go_is_removed_and_that_is_told(home: Home, folder: Path) -> None:
    async with home.running():
        store(home, volume_key(), new_volume())
        await home.pause(2)
        assert is_there(folder)
        store(home, volume_key(), going(new_volume()))
        await home.until(lambda: not is_there(folder))
        await home.until(lambda: finalizers(home) == ())


async def test_a_node_that_was_away_does_it_when_it_returns(home: Home, folder: Path) -> None:
    store(home, volume_key(), going(new_volume()))
    async with home.running():
        await home.until(lambda: finalizers(home) == ())
    assert not is_there(folder)


@pytest.mark.parametrize(
    "volume",
    [
        objects.with_metadata(new_volume(), finalizers=(storage.LOCAL_FOLDER, storage.VOLUME_PROTECTION)),
        new_volume(node_affinity=volumes.on_node(LABELS | {"swarmlet.io/node-id": "id-of-another"})),
        objects.with_metadata(new_volume(), annotations={}),
    ],
    ids=["protected", "another machine's", "made by hand"],
)
async def test_no_other_folder_is_removed(home: Home, folder: Path, volume: PersistentVolume) -> None:
    store(home, volume_key(), going(volume))
    async with home.running():
        await home.pause(20)
    assert is_there(folder)
    assert storage.LOCAL_FOLDER in finalizers(home)


async def test_a_folder_is_kept_while_a_container_may_still_use_it(home: Home, folder: Path) -> None:
    store(home, volume_key(), new_volume())
    store(home, CLAIM, new_claim())
    async with home.running():
        key = home.bind(volumes=new_pod().spec.volumes)
        await home.until(lambda: home.is_ready(key))
        store(home, volume_key(), going(new_volume()))
        await home.pause(20)
        assert is_there(folder)
        home.delete_at_once(key)
        await home.until(lambda: finalizers(home) == ())
    assert not is_there(folder)
