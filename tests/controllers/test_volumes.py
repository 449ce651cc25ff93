"""Claims and volumes: binding, waiting for the first Pod, following the volume, and what becomes of it."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest

from swarmlet.controllers.work import drafts
from swarmlet.model import conditions, defaults, kinds, names, objects, singletons, storage, volumes
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.core import ObjectReference
from swarmlet.model.meta import LabelSelector, ObjectMeta
from swarmlet.model.pod import Pod
from swarmlet.model.pod_volumes import HostPathVolumeSource, PersistentVolumeClaimVolumeSource, Volume
from swarmlet.model.storage import (
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeSpec,
    StorageClass,
    VolumeResources,
)
from tests.controllers.world import World, new_deployment, new_template

CLAIM = kinds.PERSISTENT_VOLUME_CLAIM
VOLUME = kinds.PERSISTENT_VOLUME


@asynccontextmanager
async def cluster(nodes: int = 3):
    async with World(nodes=nodes) as world:
        for name in world.agents:
            labels = {"kubernetes.io/hostname": name, NODE_ID_LABEL: f"id-{name}"}
            await world.change(kinds.NODE, name, lambda it, labels=labels: objects.with_metadata(it, labels=labels))
        yield world


def new_claim(name: str = "data", mode: str = storage.READ_WRITE_ONCE, size: str = "1Gi", **spec) -> object:
    resources = VolumeResources(requests={"storage": size})
    whole = PersistentVolumeClaimSpec(access_modes=(mode,), resources=resources, **spec)
    return defaults.fill(PersistentVolumeClaim(metadata=ObjectMeta(name=name, namespace="default"), spec=whole))


def new_volume(name: str, size: str = "1Gi", mode: str = storage.READ_WRITE_ONCE, **spec) -> object:
    whole = PersistentVolumeSpec(
        capacity={"storage": size}, access_modes=(mode,), **{"host_path": HostPathVolumeSource(path="/srv")} | spec
    )
    return defaults.fill(PersistentVolume(metadata=ObjectMeta(name=name), spec=whole))


def new_pod(name: str, claim: str = "data", **spec) -> Pod:
    source = PersistentVolumeClaimVolumeSource(claim_name=claim)
    template = new_template(name, volumes=(Volume(name="data", persistent_volume_claim=source),), **spec)
    return Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=template.spec)


def claim(world: World, name: str = "data") -> PersistentVolumeClaim:
    return world.stored(CLAIM, name).object


def volume(world: World, name: str) -> PersistentVolume:
    return world.stored(VOLUME, name).object


def all_volumes(world: World) -> list[PersistentVolume]:
    return [each.object for each in world.replica.view.list(VOLUME.resource)]


def pod(world: World, name: str) -> Pod:
    return world.stored(kinds.POD, name).object


def reason(world: World, name: str) -> str:
    told = conditions.get(pod(world, name).status.conditions, "PodScheduled")
    return told.message if told else ""


def of_claim(world: World) -> list[str]:
    found = [each.object for each in world.replica.view.list("events")]
    return [each.reason for each in found if each.involved_object.kind == "PersistentVolumeClaim"]


async def remove(world: World, kind: kinds.Kind, name: str) -> None:
    """Delete as the API does: what bears finalizers is marked."""
    await world.mark_deleted(kind, name)


async def free_folder(world: World, name: str) -> None:
    """Do what the agent of the volume's node does once it has removed the folder."""

    def freed(it: PersistentVolume) -> PersistentVolume:
        left = tuple(each for each in it.metadata.finalizers if each != storage.LOCAL_FOLDER)
        return objects.with_metadata(it, finalizers=left)

    await world.change(VOLUME, name, freed)


# The class `local`


async def test_the_local_class_is_there_is_the_default_and_comes_back() -> None:
    async with cluster() as world:
        made = world.stored(kinds.STORAGE_CLASS, "local").object
        assert volumes.is_default(made)
        assert (made.provisioner, made.volume_binding_mode, made.reclaim_policy, made.allow_volume_expansion) == (
            "swarmlet.io/local",
            "WaitForFirstConsumer",
            "Delete",
            True,
        )
        await world.delete(kinds.STORAGE_CLASS, "local")
        await world.pass_time(1)
        assert world.stored(kinds.STORAGE_CLASS, "local").object.metadata.uid != made.metadata.uid


async def test_a_claim_waits_for_its_first_pod_and_is_bound_on_the_pods_node() -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim())
        await world.pass_time(2)
        assert claim(world).status.phase == "Pending"
        assert claim(world).spec.storage_class_name == "local"
        assert of_claim(world) == ["WaitForFirstConsumer"]
        assert all_volumes(world) == []
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(2)
        [made] = all_volumes(world)
        bound, node = claim(world), pod(world, "db").spec.node_name
        assert made.metadata.name == bound.spec.volume_name == f"pvc-{bound.metadata.uid}"
        assert (bound.status.phase, bound.status.capacity, made.status.phase) == ("Bound", {"storage": "1Gi"}, "Bound")
        assert (volumes.node_name(made), volumes.node_id(made)) == (node, f"id-{node}")
        assert bound.metadata.annotations[storage.SELECTED_NODE] == node
        assert made.spec.persistent_volume_reclaim_policy == "Delete"
        assert made.spec.local.path == f"/var/lib/swarmlet/volumes/{made.metadata.name}"
        assert pod(world, "db").status.phase == "Running"
        assert {"WaitForFirstConsumer", "ProvisioningSucceeded"} <= set(of_claim(world))
        assert world.events("FailedScheduling") == []


async def test_the_pod_follows_its_volume_though_the_node_is_fuller() -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim())
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(1)
        home = pod(world, "db").spec.node_name
        await world.delete(kinds.POD, "db")
        for number in range(6):
            filler = new_template("filler", node_selector={"kubernetes.io/hostname": home})
            await world.create(
                kinds.POD, Pod(metadata=ObjectMeta(name=f"f{number}", namespace="default"), spec=filler.spec)
            )
        await world.pass_time(2)
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(2)
        assert pod(world, "db").spec.node_name == home
        assert len(all_volumes(world)) == 1


async def test_pods_that_share_a_new_claim_go_to_one_node() -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim())
        await world.replica.propose(
            [  # in one command, so that the scheduler meets them together
                operation for name in ("a", "b", "c") for operation in [_creation(world, new_pod(name))]
            ]
        )
        await world.pass_time(3)
        assert len({pod(world, name).spec.node_name for name in ("a", "b", "c")} - {""}) == 1
        assert len(all_volumes(world)) == 1
        assert {pod(world, name).status.phase for name in ("a", "b", "c")} == {"Running"}


def _creation(world: World, value: Pod):
    return drafts.creation(kinds.POD, objects.with_metadata(value, uid=names.new_uid(world.rng), generation=1))


async def test_a_pod_bound_by_hand_gets_its_volume_where_it_is() -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim())
        await world.create(kinds.POD, new_pod("db", node_name="n2"))
        await world.pass_time(2)
        assert volumes.node_name(volume(world, claim(world).spec.volume_name)) == "n2"


async def test_a_volume_made_halfway_is_taken_up_and_never_made_twice() -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim())
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(2)
        before = claim(world).spec.volume_name

        def forget(it: PersistentVolumeClaim) -> PersistentVolumeClaim:
            spec = msgspec.structs.replace(it.spec, volume_name="")
            return msgspec.structs.replace(objects.with_metadata(it, annotations={}), spec=spec)

        world.replica.lead(False)
        await world.change(CLAIM, "data", forget)
        await world.pass_time(1)
        world.replica.lead(True)
        await world.pass_time(2)
        assert claim(world).spec.volume_name == before
        assert claim(world).status.phase == "Bound"
        assert len(all_volumes(world)) == 1


# A node that is gone


async def test_a_pod_whose_volumes_node_died_waits_and_says_so_and_runs_again_when_it_returns() -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim())
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(2)
        home, name = pod(world, "db").spec.node_name, claim(world).spec.volume_name
        world.agents[home].alive = False
        await world.pass_time(8)
        await world.delete(kinds.POD, "db")
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(15)
        since = conditions.get(world.node(home).status.conditions, "Ready").last_transition_time
        assert pod(world, "db").spec.node_name == ""
        assert reason(world, "db").endswith(
            f" volume {name} lives on node {home}, which is down since {since:%Y-%m-%dT%H:%M:%SZ}; the Pod waits for it"
            "."
        )
        assert "2 node(s) didn't match PersistentVolume's node affinity" in reason(world, "db")
        assert [each.involved_object.name for each in world.events("VolumeNodeDown")] == ["data"]
        await world.agents[home].wake()
        await world.pass_time(15)
        assert (pod(world, "db").spec.node_name, pod(world, "db").status.phase) == (home, "Running")
        assert len(all_volumes(world)) == 1


async def test_a_machine_of_the_same_name_is_not_the_volumes_home() -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim())
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(2)
        home = pod(world, "db").spec.node_name
        await world.delete(kinds.POD, "db")
        labels = {"kubernetes.io/hostname": home, NODE_ID_LABEL: "id-of-another"}
        await world.change(kinds.NODE, home, lambda it: objects.with_metadata(it, labels=labels))
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(2)
        assert pod(world, "db").spec.node_name == ""
        assert f"lives on node {home}, which has left the cluster; the Pod waits for it." in reason(world, "db")


# Words


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"storage_class_name": ""}, "pod has unbound immediate PersistentVolumeClaims"),
        ({"storage_class_name": "absent"}, "pod has unbound immediate PersistentVolumeClaims"),
        ({"volume_name": "absent"}, "pod has unbound immediate PersistentVolumeClaims"),
    ],
)
async def test_a_pod_with_a_claim_that_gets_nothing_waits(spec: dict, told: str) -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim(**spec))
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(2)
        assert reason(world, "db") == f"0/3 nodes are available: {told}."


async def test_a_pod_without_its_claim_waits_and_goes_on_when_it_comes() -> None:
    async with cluster() as world:
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(1)
        assert reason(world, "db") == '0/3 nodes are available: persistentvolumeclaim "data" not found.'
        await world.create(CLAIM, new_claim())
        await world.pass_time(2)
        assert pod(world, "db").status.phase == "Running"


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        ({"storage_class_name": ""}, "FailedBinding", "no persistent volumes available for this claim"),
        ({"storage_class_name": "absent"}, "ProvisioningFailed", 'storageclass.storage.k8s.io "absent" not found'),
        ({"storage_class_name": "foreign"}, "ExternalProvisioning", "the external provisioner 'example.com/nfs'"),
        ({"volume_name": "absent"}, "FailedBinding", 'volume "absent" not found'),
    ],
)
async def test_a_claim_says_once_why_it_gets_nothing(spec: dict, reason: str, message: str) -> None:
    async with cluster() as world:
        foreign = StorageClass(metadata=ObjectMeta(name="foreign"), provisioner="example.com/nfs")
        await world.create(kinds.STORAGE_CLASS, defaults.fill(foreign))
        await world.create(CLAIM, new_claim(**spec))
        await world.pass_time(2)
        await world.create(CLAIM, new_claim("other"))
        await world.pass_time(2)
        [event] = world.events(reason)
        assert message in event.message
        assert event.count == 1


# Volumes made by hand


async def test_the_smallest_volume_that_fits_is_bound() -> None:
    async with cluster() as world:
        for name, size in (("small", "1Gi"), ("large", "5Gi"), ("fit", "3Gi")):
            await world.create(VOLUME, new_volume(name, size))
        await world.create(CLAIM, new_claim(size="2Gi", storage_class_name=""))
        await world.pass_time(2)
        assert claim(world).spec.volume_name == "fit"
        assert claim(world).status.capacity == {"storage": "3Gi"}
        assert {each.metadata.name: each.status.phase for each in all_volumes(world)} == {
            "small": "Available",
            "large": "Available",
            "fit": "Bound",
        }


@pytest.mark.parametrize(
    "unfit",
    [
        {"size": "1Mi"},
        {"mode": storage.READ_ONLY_MANY},
        {"storage_class_name": "other"},
        {"claim_ref": ObjectReference(namespace="default", name="somebody")},
    ],
)
async def test_a_volume_that_does_not_fit_is_left(unfit: dict) -> None:
    async with cluster() as world:
        await world.create(VOLUME, new_volume("v", **unfit))
        await world.create(CLAIM, new_claim(storage_class_name=""))
        await world.pass_time(2)
        assert claim(world).status.phase == "Pending"
        assert volume(world, "v").status.phase == "Available"


async def test_a_volume_kept_for_a_claim_is_its_and_a_selector_is_heeded() -> None:
    async with cluster() as world:
        kept = new_volume("kept", "9Gi", claim_ref=ObjectReference(namespace="default", name="data"))
        await world.create(VOLUME, new_volume("a"))
        await world.create(VOLUME, kept)
        labelled = objects.with_metadata(new_volume("b", "2Gi"), labels={"disk": "ssd"})
        await world.create(VOLUME, labelled)
        await world.create(CLAIM, new_claim(storage_class_name=""))
        selector = LabelSelector(match_labels={"disk": "ssd"})
        await world.create(CLAIM, new_claim("fast", storage_class_name="", selector=selector))
        await world.pass_time(2)
        assert (claim(world).spec.volume_name, claim(world, "fast").spec.volume_name) == ("kept", "b")
        assert volume(world, "kept").spec.claim_ref.uid == claim(world).metadata.uid


async def test_volumes_of_a_class_that_waits_are_chosen_with_the_node() -> None:
    async with cluster() as world:
        waiting = StorageClass(
            metadata=ObjectMeta(name="disks"),
            provisioner=storage.NO_PROVISIONER,
            volume_binding_mode=storage.WAIT_FOR_FIRST_CONSUMER,
        )
        await world.create(kinds.STORAGE_CLASS, defaults.fill(waiting))
        labels = world.node("n2").metadata.labels
        only = new_volume("v", storage_class_name="disks", node_affinity=volumes.on_node(labels))
        await world.create(VOLUME, only)
        for name in ("data", "more"):
            await world.create(CLAIM, new_claim(name, storage_class_name="disks"))
        await world.pass_time(1)
        assert claim(world).status.phase == "Pending"
        await world.create(kinds.POD, new_pod("a"))
        await world.create(kinds.POD, new_pod("b", "more"))
        await world.pass_time(2)
        assert (pod(world, "a").spec.node_name, claim(world).spec.volume_name) == ("n2", "v")
        told = "0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind."
        assert reason(world, "b") == told


async def test_two_pods_that_could_have_one_free_volume_do_not_both_get_it() -> None:
    async with cluster() as world:
        waiting = StorageClass(
            metadata=ObjectMeta(name="disks"),
            provisioner=storage.NO_PROVISIONER,
            volume_binding_mode=storage.WAIT_FOR_FIRST_CONSUMER,
        )
        await world.create(kinds.STORAGE_CLASS, defaults.fill(waiting))
        await world.create(VOLUME, new_volume("v", storage_class_name="disks"))
        for name in ("data", "more"):
            await world.create(CLAIM, new_claim(name, storage_class_name="disks"))
        await world.replica.propose([_creation(world, new_pod("a")), _creation(world, new_pod("b", "more"))])
        await world.pass_time(2)
        assert sorted(claim(world, name).status.phase for name in ("data", "more")) == ["Bound", "Pending"]
        assert sorted(bool(pod(world, name).spec.node_name) for name in ("a", "b")) == [False, True]
        assert world.events("ClaimMisbound") == []


# What becomes of it


async def test_a_claim_in_use_is_not_removed_before_its_pod() -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim())
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(2)
        await remove(world, CLAIM, "data")
        await world.pass_time(2)
        assert objects.is_terminating(claim(world))
        assert claim(world).status.phase == "Bound"
        await world.create(kinds.POD, new_pod("late"))
        await world.pass_time(2)
        assert reason(world, "late") == '0/3 nodes are available: persistentvolumeclaim "data" is being deleted.'
        await world.delete(kinds.POD, "db")
        await world.pass_time(2)
        assert world.replica.view.list(CLAIM.resource) == []


async def test_a_deleted_claims_volume_waits_for_its_folder_to_be_removed() -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim())
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(2)
        await world.delete(kinds.POD, "db")
        await remove(world, CLAIM, "data")
        await world.pass_time(2)
        [left] = all_volumes(world)
        assert (left.status.phase, left.metadata.finalizers) == ("Released", (storage.LOCAL_FOLDER,))
        assert objects.is_terminating(left)
        await free_folder(world, left.metadata.name)
        await world.pass_time(1)
        assert all_volumes(world) == []


@pytest.mark.parametrize("is_gone", [True, False])
async def test_a_folder_on_a_node_that_has_left_is_waited_for_by_nobody(*, is_gone: bool) -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim())
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(2)
        home = pod(world, "db").spec.node_name
        await world.delete(kinds.POD, "db")
        await remove(world, CLAIM, "data")
        await world.pass_time(2)
        assert len(all_volumes(world)) == 1
        if is_gone:
            await world.delete(kinds.NODE, home)
        else:  # or another machine has its name now
            labels = {NODE_ID_LABEL: "id-of-another"}
            await world.change(kinds.NODE, home, lambda it: objects.with_metadata(it, labels=labels))
        await world.pass_time(1)
        assert all_volumes(world) == []
        [event] = world.events("VolumeFolderLeft")
        assert home in event.message


async def test_a_retained_volume_is_released_and_kept_until_somebody_deletes_it() -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim())
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(2)
        name = claim(world).spec.volume_name

        def retain(it: PersistentVolume) -> PersistentVolume:
            spec = msgspec.structs.replace(it.spec, persistent_volume_reclaim_policy="Retain")
            return msgspec.structs.replace(it, spec=spec)

        await world.change(VOLUME, name, retain)
        await world.delete(kinds.POD, "db")
        await remove(world, CLAIM, "data")
        await world.pass_time(2)
        assert volume(world, name).status.phase == "Released"
        assert not objects.is_terminating(volume(world, name))
        await world.create(CLAIM, new_claim())
        await world.pass_time(2)
        assert claim(world).status.phase == "Pending"
        await remove(world, VOLUME, name)
        await world.pass_time(1)
        assert all_volumes(world) == []


async def test_a_volume_that_is_bound_is_not_removed_before_its_claim() -> None:
    async with cluster() as world:
        await world.create(VOLUME, new_volume("v"))
        await world.create(CLAIM, new_claim(storage_class_name=""))
        await world.pass_time(1)
        await remove(world, VOLUME, "v")
        await world.pass_time(1)
        assert objects.is_terminating(volume(world, "v"))
        await remove(world, CLAIM, "data")
        await world.pass_time(2)
        assert all_volumes(world) == []


async def test_a_claim_whose_volume_is_gone_is_lost() -> None:
    async with cluster() as world:
        await world.create(VOLUME, new_volume("v"))
        await world.create(CLAIM, new_claim(storage_class_name=""))
        await world.pass_time(1)
        await world.delete(VOLUME, "v")
        await world.pass_time(1)
        assert claim(world).status.phase == "Lost"
        assert len(world.events("ClaimLost")) == 1


async def test_nobody_deletes_what_was_made_by_hand() -> None:
    async with cluster() as world:
        await world.create(VOLUME, new_volume("v", persistent_volume_reclaim_policy="Delete"))
        await world.create(CLAIM, new_claim(storage_class_name=""))
        await world.pass_time(1)
        await remove(world, CLAIM, "data")
        await world.pass_time(2)
        assert volume(world, "v").status.phase == "Failed"
        assert len(world.events("VolumeFailedDelete")) == 1


async def test_a_bound_claim_grows_where_its_class_allows_it() -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim())
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(2)

        def grow(it: PersistentVolumeClaim) -> PersistentVolumeClaim:
            resources = VolumeResources(requests={"storage": "4Gi"})
            return msgspec.structs.replace(it, spec=msgspec.structs.replace(it.spec, resources=resources))

        await world.change(CLAIM, "data", grow)
        await world.pass_time(1)
        assert claim(world).status.capacity == {"storage": "4Gi"}
        assert volume(world, claim(world).spec.volume_name).spec.capacity == {"storage": "4Gi"}


# Access modes


async def test_a_claim_for_one_pod_is_mounted_by_one_which_is_a_strict_singleton() -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim(mode=storage.READ_WRITE_ONCE_POD))
        await world.create(kinds.POD, new_pod("first"))
        await world.pass_time(2)
        await world.create(kinds.POD, new_pod("second"))
        await world.pass_time(2)
        assert singletons.must_be_single(pod(world, "first"))
        assert reason(world, "second") == (
            "0/3 nodes are available: node has pod using PersistentVolumeClaim with the same name and "
            "ReadWriteOncePod access mode."
        )
        await world.delete(kinds.POD, "first")
        await world.pass_time(2)
        assert pod(world, "second").status.phase == "Running"


async def test_pods_of_a_once_mounted_volume_that_every_node_reaches_share_a_node_and_are_singletons() -> None:
    async with cluster() as world:
        await world.create(VOLUME, new_volume("v"))
        await world.create(CLAIM, new_claim(storage_class_name=""))
        await world.pass_time(1)
        for name in ("a", "b", "c"):
            await world.create(kinds.POD, new_pod(name))
        await world.pass_time(3)
        assert len({pod(world, name).spec.node_name for name in ("a", "b", "c")} - {""}) == 1
        assert all(singletons.must_be_single(pod(world, name)) for name in ("a", "b", "c"))


async def test_a_deployments_pod_of_a_once_mounted_volume_moves_only_when_its_end_is_certain() -> None:
    async with cluster() as world:
        for name in world.agents:
            fences = {singletons.FENCE_AFTER: "10"}
            await world.change(
                kinds.NODE, name, lambda it, fences=fences: objects.with_metadata(it, annotations=fences)
            )
        await world.create(VOLUME, new_volume("v", mode=storage.READ_WRITE_ONCE_POD))
        await world.create(CLAIM, new_claim(mode=storage.READ_WRITE_ONCE_POD, storage_class_name=""))
        source = PersistentVolumeClaimVolumeSource(claim_name="data")
        template = new_template("web", volumes=(Volume(name="data", persistent_volume_claim=source),))
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1, template=template))
        await world.pass_time(3)
        [first] = world.pods()
        bound: list[int] = []

        def count(_changes: object) -> None:
            bound.append(sum(bool(each.spec.node_name) for each in world.pods()))

        world.replica.view.subscribe(count)
        world.agents[first.spec.node_name].alive = False
        await world.pass_time(30)
        [second] = world.pods()
        assert second.metadata.uid != first.metadata.uid
        assert (second.status.phase, second.spec.node_name == first.spec.node_name) == ("Running", False)
        assert max(bound) == 1
        assert len(world.events("Fenced")) == 2  # of the Pod, and of its ReplicaSet


async def test_pods_of_a_local_volume_are_no_singletons_for_it() -> None:
    async with cluster() as world:
        await world.create(CLAIM, new_claim())
        await world.create(kinds.POD, new_pod("db"))
        await world.pass_time(2)
        assert not singletons.must_be_single(pod(world, "db"))


async def test_a_node_without_room_gets_no_new_volume_where_room_is_known() -> None:
    async with cluster() as world:
        await world.respec_nodes(**{"ephemeral-storage": "10Gi"})
        await world.create(CLAIM, new_claim(size="8Gi"))
        await world.create(CLAIM, new_claim("huge", size="11Gi"))
        await world.create(kinds.POD, new_pod("a"))
        await world.create(kinds.POD, new_pod("b", "huge"))
        await world.pass_time(2)
        assert pod(world, "a").status.phase == "Running"
        assert reason(world, "b") == "0/3 nodes are available: 3 node(s) did not have enough free storage."
