"""Garbage collection and namespaces, by what is left in the store."""

from __future__ import annotations

import pytest

from swarmlet.model import kinds, objects
from swarmlet.model.core import ConfigMap, Namespace, NamespaceSpec
from swarmlet.model.meta import ObjectMeta, OwnerReference
from swarmlet.model.pod import Pod
from tests.controllers.world import World, new_deployment, new_node, new_template


@pytest.fixture
async def world():
    async with World() as world:
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=3))
        await world.pass_time(5)
        yield world


def config_map(name: str, *owners: OwnerReference, namespace: str = "default") -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace, owner_references=owners))


def names(world: World, resource: str) -> list[str]:
    return [stored.key.name for stored in world.replica.view.list(resource)]


async def test_background_deletion_takes_dependents_along(world: World) -> None:
    await world.delete(kinds.DEPLOYMENT, "web")
    await world.pass_time(5)
    assert names(world, "replicasets.apps") == names(world, "pods") == []


async def test_pods_on_a_node_are_marked_and_left_to_their_agent(world: World) -> None:
    for agent in world.agents.values():
        agent.alive = False
    await world.delete(kinds.DEPLOYMENT, "web")
    await world.pass_time(1)
    assert len(world.pods()) == 3
    assert all(pod.metadata.deletion_grace_period_seconds == 30 for pod in world.pods())


async def test_foreground_deletion_keeps_the_owner_until_its_dependents_are_gone(world: World) -> None:
    agents = list(world.agents.values())
    for agent in agents:
        agent.alive = False
    await world.mark_deleted(kinds.DEPLOYMENT, "web", "foregroundDeletion")
    await world.pass_time(1)
    assert names(world, "deployments.apps") == ["web"]
    assert len(names(world, "replicasets.apps")) == 1
    for agent in agents:
        await agent.wake()
    await world.pass_time(3)
    assert names(world, "deployments.apps") == names(world, "replicasets.apps") == names(world, "pods") == []


async def test_orphaning_lets_the_dependents_live(world: World) -> None:
    await world.mark_deleted(kinds.DEPLOYMENT, "web", "orphan")
    await world.pass_time(3)
    assert names(world, "deployments.apps") == []
    (replica_set,) = world.replica_sets()
    assert replica_set.metadata.owner_references == ()
    assert len(world.serving()) == 3


async def test_a_dependent_stays_while_one_of_its_owners_is_there(world: World) -> None:
    await world.create(kinds.CONFIG_MAP, config_map("one"))
    await world.create(kinds.CONFIG_MAP, config_map("two"))
    owners = [objects.owner_reference(world.stored(kinds.CONFIG_MAP, name).object) for name in ("one", "two")]
    await world.create(kinds.CONFIG_MAP, config_map("child", *owners))
    await world.delete(kinds.CONFIG_MAP, "one")
    await world.pass_time(1)
    child = world.stored(kinds.CONFIG_MAP, "child").object
    assert [owner.name for owner in child.metadata.owner_references] == ["two"]
    await world.delete(kinds.CONFIG_MAP, "two")
    await world.pass_time(1)
    assert "child" not in names(world, "configmaps")


async def test_an_owner_of_the_same_name_and_another_uid_is_no_owner(world: World) -> None:
    await world.create(kinds.CONFIG_MAP, config_map("parent"))
    reference = OwnerReference(api_version="v1", kind="ConfigMap", name="parent", uid="of-an-earlier-life")
    await world.create(kinds.CONFIG_MAP, config_map("child", reference))
    await world.pass_time(1)
    assert names(world, "configmaps") == ["parent"]


async def test_owners_of_an_unknown_kind_are_taken_to_be_there(world: World) -> None:
    reference = OwnerReference(api_version="example.com/v1", kind="Gadget", name="x", uid="u")
    await world.create(kinds.CONFIG_MAP, config_map("child", reference))
    await world.pass_time(1)
    assert names(world, "configmaps") == ["child"]


async def test_somebody_elses_finalizer_holds_an_object(world: World) -> None:
    await world.mark_deleted(kinds.DEPLOYMENT, "web", "example.com/hold", "orphan")
    await world.pass_time(3)
    assert world.deployment("web").metadata.finalizers == ("example.com/hold",)
    await world.change(kinds.DEPLOYMENT, "web", lambda it: objects.with_metadata(it, finalizers=()))
    await world.pass_time(1)
    assert names(world, "deployments.apps") == []


async def test_pods_of_a_removed_node_go_and_are_replaced(world: World) -> None:
    world.agents["n1"].alive = False
    await world.delete(kinds.NODE, "n1")
    await world.pass_time(3)
    assert set(world.spread()) == {"n2", "n3"}
    assert len(world.serving()) == 3


async def test_a_pod_that_never_had_a_node_is_removed_when_marked(world: World) -> None:
    pod = Pod(
        metadata=ObjectMeta(name="picky", namespace="default"),
        spec=new_template("picky", node_selector={"disk": "ssd"}).spec,
    )
    await world.create(kinds.POD, pod)
    await world.pass_time(1)
    await world.mark_deleted(kinds.POD, "picky")
    await world.pass_time(1)
    assert "picky" not in names(world, "pods")


async def test_a_deleted_namespace_is_emptied_and_then_goes(world: World) -> None:
    namespace = Namespace(metadata=ObjectMeta(name="shop"), spec=NamespaceSpec(finalizers=("kubernetes",)))
    await world.create(kinds.NAMESPACE, namespace)
    for number in range(3):
        await world.create(kinds.CONFIG_MAP, config_map(f"c{number}", namespace="shop"))
    await world.mark_deleted(kinds.NAMESPACE, "shop")
    await world.pass_time(2)
    assert "shop" not in names(world, "namespaces")
    assert names(world, "configmaps") == []
    assert len(world.serving()) == 3


async def test_the_namespaces_that_always_are_come_back(world: World) -> None:
    await world.delete(kinds.NAMESPACE, "kube-public")
    await world.pass_time(1)
    assert names(world, "namespaces") == ["default", "kube-node-lease", "kube-public", "kube-system"]


async def test_events_are_forgotten_after_an_hour(world: World) -> None:
    assert names(world, "events")
    await world.pass_time(3700)
    assert names(world, "events") == []


async def test_repeated_events_are_counted_and_similar_ones_combined(world: World) -> None:
    await world.respec("web", replicas=40)
    await world.pass_time(3)
    created = world.events("SuccessfulCreate")
    assert len(created) == 11
    assert sum(event.count for event in created) == 40
    assert created[-1].message.startswith(("Created pod:", "(combined from similar events): "))


async def test_a_node_that_joins_is_of_use_at_once(world: World) -> None:
    await world.respec("web", template=new_template("web", node_selector={"disk": "ssd"}))
    await world.pass_time(3)
    world.agents["n4"] = world._agent("n4")
    node = objects.with_metadata(new_node("n4"), labels={"disk": "ssd"})
    await world.create(kinds.NODE, node)
    world._tasks.append(world.group.create_task(world.agents["n4"].run()))
    await world.pass_time(10)
    assert world.spread() == {"n4": 3}
