"""PodDisruptionBudgets: their status on the real reconcilers, with hollow agents, in virtual time."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from swarmlet.controllers.disruption import Disruptions
from swarmlet.controllers.work.drafts import creation, update
from swarmlet.model import conditions, kinds, objects
from swarmlet.model.container import Container
from swarmlet.model.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.policy import (
    BudgetCondition,
    PodDisruptionBudget,
    PodDisruptionBudgetSpec,
    PodDisruptionBudgetStatus,
)
from swarmlet.store.commands import Command, Delete
from swarmlet.store.replica import Change
from tests.controllers.test_statefulsets import new_stateful_set
from tests.controllers.world import BAD_IMAGE, World, new_deployment

BUDGET = kinds.POD_DISRUPTION_BUDGET
WEB = LabelSelector(match_labels={"app": "web"})


@pytest.fixture
async def world():
    async with World() as world:
        yield world


def new_budget(name: str = "web", selector: LabelSelector | None = WEB, **spec: object) -> PodDisruptionBudget:
    return PodDisruptionBudget(
        metadata=ObjectMeta(name=name, namespace="default"), spec=PodDisruptionBudgetSpec(selector=selector, **spec)
    )


def new_pod(name: str, **labels: str) -> Pod:
    metadata = ObjectMeta(name=name, namespace="default", labels=labels)
    return Pod(metadata=metadata, spec=PodSpec(containers=(Container(name="main", image="web:1"),)))


async def guard(world: World, replicas: int = 4, **spec: object) -> None:
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=replicas))
    await world.create(BUDGET, new_budget(**spec))
    await world.pass_time(5)


def status(world: World, name: str = "web") -> PodDisruptionBudgetStatus:
    return world.stored(BUDGET, name).object.status


def counts(world: World) -> tuple[int, int, int, int]:
    """Return expected, desired, healthy, allowed."""
    told = status(world)
    return told.expected_pods, told.desired_healthy, told.current_healthy, told.disruptions_allowed


def told(world: World) -> BudgetCondition:
    return conditions.get(status(world).conditions, "DisruptionAllowed")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"min_available": 3}, (4, 3, 4, 1)),
        ({"min_available": 4}, (4, 4, 4, 0)),
        ({"min_available": 9}, (4, 9, 4, 0)),
        ({"min_available": "60%"}, (4, 3, 4, 1)),
        ({"max_unavailable": 1}, (4, 3, 4, 1)),
        ({"max_unavailable": "30%"}, (4, 2, 4, 2)),
        ({"max_unavailable": 7}, (4, 0, 4, 4)),
        ({"max_unavailable": 0}, (4, 4, 4, 0)),
        ({}, (0, 0, 4, 0)),
    ],
)
async def test_the_counts_are_kubernetes(world: World, spec: dict, expected: tuple[int, int, int, int]) -> None:
    await guard(world, **spec)
    assert counts(world) == expected
    reason = "SufficientPods" if expected[-1] else "InsufficientPods"
    assert (told(world).reason, told(world).status) == (reason, "True" if expected[-1] else "False")
    assert status(world).observed_generation == 1


async def test_a_pod_that_is_missing_counts_as_disrupted(world: World) -> None:
    """What is asked for comes from the Deployment, so a share of it does not shrink as Pods go."""
    await guard(world, replicas=4, max_unavailable=1)
    await world.respec_nodes(pods="0")
    for pod in world.pods(app="web")[:2]:
        await world.delete(kinds.POD, pod.metadata.name)
    await world.pass_time(5)
    assert counts(world) == (4, 3, 2, 0)


async def test_a_scale_is_counted_before_its_pods_are_there(world: World) -> None:
    await guard(world, replicas=4, max_unavailable=0)
    await world.respec_nodes(pods="0")
    await world.respec("web", replicas=8)
    await world.pass_time(2)
    assert counts(world) == (8, 8, 4, 0)


async def test_pods_of_a_rollout_count_for_one_deployment(world: World) -> None:
    await guard(world, replicas=4, max_unavailable="50%")
    await world.respec("web", template=new_deployment(image=BAD_IMAGE).spec.template)
    await world.pass_time(5)
    assert len(world.replica_sets()) == 2
    assert counts(world)[:2] == (4, 2)


async def test_a_stateful_sets_scale_counts(world: World) -> None:
    await world.create(kinds.STATEFUL_SET, new_stateful_set(replicas=3))
    await world.create(BUDGET, new_budget(selector=LabelSelector(match_labels={"app": "db"}), max_unavailable=1))
    await world.pass_time(8)
    assert counts(world) == (3, 2, 3, 1)


async def test_the_status_follows_pods_and_spec(world: World) -> None:
    await guard(world, replicas=4, min_available=3)
    await world.delete(kinds.POD, world.pods(app="web")[0].metadata.name)
    await world.pass_time(0.05)
    assert counts(world)[2:] == (3, 0)
    await world.pass_time(5)
    assert counts(world)[2:] == (4, 1)
    await world.change(
        BUDGET,
        "web",
        lambda it: msgspec.structs.replace(it, spec=msgspec.structs.replace(it.spec, min_available=2)),
    )
    await world.pass_time(1)
    assert (counts(world)[3], status(world).observed_generation, told(world).observed_generation) == (2, 2, 2)


async def test_a_pod_that_is_going_is_not_healthy(world: World) -> None:
    await guard(world, replicas=4, min_available=2)
    pod = world.pods(app="web")[0]
    await world.mark_deleted(kinds.POD, pod.metadata.name, "example.com/held")
    await world.pass_time(5)
    assert counts(world)[2] == 4, "its replacement is healthy; it itself counts no more"


@pytest.mark.parametrize(
    ("selector", "covered"),
    [
        (None, 0),
        (LabelSelector(), 5),
        (LabelSelector(match_expressions=(LabelSelectorRequirement(key="app", operator="NotIn", values=("web",)),)), 1),
    ],
)
async def test_an_empty_selector_covers_all_and_none_covers_none(
    world: World, selector: LabelSelector | None, covered: int
) -> None:
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=4))
    await world.create(kinds.POD, new_pod("alone", app="alone"))
    await world.create(BUDGET, new_budget(selector=selector, min_available=1))
    await world.pass_time(5)
    assert counts(world)[0] == covered


async def test_no_pods_allow_nothing_and_are_told_of_once(world: World) -> None:
    await world.create(BUDGET, new_budget(min_available=0))
    await world.pass_time(5)
    assert counts(world) == (0, 0, 0, 0)
    (event,) = world.events("NoPods")
    assert (event.message, event.count) == ("No matching pods found", 1)


async def test_unmanaged_pods_are_told_of(world: World) -> None:
    await world.create(kinds.POD, new_pod("alone", app="web"))
    await world.create(BUDGET, new_budget(max_unavailable=1))
    await world.pass_time(5)
    assert counts(world) == (0, 0, 1, 0)
    assert "were found to be unmanaged" in world.events("UnmanagedPods")[0].message


@pytest.mark.parametrize(
    ("owner", "why"),
    [
        (kinds.JOB, "jobs.batch does not implement the scale subresource"),
        (kinds.STATEFUL_SET, 'found no controllers for pod "p"'),
    ],
)
async def test_a_number_that_nobody_can_tell_fails_safe(world: World, owner: kinds.Kind, why: str) -> None:
    reference = objects.owner_reference(objects.with_metadata(owner.type(), name="x", uid="x"))
    await world.create(BUDGET, new_budget(max_unavailable=1))
    await world.create(kinds.POD, objects.with_metadata(new_pod("p", app="web"), owner_references=(reference,)))
    key = world.stored(BUDGET, "web").key
    found = Disruptions().reconcile(world.replica.view, key, world.clock.now())
    (put,) = found.operations
    failed = objects.from_json(BUDGET, put.object).status
    assert failed.disruptions_allowed == 0
    assert [(each.status, each.reason, each.message) for each in failed.conditions] == [("False", "SyncFailed", why)]
    (note,) = found.events
    assert (note.reason, note.message) == (
        "CalculateExpectedPodCountFailed",
        f"Failed to calculate the number of expected pods: {why}",
    )


async def test_a_granted_eviction_counts_until_it_is_seen(world: World) -> None:
    await guard(world, replicas=4, min_available=2)
    name = world.pods(app="web")[0].metadata.name

    def spend(value: PodDisruptionBudget) -> PodDisruptionBudget:
        granted = {name: world.clock.now().replace(microsecond=0) + timedelta(seconds=1)}
        return msgspec.structs.replace(
            value, status=msgspec.structs.replace(value.status, disrupted_pods=granted, disruptions_allowed=1)
        )

    await world.change(BUDGET, "web", spend)
    await world.pass_time(60)
    assert (counts(world)[2:], list(status(world).disrupted_pods)) == ((3, 1), [name])
    await world.pass_time(90)
    assert (counts(world)[2:], status(world).disrupted_pods) == ((4, 2), {}), "it was never deleted: it counts again"
    assert world.events("NotDeleted")[0].involved_object.name == name


async def test_a_new_pod_of_an_evicted_ones_name_counts(world: World) -> None:
    await world.create(kinds.STATEFUL_SET, new_stateful_set(replicas=3))
    await world.create(BUDGET, new_budget(selector=LabelSelector(match_labels={"app": "db"}), max_unavailable=1))
    await world.pass_time(8)
    before = world.clock.now().replace(microsecond=0) - timedelta(seconds=30)
    await world.change(
        BUDGET,
        "web",
        lambda it: msgspec.structs.replace(
            it, status=msgspec.structs.replace(it.status, disrupted_pods={"db-0": before})
        ),
    )
    await world.pass_time(2)
    assert status(world).disrupted_pods == {}


async def test_what_says_the_same_writes_nothing(world: World) -> None:
    await guard(world, replicas=4, min_available=3)
    stored = world.stored(BUDGET, "web")
    again = Disruptions().reconcile(world.replica.view, stored.key, world.clock.now())
    assert (again.operations, again.events, again.requeue_after_seconds) == ((), (), None)


async def test_pods_are_followed_through_labels_selectors_and_snapshots(world: World) -> None:
    await guard(world, replicas=2, min_available=1)
    reconciler, view = Disruptions(), world.replica.view
    key = world.stored(BUDGET, "web").key

    def expected() -> int:
        found = reconciler.reconcile(view, key, world.clock.now())
        return objects.from_json(BUDGET, found.operations[0].object).status.expected_pods if found.operations else -1

    assert expected() == -1, "as it is in the store"
    names = [pod.metadata.name for pod in world.pods(app="web")]
    world.agents.clear()
    stored = world.stored(kinds.POD, names[0])
    view.apply(Command(b"", (update(stored, objects.with_metadata(stored.object, labels={"app": "other"})),)))
    assert expected() == 1
    view.apply(Command(b"", (Delete(world.stored(kinds.POD, names[1]).key),)))
    assert expected() == 0
    stored = world.stored(BUDGET, "web")
    spec = PodDisruptionBudgetSpec(selector=LabelSelector(match_labels={"app": "other"}), min_available=1)
    view.apply(Command(b"", (update(stored, msgspec.structs.replace(stored.object, spec=spec)),)))
    assert expected() == 1
    view.restore(list(view.capture().encode_chunks()))
    view.apply(Command(b"", (creation(kinds.POD, objects.with_metadata(new_pod("new", app="other"), uid="new")),)))
    assert expected() == 2


async def test_only_the_budgets_concerned_are_looked_at(world: World) -> None:
    await guard(world, replicas=1, min_available=1)
    await world.create(BUDGET, new_budget("other", LabelSelector(match_labels={"app": "other"}), min_available=1))
    view = world.replica.view
    (pod,) = view.list("pods")
    keys = Disruptions().keys_for(Change(1, pod.key, None, pod), view)
    assert [key.name for key in keys] == ["web"]
    deployment = world.stored(kinds.DEPLOYMENT, "web")
    assert not list(Disruptions().keys_for(Change(1, deployment.key, deployment, deployment), view))
    grown = [key.name for key in Disruptions().keys_for(Change(1, deployment.key, None, deployment), view)]
    assert grown == ["other", "web"]
