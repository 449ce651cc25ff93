"""A state on the footing of one machine, and the check of a stopped member's disk."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from swarmlet.consensus import recovery, recovery_check
from swarmlet.consensus.bootstrap import bootstrap
from swarmlet.consensus.disk import Batch
from swarmlet.consensus.recovery import REVISION_LEAP, Found
from swarmlet.consensus.sqlite_disk import DATABASE, SqliteDisk
from swarmlet.consensus.sqlite_log import WATERMARK
from swarmlet.errors import ConfigError, ExpiredError
from swarmlet.model import kinds, objects
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.core import Node
from swarmlet.model.meta import Object, ObjectMeta, OwnerReference
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import PodStatus
from swarmlet.raft import membership
from swarmlet.raft.messages import ChangeKind, Entry, EntryKind, HardState, Membership, MembershipChange
from swarmlet.store import commands
from swarmlet.store.commands import Command, Key, Operation, Put
from swarmlet.store.state import Store

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
CLUSTER, ALPHA, BETA, GAMMA = "c" * 16, "a" * 16, "b" * 16, "d" * 16
NODES, PODS = kinds.NODE.resource, kinds.POD.resource
BAD_POD = b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"bad","namespace":"default"},"status":{"phase":7}}'
OWNER = OwnerReference(api_version="apps/v1", kind="ReplicaSet", name="web", uid="rs", controller=True)


def put(kind: kinds.Kind, value: Object) -> Put:
    meta = value.metadata
    return Put(Key(kind.resource, meta.namespace, meta.name), objects.to_json(value))


def node(name: str, node_id: str) -> Put:
    return put(kinds.NODE, Node(metadata=ObjectMeta(name=name, uid=f"uid-{name}", labels={NODE_ID_LABEL: node_id})))


def pod(name: str, on: str, *, owned: bool = False, phase: str = "Running", terminating: bool = False) -> Put:
    meta = ObjectMeta(
        name=name,
        namespace="default",
        uid=f"uid-{name}",
        owner_references=(OWNER,) if owned else (),
        deletion_timestamp=NOW if terminating else None,
    )
    return put(
        kinds.POD, Pod(metadata=meta, spec=PodSpec(node_name=on), status=PodStatus(phase=phase, pod_ip="10.1.1.1"))
    )


def stored_in(*operations: Operation) -> Store:
    store = Store()
    store.apply(Command(b"", operations))
    return store


def settled(store: Store, *, stay: tuple[str, ...] = ()) -> Store:
    capture = recovery.settled(store, stay=stay, newcomers=(), rng=random.Random(1), now=NOW)
    after = Store()
    after.restore(list(capture.encode_chunks()))
    return after


def pods_of(store: Store) -> dict[str, Pod]:
    return {stored.key.name: stored.object for stored in store.list(PODS) if isinstance(stored.object, Pod)}


# What becomes of nodes and Pods.


def test_only_the_nodes_that_stay_are_left() -> None:
    store = stored_in(node("alpha", ALPHA), node("beta", BETA))
    assert [stored.key.name for stored in settled(store, stay=("beta",)).list(NODES)] == ["beta"]


def test_a_newcomer_may_bear_the_name_of_a_node_that_goes() -> None:
    store = stored_in(node("alpha", ALPHA), pod("web-1", "alpha", owned=True))
    capture = recovery.settled(store, stay=(), newcomers=(node("alpha", GAMMA),), rng=random.Random(1), now=NOW)
    (left,) = [stored for stored in capture.objects if stored.key.resource in {NODES, PODS}]
    assert left.object.metadata.labels == {NODE_ID_LABEL: GAMMA}


def test_pods_on_a_node_that_stays_are_as_they_were() -> None:
    store = stored_in(node("alpha", ALPHA), pod("web-1", "alpha", owned=True), pod("bare", "alpha"))
    assert settled(store, stay=("alpha",)).list(PODS) == store.list(PODS)


def test_a_controllers_pod_on_a_lost_node_goes_for_it_makes_another() -> None:
    assert pods_of(settled(stored_in(pod("web-1", "beta", owned=True)))) == {}


def test_nobodys_pod_on_a_lost_node_is_born_again_unbound() -> None:
    bare = pods_of(settled(stored_in(pod("bare", "beta"))))["bare"]
    assert (bare.spec.node_name, bare.status) == ("", PodStatus(phase="Pending"))
    assert bare.metadata.uid not in ("", "uid-bare")


@pytest.mark.parametrize("how", [{"phase": "Succeeded"}, {"phase": "Failed"}, {"terminating": True}])
def test_nobodys_pod_that_was_done_or_on_its_way_out_is_not_run_again(how: dict[str, object]) -> None:
    assert pods_of(settled(stored_in(pod("bare", "beta", **how)))) == {}


def test_a_pod_that_was_bound_to_nobody_waits_on() -> None:
    store = stored_in(pod("pending", ""))
    assert settled(store).list(PODS) == store.list(PODS)


def test_no_watch_goes_on_over_the_gap() -> None:
    """A client may have seen revisions that are lost; whatever it has seen, it is told to list anew."""
    store = stored_in(node("alpha", ALPHA), pod("web-1", "alpha"))
    after = settled(store, stay=("alpha",))
    assert after.revision == store.revision + REVISION_LEAP
    for seen in (1, store.revision, store.revision + 5_000):
        with pytest.raises(ExpiredError):
            list(after.changes_since(PODS, seen))


# A survivor's disk.


@pytest.fixture
async def survivor(tmp_path: Path) -> Path:
    """Alpha's folder: it, beta and a standby; the last two entries are not known to be committed."""
    folder = tmp_path / "raft"
    disk = SqliteDisk(folder)
    first = (node("alpha", ALPHA), node("beta", BETA), pod("web-1", "beta", owned=True))
    await bootstrap(
        disk=disk, cluster_id=CLUSTER, node_id=ALPHA, address="h1:1", operations=first, rng=random.Random(1)
    )
    entries = (
        change(3, ChangeKind.ADD_LEARNER, BETA, b"h2:2"),
        change(4, ChangeKind.PROMOTE, BETA),
        change(5, ChangeKind.ADD_LEARNER, GAMMA, b"h3:3"),
        Entry(6, 2, commands.encode(Command(b"6" * 16, (node("gamma", GAMMA),)))),
    )
    await disk.persist(Batch(entries=entries, hard_state=HardState(3, BETA, 4)))
    disk.close()
    return folder


def change(index: int, kind: ChangeKind, node_id: str, context: bytes = b"") -> Entry:
    return Entry(index, 1, membership.encode(MembershipChange(kind, node_id, context)), EntryKind.MEMBERSHIP)


async def found_in(folder: Path) -> Found:
    disk = SqliteDisk(folder)
    try:
        return await recovery.read(disk)
    finally:
        disk.close()


async def test_every_entry_counts_committed_or_not(survivor: Path) -> None:
    found = await found_in(survivor)
    assert (found.last_index, found.last_term, found.contents.hard_state.commit) == (6, 2, 4)
    assert found.names() == {ALPHA: "alpha", BETA: "beta", GAMMA: "gamma"}
    assert found.membership == Membership(voters=frozenset({ALPHA, BETA}), learners=frozenset({GAMMA}))
    assert found.addresses == {ALPHA: "h1:1", BETA: "h2:2", GAMMA: "h3:3"}


async def test_the_survivor_is_the_only_voter_in_a_term_that_nobody_had(survivor: Path) -> None:
    disk = SqliteDisk(survivor)
    found = await recovery.read(disk)
    capture = recovery.settled(found.store, stay={"alpha"}, newcomers=(), rng=random.Random(1), now=NOW)
    await recovery.begin_alone(disk, capture, node_id=ALPHA, address="h1:1", index=7, term=4)
    disk.close()
    after = await found_in(survivor)
    assert after.membership == Membership(voters=frozenset({ALPHA}))
    assert after.addresses == {ALPHA: "h1:1"}
    assert (after.last_index, after.contents.entries) == (7, ())
    assert after.contents.hard_state == HardState(4, ALPHA, 7)
    assert after.names() == {ALPHA: "alpha"}


# The check.


def contents(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def snapshot_in(folder: Path) -> Path:
    return next(folder.glob("snapshot-*"))


def problems(folder: Path) -> dict[str, str]:
    return {finding.what: finding.detail for finding in recovery_check.examine(folder).findings if not finding.ok}


async def test_a_sound_disk_is_sound_and_stays_as_it_was(survivor: Path) -> None:
    before = contents(survivor)
    report = recovery_check.examine(survivor)
    assert report.ok
    assert [finding.what for finding in report.findings] == ["log", "database", "hard state", "snapshot", "state"]
    assert (report.node_id, report.last_index, report.last_term, report.commit) == (ALPHA, 6, 2, 4)
    assert contents(survivor) == before


async def test_what_a_killed_daemon_left_stays_as_it_was(survivor: Path, tmp_path: Path) -> None:
    """Whoever opens a database recovers it: the log is put into its place. A check must not."""
    disk = SqliteDisk(survivor)
    await disk.load()
    await disk.persist(Batch(entries=(Entry(7, 3),)))
    dead = shutil.copytree(survivor, tmp_path / "dead")
    disk.close()
    before = contents(dead)
    assert recovery_check.examine(dead).last_index == 7
    assert contents(dead) == before


async def test_a_damaged_snapshot_is_found(survivor: Path) -> None:
    path = snapshot_in(survivor)
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    assert problems(survivor) == {"snapshot": "the checksum does not match"}


async def test_a_missing_snapshot_is_found(survivor: Path) -> None:
    snapshot_in(survivor).unlink()
    assert problems(survivor) == {"snapshot": "it is missing"}


async def test_a_gap_in_the_log_is_found(survivor: Path) -> None:
    with sqlite3.connect(survivor / DATABASE) as database:
        database.execute("DELETE FROM entries WHERE position = 4")
    database.close()
    assert problems(survivor) == {"log": "entry 5 of term 1 follows entry 3 of term 1"}


async def test_lost_acknowledgements_are_found_and_the_rest_is_looked_at(survivor: Path, tmp_path: Path) -> None:
    older = tmp_path / "older.db"
    shutil.copy(survivor / DATABASE, older)
    disk = SqliteDisk(survivor)
    await disk.load()
    await disk.persist(Batch(entries=(Entry(7, 3),)))
    disk.close()
    shutil.copy(older, survivor / DATABASE)
    report = recovery_check.examine(survivor)
    assert problems(survivor) == {"log": "at least 1 acknowledged writes are gone from its end"}
    assert report.last_index == 6


async def test_a_commit_beyond_the_log_and_an_old_term_are_found(survivor: Path) -> None:
    disk = SqliteDisk(survivor)
    await disk.load()
    await disk.persist(Batch(hard_state=HardState(3, "", 9)))
    disk.close()
    assert problems(survivor)["hard state"] == "commit 9 lies behind the log's end at 6"
    assert "its tail was lost" in problems(survivor)["state"]
    disk = SqliteDisk(survivor)
    await disk.load()
    await disk.persist(Batch(hard_state=HardState(1, "", 4)))
    disk.close()
    assert problems(survivor) == {"hard state": "term 1 is older than the log's last, 2"}


async def test_an_object_that_does_not_decode_is_named(survivor: Path) -> None:
    disk = SqliteDisk(survivor)
    await disk.load()
    bad = Put(Key(PODS, "default", "bad"), BAD_POD)
    await disk.persist(Batch(entries=(Entry(7, 3, commands.encode(Command(b"7" * 16, (bad,)))),)))
    disk.close()
    assert list(problems(survivor)) == ["state"]
    assert problems(survivor)["state"].startswith("pods/default/bad: ")


async def test_what_is_no_database_is_told(survivor: Path) -> None:
    (survivor / WATERMARK).unlink()
    (survivor / DATABASE).write_bytes(b"no database" * 500)
    assert problems(survivor) == {"log": "file is not a database", "database": "file is not a database"}


async def test_a_running_daemon_is_not_disturbed(survivor: Path) -> None:
    disk = SqliteDisk(survivor)
    await disk.load()
    with pytest.raises(ConfigError, match="another swarmlet daemon uses this data folder; stop it first"):
        recovery_check.examine(survivor)
    disk.close()


def test_nothing_to_check_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is nothing to check"):
        recovery_check.examine(tmp_path / "raft")
