"""Quotas and limits where the controllers make the objects, and the counting of what is used."""

from __future__ import annotations

import msgspec
import pytest

from swarmlet.errors import ForbiddenError
from swarmlet.model import conditions, kinds, objects
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.core import ConfigMap
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.quotas import LimitRange, LimitRangeItem, LimitRangeSpec, ResourceQuota, ResourceQuotaSpec
from swarmlet.store import allowance
from tests.controllers.test_statefulset_claims import template as claim_template
from tests.controllers.test_statefulsets import new_stateful_set
from tests.controllers.world import World, new_deployment, new_template


@pytest.fixture
async def world():
    async with World() as world:
        yield world


async def limit(world: World, name: str = "q", **hard: str) -> None:
    hard = {each.replace("__", "."): amount for each, amount in hard.items()}
    metadata = ObjectMeta(name=name, namespace="default")
    await world.create(kinds.RESOURCE_QUOTA, ResourceQuota(metadata=metadata, spec=ResourceQuotaSpec(hard=hard)))
    await world.pass_time(0.1)


def used(world: World, name: str = "q") -> dict[str, str]:
    return world.stored(kinds.RESOURCE_QUOTA, name).object.status.used


def failure(world: World):
    (replica_set,) = world.replica_sets()
    return conditions.get(replica_set.status.conditions, "ReplicaFailure")


async def test_a_new_quota_counts_what_is_there(world: World) -> None:
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=3))
    await world.pass_time(1)
    await limit(world, pods="5", configmaps="2")
    assert used(world) == {"pods": "3", "configmaps": "0"}
    assert world.stored(kinds.RESOURCE_QUOTA, "q").object.status.hard == {"pods": "5", "configmaps": "2"}


async def test_a_replica_set_makes_what_the_quota_allows_and_tells_of_the_rest(world: World) -> None:
    await limit(world, pods="2")
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=5))
    await world.pass_time(3)
    assert len(world.pods()) == 2
    assert used(world) == {"pods": "2"}
    told = failure(world)
    assert (told.status, told.reason) == ("True", "FailedCreate")
    assert told.message.endswith("is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2")
    (event,) = world.events("FailedCreate")
    assert event.message.startswith("Error creating: pods ")
    assert event.count == 1
    assert world.condition("web", "ReplicaFailure").status == "True"
    (replica_set,) = world.replica_sets()
    assert replica_set.status.replicas == 2


async def test_more_room_is_used_at_once(world: World) -> None:
    await limit(world, pods="2")
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=5))
    await world.pass_time(30)

    def widen(quota: ResourceQuota) -> ResourceQuota:
        return msgspec.structs.replace(quota, spec=ResourceQuotaSpec(hard={"pods": "9"}))

    await world.change(kinds.RESOURCE_QUOTA, "q", widen)
    await world.pass_time(0.5)
    assert len(world.pods()) == 5
    assert failure(world) is None
    assert used(world) == {"pods": "5"}


async def test_a_pod_that_goes_makes_room_for_another(world: World) -> None:
    await limit(world, pods="3")
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=3))
    await world.create(kinds.DEPLOYMENT, new_deployment("late", replicas=1))
    await world.pass_time(20)
    assert len(world.pods(app="late")) == 0
    await world.respec("web", replicas=2)
    await world.pass_time(2)
    assert len(world.pods(app="late")) == 1
    assert used(world) == {"pods": "3"}


async def test_waiting_for_room_costs_few_attempts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[str] = []
    monkeypatch.setattr(allowance, "_forbidden", lambda *told: attempts.append(told[2]) or ForbiddenError(told[2]))
    await limit(world, pods="0")
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=2))
    await world.pass_time(60)
    assert 4 <= len(attempts) <= 10


async def test_who_loses_the_last_place_to_another_writer_makes_nothing(world: World) -> None:
    await limit(world, pods="2")
    real = world.replica.propose

    async def slow(operations, **options):
        if any(each.key.resource == "pods" for each in operations):
            world.replica.propose = real
            await world.change(kinds.RESOURCE_QUOTA, "q", lambda it: told_used(it, pods="2"))
        return await real(operations, **options)

    world.replica.propose = slow
    revision = world.replica.view.revision
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=2))
    await world.pass_time(0.1)
    assert world.replica.propose is real, "nobody raced"
    taken = [each for each in world.replica.view.changes_since("pods", revision) if each.old is None]
    charged = list(world.replica.view.changes_since("resourcequotas", revision))
    assert not taken or taken[0].revision > charged[1].revision, "a Pod was made though its quota was not charged"


def told_used(quota: ResourceQuota, **used: str) -> ResourceQuota:
    return msgspec.structs.replace(quota, status=msgspec.structs.replace(quota.status, used=used))


async def test_what_a_limit_range_says_reaches_pods_of_controllers(world: World) -> None:
    item = LimitRangeItem(type="Container", default={"cpu": "1"}, default_request={"cpu": "500m"})
    metadata = ObjectMeta(name="l", namespace="default")
    await world.create(kinds.LIMIT_RANGE, LimitRange(metadata=metadata, spec=LimitRangeSpec(limits=(item,))))
    await limit(world, requests__cpu="1")
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=3))
    await world.pass_time(3)
    assert [pod.spec.containers[0].resources.requests for pod in world.pods()] == [{"cpu": "500m"}] * 2
    assert {pod.status.qos_class for pod in world.pods()} == {"Burstable"}
    assert used(world) == {"requests.cpu": "1"}


async def test_a_controllers_pod_asks_for_what_it_is_limited_to(world: World) -> None:
    limited = Container(name="main", image="web:1", resources=ResourceRequirements(limits={"cpu": "2"}))
    template = new_template("web")
    template = msgspec.structs.replace(template, spec=msgspec.structs.replace(template.spec, containers=(limited,)))
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1, template=template))
    await world.pass_time(1)
    assert world.pods()[0].spec.containers[0].resources.requests == {"cpu": "2"}


async def test_a_deployment_that_may_not_have_another_replica_set_says_so(world: World) -> None:
    await limit(world, **{"count/replicasets.apps": "0"})
    await world.create(kinds.DEPLOYMENT, new_deployment())
    await world.pass_time(3)
    assert world.replica_sets() == []
    assert "exceeded quota: q, requested: count/replicasets.apps=1" in world.events("FailedCreate")[0].message


async def test_two_sets_of_one_namespace_share_its_quota_exactly(world: World) -> None:
    await limit(world, pods="7")
    for name in ("a", "b", "c"):
        await world.create(kinds.DEPLOYMENT, new_deployment(name, replicas=4))
    await world.pass_time(10)
    assert len(world.pods()) == 7
    assert used(world) == {"pods": "7"}


async def test_a_pod_that_ended_frees_what_it_used_and_stays_an_object(world: World) -> None:
    await limit(world, **{"pods": "5", "count/pods": "5"})
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1))
    await world.pass_time(2)
    (pod,) = world.pods()
    await world.change(
        kinds.POD,
        pod.metadata.name,
        lambda it: msgspec.structs.replace(it, status=msgspec.structs.replace(it.status, phase="Failed")),
    )
    await world.pass_time(2)
    assert used(world) == {"pods": "1", "count/pods": "2"}


async def test_objects_that_come_and_go_are_counted_exactly(world: World) -> None:
    await limit(world, configmaps="9")
    for name in ("a", "b"):
        await world.create(kinds.CONFIG_MAP, ConfigMap(metadata=ObjectMeta(name=name, namespace="default")))
    await world.pass_time(0.5)
    assert used(world) == {"configmaps": "2"}
    await world.delete(kinds.CONFIG_MAP, "a")
    await world.pass_time(0.5)
    assert used(world) == {"configmaps": "1"}


async def test_a_pod_of_a_lost_node_stops_counting_when_its_grace_is_over(world: World) -> None:
    await limit(world, pods="1")
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1))
    await world.pass_time(2)
    (pod,) = world.pods()
    world.agents[pod.spec.node_name].alive = False
    await world.mark_deleted(kinds.POD, pod.metadata.name)
    await world.pass_time(5)
    assert sum(map(objects.is_terminating, world.pods())) == 1
    assert len(world.serving()) == 1


async def test_a_namespace_without_quotas_pays_nothing(world: World) -> None:
    await limit(world, pods="5")
    before = world.replica.view.revision
    metadata = ObjectMeta(name="a", namespace="kube-public")
    await world.create(kinds.CONFIG_MAP, ConfigMap(metadata=metadata))
    await world.pass_time(1)
    assert world.replica.view.revision == before + 1


async def test_a_stateful_set_makes_more_than_a_command_takes_in_several_steps(world: World) -> None:
    await world.respec_nodes(pods="1000")
    await limit(world, pods="600", persistentvolumeclaims="2000")
    templates = (claim_template("data"), claim_template("log"))
    stateful_set = new_stateful_set(replicas=400, pod_management_policy="Parallel", volume_claim_templates=templates)
    await world.create(kinds.STATEFUL_SET, stateful_set)
    await world.pass_time(10)
    assert used(world) == {"pods": "400", "persistentvolumeclaims": "800"}


async def test_who_has_more_to_make_and_no_room_does_not_try_all_the_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[str] = []
    monkeypatch.setattr(allowance, "_forbidden", lambda *told: attempts.append(told[2]) or ForbiddenError(told[2]))
    await limit(world, pods="0")
    await world.create(kinds.STATEFUL_SET, new_stateful_set(replicas=600, pod_management_policy="Parallel"))
    await world.pass_time(60)
    assert 4 <= len(attempts) <= 10


async def test_a_status_that_somebody_has_spoilt_stops_nobody(world: World) -> None:
    await limit(world, pods="0")
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1))
    await world.pass_time(1)
    await world.change(kinds.RESOURCE_QUOTA, "q", lambda it: told_used(it, pods="banana"))
    await world.pass_time(2)
    assert used(world) == {"pods": "0"}


async def test_a_deadline_that_is_set_later_moves_a_pod_into_its_quota(world: World) -> None:
    spec = ResourceQuotaSpec(hard={"pods": "5"}, scopes=("Terminating",))
    await world.create(
        kinds.RESOURCE_QUOTA, ResourceQuota(metadata=ObjectMeta(name="q", namespace="default"), spec=spec)
    )
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1))
    await world.pass_time(2)
    assert used(world) == {"pods": "0"}
    (pod,) = world.pods()
    ending = msgspec.structs.replace(pod.spec, active_deadline_seconds=600)
    await world.change(kinds.POD, pod.metadata.name, lambda it: msgspec.structs.replace(it, spec=ending))
    await world.pass_time(1)
    assert used(world) == {"pods": "1"}
