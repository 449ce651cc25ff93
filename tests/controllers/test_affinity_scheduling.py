"""Pods that wait for other Pods, through the whole reconciler; and the order in which those that wait are placed."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.controllers.placing.scheduling import PENDING, PODS_PER_STEP, Scheduling
from swarmlet.controllers.placing.waiting_pods import WaitingPods
from swarmlet.model import conditions, kinds, objects
from swarmlet.model.affinity import Affinity, PodAffinity, PodAffinityTerm, PodAntiAffinity
from swarmlet.model.apps import Deployment
from swarmlet.model.core import Node
from swarmlet.model.meta import LabelSelector
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from tests.controllers.world import World, new_deployment, new_template
from tests.scheduler.board import Board, Options, bound, make_pod

HOST = "kubernetes.io/hostname"
START = datetime(2026, 1, 1, tzinfo=UTC)


def term(app: str) -> PodAffinityTerm:
    return PodAffinityTerm(topology_key=HOST, label_selector=LabelSelector(match_labels={"app": app}))


def with_replicas(web: Deployment, count: int) -> Deployment:
    return msgspec.structs.replace(web, spec=msgspec.structs.replace(web.spec, replicas=count))


async def name_hosts(world: World, count: int) -> None:
    """Give each node the label that makes it a domain, as daemons do."""
    for name in (f"n{number}" for number in range(1, count + 1)):

        def labelled(node: Node, host: str = name) -> Node:
            return objects.with_metadata(node, labels={**node.metadata.labels, HOST: host})

        await world.change(kinds.NODE, name, labelled)


def reason(pod: Pod) -> str:
    told = conditions.get(pod.status.conditions, "PodScheduled")
    return told.message if told else ""


async def test_a_pod_that_must_be_beside_another_waits_for_it_and_follows() -> None:
    beside = Affinity(pod_affinity=PodAffinity(required=(term("db"),)))
    async with World(nodes=3) as world:
        await name_hosts(world, 3)
        template = new_template("web", affinity=beside)
        await world.create(kinds.DEPLOYMENT, new_deployment(name="web", replicas=2, template=template))
        await world.pass_time(2)
        told = f"0/3 nodes are available: 3 node(s) didn't match pod affinity rules ({HOST})."
        assert {reason(pod) for pod in world.pods(app="web")} == {told}

        await world.create(kinds.DEPLOYMENT, new_deployment(name="db", replicas=1, template=new_template("db")))
        await world.pass_time(2)
        (db,) = world.pods(app="db")
        assert {pod.spec.node_name for pod in world.pods(app="web")} == {db.spec.node_name}


async def test_a_pod_that_others_keep_away_waits_in_silence_and_comes_when_one_has_gone() -> None:
    apart = Affinity(pod_anti_affinity=PodAntiAffinity(required=(term("web"),)))
    async with World(nodes=2) as world:
        await name_hosts(world, 2)
        template = new_template("web", affinity=apart)
        await world.create(kinds.DEPLOYMENT, new_deployment(name="web", replicas=3, template=template))
        await world.pass_time(2)
        assert sorted(pod.spec.node_name for pod in world.pods(app="web")) == ["", "n1", "n2"]
        count = len(world.replica.commands)
        await world.pass_time(60)
        assert world.commands_since(count) == [], "it waits without a word"
        await world.change(kinds.DEPLOYMENT, "web", lambda web: with_replicas(web, 1))
        await world.pass_time(2)
        await world.change(kinds.DEPLOYMENT, "web", lambda web: with_replicas(web, 2))
        await world.pass_time(2)
        assert sorted(pod.spec.node_name for pod in world.pods(app="web")) == ["n1", "n2"]


def test_one_command_binds_no_more_than_it_may_and_the_rest_follows_in_turn() -> None:
    board = Board()
    board.run("node n1 cpu=64 pods=2000")
    for number in range(PODS_PER_STEP + 20):
        pod = make_pod(f"p{number:04}", Options(["owner="]))
        board.put(kinds.POD, pod)
    scheduling = Scheduling(random.Random(1))
    first = scheduling.reconcile(board.store, PENDING, START)
    assert len(_bound(first.operations)) == PODS_PER_STEP
    assert first.requeue_after_seconds == 0.0
    assert min(_bound(first.operations)) == "p0000"
    assert max(_bound(first.operations)) == f"p{PODS_PER_STEP - 1:04}", "those that wait longest come first"


STEPS = st.lists(
    st.tuples(st.sampled_from(["make", "bind", "remove", "finish", "touch"]), st.integers(0, 7)), max_size=30
)


@given(STEPS)
@settings(deadline=None)
def test_those_that_wait_kept_in_step_are_those_read_anew(steps: list[tuple[str, int]]) -> None:
    board, kept = Board(), WaitingPods()
    for number, (step, which) in enumerate(steps):
        key = Key("pods", "default", f"p{which}")
        stored = board.store.get(key)
        if step == "make" and stored is None:
            made = START + timedelta(seconds=number % 5)
            board.put(kinds.POD, objects.with_metadata(make_pod(key.name, Options([])), creation_timestamp=made))
        elif step == "remove" and stored:
            board.do_remove([key.name])
        elif stored:
            bare = objects.with_metadata(stored.object, resource_version="")
            changed = {"bind": lambda pod: bound(pod, "n1"), "finish": _finished, "touch": _touched}.get(step)
            if changed:
                board.put(kinds.POD, changed(bare))
        kept.catch_up(board.store)
    anew = WaitingPods()
    anew.catch_up(board.store)
    assert [each.key for each in kept.in_turn()] == [each.key for each in anew.in_turn()]
    assert len(kept) == len(anew) == len(list(anew.in_turn()))


def _finished(pod: Pod) -> Pod:
    return msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, phase="Failed"))


def _touched(pod: Pod) -> Pod:
    return objects.with_metadata(pod, annotations={"seen": "yes"})


def _bound(operations: object) -> list[str]:
    return [each.key.name for each in operations if each.key.resource == "pods" and b'"nodeName"' in each.object]
