"""A rehearsal on a fork, beside what the same change comes to in the world that was forked."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from swarmlet.controllers.rehearsal.rehearsal import Beginning, Rehearsal
from swarmlet.controllers.rehearsal.rehearser import WAITING_MAX, Rehearser
from swarmlet.controllers.work.drafts import creation, update
from swarmlet.controllers.work.runner import Controllers
from swarmlet.errors import BusyError
from swarmlet.model import kinds, objects
from swarmlet.model.kept_plans import KeptPlan
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.plans import READY, START, STOP, Rehearsed
from swarmlet.model.probes import Probe
from swarmlet.store.commands import Command, Delete, Key
from tests.controllers.world import World, new_deployment, new_node, new_template

WEB = Key("deployments.apps", "default", "web")


def rehearse(world: World, *operations, is_over: Callable[[], bool] = lambda: False) -> Rehearsed:
    before = world.replica.view
    fork = before.fork()
    controllers = Controllers(
        replica=world.replica,
        clock=world.clock,
        rng=random.Random(99),
        heartbeats=world.heartbeats,
        config=world.controllers._config,
    )
    changes = []
    fork.subscribe(changes.extend)
    fork.apply(Command(b"", tuple(operations)))
    beginning = Beginning(
        before=before.fork(),
        changes=list(changes),
        written=[each.key for each in operations],
        now=world.clock.now(),
    )
    rehearsal = Rehearsal(fork, controllers.rehearsing(random.Random(99)), beginning)
    revision = before.revision
    outcome = rehearsal.run(is_over)
    assert before.revision == revision
    fork.validate()
    return outcome


def changed(world: World, **spec):
    stored = world.stored(kinds.DEPLOYMENT, "web")
    value = msgspec.structs.replace(stored.object, spec=msgspec.structs.replace(stored.object.spec, **spec))
    value = objects.with_metadata(value, generation=value.metadata.generation + 1)
    return update(stored, value)


def new_web(world: World, replicas: int = 6, **spec):
    value = new_deployment("web", replicas, **spec)
    stamped = objects.with_metadata(
        value, uid=f"web-{world.clock.monotonic()}", generation=1, creation_timestamp=world.clock.now()
    )
    return creation(kinds.DEPLOYMENT, stamped)


def count(outcome: Rehearsed, does: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for step in outcome.steps:
        for pods in step.pods:
            found[pods.node] += pods.count if step.does == does else 0
    return +found


async def test_new_pods_go_where_the_rehearsal_said():
    async with World(nodes=3) as world:
        asked = new_web(world, 7)
        outcome = rehearse(world, asked)
        assert [step.does for step in outcome.steps] == [START, READY]
        assert all(step.owner == "deployments.apps/web" and not step.unplanned for step in outcome.steps)
        assert all(pods.name.endswith("-<new>") for step in outcome.steps for pods in step.pods)
        await world.replica.propose([asked])
        await world.pass_time(10)
        assert count(outcome, START) == world.spread()
        assert outcome.notes == ()


async def test_a_scale_down_names_the_pods_that_stop():
    async with World(nodes=3) as world:
        await world.replica.propose([new_web(world, 9)])
        await world.pass_time(10)
        asked = changed(world, replicas=4)
        outcome = rehearse(world, asked)
        [step] = outcome.steps
        assert step.does == STOP
        before = {pod.metadata.name for pod in world.pods()}
        await world.replica.propose([asked])
        await world.pass_time(10)
        assert {pods.name for pods in step.pods} == before - {pod.metadata.name for pod in world.pods()}


async def test_a_rollout_starts_before_it_stops_and_ends_where_it_said():
    async with World(nodes=3) as world:
        await world.replica.propose([new_web(world, 6)])
        await world.pass_time(10)
        asked = changed(world, template=new_template("web", "web:2"))
        outcome = rehearse(world, asked)
        assert [step.does for step in outcome.steps[:3]] == [START, READY, STOP]
        assert sum(count(outcome, START).values()) == sum(count(outcome, STOP).values()) == 6
        await world.replica.propose([asked])
        await world.pass_time(60)
        assert world.images() == {"web:2": 6}
        assert count(outcome, START) == world.spread()


async def test_a_probe_that_begins_late_makes_a_rollout_long_and_not_incomplete():
    async with World(nodes=2) as world:
        await world.replica.propose([new_web(world, 2)])
        await world.pass_time(10)
        template = new_template("web", "web:2")
        [container] = template.spec.containers
        slow = msgspec.structs.replace(container, readiness_probe=Probe(initial_delay_seconds=300))
        template = msgspec.structs.replace(template, spec=msgspec.structs.replace(template.spec, containers=(slow,)))
        outcome = rehearse(world, changed(world, template=template, min_ready_seconds=100))
        assert [step.does for step in outcome.steps] == [START, READY, STOP, START, READY, STOP]
        assert [step.after_seconds for step in outcome.steps] == [0, 301, 401, 401, 702, 802]
        assert outcome.notes == ()


async def test_a_rollout_of_many_hours_is_cut_short():
    async with World(nodes=2) as world:
        await world.replica.propose([new_web(world, 20)])
        await world.pass_time(10)
        outcome = rehearse(world, changed(world, template=new_template("web", "web:2"), min_ready_seconds=600))
        assert not outcome.complete
        assert "the rehearsal was cut short: it takes over an hour; more happens than is told here" in outcome.notes


async def test_deleting_a_deployment_stops_its_pods():
    async with World(nodes=2) as world:
        await world.replica.propose([new_web(world, 4)])
        await world.pass_time(10)
        outcome = rehearse(world, Delete(WEB))
        assert [step.does for step in outcome.steps] == [STOP]
        assert outcome.steps[0].owner == "deployments.apps/web"
        assert sum(count(outcome, STOP).values()) == 4


async def test_pods_without_room_wait_with_the_schedulers_reason():
    async with World(nodes=2) as world:
        template = new_template("web")
        [container] = template.spec.containers
        asking = msgspec.structs.replace(
            container, resources=msgspec.structs.replace(container.resources, requests={"cpu": "5"})
        )
        template = msgspec.structs.replace(template, spec=msgspec.structs.replace(template.spec, containers=(asking,)))
        outcome = rehearse(world, new_web(world, 3, template=template))
        [waiting] = outcome.waiting
        assert waiting.pods.count == 1
        assert waiting.owner == "deployments.apps/web"
        assert "0/2 nodes are available: 2 lack CPU (need 5, best has 3 free)" in waiting.reason
        assert outcome.notes == ("deployments.apps/web: it would not be complete: 3 of 3 Pods updated, 2 available",)


async def test_what_goes_on_anyway_is_told_as_such():
    async with World(nodes=2) as world:
        other = new_deployment("other", 2)
        await world.create(kinds.DEPLOYMENT, other)
        await world.pass_time(0.1)
        outcome = rehearse(world, new_web(world, 1))
        assert {(step.owner, step.unplanned) for step in outcome.steps} == {
            ("deployments.apps/other", True),
            ("deployments.apps/web", False),
        }


async def test_a_paused_deployment_is_said_to_stay():
    async with World(nodes=2) as world:
        await world.replica.propose([new_web(world, 2)])
        await world.pass_time(10)
        outcome = rehearse(world, changed(world, paused=True, template=new_template("web", "web:2")))
        assert outcome.steps == ()
        assert outcome.notes == ("deployments.apps/web: it is paused: its Pods stay as they are",)


async def test_one_that_takes_too_long_says_so():
    async with World(nodes=2) as world:
        asked = iter([False, False, False])
        outcome = rehearse(world, new_web(world, 2), is_over=lambda: next(asked, True))
        assert "cut short: it took too long" in outcome.notes[0]


async def test_pods_on_a_node_that_is_not_ready_do_not_get_ready():
    async with World(nodes=1) as world:
        await world.create(kinds.NODE, new_node("n9"))
        pod_template = new_template("web")
        bound = msgspec.structs.replace(pod_template.spec, node_name="n9")
        outcome = rehearse(world, new_web(world, 1, template=msgspec.structs.replace(pod_template, spec=bound)))
        assert count(outcome, READY) == Counter()


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_the_change_the_nodes_are_those_that_were_told(seed):
    rng = random.Random(seed)
    async with World(nodes=4) as world:
        await world.replica.propose([new_web(world, rng.randint(1, 12), surge="25%", unavailable="25%")])
        await world.pass_time(10)
        for number in range(4):
            before = Counter(pod.spec.node_name for pod in world.pods())
            asked = changed(
                world,
                replicas=rng.randint(1, 20),
                template=new_template("web", f"web:{rng.randint(1, 3)}"),
            )
            outcome = rehearse(world, asked)
            await world.replica.propose([asked])
            await world.pass_time(90)
            told = before + count(outcome, START)
            told.subtract(count(outcome, STOP))
            right = sum((+told & world.spread()).values())
            assert right >= 0.95 * sum(world.spread().values()), (number, +told, world.spread())


async def test_a_plan_that_nobody_applied_is_forgotten_when_its_time_is_over():
    async with World(nodes=1) as world:
        now = world.clock.now()
        for name, minutes in (("early", 1), ("late", 60)):
            kept = KeptPlan(metadata=ObjectMeta(name=name, uid=name), expires=now + timedelta(minutes=minutes))
            await world.replica.propose([creation(kinds.KEPT_PLAN, kept)])
        await world.pass_time(59)
        assert len(world.replica.view.list("keptplans.internal.swarmlet.io")) == 2
        await world.pass_time(5)
        [left] = world.replica.view.list("keptplans.internal.swarmlet.io")
        assert left.key.name == "late"
        count = len(world.replica.commands)
        await world.pass_time(600)
        assert not world.commands_since(count)


def rehearser(world: World) -> Rehearser:
    return Rehearser(world.controllers.rehearsing, world.clock)


async def asked_of(it: Rehearser, world: World, replicas: int = 4) -> Rehearsed:
    before, fork = world.replica.view.fork(), world.replica.view.fork()
    changes = []
    unsubscribe = fork.subscribe(changes.extend)
    asked = new_web(world, replicas)
    fork.apply(Command(b"", (asked,)))
    unsubscribe()
    return await it.rehearse(before=before, fork=fork, changes=changes, written=[asked.key], seed="s")


async def test_equal_questions_have_equal_answers():
    async with World(nodes=3) as world:
        it = rehearser(world)
        first = await asked_of(it, world)
        assert first.complete
        assert first == await asked_of(it, world)


async def test_only_so_many_wait_for_a_rehearsal():
    async with World(nodes=1) as world:
        it = rehearser(world)
        await it._turn.acquire()
        waiting = [asyncio.create_task(asked_of(it, world)) for _ in range(WAITING_MAX)]
        await world.pass_time(1)
        with pytest.raises(BusyError):
            await asked_of(it, world)
        waiting[0].cancel()
        it._turn.release()
        await asyncio.wait(waiting)
        assert all(task.result().complete for task in waiting[1:])
        assert (await asked_of(it, world)).complete
