"""The claims of StatefulSets: made for each ordinal, kept for it, and gone as the retention policy says."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager

import pytest

from swarmlet.controllers.sets.statefulset import StatefulSets
from swarmlet.model import kinds, objects, singletons
from swarmlet.model.apps_sets import ClaimRetentionPolicy
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod_volumes import EmptyDirVolumeSource, Volume
from swarmlet.model.storage import PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResources
from tests.controllers.test_statefulsets import deploy, names, respec
from tests.controllers.world import World, new_template

CLAIM = kinds.PERSISTENT_VOLUME_CLAIM
VOLUME = kinds.PERSISTENT_VOLUME


@asynccontextmanager
async def cluster():
    async with World() as world:
        for name in world.agents:
            labels = {"kubernetes.io/hostname": name, NODE_ID_LABEL: f"id-{name}"}
            await world.change(kinds.NODE, name, lambda it, labels=labels: objects.with_metadata(it, labels=labels))
        yield world


def template(name: str = "data") -> PersistentVolumeClaim:
    spec = PersistentVolumeClaimSpec(
        access_modes=("ReadWriteOnce",), resources=VolumeResources(requests={"storage": "1Gi"})
    )
    return PersistentVolumeClaim(metadata=ObjectMeta(name=name, labels={"kind": "data"}), spec=spec)


def policy(when_deleted: str = "Retain", when_scaled: str = "Retain") -> ClaimRetentionPolicy:
    return ClaimRetentionPolicy(when_deleted=when_deleted, when_scaled=when_scaled)


def claim_names(world: World) -> list[str]:
    return [stored.key.name for stored in world.replica.view.list(CLAIM.resource)]


def owner_kinds(world: World) -> dict[str, list[str]]:
    return {
        stored.key.name: [owner.kind for owner in stored.object.metadata.owner_references]
        for stored in world.replica.view.list(CLAIM.resource)
    }


def homes(world: World) -> dict[str, str]:
    return {pod.metadata.name: pod.spec.node_name for pod in world.pods()}


async def test_each_pod_gets_a_claim_of_each_template_and_mounts_it() -> None:
    async with cluster() as world:
        pods = new_template("db", volumes=(Volume(name="data", empty_dir=EmptyDirVolumeSource()), Volume(name="own")))
        await deploy(world, volume_claim_templates=(template(), template("log")), template=pods)
        assert claim_names(world) == [f"{name}-db-{ordinal}" for name in ("data", "log") for ordinal in range(3)]
        [pod] = [each for each in world.pods() if each.metadata.name == "db-1"]
        mounted = {each.name: each.persistent_volume_claim for each in pod.spec.volumes}
        assert [mounted[name].claim_name for name in ("data", "log")] == ["data-db-1", "log-db-1"]
        assert list(mounted) == ["data", "log", "own"]
        claim = world.stored(CLAIM, "data-db-1").object
        assert claim.metadata.labels == {"kind": "data", "app": "db"}
        assert claim.metadata.finalizers == ("kubernetes.io/pvc-protection",)
        assert len(world.replica.view.list(VOLUME.resource)) == 6
        told = {each.message for each in world.events("SuccessfulCreate")}
        assert "create Claim data-db-0 Pod db-0 in StatefulSet db success" in told


async def test_a_pod_comes_back_to_its_volume() -> None:
    async with cluster() as world:
        await deploy(world, volume_claim_templates=(template(),))
        before = homes(world)
        assert set(before.values()) == {"n1", "n2", "n3"}
        for name in before:
            await world.mark_deleted(kinds.POD, name)
        await world.pass_time(10)
        assert homes(world) == before
        assert len(world.replica.view.list(VOLUME.resource)) == 3


async def test_scaling_down_keeps_claims_and_scaling_up_takes_them_again() -> None:
    async with cluster() as world:
        await deploy(world, volume_claim_templates=(template(),))
        before = homes(world)
        await respec(world, replicas=1)
        await world.pass_time(8)
        assert names(world) == ["db-0"]
        assert len(claim_names(world)) == 3
        await respec(world, replicas=3)
        await world.pass_time(8)
        assert homes(world) == before


@pytest.mark.parametrize("ordered", ["OrderedReady", "Parallel"])
async def test_scaling_down_takes_claims_along_where_the_policy_says_so(ordered: str) -> None:
    async with cluster() as world:
        await deploy(
            world,
            volume_claim_templates=(template(),),
            pod_management_policy=ordered,
            persistent_volume_claim_retention_policy=policy(when_scaled="Delete"),
        )
        assert set(map(tuple, owner_kinds(world).values())) == {()}
        await respec(world, replicas=1)
        await world.pass_time(10)
        assert claim_names(world) == ["data-db-0"]
        assert names(world) == ["db-0"]


async def test_no_pod_is_scaled_away_before_its_claims_are_bound_to_go_with_it() -> None:
    async with cluster() as world:
        await deploy(
            world,
            volume_claim_templates=(template(),),
            pod_management_policy="Parallel",
            persistent_volume_claim_retention_policy=policy(when_scaled="Delete"),
        )
        world.replica.lead(False)
        await world.pass_time(0.1)
        await respec(world, replicas=1)
        key = world.stored(kinds.STATEFUL_SET, "db").key
        step = StatefulSets(random.Random(1)).reconcile(world.replica.view, key, world.clock.now())
        touched = {operation.key.resource for operation in step.operations}
        assert CLAIM.resource in touched
        assert kinds.POD.resource not in touched
        assert step.requeue_after_seconds == 0.0


async def test_deleting_takes_claims_along_only_where_the_policy_says_so() -> None:
    for when, left in (("Retain", 3), ("Delete", 0)):
        async with cluster() as world:
            await deploy(
                world,
                volume_claim_templates=(template(),),
                persistent_volume_claim_retention_policy=policy(when_deleted=when),
            )
            await world.delete(kinds.STATEFUL_SET, "db")
            await world.pass_time(8)
            assert (world.pods(), len(claim_names(world))) == ([], left)


async def test_a_policy_that_changes_changes_who_owns_the_claims() -> None:
    async with cluster() as world:
        await deploy(world, volume_claim_templates=(template(),), replicas=1)
        for when, owners in (("Delete", ["StatefulSet"]), ("Retain", [])):
            await respec(world, persistent_volume_claim_retention_policy=policy(when_deleted=when))
            await world.pass_time(1)
            assert owner_kinds(world) == {"data-db-0": owners}


async def test_a_claim_that_is_about_to_go_holds_its_pod_up() -> None:
    async with cluster() as world:
        await deploy(world, volume_claim_templates=(template(),), replicas=1)
        await world.mark_deleted(CLAIM, "data-db-0")
        first = world.stored(CLAIM, "data-db-0").object.metadata.uid
        await world.pass_time(1)
        await world.mark_deleted(kinds.POD, "db-0")
        await world.pass_time(8)
        assert world.stored(CLAIM, "data-db-0").object.metadata.uid != first
        assert [pod.status.phase for pod in world.pods()] == ["Running"]


@pytest.mark.parametrize("begins_anew", [False, True])
async def test_a_pod_of_a_lost_node_waits_for_its_volume_or_begins_anew_without_it(*, begins_anew: bool) -> None:
    async with cluster() as world:
        await deploy(world, volume_claim_templates=(template(),))
        home = homes(world)["db-1"]
        fences = {singletons.FENCE_AFTER: "10"}
        await world.change(kinds.NODE, home, lambda it: objects.with_metadata(it, annotations=fences))
        world.agents[home].alive = False
        await world.pass_time(60)
        [waiting] = [pod for pod in world.pods() if pod.metadata.name == "db-1"]
        told = next(each for each in waiting.status.conditions if each.type == "PodScheduled")
        volume = world.stored(CLAIM, "data-db-1").object.spec.volume_name
        assert waiting.spec.node_name == ""
        assert f"volume {volume} lives on node {home}, which is down since " in told.message
        if begins_anew:
            await world.mark_deleted(CLAIM, "data-db-1")
            await world.pass_time(10)
            assert homes(world)["db-1"] not in ("", home)
            assert world.stored(CLAIM, "data-db-1").object.spec.volume_name != volume
            return
        await world.agents[home].wake()
        await world.pass_time(10)
        assert homes(world)["db-1"] == home
        assert len(world.replica.view.list(VOLUME.resource)) == 3


async def test_whoever_leads_makes_no_claim_and_no_volume_twice() -> None:
    async with cluster() as world:
        await deploy(world, seconds=0.0, volume_claim_templates=(template(),), pod_management_policy="Parallel")
        for _ in range(200):
            world.replica.lead(False)
            world.replica.lead(True)
            await world.pass_time(0.01)
        await world.pass_time(5)
        assert len(claim_names(world)) == len(world.replica.view.list(VOLUME.resource)) == 3
        assert {pod.status.phase for pod in world.pods()} == {"Running"}
