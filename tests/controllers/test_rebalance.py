"""Rebalancing on the real reconcilers: what moves, how, and above all what does not."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import pytest

from swarmlet.config import Rebalance
from swarmlet.controllers.deployments.replicaset import DELETION_COST
from swarmlet.controllers.placing import rebalance
from swarmlet.model import kinds, moves, objects, pods
from swarmlet.model.cluster import Rebalancing
from swarmlet.model.core import Node
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.quotas import ResourceQuota, ResourceQuotaSpec
from swarmlet.scheduler import rebalancing
from swarmlet.scheduler.cluster import Cluster
from swarmlet.scheduler.rebalance import Planner
from swarmlet.scheduler.scores import LEAST_ALLOCATED
from swarmlet.store.replica import Change
from tests.controllers.test_disruption import BUDGET, new_budget
from tests.controllers.test_hpa import LoadWorld
from tests.controllers.test_statefulsets import new_stateful_set
from tests.controllers.world import World, new_deployment, new_node, new_template

LIMITS = Rebalance(settle_seconds=5, minimum_age_seconds=5, pause_seconds=1, ready_seconds=20)
EVEN = {"n1": 2, "n2": 2, "n3": 2}


class Watching:
    """The fewest Pods that were available at any moment, the most there were, and how many moved at once."""

    def __init__(self, world: World, app: str = "web") -> None:
        self._world, self._app = world, app
        self.fewest, self.most, self.at_once = 1_000, 0, 0
        world.replica.view.subscribe(self.look)

    def look(self, changes: Sequence[Change] = ()) -> None:
        alive = [pod for pod in self._world.pods(app=self._app) if pods.is_active(pod)]
        self.fewest = min(self.fewest, sum(map(pods.is_ready, alive)))
        self.most = max(self.most, len(alive))
        self.at_once = max(self.at_once, len(moves.pairs(self._world.pods())))


async def spec_node(world: World, name: str, **changes: object) -> None:
    await world.change(
        kinds.NODE, name, lambda it: msgspec.structs.replace(it, spec=msgspec.structs.replace(it.spec, **changes))
    )


async def annotate(world: World, kind: kinds.Kind, name: str, **annotations: str) -> None:
    told = {key.replace("_", "/", 1) if "/" not in key else key: text for key, text in annotations.items()}
    await world.change(
        kind, name, lambda it: objects.with_metadata(it, annotations={**it.metadata.annotations, **told})
    )


async def say(world: World, **said: object) -> None:
    await world.create(kinds.REBALANCING, Rebalancing(metadata=ObjectMeta(name="cluster"), **said))


def parties(world: World) -> list[tuple[Pod, Pod]]:
    """The Pods that move, each with its replacement."""
    return [(each.mover, each.replacement) for each in moves.pairs(world.pods())]


class Crowded(World):
    """A world whose node n3 is cordoned while six Pods come, three on each of the others; then it is not."""

    def __init__(self, limits: Rebalance = LIMITS, nodes: int = 3) -> None:
        super().__init__(nodes=nodes, rebalance=limits)

    async def fill(self, **deployment: object) -> Watching:
        await spec_node(self, "n3", unschedulable=True)
        await self.create(kinds.DEPLOYMENT, new_deployment(**{"replicas": 6, **deployment}))
        await self.pass_time(10)
        assert "n3" not in self.spread()
        return Watching(self)

    async def open(self) -> None:
        await spec_node(self, "n3", unschedulable=False)

    async def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        for _ in range(int(seconds * 20)):
            if condition():
                return
            await self.pass_time(0.05)
        raise AssertionError("it has not come to that")


async def test_pods_move_to_a_node_that_returns_and_then_nothing_moves() -> None:
    async with Crowded() as world:
        watching = await world.fill()
        await world.open()
        await world.pass_time(40)
        assert world.spread() == EVEN
        assert watching.fewest == 6
        assert (watching.most, watching.at_once) == (7, 1), "one at a time of one owner"
        count = len(world.replica.commands)
        await world.pass_time(300)
        assert world.commands_since(count) == [], "a quiet cluster writes nothing"


async def test_pods_move_to_a_node_that_joins_once_it_has_settled() -> None:
    async with Crowded(LIMITS, nodes=2) as world:
        await world.create(kinds.DEPLOYMENT, new_deployment(replicas=6))
        await world.pass_time(20)
        agent = world.agents["n3"] = world._agent("n3")
        await world.create(kinds.NODE, new_node("n3"))
        world._tasks.append(world.group.create_task(agent.run()))
        await world.pass_time(4)
        assert "n3" not in world.spread()
        await world.pass_time(40)
        assert world.spread() == EVEN


async def test_a_move_is_told_of_the_pod_of_its_replacement_and_of_the_owner() -> None:
    async with Crowded() as world:
        await world.fill(replicas=2)
        await world.change(kinds.NODE, "n2", lambda it: it)
        await world.pass_time(1)
        await world.open()
        await world.pass_time(20)
        assert world.events("Rebalanced") == [], "two on two of three nodes lie well"
    async with Crowded() as world:
        await world.fill()
        await world.open()
        await world.pass_time(30)
        told = world.events("Rebalanced")
        assert Counter(event.involved_object.kind for event in told) == {"Pod": 4, "Deployment": 2}
        assert all("to n3: deployment default/web had 3 Pods on n" in event.message for event in told)


@pytest.mark.parametrize("bearer", [kinds.DEPLOYMENT, kinds.NAMESPACE])
async def test_never_is_heeded(bearer: kinds.Kind) -> None:
    async with Crowded() as world:
        await world.fill()
        await annotate(world, bearer, "web" if bearer is kinds.DEPLOYMENT else "default", **{moves.REBALANCE: "never"})
        await world.open()
        await world.pass_time(60)
        assert "n3" not in world.spread()


async def test_never_on_one_pod_keeps_that_one() -> None:
    async with Crowded() as world:
        await world.fill()
        kept = [pod.metadata.name for pod in world.pods()][:5]
        for name in kept:
            await annotate(world, kinds.POD, name, **{moves.REBALANCE: "never"})
        await world.open()
        await world.pass_time(60)
        assert world.spread()["n3"] == 1
        assert set(kept) <= {pod.metadata.name for pod in world.pods()}


async def test_what_is_no_replica_set_s_stays() -> None:
    async with Crowded() as world:
        await spec_node(world, "n3", unschedulable=True)
        await world.create(kinds.STATEFUL_SET, new_stateful_set(replicas=4))
        await world.pass_time(20)
        before = {pod.metadata.uid for pod in world.pods()}
        await world.open()
        await world.pass_time(60)
        assert {pod.metadata.uid for pod in world.pods()} == before


async def test_switched_off_nothing_moves_and_what_moves_is_undone() -> None:
    async with Crowded() as world:
        watching = await world.fill()
        await world.open()
        await world.until(lambda: parties(world))
        await say(world, enabled=False)
        await world.pass_time(60)
        assert "n3" not in world.spread()
        assert (watching.fewest, len(world.serving())) == (6, 6)


async def test_asked_for_moves_are_done_although_it_is_off() -> None:
    async with Crowded() as world:
        await say(world, enabled=False)
        await world.fill()
        await world.open()
        await world.pass_time(30)
        assert "n3" not in world.spread()
        await world.change(
            kinds.REBALANCING, "cluster", lambda it: msgspec.structs.replace(it, asked_at=world.clock.now())
        )
        await world.pass_time(30)
        assert world.spread() == EVEN
        assert rebalancing.switch(world.replica.view).asked_at is None, "it was answered"


async def test_a_budget_that_allows_nothing_lets_a_pod_go_that_has_a_replacement() -> None:
    async with Crowded() as world:
        watching = await world.fill()
        await world.create(BUDGET, new_budget(min_available=6))
        await world.open()
        await world.pass_time(60)
        assert world.spread() == EVEN
        assert watching.fewest == 6


async def test_a_budget_that_is_broken_already_lets_nothing_go() -> None:
    async with Crowded() as world:
        await world.fill()
        await world.create(BUDGET, new_budget(min_available=8))
        await world.open()
        await world.pass_time(60)
        assert "n3" not in world.spread()


async def test_a_quota_without_room_for_one_more_means_no_move() -> None:
    async with Crowded() as world:
        watching = await world.fill()
        metadata = ObjectMeta(name="few", namespace="default")
        quota = ResourceQuota(metadata=metadata, spec=ResourceQuotaSpec(hard={"pods": "6"}))
        await world.create(kinds.RESOURCE_QUOTA, quota)
        await world.open()
        await world.pass_time(60)
        assert "n3" not in world.spread()
        assert watching.most == 6
        await world.change(
            kinds.RESOURCE_QUOTA,
            "few",
            lambda it: msgspec.structs.replace(it, spec=ResourceQuotaSpec(hard={"pods": "7"})),
        )
        await world.pass_time(60)
        assert world.spread() == EVEN


async def test_a_replacement_that_does_not_get_ready_is_undone_and_its_owner_left_in_peace_for_longer() -> None:
    async with Crowded() as world:
        watching = await world.fill()
        before = {pod.metadata.uid for pod in world.pods()}
        world.agents["n3"].serves = False
        await world.open()
        await world.pass_time(60)
        assert {pod.metadata.uid for pod in world.serving()} == before
        assert watching.fewest == 6
        (failed,) = {event.message for event in world.events("RebalanceFailed")}
        assert "was not available on n3 within 20 s" in failed
        await world.pass_time(200)
        assert len(world.events("RebalanceFailed")) == 3, "of the Pod, its replacement and the Deployment, once"
        await world.pass_time(120)
        (replica_set,) = world.replica_sets()
        assert moves.failures(replica_set) == 2
        held = moves.held_until(replica_set)
        assert held is not None
        assert 400 < (held - world.clock.now()).total_seconds() <= 600
        world.agents["n3"].serves = True
        await world.pass_time(700)
        assert world.spread() == EVEN
        assert moves.failures(world.replica_sets()[0]) == 0


@pytest.mark.parametrize("seed", range(12))
async def test_a_new_leader_brings_a_move_to_its_end(seed: int) -> None:
    """The lead is lost after every so many changes, so in the middle of every step of some move."""
    async with Crowded() as world:
        watching = await world.fill()
        await world.open()
        heard = 0

        def lose_lead(changes: Sequence[Change]) -> None:
            nonlocal heard
            heard += sum(change.key.resource == "pods" for change in changes)
            if changes and heard % 12 == seed and world.replica.is_leader:
                world.replica.lead(leads=False)
                world.group.create_task(regain())

        async def regain() -> None:
            await world.pass_time(1.5)
            world.replica.lead(leads=True)

        unsubscribe = world.replica.view.subscribe(lose_lead)
        await world.pass_time(60)
        unsubscribe()
        await world.pass_time(90)
        assert world.spread() == EVEN
        assert watching.fewest == 6
        assert watching.most <= 8
        assert parties(world) == []


async def test_a_rollout_that_starts_in_the_middle_wins() -> None:
    async with Crowded() as world:
        watching = await world.fill()
        world.agents["n3"].serves = False
        await world.open()
        await world.until(lambda: parties(world))
        world.agents["n3"].serves = True
        await world.set_image("web", "web:2")
        await world.pass_time(40)
        assert world.images() == {"web:2": 6}
        assert watching.fewest >= 6
        assert parties(world) == []


async def test_a_smaller_size_in_the_middle_ends_the_move() -> None:
    async with Crowded() as world:
        watching = await world.fill()
        world.agents["n3"].serves = False
        await world.open()
        await world.until(lambda: parties(world))
        ((_, replacement),) = parties(world)
        await world.respec("web", replicas=4)
        await world.pass_time(3)
        assert len(world.serving()) == 4
        assert replacement.metadata.uid not in {pod.metadata.uid for pod in world.pods()}
        assert watching.fewest == 4


async def test_a_smaller_size_takes_one_of_the_two_whatever_others_cost() -> None:
    async with Crowded() as world:
        await world.fill(min_ready_seconds=8)
        await world.pass_time(20)
        await world.open()
        await world.until(lambda: any(pods.is_ready(new) for _, new in parties(world)))
        ((mover, replacement),) = parties(world)
        made = len(world.events("SuccessfulCreate"))
        for pod in world.pods()[:4]:
            if pod.metadata.uid not in (mover.metadata.uid, replacement.metadata.uid):
                await annotate(world, kinds.POD, pod.metadata.name, **{DELETION_COST: "-10"})
        await world.respec("web", replicas=5)
        await world.pass_time(0.5)
        assert replacement.metadata.uid not in {pod.metadata.uid for pod in world.pods()}
        assert len(world.events("SuccessfulCreate")) == made, "nobody is made for one that went in vain"


async def test_a_larger_size_in_the_middle_is_made_beside_the_move() -> None:
    async with Crowded() as world:
        watching = await world.fill()
        await world.open()
        await world.until(lambda: parties(world))
        await world.respec("web", replicas=9)
        await world.pass_time(60)
        assert world.spread() == {"n1": 3, "n2": 3, "n3": 3}
        assert watching.fewest == 6


async def test_the_owner_counts_a_pod_and_its_replacement_as_one() -> None:
    async with Crowded() as world:
        await world.fill()
        sizes: set[tuple[int, int]] = set()
        world.replica.view.subscribe(
            lambda _changes: sizes.update(
                (each.status.replicas, each.status.available_replicas) for each in world.replica_sets()
            )
        )
        await world.open()
        await world.pass_time(60)
        assert world.spread() == EVEN
        assert sizes == {(6, 6)}, "so that neither the Deployment nor an autoscaler sees anything move"


async def test_a_pod_that_dies_in_the_middle_is_replaced_by_its_replacement() -> None:
    async with Crowded() as world:
        await world.fill()
        world.agents["n3"].serves = False
        await world.open()
        await world.until(lambda: any(new.spec.node_name for _, new in parties(world)))
        ((mover, replacement),) = parties(world)
        await world.delete(kinds.POD, mover.metadata.name)
        world.agents["n3"].serves = True
        await world.pass_time(30)
        assert replacement.metadata.uid in {pod.metadata.uid for pod in world.serving()}
        assert len(world.serving()) == 6


async def test_strict_singletons_stay() -> None:
    template = new_template("web")
    metadata = msgspec.structs.replace(template.metadata, annotations={"swarmlet.io/strict-singleton": "true"})
    async with Crowded() as world:
        await world.fill(template=msgspec.structs.replace(template, metadata=metadata))
        before = {pod.metadata.uid for pod in world.pods()}
        await world.open()
        await world.pass_time(60)
        assert {pod.metadata.uid for pod in world.pods()} == before


def ready(node: Node) -> bool:
    return any(condition.type == "Ready" and condition.status == "True" for condition in node.status.conditions)


async def test_a_node_that_dies_as_the_target_leaves_the_pod_where_it_is() -> None:
    async with Crowded() as world:
        watching = await world.fill()
        world.agents["n3"].serves = False
        await world.open()
        await world.until(lambda: any(new.spec.node_name for _, new in parties(world)))
        world.agents["n3"].alive = False
        await world.pass_time(60)
        assert not ready(world.node("n3"))
        assert watching.fewest == 6
        assert world.spread() == {"n1": 3, "n2": 3}


async def test_a_replacement_must_be_ready_for_as_long_as_its_owner_says() -> None:
    async with Crowded() as world:
        await world.fill(replicas=6, min_ready_seconds=8)
        await world.pass_time(20)
        await world.open()
        await world.until(lambda: any(pods.is_ready(new) for _, new in parties(world)))
        await world.pass_time(6)
        assert len(world.serving()) == 7
        await world.until(lambda: len(world.serving()) == 6, 10)


async def test_an_autoscaler_sees_nothing_of_moves() -> None:
    async with LoadWorld(nodes=3, rebalance=LIMITS) as world:
        await spec_node(world, "n3", unschedulable=True)
        world.load_millis = 300
        await world.deploy(replicas=6)
        await world.autoscale()
        await world.pass_time(400)
        sizes: set[int] = set()
        world.replica.view.subscribe(lambda _changes: sizes.add(world.replicas()))
        await spec_node(world, "n3", unschedulable=False)
        await world.pass_time(400)
        assert world.spread() == EVEN
        assert sizes == {6}


async def test_a_pod_that_another_scheduler_leaves_waiting_keeps_nobody_from_moving() -> None:
    async with Crowded() as world:
        await world.fill()
        spec = msgspec.structs.replace(new_template("lone").spec, scheduler_name="elsewhere")
        await world.create(kinds.POD, Pod(metadata=ObjectMeta(name="lone", namespace="default"), spec=spec))
        await world.open()
        await world.pass_time(40)
        assert world.spread() == {**EVEN, "": 1}


@pytest.mark.parametrize("failures", ["9" * 5_000, "-1", "many"])
async def test_an_annotation_that_no_move_wrote_keeps_nobody_from_moving(failures: str) -> None:
    async with Crowded() as world:
        await world.fill()
        (web,) = world.replica_sets()
        far = "9999-12-31T23:59:59-14:00"
        await annotate(world, kinds.REPLICA_SET, web.metadata.name, **{moves.FAILURES: failures, moves.NOT_BEFORE: far})
        await spec_node(world, "n3", unschedulable=True)
        await world.create(kinds.DEPLOYMENT, new_deployment("other", 6))
        await world.pass_time(10)
        await world.open()
        await world.pass_time(40)
        assert Counter(pod.spec.node_name for pod in world.pods(app="other")) == EVEN
        assert Counter(pod.spec.node_name for pod in world.pods(app="web")) == {"n1": 3, "n2": 3}


async def test_a_plan_that_breaks_off_leaves_the_scheduler_no_wrong_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Crowded() as world:
        await world.fill()
        await world.open()
        await world.until(lambda: not world.node("n3").spec.taints)
        view, fresh, used = world.replica.view, Cluster(), Cluster()
        used.catch_up(view)

        def fail(*_args: object) -> None:
            raise LookupError("a bug")

        monkeypatch.setattr(Planner, "_worth", fail)
        outlook = rebalancing.Outlook(view, used, (), world.clock.now(), LIMITS, strategy=LEAST_ALLOCATED, eager=True)
        with pytest.raises(LookupError):
            outlook.plan()
        for cluster in (used, fresh):
            cluster.catch_up(view)
        assert all(used.bound_to(name) == fresh.bound_to(name) for name in fresh.nodes)
        used.validate()


async def test_moves_are_looked_for_again_when_one_that_waits_is_told_that_it_fits_nowhere() -> None:
    async with Crowded() as world:
        await world.fill()
        heard: list[Change] = []
        world.replica.view.subscribe(heard.extend)
        template = new_template("huge", node_selector={"no": "where"})
        await world.create(kinds.DEPLOYMENT, new_deployment("huge", 1, template=template))
        await world.pass_time(1)
        (told,) = (it for it in heard if it.new and it.old and it.key.resource == "pods")
        limits = Rebalance()
        reconciler = rebalance.Rebalance(random.Random(1), limits, LEAST_ALLOCATED, Cluster())
        assert rebalance.PLAN in reconciler.keys_for(told, world.replica.view)


async def test_a_pod_that_another_scheduler_is_to_place_makes_nobody_look() -> None:
    async with Crowded() as world:
        heard: list[Change] = []
        world.replica.view.subscribe(heard.extend)
        foreign = Pod(metadata=ObjectMeta(name="p", namespace="default"), spec=PodSpec(scheduler_name="theirs"))
        await world.create(kinds.POD, foreign)
        (made,) = (it for it in heard if it.key.resource == "pods")
        reconciler = rebalance.Rebalance(random.Random(1), Rebalance(), LEAST_ALLOCATED, Cluster())
        assert rebalance.PLAN not in reconciler.keys_for(made, world.replica.view)


async def test_nothing_moves_while_any_pod_waits_whichever_was_found_first() -> None:
    async with Crowded() as world:
        reconciler = rebalance.Rebalance(random.Random(1), Rebalance(), LEAST_ALLOCATED, Cluster())
        view = world.replica.view
        for name in ("a", "b"):
            waiting = Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=PodSpec(scheduler_name="theirs"))
            await world.create(kinds.POD, waiting)
        assert not reconciler._any_waits(view)
        for name in ("a", "b"):
            await world.change(kinds.POD, name, lambda it: msgspec.structs.replace(it, spec=PodSpec()))
            assert reconciler._any_waits(view)
        await world.delete(kinds.POD, "a")
        assert reconciler._any_waits(view)


async def test_a_forged_annotation_makes_no_pod_of_another_owner_go() -> None:
    async with Crowded() as world:
        await world.fill(replicas=1)
        await world.create(kinds.STATEFUL_SET, new_stateful_set("db", 1))
        await world.pass_time(5)
        (taker,) = world.pods(app="web")
        victim = world.stored(kinds.POD, "db-0").object
        forged = moves.Move("db-0", victim.metadata.uid, "n1", "n2", replacement=taker.metadata.uid)
        text = msgspec.json.encode(forged).decode()
        await annotate(world, kinds.POD, taker.metadata.name, **{moves.MOVE: text})
        await world.pass_time(10)
        assert world.stored(kinds.POD, "db-0").object.metadata.uid == victim.metadata.uid
        assert world.events("Rebalanced") == []
