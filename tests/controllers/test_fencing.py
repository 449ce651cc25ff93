"""Never two live: strict singletons through partitions, changes of leader, pauses, deaths and clocks that go wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from swarmlet.api.targets import Target
from swarmlet.api.writing import deletion
from swarmlet.controllers.deployments import replicaset
from swarmlet.controllers.nodes.fencing import Fencing, lease_of
from swarmlet.controllers.nodes.heartbeats import Heartbeats
from swarmlet.controllers.work.drafts import creation, update
from swarmlet.model import kinds, objects, singletons
from swarmlet.model.apps import Deployment
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.core import Event, Node, Taint
from swarmlet.model.meta import DeleteOptions, Object
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Command, Delete, Key, Operation, Put, Verdict
from swarmlet.store.state import Store
from tests.controllers.machines import IMAGE, Board, SkewedClock
from tests.controllers.world import new_deployment, new_template
from tests.virtual_time import EPOCH

LOOK_SECONDS = 0.01
FENCE_AFTER = 10.0


class Scene:
    """A board that runs, and its user, who reaches whoever leads."""

    def __init__(self, board: Board) -> None:
        self.board = board

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, condition: Callable[[], bool], seconds: float = 120.0) -> float:
        began = self.board.time()
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  it looks at many machines
                await asyncio.sleep(LOOK_SECONDS)
        return self.board.time() - began

    def write(self, *operations: Operation) -> None:
        outcomes = self.board.commit(Command(self.board.rng.randbytes(16), operations))
        assert all(outcome.verdict in (0, 1) for outcome in outcomes), outcomes

    def create(self, kind: kinds.Kind, value: Object) -> None:
        uid = f"uid-{kind.singular}-{value.metadata.name}-{len(self.board.log)}"
        self.write(creation(kind, objects.with_metadata(value, uid=uid, generation=1)))

    def change(self, key: Key, change: Callable) -> None:
        stored = self.board.truth.get(key)
        self.write(update(stored, change(stored.object)))

    def respec(self, **changes: object) -> None:
        self.change(
            Key("deployments.apps", "default", "one"),
            lambda it: msgspec.structs.replace(it, spec=msgspec.structs.replace(it.spec, **changes)),
        )

    def pods(self) -> list[Pod]:
        return [stored.object for stored in self.board.truth.list("pods")]

    def events(self, reason: str) -> list[Event]:
        return [each.object for each in self.board.truth.list("events") if each.object.reason == reason]

    @property
    def holder(self) -> str:
        ((name, _),) = self.board.live()
        return name

    def lives(self) -> bool:
        return len(self.board.live()) == 1

    def lives_elsewhere(self, than: str) -> bool:
        return any(name != than for name, _ in self.board.live())

    def delete(self, *, grace_seconds: int) -> None:
        """Delete the Pod as the API does."""
        (stored,) = self.board.truth.list("pods")
        target = Target(kinds.POD, stored.key.namespace, stored.key.name)
        plan = deletion.plan(target, stored, DeleteOptions(grace_period_seconds=grace_seconds), EPOCH)
        self.write(update(stored, plan.value) if isinstance(plan, deletion.Marked) else Delete(stored.key))


class FrozenClock:
    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def singleton(**spec: object) -> Deployment:
    template = new_template("one", IMAGE)
    metadata = msgspec.structs.replace(template.metadata, annotations={singletons.STRICT_SINGLETON: "true"})
    template = msgspec.structs.replace(template, metadata=metadata)
    return new_deployment("one", 1, **({"template": template} | spec))


@contextlib.asynccontextmanager
async def playing(folder: Path, *, deploys: bool = True, **given: object) -> AsyncIterator[Scene]:
    board = Board(folder, **given)
    scene = Scene(board)

    async def watch() -> None:
        while not board.broken:
            board.look()
            await asyncio.sleep(LOOK_SECONDS)

    tasks = [asyncio.get_running_loop().create_task(work) for work in (board.run(), watch())]
    for machine in board.machines:
        machine.start()
    try:
        await scene.until(lambda: len(board.truth.list("nodes")) == len(board.machines))
        if deploys:
            scene.create(kinds.DEPLOYMENT, singleton())
            await scene.until(scene.lives)
        yield scene
        assert not board.broken, board.broken
        tasks[0].done() and tasks[0].result()
    finally:
        for machine in board.machines:
            await machine.crash()
            machine.engine.lose_memory()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with playing(tmp_path) as scene:
        yield scene


def heal(board: Board) -> None:
    for machine in board.machines:
        machine.group = 0


# One thing after another.


@pytest.mark.parametrize("leads", [False, True])
async def test_a_node_that_is_cut_off_ends_it_before_another_begins(scene: Scene, leads: bool) -> None:
    board, name = scene.board, scene.holder
    board.elect(name if leads else next(each.name for each in board.machines if each.name != name))
    await scene.pause(20)
    cut_at = board.time()
    board[name].group = 1
    await scene.until(lambda: not board.live())
    dead_at = board.time()
    await scene.until(lambda: scene.lives_elsewhere(name))
    assert dead_at - cut_at <= FENCE_AFTER + 0.1
    assert dead_at < board.time()
    assert board.time() - cut_at < 22
    heal(board)
    await scene.pause(30)
    assert scene.lives()
    assert len(scene.pods()) == 1


async def test_it_says_for_what_it_waits(scene: Scene) -> None:
    name = scene.holder
    scene.board[name].group = 1
    await scene.until(lambda: scene.lives_elsewhere(name))
    told = {(each.involved_object.kind, each.message) for each in scene.events("WaitsForFencing")}
    assert {kind for kind, _ in told} == {"Pod", "ReplicaSet"}
    assert all(f"because {name} may still run it" in message for _, message in told)
    assert any(message.startswith("waits until ") for _, message in told)


async def test_a_short_cut_costs_nothing(scene: Scene) -> None:
    before = scene.board.live()
    scene.board[scene.holder].group = 1
    await scene.pause(7)
    heal(scene.board)
    await scene.pause(30)
    assert scene.board.live() == before


async def test_a_change_of_leader_costs_nothing(scene: Scene) -> None:
    before = scene.board.live()
    leader = scene.board.by_id(scene.board.leader)
    if leader.name == scene.holder:
        scene.board.elect(next(each.name for each in scene.board.machines if each.name != scene.holder))
        await scene.pause(5)
        leader = scene.board.by_id(scene.board.leader)
    await leader.crash()
    await scene.pause(40)
    assert scene.board.live() == before


async def test_a_paused_daemon_does_not_keep_it(scene: Scene) -> None:
    name = scene.holder
    scene.board[name].pause()
    await scene.until(lambda: scene.lives_elsewhere(name))
    scene.board[name].resume()
    await scene.pause(30)
    assert scene.lives()


async def test_a_daemon_that_was_killed_does_not_keep_it(scene: Scene) -> None:
    name = scene.holder
    await scene.board[name].crash()
    await scene.until(lambda: scene.lives_elsewhere(name))
    scene.board[name].start()
    await scene.pause(30)
    assert scene.lives()


async def test_a_machine_without_power_is_replaced(scene: Scene) -> None:
    name = scene.holder
    await scene.board[name].lose_power()
    assert await scene.until(lambda: scene.lives_elsewhere(name)) < 22


async def test_a_new_leader_waits_anew_for_it_knows_of_no_grant(scene: Scene) -> None:
    """The old leader granted a lease a moment before the new one was elected."""
    board, name = scene.board, scene.holder
    others = [each for each in board.machines if each.name != name]
    board.elect(others[0].name)
    await scene.pause(20)
    await board[others[0].name].crash()  # it takes with it what it granted last
    board[name].group = 1
    others[0].start()
    await scene.until(lambda: scene.lives_elsewhere(name))
    heal(board)
    await scene.pause(30)
    assert scene.lives()


async def test_leaders_change_in_the_middle_of_the_wait(scene: Scene) -> None:
    board, name = scene.board, scene.holder
    others = [each.name for each in board.machines if each.name != name]
    board[name].group = 1
    for turn in range(6):
        await scene.pause(4)
        board.elect(others[turn % 2])
    assert not scene.lives_elsewhere(name), "no leader has waited long enough"
    await scene.until(lambda: scene.lives_elsewhere(name))


@pytest.mark.parametrize("rates", [(0.9, 1.1, 1.1), (1.1, 0.9, 0.9), (0.9, 0.9, 1.1)])
async def test_clocks_may_go_wrong_by_a_tenth(tmp_path: Path, rates: tuple[float, ...]) -> None:
    async with playing(tmp_path, rates=rates) as scene:
        for _ in range(3):
            name = scene.holder
            scene.board[name].group = 1
            await scene.until(lambda: scene.lives_elsewhere(name))  # noqa: B023
            heal(scene.board)
            await scene.pause(30)
            assert scene.lives()


async def test_a_forced_delete_replaces_it_no_sooner(scene: Scene) -> None:
    name = scene.holder
    scene.board[name].group = 1
    await scene.pause(1)
    scene.delete(grace_seconds=0)
    (pod,) = scene.pods()
    assert objects.is_terminating(pod)
    await scene.until(lambda: scene.lives_elsewhere(name))


async def test_a_forced_delete_on_a_node_that_is_well_is_quick(scene: Scene) -> None:
    (before,) = scene.pods()
    scene.delete(grace_seconds=0)
    assert await scene.until(lambda: scene.lives() and scene.pods()[0].metadata.uid != before.metadata.uid) < 5


async def test_a_rollout_ends_the_old_one_first_whatever_may_surge(scene: Scene) -> None:
    annotated = singleton(template=new_template("one", IMAGE, termination_grace_period_seconds=1)).spec.template
    metadata = msgspec.structs.replace(
        annotated.metadata, annotations={singletons.STRICT_SINGLETON: "true", "version": "2"}
    )
    template = msgspec.structs.replace(annotated, metadata=metadata)
    (before,) = scene.pods()
    scene.respec(template=template)
    await scene.until(lambda: scene.lives() and scene.pods()[0].metadata.uid != before.metadata.uid)
    assert scene.pods()[0].metadata.annotations["version"] == "2"


async def test_one_that_becomes_a_singleton_ends_its_old_pod_first(scene: Scene) -> None:
    """Its old template asked for nothing: what it may surge to counts no more."""
    scene.create(kinds.DEPLOYMENT, new_deployment("two", 1, IMAGE))
    two = Key("deployments.apps", "default", "two")

    def running() -> list[str]:
        return [
            each.pod.name
            for machine in scene.board.machines
            for each in machine.engine.running()
            if each.pod.name.startswith("two")
        ]

    await scene.until(lambda: len(running()) == 1)
    template = new_template("two", IMAGE)
    annotations = {singletons.STRICT_SINGLETON: "true"}
    template = msgspec.structs.replace(
        template, metadata=msgspec.structs.replace(template.metadata, annotations=annotations)
    )
    scene.change(two, lambda it: msgspec.structs.replace(it, spec=msgspec.structs.replace(it.spec, template=template)))
    await scene.until(lambda: not running())
    await scene.until(lambda: running() == ["two-single-0"])


async def test_a_deployment_made_anew_waits_for_what_the_first_has_left(scene: Scene) -> None:
    name = scene.holder
    scene.board[name].group = 1
    await scene.pause(0.5)
    scene.write(Delete(Key("deployments.apps", "default", "one")))
    await scene.pause(3)
    scene.create(kinds.DEPLOYMENT, singleton())
    await scene.until(lambda: scene.lives_elsewhere(name))


@pytest.mark.parametrize("knows", [True, False])
async def test_a_node_that_is_removed_is_waited_for_too(scene: Scene, knows: bool) -> None:
    name = scene.holder
    scene.board.elect(next(each.name for each in scene.board.machines if each.name != name))
    await scene.pause(5)
    scene.board[name].group = 1
    await scene.pause(0.5)
    if knows:  # the leader that granted it a lease knows for how long; another does not
        assert scene.board.leader != f"{name}-id"
    else:
        other = next(each for each in scene.board.machines if each.node_id != scene.board.leader and each.name != name)
        scene.board.elect(other.name)
        await scene.pause(0.5)
    scene.write(Delete(Key("nodes", "", name)))
    took = await scene.until(lambda: scene.lives_elsewhere(name))
    fence_after = FENCE_AFTER if knows else singletons.FENCE_AFTER_SECONDS_MAX
    assert abs(took - singletons.certain_after_seconds(fence_after)) < 5


async def test_a_new_machine_of_a_removed_ones_name_cannot_speak_for_it(scene: Scene) -> None:
    """It finds the Pod bound to its name, and none of its containers."""
    board, name = scene.board, scene.holder
    board.elect(next(each.name for each in board.machines if each.name != name))
    await scene.pause(5)
    node = board.truth.get(Key("nodes", "", name)).object
    board[name].group = 1
    scene.write(Delete(Key("nodes", "", name)))
    await scene.pause(1)
    labels = node.metadata.labels | {NODE_ID_LABEL: "another-id"}
    scene.create(kinds.NODE, objects.with_metadata(node, labels=labels, resource_version=""))
    assert "is given up" in lease_of(board.truth, name, "another-id").refusal
    await scene.until(lambda: scene.lives_elsewhere(name))


def test_another_machine_of_the_same_name_gets_no_lease_before_the_first_has_ended() -> None:
    clock = FrozenClock()
    heartbeats = Heartbeats(cast("Any", clock))
    heartbeats.begin(lambda _name: None)
    assert heartbeats.grant("n1", "first", 20.0)
    clock.seconds += singletons.certain_after_seconds(20.0) - 0.1
    assert not heartbeats.grant("n1", "second", 10.0)
    assert heartbeats.lease_seconds_left("n1", 3.0) > 0, "what it was granted counts, whatever its Node says since"
    clock.seconds += 0.2
    assert heartbeats.grant("n1", "second", 10.0)


async def test_a_node_that_does_not_fence_itself_is_waited_for_until_an_operator_speaks(scene: Scene) -> None:
    name = scene.holder
    key = Key("nodes", "", name)

    def unfence(node: Node) -> Node:
        return objects.with_metadata(node, annotations={})

    def give_up(node: Node) -> Node:
        taint = Taint(key=singletons.OUT_OF_SERVICE, effect="NoExecute", value="nodeshutdown")
        return msgspec.structs.replace(node, spec=msgspec.structs.replace(node.spec, taints=(*node.spec.taints, taint)))

    await scene.board[name].lose_power()
    scene.change(key, unfence)
    await scene.pause(100)
    assert not scene.board.live()
    (pod,) = scene.pods()
    assert pod.metadata.annotations[singletons.MAY_RUN_UNTIL] == singletons.NOBODY_KNOWS
    assert any("kubectl taint node" in each.message for each in scene.events("WaitsForFencing"))
    scene.change(key, give_up)
    assert await scene.until(scene.lives) < 10


async def test_a_late_write_of_a_former_leader_makes_no_second_one(scene: Scene) -> None:
    """Two leaders, each of which saw no Pod, make one each: the second finds the name taken."""
    (replica_set,) = (each.object for each in scene.board.truth.list("replicasets.apps"))
    (late,) = (replicaset.single_places(Store(), replica_set)[:1],)
    assert late == [pod.metadata.name for pod in scene.pods()]
    put = creation(kinds.POD, replicaset.new_pod(replica_set, EPOCH, scene.board.rng, name=late[0]))
    (outcome,) = scene.board.commit(Command(b"late" * 4, (put,)))
    assert outcome.verdict is Verdict.ALREADY_EXISTS


async def test_a_leader_without_its_quorum_grants_nothing(tmp_path: Path) -> None:
    """Leader and node are cut off together, and it takes them for ever to see that nobody else follows."""
    async with playing(tmp_path, rates=(1.0,) * 5) as scene:
        board, name = scene.board, scene.holder
        leader = next(each for each in board.machines if each.name != name)
        board.elect(leader.name)
        await scene.pause(15)
        for machine in (leader, board[name]):
            machine.group = 1
            machine.member.follow = lambda *_: None  # type: ignore[method-assign]
        await scene.until(lambda: not board.live(), seconds=FENCE_AFTER + 1)
        await scene.until(lambda: scene.lives_elsewhere(name))


async def test_without_any_grace_its_object_stays_too(scene: Scene) -> None:
    scene.write(Delete(Key("deployments.apps", "default", "one")))
    await scene.until(lambda: not scene.pods())
    template = singleton().spec.template
    template = msgspec.structs.replace(
        template, spec=msgspec.structs.replace(template.spec, termination_grace_period_seconds=0)
    )
    scene.create(kinds.DEPLOYMENT, singleton(template=template))
    await scene.until(scene.lives)
    name = scene.holder
    scene.board[name].group = 1
    await scene.pause(0.5)
    for replicas in (0, 1):
        scene.respec(replicas=replicas)
        await scene.pause(1)
    await scene.until(lambda: scene.lives_elsewhere(name))


async def test_one_of_another_name_takes_its_place_too(scene: Scene) -> None:
    """A Pod made by hand that the selector takes in."""
    scene.write(Delete(Key("deployments.apps", "default", "one")))
    await scene.until(lambda: not scene.pods())
    template = singleton().spec.template
    metadata = msgspec.structs.replace(template.metadata, name="one-by-hand", namespace="default")
    scene.create(kinds.POD, Pod(metadata=metadata, spec=template.spec))
    await scene.until(scene.lives)
    scene.create(kinds.DEPLOYMENT, singleton())
    await scene.pause(5)
    assert [pod.metadata.name for pod in scene.pods()] == ["one-by-hand"]
    name = scene.holder
    scene.board[name].group = 1
    scene.delete(grace_seconds=0)
    scene.respec(min_ready_seconds=1)  # so that the ReplicaSet is looked at now
    await scene.until(lambda: scene.lives_elsewhere(name))
    assert [pod.metadata.name for pod in scene.pods()] == ["one-single-0"]


@pytest.mark.parametrize("fence_after", [3.0, 10.0, 60.0])
def test_the_wait_outlasts_the_slowest_holder_by_the_fastest_clock(fence_after: float) -> None:
    slowest = 1 - singletons.CLOCK_DRIFT_MAX
    fastest = 1 + singletons.CLOCK_DRIFT_MAX
    dead_for_certain = (fence_after + singletons.KILL_SECONDS_MAX) / slowest
    assert singletons.certain_after_seconds(fence_after) / fastest >= dead_for_certain - 1e-9


async def test_what_a_former_leader_decided_and_is_committed_late_removes_nothing_that_lives(scene: Scene) -> None:
    """It waited long enough, was deposed, and the next leader has granted a lease before its decision is committed."""
    (before,) = scene.board.truth.list("pods")
    going = objects.with_metadata(before.object, deletion_timestamp=EPOCH, deletion_grace_period_seconds=3600)
    former = Store()
    former.apply(
        Command(b"node" * 4, (creation(kinds.NODE, scene.board.truth.get(Key("nodes", "", scene.holder)).object),))
    )
    former.apply(Command(b"pods" * 4, (creation(kinds.POD, going),)))
    clock = SkewedClock(1.0, 0.0)
    heartbeats = Heartbeats(cast("Any", clock))
    heartbeats.begin(lambda _name: None)
    await scene.pause(singletons.certain_after_seconds(FENCE_AFTER) + 1)
    node = Key("nodes", "", scene.holder)
    decided = Fencing(heartbeats).reconcile(former, node, clock.now()).operations
    assert [type(each) for each in decided] == [Put], "the first step marks"
    former.apply(Command(b"mark" * 4, decided))
    assert "is given up" in lease_of(former, scene.holder, f"{scene.holder}-id").refusal, "marked: no lease from now on"
    decided = Fencing(heartbeats).reconcile(former, node, clock.now()).operations
    assert [type(each) for each in decided] == [Delete]
    heartbeats.grant(scene.holder, f"{scene.holder}-id", FENCE_AFTER)
    assert Fencing(heartbeats).reconcile(former, node, clock.now()).operations == (), "not while a lease may run"


# At random.


async def befall(scene: Scene) -> None:
    """Let something happen to one of the machines, or to all."""
    board, rng = scene.board, scene.board.rng
    machine = rng.choice(board.machines)
    match rng.randrange(9):
        case 0 | 1:
            machine.group = 1 - machine.group
        case 2:
            machine.pause()
        case 3 | 4:
            resume(board)
        case 5 if machine.alive:
            await (machine.lose_power() if rng.random() < 0.3 else machine.crash())
        case 6:
            board.elect(machine.name)
        case 7 if len(scene.pods()) == 1 and not objects.is_terminating(scene.pods()[0]):
            scene.delete(grace_seconds=rng.choice((0, 1)))
        case _:
            heal(board)
    start_some(board, share=0.4)


def resume(board: Board) -> None:
    for machine in board.machines:
        machine.resume()


def start_some(board: Board, *, share: float) -> None:
    for machine in board.machines:
        if not machine.alive and board.rng.random() < share:
            machine.start()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
async def test_never_two_live_whatever_happens(tmp_path: Path, seed: int) -> None:
    async with playing(tmp_path, seed=seed, rates=(0.92, 1.08, 1.0)) as scene:
        scene.board.propose_seconds_max = 0.5
        for _ in range(40):
            await befall(scene)
            await scene.pause(scene.board.rng.choice((0.1, 1, 3, 8, 15)))
            assert not scene.board.broken, scene.board.broken
        heal(scene.board)
        resume(scene.board)
        start_some(scene.board, share=1)
        await scene.until(lambda: scene.lives() and len(scene.pods()) == 1)
