"""The history of what is asked for: what it keeps, what it leaves out, and how far it reaches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from swarmlet.errors import ExpiredError
from swarmlet.store import history, history_desired, history_reading, snapshot
from swarmlet.store.commands import Command, Delete, Key, Origin, Put
from swarmlet.store.history import Action
from swarmlet.store.snapshot import Restoration
from swarmlet.store.state import Store

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HPA = "system:controller:hpa"
WEB = Key("deployments.apps", "default", "web")


def origin(who: str = "ann", minutes: float = 0, note: str = "") -> Origin:
    return Origin(who, NOON + timedelta(minutes=minutes), "n1", "10.0.0.9", "kubectl/v1.35.0", "patch", note)


def document(key: Key, *, metadata: dict | None = None, **content) -> bytes:
    kinds = {"deployments.apps": ("apps/v1", "Deployment"), "pods": ("v1", "Pod"), "nodes": ("v1", "Node")}
    version, kind = kinds.get(key.resource, ("v1", "ConfigMap"))
    names = {"name": key.name} | ({"namespace": key.namespace} if key.namespace else {})
    return msgspec.json.encode({"apiVersion": version, "kind": kind, "metadata": names | (metadata or {}), **content})


def write(store: Store, *operations, by: Origin | None = None, atomic: bool = True) -> None:
    store.apply(Command(b"", operations, atomic, by or origin()))
    store.validate()


def put(store: Store, key: Key = WEB, *, by: Origin | None = None, **content) -> int:
    write(store, Put(key, document(key, **content)), by=by)
    return store.revision


def actions(store: Store) -> list[tuple[int, Action]]:
    return [(entry.revision, entry.action) for entry in store.history.rows()]


@pytest.fixture
def store() -> Store:
    return Store()


def test_a_change_is_kept_with_who_made_it_when_and_from_where(store):
    put(store, spec={"replicas": 1})
    put(store, spec={"replicas": 2}, by=origin("bob", 5))
    write(store, Delete(WEB))
    assert actions(store) == [(1, Action.CREATED), (2, Action.CHANGED), (3, Action.DELETED)]
    entry = store.history.get(2)
    assert (entry.origin.who, entry.origin.at, entry.origin.address) == ("bob", NOON + timedelta(minutes=5), "10.0.0.9")


def test_what_is_nobodys_wish_is_left_out(store):
    put(store, spec={"replicas": 1}, metadata={"annotations": {"a": "b"}})
    revised = {"annotations": {"a": "b", "deployment.kubernetes.io/revision": "1"}, "generation": 2}
    put(store, spec={"replicas": 1}, metadata=revised, status={"replicas": 1})
    rested = {"annotations": {"a": "b", "swarmlet.io/rebalance-failures": "2", "swarmlet.io/rebalance-not-before": "x"}}
    put(store, spec={"replicas": 1}, metadata=rested)
    owned = {"ownerReferences": [{"uid": "u", "controller": True}]}
    put(store, Key("pods", "default", "web-1"), metadata=owned, spec={"nodeName": "n1"})
    put(store, Key("events", "default", "e"), note="x")
    put(store, Key("tokens.internal.swarmlet.io", "", "t"))
    assert actions(store) == [(1, Action.CREATED)]


def test_a_node_is_asked_for_cordons_taints_and_labels_of_people_alone(store):
    node = Key("nodes", "", "n1")
    labels = {"kubernetes.io/hostname": "n1", "disk": "ssd"}
    put(store, node, metadata={"labels": labels}, spec={})
    unreachable = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    put(store, node, metadata={"labels": labels}, spec={"taints": [unreachable]}, status={"conditions": []})
    put(store, node, metadata={"labels": labels}, spec={"taints": [unreachable], "unschedulable": True})
    assert [revision for revision, _ in actions(store)] == [1, 3]
    assert history_desired.of(store.get(node)) == {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1", "labels": {"disk": "ssd"}},
        "spec": {"unschedulable": True},
    }


def test_an_object_that_is_to_go_is_desired_no_more_from_the_moment_it_was_asked(store):
    put(store, spec={"replicas": 1})
    put(store, spec={"replicas": 1}, metadata={"deletionTimestamp": "2026-11-21T12:00:00Z"}, by=origin("bob"))
    write(store, Delete(WEB), by=origin("system:controller:garbage"))
    assert [(entry.action, entry.origin.who) for entry in store.history.rows()] == [
        (Action.CREATED, "ann"),
        (Action.DELETED, "bob"),
    ]


def test_the_objects_of_one_atomic_command_are_one_change(store):
    other = Key("configmaps", "default", "c")
    write(store, Put(WEB, document(WEB)), Put(other, document(other)))
    write(store, Delete(WEB), Delete(other), atomic=False)
    assert [(entry.change, entry.size) for entry in store.history.rows()] == [(1, 2), (1, 2), (3, 1), (4, 1)]


def test_a_change_of_one_field_of_a_large_object_costs_little(store):
    containers = [{"name": "web", "image": "web:1", "env": [{"name": f"E{n}", "value": "x" * 50} for n in range(99)]}]
    put(store, spec={"template": {"spec": {"containers": containers}}})
    put(store, spec={"template": {"spec": {"containers": [containers[0] | {"image": "web:2"}]}}})
    assert len(store.history.get(2).before) < 150


def test_what_no_door_would_let_in_changes_nothing_and_does_no_harm(store):
    write(store, Put(WEB, document(WEB)[:-1] + b',"spec":{"x":"\xff"}}'))
    write(store, Put(WEB, document(WEB, spec=[1])))
    put(store, Key("nodes", "", "n1"), spec={"taints": [{}]})
    put(store, Key("pods", "default", "p"), spec="text")


# Looking back.


def test_each_revision_shows_the_state_as_it_was(store):
    first = put(store, spec={"replicas": 1})
    second = put(store, spec={"replicas": 2, "paused": True})
    write(store, Delete(WEB))
    put(store, spec={"replicas": 9})
    at = [history_reading.at(store, WEB, revision).document for revision in range(5)]
    assert [each and each["spec"] for each in at] == [
        None,
        {"replicas": 1},
        {"replicas": 2, "paused": True},
        None,
        {"replicas": 9},
    ]
    assert (first, second) == (1, 2)


def test_steps_tell_each_state_before_and_after_newest_first(store):
    put(store, spec={"replicas": 1})
    put(store, spec={"replicas": 2})
    steps = list(history_reading.steps(store))
    assert [(step.before and step.before["spec"], step.after["spec"]) for step in steps] == [
        ({"replicas": 1}, {"replicas": 2}),
        (None, {"replicas": 1}),
    ]


def test_a_time_is_the_last_revision_that_was_made_by_then(store):
    put(store, spec={"replicas": 1}, by=origin(minutes=0))
    put(store, spec={"replicas": 2}, by=origin(minutes=10))
    found = [history_reading.revision_at(store, NOON + timedelta(minutes=minutes)) for minutes in (-1, 0, 9, 10, 99)]
    assert found == [0, 1, 1, 2, 2]


# The bound.


def test_the_oldest_go_first_but_the_newest_of_each_object_stay_while_there_are_others(store, monkeypatch):
    monkeypatch.setattr(history, "ENTRIES_MAX", 25)
    quiet = Key("configmaps", "default", "quiet")
    put(store, quiet)
    for number in range(50):
        put(store, spec={"replicas": number})
    assert len(store.history) == 25
    assert store.history.get(1) is not None
    assert history_reading.at(store, WEB, 40).document["spec"] == {"replicas": 38}
    with pytest.raises(ExpiredError, match="back to revision 27"):
        history_reading.at(store, WEB, 20)
    assert history_reading.at(store, quiet, 1).document is not None


def test_where_no_object_has_more_than_its_share_the_oldest_of_all_go(store, monkeypatch):
    monkeypatch.setattr(history, "ENTRIES_MAX", 3)
    for number in range(5):
        put(store, Key("configmaps", "default", f"c{number}"))
    assert actions(store) == [(3, Action.CREATED), (4, Action.CREATED), (5, Action.CREATED)]
    assert store.history.floor == 2
    with pytest.raises(ExpiredError):
        history_reading.at(store, Key("configmaps", "default", "c0"), 1)
    assert history_reading.at(store, Key("configmaps", "default", "c0"), 2).document is not None


def test_large_values_are_bounded_by_their_bytes(store, monkeypatch):
    monkeypatch.setattr(history, "BYTES_MAX", 10_000)
    for number in range(40):
        put(store, Key("configmaps", "default", "c"), data={"x": f"{number}" * 600})
    assert 3_000 < store.history.size_bytes <= 10_000


def test_what_a_controller_does_over_and_over_becomes_one_entry(store):
    put(store, spec={"replicas": 1}, by=origin())
    for number in range(40):
        put(store, spec={"replicas": 2 + number}, by=origin(HPA, number))
    rows = store.history.rows()
    assert len(rows) == history.KEPT_MIN + 1
    assert (rows[1].joined, rows[1].first, rows[1].began) == (31, 2, NOON)
    assert history_reading.at(store, WEB, 1).document["spec"] == {"replicas": 1}
    within = history_reading.at(store, WEB, 20)
    assert (within.document["spec"], within.joined.revision) == ({"replicas": 1}, 32)
    assert history_reading.at(store, WEB, 40).joined is None


def test_a_users_changes_are_never_joined(store):
    for number in range(40):
        put(store, spec={"replicas": number})
    assert len(store.history) == 40


def test_a_controllers_changes_of_different_fields_are_kept_apart(store):
    put(store, spec={"replicas": 1, "paused": False})
    for number in range(30):
        put(store, spec={"replicas": number // 2, "paused": bool(number % 2)}, by=origin(HPA, number))
    assert {entry.joined for entry in store.history.rows()} == {1}
    for number in range(30):
        assert history_reading.at(store, WEB, number + 2).document["spec"] == {
            "replicas": number // 2,
            "paused": bool(number % 2),
        }


# Snapshots.


def test_a_snapshot_carries_the_history_and_its_bound(store, monkeypatch):
    monkeypatch.setattr(history, "ENTRIES_MAX", 30)
    for number in range(40):
        put(store, spec={"replicas": number}, by=origin("ann" if number % 3 else HPA, number))
    copy = Store()
    copy.restore(store.capture().encode_chunks())
    copy.validate()
    for each in (store, copy):
        for number in range(10):
            put(each, spec={"replicas": 100 + number}, by=origin(HPA, number))
    assert copy.history.rows() == store.history.rows()
    assert list(copy.capture().encode_chunks()) == list(store.capture().encode_chunks())


def test_a_snapshot_of_before_there_was_history_begins_one(store, monkeypatch):
    put(store, spec={"replicas": 1})
    chunks = list(store.capture().encode_chunks())
    old = [snapshot._record(snapshot._Header(snapshot.FORMAT_WITHOUT_HISTORY, 1)), *chunks[1:-2]]
    old.append(snapshot._record(snapshot._End(1, 0)))
    copy = Store()
    copy.restore(old)
    assert (len(copy.history), copy.history.floor) == (0, 1)
    put(copy, spec={"replicas": 2})
    assert history_reading.at(copy, WEB, 1).document["spec"] == {"replicas": 1}
    with pytest.raises(ExpiredError):
        history_reading.at(copy, WEB, 0)


def test_a_command_without_an_origin_is_read_as_older_versions_wrote_it(store):
    store.apply_entry(msgspec.msgpack.encode([b"", [[0, list(msgspec.structs.astuple(WEB)), document(WEB), None, ""]]]))
    [entry] = store.history.rows()
    assert (entry.origin.who, entry.origin.at) == ("", None)


def test_a_restoration_that_lacks_entries_is_refused(store):
    put(store)
    chunks = list(store.capture().encode_chunks())
    restoration = Restoration()
    for chunk in chunks[:-2]:
        restoration.add(chunk)
    with pytest.raises(snapshot.DiskError, match="1 entries expected"):
        restoration.add(chunks[-1])


# What depends on the kind.


def test_a_claim_that_a_controller_binds_is_as_it_was_and_one_bound_by_a_person_is_not(store):
    claim = Key("persistentvolumeclaims", "default", "data")
    put(store, claim, spec={"storageClassName": "local"})
    bound = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
    put(store, claim, spec={"storageClassName": "local", "volumeName": "pv-1"}, metadata={"annotations": bound})
    assert actions(store) == [(1, Action.CREATED)]
    put(store, claim, spec={"storageClassName": "local", "volumeName": "pv-1"})
    assert actions(store)[1:] == [(3, Action.CHANGED)]
    assert "volumeName" not in history_reading.at(store, claim, 2).document["spec"]
    assert history_desired.of(store.get(claim))["spec"]["volumeName"] == "pv-1"


def test_a_job_does_not_bear_the_marks_of_its_own_uid(store):
    job = Key("jobs.batch", "default", "once")
    labels = {"batch.kubernetes.io/controller-uid": "u", "controller-uid": "u", "app": "x"}
    spec = {"selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}, "completions": 1}
    put(store, job, spec=spec | {"template": {"metadata": {"labels": labels}}})
    assert history_desired.of(store.get(job))["spec"] == {
        "completions": 1,
        "template": {"metadata": {"labels": {"app": "x"}}},
    }
