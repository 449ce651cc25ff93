"""Clusters that grow, lose machines and shrink, under load: who has which role, and that nothing is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from swarmlet.consensus import feeding
from swarmlet.consensus.disk import Contents
from swarmlet.consensus.settings import ConsensusConfig
from swarmlet.consensus.wire import MembershipView
from swarmlet.errors import ConflictError, OutcomeUnknownError, PeerError, RemovedError
from swarmlet.store.replica import Change
from swarmlet.store.state import Store
from tests.consensus.cluster import Cluster, Machine, cluster_of, eventually
from tests.consensus.test_cluster import now, on_virtual_time

SMALL = ConsensusConfig(snapshot_entries=200, tail_entries=100)
PAUSE_SECONDS = 0.1
"""Between two writes of a client: what the tests cost in real time is what they write."""


class Watch:
    """What a client that watches through one machine sees."""

    def __init__(self, store: Store) -> None:
        self.last = store.revision
        self.gaps: list[tuple[int, int]] = []
        self.resets = 0
        self._store = store
        store.subscribe(self._hear)

    def _hear(self, changes: Sequence[Change]) -> None:
        if not changes:
            self.resets += 1
            self.last = self._store.revision
        for change in changes:
            if change.revision != self.last + 1:
                self.gaps.append((self.last, change.revision))
            self.last = change.revision


class Load:
    """Clients that write through every machine in turn, and remember what was acknowledged."""

    def __init__(self, cluster: Cluster) -> None:
        self.acknowledged: list[str] = []
        self.longest_pause = 0.0
        self._cluster = cluster
        self._last = now()

    async def run(self, number: int) -> None:
        rng = random.Random(number)
        count = 0
        while True:
            running = [machine for machine in self._cluster.machines.values() if machine.running]
            name = f"w{number}-{count}"
            count += 1
            with suppress(PeerError):
                await rng.choice(running).put(name, seconds=5)
                self.acknowledged.append(name)
                self.longest_pause = max(self.longest_pause, now() - self._last)
                self._last = now()
            await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def under_load(cluster: Cluster, clients: int = 3) -> AsyncIterator[Load]:
    load = Load(cluster)
    tasks = [asyncio.create_task(load.run(number)) for number in range(clients)]
    try:
        yield load
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def roles(cluster: Cluster) -> dict[str, set[str]]:
    """Return who has which role, as the leader sees it."""
    found: dict[str, set[str]] = {"voter": set(), "standby": set(), "spare": set()}
    leader = next(machine for machine in cluster.machines.values() if machine.running and machine.consensus.is_leader)
    for member in leader.consensus.status().members:
        found["voter" if member.role == "leader" else member.role].add(member.node_id)
    return found


def counts(cluster: Cluster) -> tuple[int, ...]:
    return tuple(len(nodes) for nodes in roles(cluster).values())


async def grow(cluster: Cluster, first: int, last: int) -> None:
    for number in range(first, last + 1):
        await cluster.join(f"n{number}", until="voter|standby|spare")


async def have_roles(cluster: Cluster, voters: int, standbys: int, spares: int) -> None:
    """Wait until so many have each role, and each machine knows its own."""

    def are_there() -> bool:
        if not any(m.running and m.consensus.is_leader for m in cluster.machines.values()):
            return False
        return counts(cluster) == (voters, standbys, spares) and all(
            machine.node in roles(cluster)["voter" if machine.role == "leader" else machine.role]
            for machine in cluster.machines.values()
            if machine.running
        )

    await eventually(are_there, 60)


async def leave(cluster: Cluster, machine: Machine) -> None:
    """Remove a machine through another, and see it end."""
    other = next(each for each in cluster.machines.values() if each.running and each is not machine)
    async with asyncio.timeout(30):
        while True:
            with suppress(ConflictError, OutcomeUnknownError):
                await other.consensus.remove_member(machine.node)
                break
            await asyncio.sleep(0.2)
    assert machine.running
    with pytest.raises(RemovedError):
        await asyncio.wait_for(machine.running, 20)
    machine.running = None
    machine._disk.close()
    cluster.network.remove(machine.node)
    del cluster.machines[machine.node]


def missing(machine: Machine, load: Load) -> list[str]:
    return [name for name in load.acknowledged if machine.get(name) is None]


@on_virtual_time
async def test_nine_machines_get_five_votes_two_standbys_and_two_spares(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path) as cluster:
        expected = {2: (2, 0, 0), 3: (3, 0, 0), 4: (3, 1, 0), 5: (5, 0, 0), 6: (5, 1, 0), 7: (5, 2, 0), 9: (5, 2, 2)}
        for size in range(2, 10):
            await grow(cluster, size, size)
            if size in expected:
                await have_roles(cluster, *expected[size])
        await asyncio.sleep(30)
        assert counts(cluster) == (5, 2, 2), "nothing changes for no gain"


@pytest.mark.slow
@on_virtual_time
async def test_three_to_nine_to_three_loses_nothing_and_every_watch_sees_all(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path, SMALL) as cluster:
        watches = {node: Watch(machine.store) for node, machine in cluster.machines.items()}
        async with under_load(cluster) as load:
            for number in range(4, 10):
                await grow(cluster, number, number)
                watches[f"n{number}"] = Watch(cluster[f"n{number}"].store)
            await have_roles(cluster, 5, 2, 2)
            for _ in range(2):
                await (await cluster.leader()).crash()
                await asyncio.sleep(15)
            await have_roles(cluster, 5, 2, 2)
            for node in [machine.node for machine in cluster.machines.values() if not machine.running]:
                await (await cluster.leader()).consensus.remove_member(node)
                del cluster.machines[node]
            await have_roles(cluster, 5, 2, 0)
            rng = random.Random(4)
            while len(cluster.machines) > 3:
                await leave(cluster, rng.choice(list(cluster.machines.values())))
            await have_roles(cluster, 3, 0, 0)
        await cluster.converged()
        assert len(load.acknowledged) > 500
        for machine in cluster.machines.values():
            assert missing(machine, load) == []
            assert (watches[machine.node].gaps, watches[machine.node].resets) == ([], 0)


@on_virtual_time
async def test_a_dead_voter_is_replaced_in_bounded_time(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        await grow(cluster, 4, 4)
        await have_roles(cluster, 3, 1, 0)
        dead = next(m for m in await cluster.followers() if m.role == "voter")
        await dead.crash()
        begun = now()
        await eventually(lambda: roles(cluster)["spare"] == {dead.node})
        assert now() - begun < cluster.config.voter_replace_after_seconds + 2
        assert "n4" in roles(cluster)["voter"]
        status = {member.node_id: member for member in (await cluster.leader()).consensus.status().members}
        assert status["n4"].why.startswith(f"replaces {dead.node}, which was silent for 1")


@on_virtual_time
async def test_a_voter_that_was_replaced_comes_back_as_a_spare_without_its_log(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        await grow(cluster, 4, 4)
        await have_roles(cluster, 3, 1, 0)
        dead = next(m for m in await cluster.followers() if m.role == "voter")
        await dead.crash()
        await eventually(lambda: roles(cluster)["spare"] == {dead.node})
        await (await cluster.leader()).put("while it was away")
        await dead.start()
        await eventually(lambda: dead.role == "standby")  # four machines: it is the one in reserve
        await eventually(lambda: dead.get("while it was away") is not None)
        await (await cluster.leader()).put("after")
        await eventually(lambda: dead.get("after") is not None)


@on_virtual_time
async def test_a_voter_that_was_cut_off_becomes_a_spare_while_it_runs(tmp_path: Path) -> None:
    """It never sees its release in its own log: it asks."""
    async with cluster_of(3, tmp_path) as cluster:
        await grow(cluster, 4, 8)
        await have_roles(cluster, 5, 2, 1)
        lost = await cluster.leader()
        watch = Watch(lost.store)
        cluster.network.part({lost.node})
        with suppress(PeerError):
            await lost.put("never committed", seconds=1)
        rest = set(cluster.machines) - {lost.node}
        successor = await cluster.leader(rest)
        await eventually(lambda: role_by(successor, lost) == "spare")
        for number in range(20):
            await successor.put(f"without it {number}")
        cluster.network.heal()
        await eventually(lambda: lost.get("without it 19") is not None)
        assert lost.role == "spare"
        assert lost.get("never committed") is None
        assert (watch.gaps, watch.resets) == ([], 0)
        assert (await stored(lost)).entries == ()


@on_virtual_time
async def test_a_voter_that_becomes_a_spare_keeps_its_vote_and_no_log(tmp_path: Path) -> None:
    """In a term it may vote once, whatever it is in between."""
    async with cluster_of(3, tmp_path, ConsensusConfig(voters_max=3, standbys_max=0)) as cluster:
        await cluster.join("n4", until="spare")
        leader, (target, lost) = await cluster.leader(), [m for m in await cluster.followers() if m.role == "voter"]
        await leader.consensus.transfer_leadership(target.node)
        core = lost.consensus._engine.core
        ballot = core.term, core.vote
        assert ballot[1] == target.node
        cluster.network.part({lost.node})
        await eventually(lambda: role_by(target, lost) == "spare")
        cluster.network.heal()
        await eventually(lambda: lost.role == "spare")
        contents = await stored(lost)
        assert (contents.hard_state.term, contents.hard_state.vote) == ballot
        assert contents.entries == ()


def role_by(machine: Machine, other: Machine) -> str:
    """Return the role of `other` as `machine` knows it."""
    return next(each.role for each in machine.consensus.status().members if each.node_id == other.node)


async def stored(machine: Machine) -> Contents:
    """Return what a machine holds on its disk; it is down after that."""
    await machine.crash()
    disk = machine.disk()
    try:
        return await disk.load()
    finally:
        disk.close()


@on_virtual_time
async def test_a_spare_takes_snapshots_so_that_a_restart_need_not_fetch_the_whole_state(tmp_path: Path) -> None:
    config = ConsensusConfig(voters_max=1, standbys_max=0, snapshot_entries=20, tail_entries=5)
    async with cluster_of(1, tmp_path, config) as cluster:
        spare = await cluster.join("n2", until="spare")
        before = spare.consensus.counters.snapshots_taken
        for number in range(45):
            await spare.put(f"a{number}")
        await eventually(lambda: spare.consensus.counters.snapshots_taken == before + 2)


@on_virtual_time
async def test_a_spare_holds_no_log_and_comes_back_after_a_crash(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path, ConsensusConfig(voters_max=1, standbys_max=0)) as cluster:
        spare = await cluster.join("n2", until="spare")
        for number in range(50):
            await spare.put(f"a{number}")
        assert (await stored(spare)).entries == ()
        await spare.start()
        await spare.put("b")
        await spare.consensus.linearize()
        assert spare.get("a49")
        assert spare.role == "spare"


@on_virtual_time
async def test_a_watch_through_a_spare_survives_the_death_of_its_feeder(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path, ConsensusConfig(voters_max=3, standbys_max=0)) as cluster:
        spare = await cluster.join("n4", until="spare")
        watch = Watch(spare.store)
        async with under_load(cluster) as load:
            await eventually(lambda: spare.consensus._spare._feeder != "")
            feeder = cluster[spare.consensus._spare._feeder]
            await asyncio.sleep(1)
            await feeder.crash()
            await asyncio.sleep(10)
        assert spare.consensus._spare._feeder not in ("", feeder.node)
        await cluster.converged()
        assert missing(spare, load) == []
        assert (watch.gaps, watch.resets) == ([], 0)


@on_virtual_time
async def test_a_spare_whose_feeder_is_cut_off_finds_another(tmp_path: Path) -> None:
    """The feeder answers, but hears of no leader, or leads no more: what it says grows old."""
    async with cluster_of(3, tmp_path, ConsensusConfig(voters_max=3, standbys_max=0)) as cluster:
        spare = await cluster.join("n4", until="spare")
        await eventually(lambda: spare.consensus._spare._feeder != "")
        feeder = spare.consensus._spare._feeder
        for other in set(cluster.machines) - {feeder, "n4"}:
            cluster.network.parted.add(frozenset((feeder, other)))
        await asyncio.sleep(10)
        await spare.put("a")
        assert spare.consensus._spare._feeder != feeder


@on_virtual_time
async def test_a_spare_leaves_a_standby_that_hears_no_leader(tmp_path: Path) -> None:
    """A standby never stands for election: it goes on believing in the leader that it heard last."""
    async with cluster_of(1, tmp_path, ConsensusConfig(voters_max=1, standbys_max=1)) as cluster:
        await cluster.join("n2", until="standby")
        spare = await cluster.join("n3", until="spare")
        cluster.network.parted.add(frozenset(("n1", "n3")))
        await eventually(lambda: spare.consensus._spare._feeder == "n2")
        cluster.network.parted = {frozenset(("n1", "n2"))}
        await cluster["n1"].put("a")
        await eventually(lambda: spare.get("a") is not None, 15)
        assert spare.consensus._spare._feeder == "n1"


@on_virtual_time
async def test_a_spare_that_was_away_for_long_fetches_the_state_anew(tmp_path: Path) -> None:
    config = ConsensusConfig(snapshot_entries=20, tail_entries=5, voters_max=1, standbys_max=0)
    async with cluster_of(1, tmp_path, config) as cluster:
        spare = await cluster.join("n2", until="spare")
        cluster.network.part({"n2"})
        for number in range(100):
            await cluster["n1"].put(f"a{number}")
        watch = Watch(spare.store)
        cluster.network.heal()
        await eventually(lambda: spare.get("a99") is not None)
        assert (watch.gaps, watch.resets) == ([], 1)


@on_virtual_time
async def test_the_log_is_kept_for_a_spare_that_fetches_the_state(tmp_path: Path) -> None:
    """Else the log would have gone on without it by the time it has the state, again and again."""
    config = ConsensusConfig(snapshot_entries=20, tail_entries=20, voters_max=1, standbys_max=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeding, "SNAPSHOT_PIECE_BYTES", 100)
        async with cluster_of(1, tmp_path, config) as cluster:
            for number in range(100):
                await cluster["n1"].put(f"a{number}")
            joining = asyncio.create_task(cluster.join("n2", until="spare"))
            for number in range(100, 500):
                await cluster["n1"].put(f"a{number}")
                await asyncio.sleep(0.001)
            spare = await joining
            await eventually(lambda: spare.get("a499") is not None)
            assert spare.consensus.counters.snapshots_installed == 1
            assert cluster["n1"].consensus._snapshots._held == {}


@on_virtual_time
async def test_a_spare_becomes_a_voter_and_a_spare_again_under_a_watch(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path, ConsensusConfig(voters_max=3, standbys_max=0)) as cluster:
        spare = await cluster.join("n4", until="spare")
        watch = Watch(spare.store)
        async with under_load(cluster) as load:
            victim = next(m for m in await cluster.followers() if m.role == "voter")
            await victim.crash()
            await eventually(lambda: spare.role == "voter")
            await victim.start()
            await eventually(lambda: victim.role == "spare")
            cluster.network.part({"n4"})
            leader = await cluster.leader({"n1", "n2", "n3"} - {victim.node})
            await eventually(lambda: role_by(leader, spare) == "spare")
            cluster.network.heal()
            await eventually(lambda: spare.role == "spare")
        await cluster.converged()
        assert missing(spare, load) == []
        assert (watch.gaps, watch.resets) == ([], 0)


@on_virtual_time
async def test_voters_are_spread_over_zones_as_machines_come(tmp_path: Path) -> None:
    zones = {"n1": "a", "n2": "a", "n3": "a", "n4": "b", "n5": "c"}
    config = ConsensusConfig(voters_max=3)
    async with cluster_of(1, tmp_path, config, zones=zones) as cluster:
        await grow(cluster, 2, 3)
        await have_roles(cluster, 3, 0, 0)
        await grow(cluster, 4, 5)
        await eventually(lambda: {zones[node] for node in roles(cluster)["voter"]} == {"a", "b", "c"})
        await have_roles(cluster, 3, 2, 0)
        moved = next(node for node in roles(cluster)["voter"] if zones[node] == "b")
        why = {member.node_id: member.why for member in (await cluster.leader()).consensus.status().members}
        assert why[moved] == 'spreads the voters over zones: votes for zone "b"'


@on_virtual_time
async def test_a_spare_that_is_removed_is_told(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path, ConsensusConfig(voters_max=1, standbys_max=0)) as cluster:
        spare = await cluster.join("n2", until="spare")
        await cluster["n1"].consensus.remove_member("n2")
        assert spare.running
        with pytest.raises(RemovedError, match="node n2 was removed"):
            await asyncio.wait_for(spare.running, 10)
        spare.running = None


@on_virtual_time
async def test_a_spare_removed_while_it_was_off_is_told_when_it_comes_back(tmp_path: Path) -> None:
    config = ConsensusConfig(snapshot_entries=20, tail_entries=5, voters_max=1, standbys_max=0)
    async with cluster_of(1, tmp_path, config) as cluster:
        spare = await cluster.join("n2", until="spare")
        await spare.crash()
        await cluster["n1"].consensus.remove_member("n2")
        for number in range(60):
            await cluster["n1"].put(f"a{number}")
        await spare.start()
        with pytest.raises(RemovedError):
            await asyncio.wait_for(spare.running, 10)
        spare.running = None


@on_virtual_time
async def test_a_machine_removed_before_it_first_started_is_told(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path) as cluster:
        machine = cluster._machine("n2")
        await cluster["n1"].consensus.add_member("n2", "n2:7600")
        await cluster["n1"].consensus.remove_member("n2")
        await machine.start()
        with pytest.raises(RemovedError):
            await asyncio.wait_for(machine.running, 10)
        machine.running = None


@on_virtual_time
async def test_a_standby_removed_before_it_caught_up_is_told(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path, ConsensusConfig(voters_max=1)) as cluster:
        machine = await cluster.join("n2", until="standby")
        cluster.network.part({"n2"})
        await cluster["n1"].put("a")
        await cluster["n1"].consensus.remove_member("n2")
        cluster.network.heal()
        with pytest.raises(RemovedError):
            await asyncio.wait_for(machine.running, 10)
        machine.running = None


@on_virtual_time
async def test_a_machine_finds_the_cluster_although_all_that_admitted_it_have_left(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path) as cluster:
        machine = cluster._machine("n2")  # it knows of n1 alone
        await cluster["n1"].consensus.add_member("n2", "n2:7600")
        await grow(cluster, 3, 4)
        await leave(cluster, cluster["n1"])
        await machine.start()
        await eventually(lambda: machine.get("first") is not None)
        await eventually(lambda: machine.role in ("voter", "standby"))


@on_virtual_time
async def test_nobody_waits_for_what_a_change_of_role_has_dropped(tmp_path: Path) -> None:
    """A spare that was fed and then called to hold the log would else wait for ever, and never be fed again."""
    async with cluster_of(3, tmp_path, ConsensusConfig(voters_max=3, standbys_max=0)) as cluster:
        spare = await cluster.join("n4", until="spare")
        engine = spare.consensus._engine
        dropped = asyncio.create_task(engine.digest(engine.applied.index + 1_000_000))
        await asyncio.sleep(1)
        assert not dropped.done()
        await next(m for m in await cluster.followers() if m.role == "voter").crash()
        await eventually(lambda: spare.role == "voter")
        await asyncio.sleep(0)
        assert dropped.done()


@on_virtual_time
async def test_no_log_is_dropped_for_what_a_peer_knew_before_it_was_written(tmp_path: Path) -> None:
    """Who was released, and made a voter again since, may have acknowledged entries that count."""
    async with cluster_of(3, tmp_path) as cluster:
        voter = await cluster.leader()
        cluster.network.part({voter.node})
        puts = (voter.put(name, seconds=0.5) for name in ("in the log", "not committed"))
        await asyncio.gather(*puts, return_exceptions=True)
        core = voter.consensus._engine.core
        assert core.last_index == voter.consensus.applied + 2
        everybody = frozenset(cluster.machines)
        old = MembershipView(voter.consensus.applied + 1, core.last_term, everybody, everybody - {voter.node})
        voter.consensus._belonging._judge(old)
        await asyncio.sleep(0.1)
        assert not voter.consensus._engine.is_spare
        voter.consensus._belonging._judge(msgspec.structs.replace(old, term=old.term + 1))
        await asyncio.sleep(0.1)
        assert voter.consensus._engine.is_spare
