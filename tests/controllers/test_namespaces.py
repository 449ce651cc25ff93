"""The end of a Namespace with everything in it: the order, what holds it, and what is told meanwhile."""

from __future__ import annotations

import msgspec
import pytest

from swarmlet.controllers.namespaces import namespaces
from swarmlet.model import kinds, objects
from swarmlet.model.core import ConfigMap, Namespace, NamespaceSpec, Secret
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.quotas import LimitRange, ResourceQuota, ResourceQuotaSpec
from swarmlet.store.commands import Delete
from tests.controllers.world import World, new_deployment

HOLD = "example.com/hold"


@pytest.fixture
async def world():
    async with World() as world:
        await world.create(
            kinds.NAMESPACE, Namespace(metadata=ObjectMeta(name="shop"), spec=NamespaceSpec(finalizers=("kubernetes",)))
        )
        yield world


def named(name: str, *finalizers: str) -> ObjectMeta:
    return ObjectMeta(name=name, namespace="shop", finalizers=finalizers)


async def fill(world: World) -> None:
    web = objects.with_metadata(new_deployment(replicas=3), namespace="shop")
    await world.create(kinds.DEPLOYMENT, web)
    await world.create(kinds.CONFIG_MAP, ConfigMap(metadata=named("c")))
    await world.create(kinds.SECRET, Secret(metadata=named("s")))
    await world.create(kinds.LIMIT_RANGE, LimitRange(metadata=named("l")))
    await world.create(
        kinds.RESOURCE_QUOTA, ResourceQuota(metadata=named("q"), spec=ResourceQuotaSpec(hard={"pods": "5"}))
    )
    await world.pass_time(3)
    assert len(world.pods()) == 3


def left(world: World) -> list[str]:
    return [
        f"{kind.plural}/{each.key.name}"
        for kind in kinds.SERVED
        if kind.namespaced
        for each in world.replica.view.list(kind.resource, "shop")
    ]


def told(world: World) -> dict[str, tuple[str, str, str]]:
    namespace = world.stored(kinds.NAMESPACE, "shop").object
    return {each.type: (each.status, each.reason, each.message) for each in namespace.status.conditions}


async def test_a_full_namespace_goes_with_everything_in_it(world: World) -> None:
    await fill(world)
    await world.mark_deleted(kinds.NAMESPACE, "shop")
    await world.pass_time(3)
    assert left(world) == []
    assert world.replica.view.get(world._key(kinds.NAMESPACE, "shop", "")) is None


async def test_what_pods_lean_on_outlives_them(world: World) -> None:
    await fill(world)
    before = len(world.replica.commands)
    await world.mark_deleted(kinds.NAMESPACE, "shop")
    await world.pass_time(3)
    gone = [
        each.key.resource for command in world.replica.commands[before:] for each in command if isinstance(each, Delete)
    ]
    last_pod = max(place for place, resource in enumerate(gone) if resource == "pods")
    assert {"configmaps", "secrets", "deployments.apps", "resourcequotas"} <= set(gone[last_pod:])
    assert "configmaps" not in gone[:last_pod]


async def test_a_finalizer_holds_the_namespace_and_is_named(world: World) -> None:
    await world.create(kinds.CONFIG_MAP, ConfigMap(metadata=named("held", HOLD)))
    await world.create(kinds.CONFIG_MAP, ConfigMap(metadata=named("free")))
    await world.mark_deleted(kinds.NAMESPACE, "shop")
    await world.pass_time(3)
    assert left(world) == ["configmaps/held"]
    assert world.stored(kinds.NAMESPACE, "shop").object.status.phase == "Terminating"
    assert told(world) == {
        "NamespaceDeletionDiscoveryFailure": ("False", "ResourcesDiscovered", "All resources successfully discovered"),
        "NamespaceDeletionGroupVersionParsingFailure": (
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        "NamespaceDeletionContentFailure": (
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        "NamespaceContentRemaining": (
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: configmaps. has 1 resource instances",
        ),
        "NamespaceFinalizersRemaining": (
            "True",
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
        ),
    }


async def test_the_namespace_goes_when_the_last_finalizer_does(world: World) -> None:
    await world.create(kinds.CONFIG_MAP, ConfigMap(metadata=named("held", HOLD, "example.com/other")))
    await world.mark_deleted(kinds.NAMESPACE, "shop")
    await world.pass_time(1)
    await world.change(
        kinds.CONFIG_MAP, "held", lambda it: objects.with_metadata(it, finalizers=(HOLD,)), namespace="shop"
    )
    await world.pass_time(1)
    assert "example.com/other" not in told(world)["NamespaceFinalizersRemaining"][2]
    await world.delete(kinds.CONFIG_MAP, "held", "shop")
    await world.pass_time(1)
    assert world.replica.view.get(world._key(kinds.NAMESPACE, "shop", "")) is None


async def test_a_finalizer_of_its_spec_that_is_another_ones_holds_it_when_it_is_empty(world: World) -> None:
    def held(namespace: Namespace) -> Namespace:
        return msgspec.structs.replace(namespace, spec=NamespaceSpec(finalizers=("kubernetes", HOLD)))

    await world.change(kinds.NAMESPACE, "shop", held)
    await world.mark_deleted(kinds.NAMESPACE, "shop")
    await world.pass_time(2)
    assert world.stored(kinds.NAMESPACE, "shop").object.spec.finalizers == (HOLD,)
    assert told(world)["NamespaceContentRemaining"][:2] == ("False", "ContentRemoved")


async def test_many_objects_that_are_held_do_not_keep_the_rest_from_going(world: World, monkeypatch) -> None:
    monkeypatch.setattr(namespaces, "REMOVALS_PER_STEP", 2)
    for number in range(4):
        await world.create(kinds.CONFIG_MAP, ConfigMap(metadata=named(f"held{number}", HOLD)))
    await world.create(kinds.SECRET, Secret(metadata=named("free")))
    await world.mark_deleted(kinds.NAMESPACE, "shop")
    await world.pass_time(2)
    assert left(world) == [f"configmaps/held{number}" for number in range(4)]
    assert all(objects.is_terminating(each.object) for each in world.replica.view.list("configmaps", "shop"))
