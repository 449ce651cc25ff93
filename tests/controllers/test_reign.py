"""The controllers as a whole: reigns that begin and end, commits that fail, conflicts, and what it all costs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from datetime import datetime

import pytest

from swarmlet.controllers.work.batch import BATCH_BYTES_MAX, Batch, Ticket
from swarmlet.controllers.work.drafts import creation, update
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.controllers.work.recorder import Recorder
from swarmlet.controllers.work.reign import Reign
from swarmlet.model import events, kinds, objects
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.core import ConfigMap, Namespace
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.store.commands import OPERATIONS_MAX, Delete, Key
from swarmlet.store.replica import Change, View
from tests.controllers.world import FakeReplica, World, new_deployment, new_template
from tests.virtual_time import VirtualClock


@pytest.fixture
async def world():
    async with World() as world:
        yield world


async def test_a_hundred_pods_take_a_few_commands_from_apply_to_bound(world: World) -> None:
    before = len(world.replica.commands)
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=100))
    await world.pass_time(0.02)
    assert len(world.pods()) == 100
    assert "" not in world.spread()
    assert len(world.replica.commands) - before <= 6


@pytest.mark.slow
async def test_more_pods_than_one_step_takes_are_all_placed(world: World) -> None:
    await world.respec_nodes(pods="1000", cpu="64")
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1200))
    await world.create(kinds.DEPLOYMENT, new_deployment("api", replicas=600))
    await world.pass_time(10)
    assert len(world.serving()) == 1800


@pytest.mark.slow
async def test_hundreds_that_fit_nowhere_do_not_keep_out_one_that_does(world: World) -> None:
    await world.create(kinds.DEPLOYMENT, new_deployment("big", replicas=600, template=_picky()))
    await world.pass_time(5)
    before = len(world.replica.commands)
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=1))
    await world.pass_time(5)
    assert len(world.serving()) == 1
    await world.pass_time(30)
    assert len(world.commands_since(before)) < 12
    refusals = {pod.status.conditions[0].message for pod in world.pods(app="big")}
    assert refusals == {"0/3 nodes are available: 3 do not match the node selector (disk=ssd)."}


def _picky():
    return new_template("big", node_selector={"disk": "ssd"})


async def test_many_deployments_at_once_share_commands(world: World) -> None:
    before = len(world.replica.commands)
    operations = [
        creation(kinds.DEPLOYMENT, objects.with_metadata(new_deployment(f"d{n}"), uid=f"u{n}", generation=1))
        for n in range(50)
    ]
    await world.replica.propose(operations)
    await world.pass_time(0.02)
    assert len(world.pods()) == 150
    assert len(world.replica.commands) - before <= 7


async def test_who_does_not_lead_does_nothing(world: World) -> None:
    world.replica.lead(False)
    await world.create(kinds.DEPLOYMENT, new_deployment())
    before = len(world.replica.commands)
    await world.pass_time(30)
    assert len(world.replica.commands) == before


async def test_a_reign_that_ends_in_the_middle_is_finished_by_the_next(world: World) -> None:
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=30))
    await world.pass_time(0.0025)
    world.replica.lead(False)
    await world.pass_time(5)
    assert len(world.serving()) < 30
    world.replica.lead(True)
    await world.pass_time(5)
    assert len(world.serving()) == 30 == len(world.pods())


async def test_losing_the_quorum_delays_and_loses_nothing(world: World) -> None:
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=10))
    world.replica.quorum = False
    await world.pass_time(5)
    assert world.pods() == []
    world.replica.quorum = True
    await world.pass_time(15)
    assert len(world.serving()) == 10


async def test_events_that_could_not_be_written_are_written_later(world: World) -> None:
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=2))
    await world.pass_time(0.02)
    world.replica.quorum = False
    await world.pass_time(5)
    assert world.events("SuccessfulCreate") == []
    world.replica.quorum = True
    await world.pass_time(5)
    assert len(world.events("SuccessfulCreate")) == 2


async def test_a_pending_pod_is_not_told_again_with_every_change_of_numbers(world: World) -> None:
    await world.create(
        kinds.POD, Pod(metadata=ObjectMeta(name="big", namespace="default"), spec=_asking("memory", "1Ti"))
    )
    await world.pass_time(1)
    told = world.stored(kinds.POD, "big").revision
    for number in range(1, 6):
        await world.respec_nodes(memory=f"{number}Gi")
        await world.pass_time(1)
    assert world.stored(kinds.POD, "big").revision == told
    await world.pass_time(10)
    (condition,) = world.stored(kinds.POD, "big").object.status.conditions
    assert condition.message == "0/3 nodes are available: 3 lack memory (need 1Ti, best has 5Gi free)."


def _asking(name: str, amount: str) -> PodSpec:
    return PodSpec(containers=(Container(name="main", resources=ResourceRequirements(requests={name: amount})),))


async def test_after_a_snapshot_everything_is_looked_at_anew(world: World) -> None:
    other = FakeReplica()
    await other.propose([*_copies(world), creation(kinds.DEPLOYMENT, _with_uid(new_deployment(replicas=4)))])
    world.replica.view.restore(other.view.capture().encode_chunks())
    await world.pass_time(5)
    assert len(world.serving()) == 4


def _with_uid(value):
    return objects.with_metadata(value, uid="d", generation=1)


def _copies(world: World):
    nodes = world.replica.view.list("nodes")
    return [creation(kinds.NODE, objects.with_metadata(each.object, resource_version="")) for each in nodes]


# The loop itself, with a reconciler made for the purpose.


class Copier:
    """Wants a copy "b" of each ConfigMap "a"; each call is noted."""

    name = "copier"
    watches = frozenset({"configmaps"})

    def __init__(self) -> None:
        self.calls = 0
        self.fail_times = 0
        self.stale_times = 0

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        return [Key("configmaps", change.key.namespace, "a")]

    def all_keys(self, view: View) -> Iterable[Key]:
        return [Key("configmaps", "default", "a")]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        self.calls += 1
        if self.calls <= self.fail_times:
            raise RuntimeError("a bug")
        copy = view.get(Key("configmaps", key.namespace, "b"))
        if view.get(key) is None or (copy and not self.stale_times):
            return NOTHING
        note = events.Note(view.get(key).object, events.NORMAL, "Copied", "Copied a")
        self.stale_times = max(0, self.stale_times - 1)
        return Reconciliation((creation(kinds.CONFIG_MAP, config_map("b")),), (note,))


def config_map(name: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", uid=name))


@pytest.fixture
async def copier():
    copier = Copier()
    replica = FakeReplica()
    clock = VirtualClock()
    journal = events.Journal(component="test", host="", rng=random.Random(1))
    reign = Reign([copier], replica=replica, clock=clock, recorder=Recorder(replica, clock, journal))
    task = asyncio.create_task(reign.run())
    await asyncio.sleep(1)
    yield copier, replica, journal
    task.cancel()


async def test_a_change_is_reconciled(copier) -> None:
    _, replica, _ = copier
    await replica.propose([creation(kinds.CONFIG_MAP, config_map("a"))])
    await asyncio.sleep(1)
    assert [stored.key.name for stored in replica.view.list("configmaps")] == ["a", "b"]


async def test_a_bug_in_a_reconciler_is_retried_with_back_off(copier) -> None:
    subject, replica, _ = copier
    subject.fail_times = subject.calls + 8
    await replica.propose([creation(kinds.CONFIG_MAP, config_map("a"))])
    await asyncio.sleep(0.1)
    assert len(replica.view.list("configmaps")) == 1
    await asyncio.sleep(5)
    assert len(replica.view.list("configmaps")) == 2


async def test_what_was_overtaken_comes_back_and_is_not_told(copier) -> None:
    subject, replica, journal = copier
    subject.stale_times = 2
    await replica.propose([creation(kinds.CONFIG_MAP, config_map(name)) for name in "ab"])
    await asyncio.sleep(1)
    assert subject.calls >= 3
    assert len(journal) == 0
    assert not replica.view.list("events")


async def test_a_deleted_object_is_made_again(copier) -> None:
    _, replica, _ = copier
    await replica.propose([creation(kinds.CONFIG_MAP, config_map("a"))])
    await asyncio.sleep(1)
    await replica.propose([Delete(Key("configmaps", "default", "b"))])
    await asyncio.sleep(1)
    assert len(replica.view.list("configmaps")) == 2


def test_a_batch_takes_no_two_reconciliations_of_one_object() -> None:
    batch = Batch()
    first, second = (Ticket(name, Key("configmaps", "default", "a")) for name in ("one", "two"))
    put = Reconciliation((creation(kinds.CONFIG_MAP, config_map("a")),))
    assert batch.add(first, put)
    assert not batch.add(second, put)
    assert len(batch.operations) == 1


def test_a_batch_stays_under_the_limits_of_a_command() -> None:
    batch = Batch()
    operations = tuple(creation(kinds.CONFIG_MAP, config_map(f"c{n}")) for n in range(OPERATIONS_MAX))
    assert batch.add(Ticket("one", operations[0].key), Reconciliation(operations))
    extra = Reconciliation((creation(kinds.CONFIG_MAP, config_map("more")),))
    assert not batch.add(Ticket("two", extra.operations[0].key), extra)


def test_an_oversized_reconciliation_goes_in_several_commands() -> None:
    batch = Batch()
    big = ConfigMap(metadata=ObjectMeta(name="big", namespace="default"), data={"text": "x" * (BATCH_BYTES_MAX // 2)})
    operations = tuple(creation(kinds.CONFIG_MAP, objects.with_metadata(big, name=f"big-{n}")) for n in range(3))
    assert batch.add(Ticket("one", operations[0].key), Reconciliation(operations))
    commands = list(batch.commands())
    assert [each for command in commands for each in command] == list(operations)
    assert len(commands) == 3


async def test_an_update_carries_what_it_was_read_at() -> None:
    replica = FakeReplica()
    await replica.propose([creation(kinds.CONFIG_MAP, config_map("a"))])
    stored = replica.view.get(Key("configmaps", "default", "a"))
    operation = update(stored, stored.object)
    assert (operation.expected_revision, operation.expected_uid) == (stored.revision, "a")
    assert b"resourceVersion" not in operation.object


class Hoarder(Copier):
    """Wants to make more with one stroke than a command takes."""

    name = "hoarder"

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        self.calls += 1
        many = tuple(creation(kinds.CONFIG_MAP, config_map(f"c{n}")) for n in range(OPERATIONS_MAX + 1))
        return Reconciliation(many, atomic=True)


async def test_a_command_that_is_too_large_fails_alone_and_ends_no_reign() -> None:
    replica, clock, hoarder, copier = FakeReplica(), VirtualClock(), Hoarder(), Copier()
    await replica.propose([creation(kinds.NAMESPACE, Namespace(metadata=ObjectMeta(name="default")))])
    journal = events.Journal(component="test", host="", rng=random.Random(1))
    reign = Reign([hoarder, copier], replica=replica, clock=clock, recorder=Recorder(replica, clock, journal))
    task = asyncio.create_task(reign.run())
    await asyncio.sleep(1)
    await replica.propose([creation(kinds.CONFIG_MAP, config_map("a"))])
    await asyncio.sleep(10)
    assert not task.done()
    assert [stored.key.name for stored in replica.view.list("configmaps")] == ["a", "b"]
    assert 2 <= hoarder.calls <= 30
    [told] = [stored.object for stored in replica.view.list("events") if stored.object.reason == "FailedSync"]
    assert (told.involved_object.name, told.message) == ("a", "split it")
    task.cancel()
