"""Several machines on virtual time: what clients of consensus are promised, through crashes and cuts."""

from __future__ import annotations

import asyncio
import errno
import functools
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from swarmlet.consensus import feeding, snapshots, wire
from swarmlet.consensus.settings import ConsensusConfig
from swarmlet.errors import (
    AlreadyExistsError,
    ConfigError,
    ConflictError,
    DiskError,
    NotFoundError,
    OutcomeUnknownError,
    RemovedError,
    TooLargeError,
    UnavailableError,
)
from swarmlet.store.commands import Put, Verdict
from swarmlet.store.replica import MemberStatus
from tests import virtual_time
from tests.consensus.cluster import CLUSTER, Cluster, Machine, cluster_of, config_map, eventually, key

TINY = ConsensusConfig(snapshot_entries=20, tail_entries=5)


def on_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on virtual time; a second of it costs next to nothing."""

    @functools.wraps(test)
    def wrapped(tmp_path: Path) -> None:
        virtual_time.run(test(tmp_path))

    return wrapped


def now() -> float:
    return asyncio.get_running_loop().time()


# Writing and reading.


@on_virtual_time
async def test_a_cluster_of_one_leads_at_once_and_has_its_first_command(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path) as cluster:
        assert now() < 0.1
        assert cluster["n1"].get("first")


@on_virtual_time
async def test_a_write_through_a_follower_is_on_every_machine(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        follower = (await cluster.followers())[0]
        await follower.put("a")
        assert follower.get("a"), "who wrote reads it at once"
        await cluster.converged()
        assert all(machine.get("a") for machine in cluster.machines.values())


@on_virtual_time
async def test_replicas_hold_the_same_bytes_and_revisions(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        writers = [m.put(f"{m.node}-{i}", str(i)) for m in cluster.machines.values() for i in range(20)]
        await asyncio.gather(*writers)
        await cluster.converged()
        states = [b"".join(machine.store.capture().encode_chunks()) for machine in cluster.machines.values()]
        assert states[0] == states[1] == states[2]


@on_virtual_time
async def test_a_linearizable_read_sees_what_another_machine_was_acknowledged(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        one, other = await cluster.followers()
        for number in range(20):
            await one.put("a", f"v{number}")
            await other.consensus.linearize()
            assert f"v{number}".encode() in (other.get("a") or b"")


def hold_appends(cluster: Cluster, behind: Machine, seconds: float) -> None:
    """Let no entry reach a machine for a while; everything else does."""
    until = now() + seconds

    def edit(_sender: str, to: str, payload: bytes) -> bytes:
        held = to == behind.node and now() < until
        return wire.encode([m for m in wire.decode_messages(payload) if not (held and m.entries)])

    cluster.network.edit = edit


@on_virtual_time
async def test_a_follower_that_is_behind_waits_before_it_reads(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader, (behind, _) = await cluster.leader(), await cluster.followers()
        hold_appends(cluster, behind, 0.3)
        await leader.put("a")
        assert not behind.get("a")
        await behind.consensus.linearize()
        assert behind.get("a")


@on_virtual_time
async def test_a_follower_that_is_behind_reads_its_own_write(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        behind = (await cluster.followers())[0]
        hold_appends(cluster, behind, 0.3)
        await behind.put("a")
        assert behind.get("a")


@on_virtual_time
async def test_concurrent_readers_share_one_question_to_the_leader(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        follower = (await cluster.followers())[0]
        before = follower.consensus.counters.messages_sent
        await asyncio.gather(*(follower.consensus.linearize() for _ in range(200)))
        assert follower.consensus.counters.messages_sent - before < 10


@on_virtual_time
async def test_concurrent_writes_share_disk_commits(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader = await cluster.leader()
        before = leader.consensus.counters.disk_commits
        await asyncio.gather(*(leader.put(f"a{number}") for number in range(200)))
        assert leader.consensus.counters.disk_commits - before < 20


@on_virtual_time
async def test_a_refused_operation_tells_its_verdict_through_a_follower(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        follower = (await cluster.followers())[0]
        await follower.put("a")
        put = config_map("a")
        outcomes = await follower.consensus.propose([Put(put.key, put.object, expected_revision=0)])
        assert outcomes[0].verdict is Verdict.ALREADY_EXISTS


@on_virtual_time
async def test_a_write_over_the_limit_is_refused(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path) as cluster:
        with pytest.raises(TooLargeError, match="over the limit"):
            await cluster["n1"].put("a", "x" * 5_000_000)


# Crashes.


@on_virtual_time
async def test_all_acknowledged_writes_outlive_a_crash_of_all(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path, TINY) as cluster:
        for number in range(90):
            await cluster[f"n{number % 3 + 1}"].put(f"a{number}")
        for machine in cluster.machines.values():
            await machine.crash()
        for machine in cluster.machines.values():
            await machine.start()
        await cluster["n2"].consensus.linearize()
        assert [n for n in range(90) if not cluster["n2"].get(f"a{n}")] == []


@on_virtual_time
async def test_a_crashed_leader_is_replaced_within_half_a_second(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        for number in range(5):
            crashed = await cluster.leader()
            survivor = (await cluster.followers())[0]
            begun = now()
            await crashed.crash()
            await survivor.put(f"a{number}")
            assert now() - begun < 0.5
            await crashed.start()
            await cluster.converged()


@on_virtual_time
async def test_a_silent_leader_is_replaced_after_about_an_election_timeout(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader, (follower, _) = await cluster.leader(), await cluster.followers()
        cluster.network.part({leader.node})
        begun = now()
        await follower.put("a")
        assert now() - begun < 2.5


@on_virtual_time
async def test_a_forwarded_write_whose_leader_dies_is_applied_once(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader, (follower, _) = await cluster.leader(), await cluster.followers()
        cluster.network.lose = lambda sender, to, what, payload: (
            sender == leader.node and to == follower.node and what == "propose"
        )
        put = config_map("a")
        write = asyncio.create_task(
            follower.consensus.propose([Put(put.key, put.object, expected_revision=0)], timeout_seconds=30)
        )
        await eventually(lambda: all(machine.get("a") for machine in cluster.machines.values()))
        await leader.crash()
        assert (await write)[0].verdict is Verdict.DONE, "the retry got the first attempt's outcome"


@on_virtual_time
async def test_a_write_of_a_leader_that_lost_its_lead_succeeds_through_the_next(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        old = await cluster.leader()
        cluster.network.part({old.node})
        write = asyncio.create_task(old.put("a", seconds=30))
        await cluster.leader({machine.node for machine in cluster.machines.values()} - {old.node})
        cluster.network.heal()
        await write
        await cluster.converged()
        assert all(machine.get("a") for machine in cluster.machines.values())


@on_virtual_time
async def test_acknowledged_writes_survive_a_lossy_network_and_crashes(tmp_path: Path) -> None:
    rng = random.Random(7)
    acknowledged: list[str] = []

    async def write(machine: Machine, name: str) -> None:
        try:
            await machine.put(name, seconds=10)
        except (UnavailableError, OutcomeUnknownError):
            return
        acknowledged.append(name)

    async with cluster_of(3, tmp_path, TINY) as cluster:
        cluster.network.lose = lambda sender, to, what, payload: rng.random() < 0.1
        for turn in range(12):
            machines = [machine for machine in cluster.machines.values() if machine.running]
            writes = [asyncio.create_task(write(rng.choice(machines), f"a{turn}-{n}")) for n in range(10)]
            await asyncio.sleep(rng.random() * 0.05)
            victim = rng.choice(machines)
            await victim.crash()
            await asyncio.sleep(rng.random())
            await victim.start()
            await asyncio.gather(*writes)
        cluster.network.lose = lambda sender, to, what, payload: False
        await cluster["n1"].consensus.linearize(timeout_seconds=30)
        await cluster.converged()
        assert len(acknowledged) > 60
        for machine in cluster.machines.values():
            assert [name for name in acknowledged if not machine.get(name)] == []


# Without quorum.


@on_virtual_time
async def test_without_quorum_a_write_is_refused_in_time_and_the_cluster_recovers(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        lonely, (one, other) = await cluster.leader(), await cluster.followers()
        await one.crash()
        await other.crash()
        await asyncio.sleep(3)
        begun = now()
        with pytest.raises(UnavailableError, match="no leader"):
            await lonely.put("a", seconds=30)
        assert now() - begun < 3.5
        await one.start()
        await cluster.leader()
        await lonely.put("a")


@on_virtual_time
async def test_once_it_is_known_that_nobody_leads_the_refusal_is_immediate(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        lonely, (one, other) = await cluster.leader(), await cluster.followers()
        await one.crash()
        await other.crash()
        await asyncio.sleep(10)
        begun = now()
        for attempt in (lonely.put("a"), lonely.consensus.linearize()):
            with pytest.raises(UnavailableError):
                await attempt
        assert now() - begun < 0.01
        assert not lonely.consensus.status().healthy


@on_virtual_time
async def test_a_write_caught_by_the_loss_of_quorum_has_an_unknown_outcome_soon(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader = await cluster.leader()
        cluster.network.part({leader.node})
        begun = now()
        with pytest.raises(OutcomeUnknownError, match="may yet take effect"):
            await leader.put("a", seconds=60)
        assert now() - begun < 6


@on_virtual_time
async def test_a_read_in_a_minority_never_answers_with_old_state(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader = await cluster.leader()
        cluster.network.part({leader.node})
        with pytest.raises(UnavailableError):
            await leader.consensus.linearize()


# Snapshots.


@on_virtual_time
async def test_a_machine_far_behind_catches_up_by_a_snapshot(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path, TINY) as cluster:
        late = (await cluster.followers())[0]
        await late.crash()
        writer = await cluster.leader()
        for number in range(100):
            await writer.put(f"a{number}")
        await late.start()
        await cluster.converged()
        assert late.consensus.counters.snapshots_installed == 1
        assert [n for n in range(100) if not late.get(f"a{n}")] == []
        assert late.consensus.status().members == tuple(
            member for member in late.consensus.status().members if member.address == f"{member.node_id}:7600"
        )


@on_virtual_time
async def test_a_forwarded_write_does_not_wait_for_a_leader_that_is_gone_without_a_word(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader, (follower, _) = await cluster.leader(), await cluster.followers()
        cluster.network.lose = lambda sender, to, what, payload: leader.node in (sender, to)
        before, waits_at_most = now(), 2 * cluster.config.election_seconds + 0.2
        await follower.put("a", seconds=30)
        assert now() - before < waits_at_most
        assert follower.get("a")


@on_virtual_time
async def test_the_log_is_trimmed_to_a_tail(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path, TINY) as cluster:
        machine = cluster["n1"]
        for number in range(100):
            await machine.put(f"a{number}")
        core = machine.consensus._engine.core
        assert core.last_index - core.first_index < TINY.snapshot_entries + TINY.tail_entries + 2
        rows = machine._disk._log._db.execute("SELECT count(*) FROM entries").fetchone()[0]
        assert rows < TINY.snapshot_entries + TINY.tail_entries + 2


@on_virtual_time
async def test_the_tail_of_the_log_is_bounded_in_bytes_too(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "TAIL_BYTES_MAX", 20_000)
        async with cluster_of(1, tmp_path, ConsensusConfig(snapshot_bytes=10_000)) as cluster:
            for number in range(30):
                await cluster["n1"].put("a", str(number) + "x" * 5_000)
            core = cluster["n1"].consensus._engine.core
            await eventually(lambda: core.last_index - core.first_index <= 8)


@on_virtual_time
async def test_a_snapshot_is_also_due_after_so_many_bytes(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path, ConsensusConfig(snapshot_bytes=10_000)) as cluster:
        for number in range(10):
            await cluster["n1"].put(f"a{number}", "x" * 2_000)
        await eventually(lambda: cluster["n1"].consensus.counters.snapshots_taken == 2)


@on_virtual_time
async def test_a_large_state_is_not_written_again_for_a_few_changes(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path, ConsensusConfig(snapshot_entries=10, snapshot_bytes=10_000)) as cluster:
        machine, counters = cluster["n1"], cluster["n1"].consensus.counters
        for number in range(20):
            await machine.put(f"large{number}", "x" * 50_000)  # a state of 1 MB
        await eventually(lambda: not machine.consensus._snapshots._taking)
        before = counters.snapshots_taken
        for number in range(50):
            await machine.put("small", str(number))
        assert counters.snapshots_taken == before
        for number in range(20):
            await machine.put("large0", str(number) + "x" * 50_000)
        assert counters.snapshots_taken > before


@on_virtual_time
async def test_an_installed_snapshot_is_not_taken_again_at_once(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path, TINY) as cluster:
        leader, (behind, _) = await cluster.leader(), await cluster.followers()
        await behind.crash()
        for number in range(100):
            await leader.put(f"a{number}")
        await behind.start()
        await eventually(lambda: behind.consensus.counters.snapshots_installed == 1)
        await leader.put("b")
        await cluster.converged()
        assert behind.consensus.counters.snapshots_taken == 0


@on_virtual_time
async def test_a_snapshot_whose_pieces_are_lost_arrives_all_the_same(tmp_path: Path) -> None:
    rng = random.Random(3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "SNAPSHOT_PIECE_BYTES", 700)
        config = ConsensusConfig(snapshot_entries=20, tail_entries=5, snapshot_call_seconds_max=0.5)
        async with cluster_of(3, tmp_path, config) as cluster:
            leader, (behind, _) = await cluster.leader(), await cluster.followers()
            await behind.crash()
            for number in range(100):
                await leader.put(f"a{number}")
            cluster.network.lose = lambda sender, to, what, payload: what == wire.SNAPSHOT and rng.random() < 0.2
            await behind.start()
            await eventually(lambda: behind.get("a99") is not None)
            assert [n for n in range(100) if not behind.get(f"a{n}")] == []
            assert behind.consensus.counters.snapshots_installed == 1


@on_virtual_time
async def test_the_state_comes_to_a_new_machine_although_pieces_are_lost(tmp_path: Path) -> None:
    rng = random.Random(3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeding, "SNAPSHOT_PIECE_BYTES", 1_400)
        config = ConsensusConfig(snapshot_entries=20, tail_entries=5, snapshot_call_seconds_max=0.5)
        async with cluster_of(2, tmp_path, config) as cluster:
            for number in range(100):
                await cluster["n1"].put(f"a{number}")
            cluster.network.lose = lambda sender, to, what, payload: what == wire.FEED_STATE and rng.random() < 0.1
            newcomer = await cluster.join("n3")
            assert [n for n in range(100) if not newcomer.get(f"a{n}")] == []
            assert newcomer.peers.addresses == {node: f"{node}:7600" for node in ("n1", "n2", "n3")}


@on_virtual_time
async def test_a_state_that_was_cut_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    offsets: list[int] = []

    def lose(sender: str, _to: str, what: str, payload: bytes) -> bool:
        if what == wire.FEED_STATE and sender == "n3":
            offsets.append(wire.decode(payload, wire.StateRequest).offset)
            if len(offsets) == 10:
                cluster.network.part({"n3"})  # nine pieces have arrived
        return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeding, "SNAPSHOT_PIECE_BYTES", 700)
        config = ConsensusConfig(snapshot_entries=20, tail_entries=5, snapshot_call_seconds_max=0.5)
        async with cluster_of(2, tmp_path, config) as cluster:
            for number in range(100):
                await cluster["n1"].put(f"a{number}")
            cluster.network.lose = lose
            joining = asyncio.create_task(cluster.join("n3"))
            await asyncio.sleep(5)
            before = len(offsets)
            cluster.network.heal()
            await joining
        assert offsets[before] == 0, "the feeder keeps nothing of who went away"
        assert offsets[before + 1] >= 9 * 700


# Membership.


@on_virtual_time
async def test_a_learner_is_promoted_once_it_has_caught_up(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path) as cluster:
        newcomer = await cluster.join("n2")
        assert newcomer.get("first")
        assert newcomer.role == "voter"


@on_virtual_time
async def test_no_more_vote_than_are_wanted(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path, ConsensusConfig(voters_max=1)) as cluster:
        newcomer = await cluster.join("n2", until="standby")
        await asyncio.sleep(5)
        assert newcomer.role == "standby"
        assert newcomer.get("first")


@on_virtual_time
async def test_adding_a_member_again_is_refused(tmp_path: Path) -> None:
    async with cluster_of(2, tmp_path) as cluster:
        with pytest.raises(AlreadyExistsError, match="node n2 is a member"):
            await cluster["n1"].consensus.add_member("n2", "elsewhere:1")


@on_virtual_time
async def test_a_follower_can_be_asked_to_add_a_learner(tmp_path: Path) -> None:
    async with cluster_of(2, tmp_path) as cluster:
        machine = cluster._machine("n3")
        await cluster["n2"].consensus.add_member("n3", "n3:7600")
        await machine.start()
        await eventually(lambda: machine.role == "voter")


@on_virtual_time
async def test_a_removed_machine_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader, (gone, asked) = await cluster.leader(), await cluster.followers()
        await asked.consensus.remove_member(gone.node)
        with pytest.raises(RemovedError, match=f"node {gone.node} was removed"):
            await asyncio.wait_for(gone.running, 10)
        gone.running = None
        cluster.network.remove(gone.node)
        await leader.put("a")
        assert gone.node not in {member.node_id for member in leader.consensus.status().members}
        assert gone.node not in leader.peers.addresses


@on_virtual_time
async def test_a_machine_removed_while_it_was_down_is_told_when_it_comes_back(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader, (gone, _) = await cluster.leader(), await cluster.followers()
        await gone.crash()
        await leader.consensus.remove_member(gone.node)
        await gone.start()
        with pytest.raises(RemovedError):
            await asyncio.wait_for(gone.running, 10)
        gone.running = None


@on_virtual_time
async def test_a_restart_passes_over_a_member_that_was_removed_since(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader, (gone, _) = await cluster.leader(), await cluster.followers()
        await gone.crash()
        await leader.consensus.remove_member(gone.node)
        await leader.crash()
        await leader.start()
        told: list[MemberStatus] = []
        leader.consensus.on_role(told.append)
        await leader.put("a", seconds=30)
        assert told
        assert gone.node not in {member.node_id for member in told}


@on_virtual_time
async def test_nobody_thinks_itself_removed_because_a_peer_is_behind(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        behind = (await cluster.followers())[0]
        cluster.network.part({behind.node})
        newcomer = await cluster.join("n4", until="standby")
        cluster.network.heal()
        cluster.network.part(set(cluster.machines) - {behind.node, "n4"})
        newcomer.peers.addresses[behind.node] = f"{behind.node}:7600"
        await asyncio.sleep(10)
        assert newcomer.running
        assert not newcomer.running.done()


@on_virtual_time
async def test_a_leader_that_is_removed_hands_over_first(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader, (follower, _) = await cluster.leader(), await cluster.followers()
        await leader.consensus.remove_member(leader.node)
        with pytest.raises(RemovedError):
            await asyncio.wait_for(leader.running, 10)
        leader.running = None
        await follower.put("a")


@on_virtual_time
async def test_a_removal_that_would_break_quorum_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader, (down, up) = await cluster.leader(), await cluster.followers()
        await down.crash()
        await asyncio.sleep(2)
        with pytest.raises(ConflictError, match=rf"leave 2 voters, of which 1 can be reached and 2 .*: {down.node}"):
            await leader.consensus.remove_member(up.node)
        await leader.consensus.remove_member(down.node)  # this one makes it safe
        await up.put("a")


@on_virtual_time
async def test_the_last_voter_cannot_be_removed(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path) as cluster:
        with pytest.raises(ConflictError, match="only voter"):
            await cluster["n1"].consensus.remove_member("n1")


@on_virtual_time
async def test_removing_who_is_no_member_is_refused(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path) as cluster:
        with pytest.raises(NotFoundError, match="node n9"):
            await cluster["n1"].consensus.remove_member("n9")


@on_virtual_time
async def test_the_lead_goes_to_the_named_node(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        other, target = await cluster.followers()
        await other.consensus.transfer_leadership(target.node)
        await eventually(lambda: target.consensus.is_leader)


@on_virtual_time
async def test_a_leader_that_stops_hands_over_first(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader, (follower, _) = await cluster.leader(), await cluster.followers()
        begun = now()
        await leader.stop()
        await follower.put("a")
        assert now() - begun < 0.2
        assert leader.leads == [True, False]


@on_virtual_time
async def test_a_leader_that_can_reach_nobody_stops_all_the_same(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader = await cluster.leader()
        cluster.network.part({leader.node})
        begun = now()
        await leader.stop()
        assert now() - begun < 4


@on_virtual_time
async def test_who_leads_is_told_only_when_it_may_act(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader = await cluster.leader()
        for machine in cluster.machines.values():
            machine.leads.clear()
        cluster.network.part({leader.node})
        successor = await cluster.leader(set(cluster.machines) - {leader.node})
        await eventually(lambda: leader.leads == [False])
        assert successor.leads == [True]
        assert successor.consensus._engine.applied_term == successor.consensus.status().term


# What ends a daemon.


@on_virtual_time
async def test_a_disk_that_fails_ends_the_daemon_and_is_not_asked_again(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader = await cluster.leader()
        leader._disk._log._db.execute("PRAGMA query_only = ON")
        with pytest.raises((UnavailableError, OutcomeUnknownError)):
            await leader.put("a", seconds=1)
        with pytest.raises(DiskError, match="cannot write the consensus log"):
            await leader.running
        leader.running = None
        leader._disk.close()
        cluster.network.remove(leader.node)
        await (await cluster.leader()).put("b")


@on_virtual_time
async def test_a_disk_that_fails_while_a_snapshot_arrives_ends_that_daemon_and_no_other(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path, TINY) as cluster:
        leader, (behind, _) = await cluster.leader(), await cluster.followers()
        await behind.crash()
        for number in range(100):
            await leader.put(f"a{number}")

        def full(*_arguments: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        await behind.start()
        behind._disk._snapshots.receive = full
        assert behind.running
        with pytest.raises(DiskError, match="No space left on device"):
            await behind.running
        behind.running = None
        behind._disk.close()
        cluster.network.remove(behind.node)
        await leader.put("b")


@on_virtual_time
async def test_the_disk_of_another_node_is_refused(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path) as cluster:
        await cluster["n1"].crash()
        stranger = Machine("n2", tmp_path, cluster.network, cluster.config)
        stranger.folder = cluster["n1"].folder
        with pytest.raises(ConfigError, match=f"belongs to node n1 of cluster {CLUSTER}, not to node n2"):
            await stranger.start()
        stranger._disk.close()


@on_virtual_time
async def test_stopping_does_not_wait_for_a_snapshot_that_is_being_sent(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path, TINY) as cluster:
        leader, (behind, _) = await cluster.leader(), await cluster.followers()
        await behind.crash()
        for number in range(100):
            await leader.put(f"a{number}")
        cluster.network.lose = lambda sender, to, what, payload: what == wire.SNAPSHOT
        await behind.start()
        await eventually(lambda: leader.consensus._snapshots._sending != {})
        begun = now()
        await leader.stop()
        assert now() - begun < 1


@on_virtual_time
async def test_a_write_after_the_stop_is_refused_at_once(tmp_path: Path) -> None:
    async with cluster_of(1, tmp_path) as cluster:
        machine: Machine = cluster["n1"]
        await machine.stop()
        with pytest.raises(UnavailableError):
            await machine.put("a")
        assert machine.store.get(key("a")) is None
