"""Whole daemons under faults, a fixed set of seeds; and the judges judged: what is wrong with a cluster is seen."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmlet.agent.life.pod_machine import PodMachine
from swarmlet.controllers.deployments import replicaset
from swarmlet.controllers.placing import moves as rebalance_moves
from swarmlet.model import kinds, objects, singletons
from swarmlet.runtime.runtime import State
from swarmlet.store.commands import Command, Delete, Put
from tests.fakes.runtime import FakeWatchdog
from tests.simulation import cluster_invariants, daemon_planning, faults
from tests.simulation.daemon_world import ONCE, QUIET, REPLACED, RESTING_SECONDS, SETTLED, SILENT, DaemonWorld, simulate
from tests.simulation.faults import Plan
from tests.simulation.violations import Violation

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (1, 8, 14, 15, 23, 24, 26, 67, 79, 129)
"""Chosen for what befalls their clusters: together all kinds of faults, one to five machines."""
CALM = Plan(machines=2, clients=2, seconds=30.0)
PARTED = faults.parse("""plan machines=3 clients=3 seconds=75
20 cut machines=m2 way=both seconds=25
22 kill machine=m3 down_seconds=0.1
48 kill machine=m1 down_seconds=24
""")
"""Machines are cut off, and daemons dead, for so long that their Pods are replaced."""

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cluster_keeps_its_promises(seed: int) -> None:
    report = simulate(seed, daemon_planning.draw(seed))
    replay = f"python -m tests.simulation --scenario daemons --seed {seed}"
    assert report.violation is None, f"{report.violation}\n{replay}\n" + "\n".join(report.trace[-40:])


@pytest.mark.parametrize("seed", [0, 1])
def test_no_strict_singleton_lives_twice_though_its_machine_is_cut_off_or_its_daemon_dead(seed: int) -> None:
    report = simulate(seed, PARTED)
    assert report.violation is None, "\n".join(report.trace[-40:])


def test_the_fixed_seeds_meet_every_kind_of_fault() -> None:
    met = {fault.kind for seed in SEEDS for fault in daemon_planning.draw(seed).faults}
    assert met == set(daemon_planning.KINDS)


def test_a_plan_can_be_read_back() -> None:
    for seed in SEEDS:
        plan = daemon_planning.draw(seed)
        assert faults.parse(str(plan)) == plan


def test_a_replay_is_the_same_to_the_byte_whatever_the_hash_seed() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--scenario", "daemons", "--seed", "8"]
    outputs = [
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True, check=True)
        for seed in ("1", "2")
    ]
    assert outputs[0].stdout == outputs[1].stdout
    assert b"digest=" in outputs[0].stdout


# Bugs put in on purpose.


def breaks(plan: Plan, promise: str) -> bool:
    report = simulate(1, plan)
    return report.violation is not None and report.violation.promise == promise


def test_a_watchdog_that_does_not_bite_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeWatchdog, "_kill_all", lambda _self: None)
    assert breaks(PARTED, ONCE)


def test_replacing_a_strict_singleton_before_its_end_is_certain_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(singletons, "certain_after_seconds", lambda _fence_after: 0.0)
    assert breaks(PARTED, ONCE)


def test_pods_that_are_never_removed_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicaset._Work, "_remove", lambda _self, _number, _pairs: None)
    assert breaks(Plan(machines=1, clients=3, seconds=60.0), SETTLED)


def test_moving_pods_before_others_serve_in_their_place_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebalance_moves.Step, "_advance", rebalance_moves.Step._evict)
    plan = faults.parse("plan machines=3 clients=3 seconds=60\n20 kill machine=m3 down_seconds=20")
    assert breaks(plan, REPLACED)


def test_a_daemon_that_adopts_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = PodMachine.__init__
    monkeypatch.setattr(PodMachine, "__init__", lambda self, pod, settings, _adopted=(): real(self, pod, settings))
    plan = faults.parse("plan machines=1 clients=2 seconds=30\n25 kill machine=m1 down_seconds=1")
    assert breaks(plan, SETTLED)


# The judges.


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DaemonWorld]:
    """A cluster that has served its users and come to rest."""
    world = DaemonWorld(4, CALM, tmp_path)
    world.live()
    assert wrong(world) == ""
    yield world
    world.dispose()


def wrong(world: DaemonWorld) -> str:
    return "; ".join(cluster_invariants.settled(list(world.hosts.values()), world.users))


def apply(world: DaemonWorld, *operations: Put | Delete) -> None:
    """Change the stores behind everybody's back."""
    for host in world.hosts.values():
        host.store.apply(Command(b"0" * 16, operations))


def test_a_container_of_nobody_is_seen(world: DaemonWorld) -> None:
    engine = world.hosts["m1"].engine
    process = next(iter(engine.processes.values()))
    stranger = dataclasses.replace(process.container.pod, uid="of-nobody")
    process.container = dataclasses.replace(process.container, pod=stranger)
    assert "m1 leaks" in wrong(world)


def test_a_container_that_does_not_run_is_seen(world: DaemonWorld) -> None:
    engine = world.hosts["m1"].engine
    process = next(iter(engine.processes.values()))
    process.container = dataclasses.replace(process.container, state=State.EXITED)
    assert "m1 runs {} of" in wrong(world)


def test_a_replica_that_differs_is_seen(world: DaemonWorld) -> None:
    stored = world.hosts["m1"].store.list(kinds.POD.resource)[0]
    world.hosts["m1"].store.apply(Command(b"0" * 16, (Delete(stored.key),)))
    assert "the replicas differ" in wrong(world)


def test_a_missing_pod_is_seen(world: DaemonWorld) -> None:
    stored = next(
        each for each in world.hosts["m1"].store.list(kinds.POD.resource) if objects.controller_of(each.object)
    )
    apply(world, Delete(stored.key))
    assert "and has " in wrong(world)


def test_an_acknowledged_object_that_is_gone_is_seen(world: DaemonWorld) -> None:
    key = next(
        key
        for user in world.users
        for key, promise in user.promises.items()
        if promise.exists and promise.kind is kinds.DEPLOYMENT
    )
    apply(world, Delete(key))
    assert f"{key} was acknowledged and is not there" in wrong(world)


def test_a_deleted_object_that_is_there_is_seen(world: DaemonWorld) -> None:
    user = world.users[0]
    key, promise = next((key, promise) for key, promise in user.promises.items() if promise.exists)
    promise.exists = False
    assert f"{key} was deleted and is there" in wrong(world)


def test_an_object_as_nobody_wanted_it_is_seen(world: DaemonWorld) -> None:
    promise = next(
        promise
        for user in world.users
        for promise in user.promises.values()
        if promise.exists and promise.kind is kinds.DEPLOYMENT
    )
    promise.specs = []
    assert "is not as its user was told" in wrong(world)


def test_a_strict_singleton_that_lives_twice_is_seen(world: DaemonWorld) -> None:
    engines = {name: host.engine for name, host in world.hosts.items()}
    judge = cluster_invariants.Singletons(engines)
    for stored in world.hosts["m1"].store.list(kinds.POD.resource):
        judge.learn(stored.object)  # type: ignore[arg-type]
    assert list(judge.broken()) == []
    uids = [container.pod.uid for engine in engines.values() for container in engine.running()][:2]
    judge._strict = dict.fromkeys(uids, "default/one")
    assert "strict singleton default/one lives 2 times" in " ".join(judge.broken())


def test_a_cluster_that_writes_without_cause_is_seen(world: DaemonWorld) -> None:
    host = world.hosts["m1"]
    stored = host.store.list(kinds.NODE.resource)[0]

    async def touch() -> None:
        labels = {**stored.object.metadata.labels, "touched": "yes"}
        await host.replica.propose(
            [Put(stored.key, objects.to_json(objects.with_metadata(stored.object, labels=labels)))]
        )

    world.kernel.after(RESTING_SECONDS + 1, lambda: host.incarnation.process.spawn(touch()))  # type: ignore[union-attr]
    with pytest.raises(Violation) as found:
        world.rest()
    assert found.value.promise == QUIET


def test_an_error_in_any_task_is_seen(world: DaemonWorld) -> None:
    async def fail() -> None:
        raise LookupError("a bug")

    world.hosts["m2"].incarnation.process.spawn(fail())  # type: ignore[union-attr]
    with pytest.raises(Violation) as found:
        world.rest()
    assert found.value.promise == SILENT
