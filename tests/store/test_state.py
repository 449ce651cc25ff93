from __future__ import annotations

import json

import msgspec
import pytest

from swarmlet.errors import DiskError, ExpiredError
from swarmlet.model import kinds
from swarmlet.store import commands, stamping, window
from swarmlet.store.commands import Command, Delete, Key, Outcome, Put, Verdict
from swarmlet.store.state import Store


def key(name: str, namespace: str = "default", resource: str = "configmaps") -> Key:
    return Key(resource, namespace, name)


def document(of: Key, **content) -> bytes:
    metadata = {"name": of.name, "uid": f"uid-{of.name}"} | ({"namespace": of.namespace} if of.namespace else {})
    kind = kinds.BY_RESOURCE[of.resource]
    metadata |= content.pop("metadata", {})
    return msgspec.json.encode({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **content})


def put(of: Key, expected_revision=None, expected_uid="", **content) -> Put:
    return Put(of, document(of, **content), expected_revision, expected_uid)


def apply(store: Store, *operations, atomic=True, request_id=b"") -> tuple[Outcome, ...]:
    outcomes = store.apply(Command(request_id, operations, atomic))
    store.validate()
    return outcomes


def verdicts(outcomes) -> list[Verdict]:
    return [outcome.verdict for outcome in outcomes]


@pytest.fixture
def store() -> Store:
    return Store()


def test_a_put_stamps_its_revision_into_the_json_and_the_typed_object(store):
    [outcome] = apply(store, put(key("a"), data={"x": "1"}))
    stored = store.get(key("a"))
    assert outcome == Outcome(Verdict.DONE, 1)
    assert json.loads(stored.json)["metadata"]["resourceVersion"] == "1"
    assert stored.object.metadata.resource_version == "1"
    assert stored.object.data == {"x": "1"}


def test_each_object_of_a_command_gets_a_revision_of_its_own(store):
    outcomes = apply(store, put(key("a")), put(key("b")), put(key("c")))
    assert [outcome.revision for outcome in outcomes] == [1, 2, 3]
    assert store.revision == 3


def test_a_write_that_changes_nothing_keeps_the_revision(store):
    apply(store, put(key("a"), data={"x": "1"}))
    assert apply(store, put(key("a"), data={"x": "1"})) == (Outcome(Verdict.UNCHANGED, 1),)
    assert store.revision == 1
    assert list(store.changes_since("configmaps", 1)) == []


def test_a_write_that_only_orders_keys_otherwise_changes_nothing(store):
    apply(store, put(key("a"), data={"x": "1", "y": "2"}))
    assert verdicts(apply(store, put(key("a"), data={"y": "2", "x": "1"}))) == [Verdict.UNCHANGED]


def test_an_object_that_comes_with_a_resource_version_or_in_another_order_is_stored_as_any_other(store):
    metadata = b'{"resourceVersion":"77","namespace":"default","name":"a"}'
    text = b'{"data":{"metadata":"{"},"metadata":%b,"kind":"ConfigMap","apiVersion":"v1"}' % metadata
    apply(store, Put(key("a"), text))
    assert json.loads(store.get(key("a")).json) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"resourceVersion": "1", "namespace": "default", "name": "a"},
        "data": {"metadata": "{"},
    }


def test_fields_of_a_newer_version_are_kept_byte_for_byte(store):
    apply(store, put(key("a"), tomorrow={"more": [1, 2]}))
    assert json.loads(store.get(key("a")).json)["tomorrow"] == {"more": [1, 2]}


def test_a_kind_of_a_newer_version_is_stored_and_its_metadata_can_be_read(store):
    unknown = Key("widgets.example.org", "default", "w")
    text = b'{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"w","namespace":"default"},"spec":1}'
    assert verdicts(apply(store, Put(unknown, text))) == [Verdict.DONE]
    assert store.get(unknown).object.metadata.name == "w"


@pytest.mark.parametrize(
    ("expected_revision", "expected_uid", "verdict"),
    [
        (None, "", Verdict.DONE),
        (1, "uid-a", Verdict.DONE),
        (0, "", Verdict.ALREADY_EXISTS),
        (7, "", Verdict.CONFLICT),
        (None, "another", Verdict.CONFLICT),
    ],
)
def test_preconditions_on_an_object_that_exists(store, expected_revision, expected_uid, verdict):
    apply(store, put(key("a")))
    [outcome] = apply(store, put(key("a"), expected_revision, expected_uid, data={"x": "1"}))
    assert outcome.verdict is verdict
    assert outcome.revision == (2 if verdict is Verdict.DONE else 1)


@pytest.mark.parametrize(
    ("expected_revision", "expected_uid", "verdict"),
    [
        (None, "", Verdict.DONE),
        (0, "", Verdict.DONE),
        (7, "", Verdict.NOT_FOUND),
        (None, "another", Verdict.NOT_FOUND),
    ],
)
def test_preconditions_on_an_object_that_does_not_exist(store, expected_revision, expected_uid, verdict):
    assert verdicts(apply(store, put(key("a"), expected_revision, expected_uid))) == [verdict]


def test_a_delete_removes_the_object_and_takes_a_revision(store):
    apply(store, put(key("a")))
    assert apply(store, Delete(key("a"), 1, "uid-a")) == (Outcome(Verdict.DONE, 2),)
    assert store.get(key("a")) is None
    assert verdicts(apply(store, Delete(key("a")))) == [Verdict.NOT_FOUND]


def test_an_atomic_command_does_all_or_nothing(store):
    apply(store, put(key("a")))
    outcomes = apply(store, put(key("b")), put(key("a"), 0), put(key("c")))
    assert verdicts(outcomes) == [Verdict.SKIPPED, Verdict.ALREADY_EXISTS, Verdict.SKIPPED]
    assert store.get(key("b")) is None
    assert store.revision == 1


def test_the_operations_of_a_command_that_is_not_atomic_stand_for_themselves(store):
    apply(store, put(key("a")))
    outcomes = apply(store, put(key("b")), put(key("a"), 0), put(key("c")), atomic=False)
    assert verdicts(outcomes) == [Verdict.DONE, Verdict.ALREADY_EXISTS, Verdict.DONE]


def test_a_request_proposed_twice_applies_once_and_gets_its_first_outcomes(store):
    first = apply(store, put(key("a"), 0), request_id=b"1" * 16)
    assert apply(store, put(key("a"), 0), request_id=b"1" * 16) == first
    assert verdicts(apply(store, put(key("a"), 0), request_id=b"2" * 16)) == [Verdict.ALREADY_EXISTS]


@pytest.mark.parametrize("data", [b"", b"{}", b"\x93", b"\x93\xc4\x00\x91\x93\x09\x01\x02\xc3"])
def test_bytes_that_are_no_command_change_nothing(store, data):
    assert verdicts(store.apply_entry(data)) == [Verdict.INVALID]
    assert store.revision == 0


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"apiVersion":"v1"',
        b'{"apiVersion":"v1","kind":"ConfigMap","metadata":null}',
        b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"other","namespace":"default"}}',
        b'{"kind":"ConfigMap","metadata":{"name":"a","namespace":"default"}}',
    ],
)
def test_what_is_not_the_object_of_its_key_is_refused(store, text):
    assert verdicts(apply(store, Put(key("a"), text))) == [Verdict.INVALID]
    assert store.revision == 0


def test_a_command_may_name_a_key_once(store):
    outcomes = apply(store, put(key("a")), Delete(key("a")), atomic=False)
    assert verdicts(outcomes) == [Verdict.DONE, Verdict.INVALID]


def test_an_entry_is_a_command_encoded(store):
    outcomes = store.apply_entry(commands.encode(Command(b"", (put(key("a")),))))
    assert verdicts(outcomes) == [Verdict.DONE]


def test_lists_are_sorted_by_namespace_and_name(store):
    for namespace, name in (("b", "x"), ("a", "z"), ("b", "a"), ("a", "y")):
        apply(store, put(key(name, namespace)))
    assert [(s.key.namespace, s.key.name) for s in store.list("configmaps")] == [
        ("a", "y"),
        ("a", "z"),
        ("b", "a"),
        ("b", "x"),
    ]
    assert [s.key.name for s in store.list("configmaps", "b")] == ["a", "x"]
    assert list(store.list("configmaps", "c")) == []
    assert list(store.list("secrets")) == []


def test_objects_are_found_by_their_owner_and_lost_when_it_changes(store):
    owner = {"metadata": {"ownerReferences": [{"uid": "o1"}, {"uid": "o1"}]}}
    apply(store, put(key("b"), **owner), put(key("a"), **owner), put(key("c")))
    assert [s.key.name for s in store.by_owner("o1")] == ["a", "b"]
    apply(store, put(key("a")), Delete(key("b")))
    assert list(store.by_owner("o1")) == []


def test_pods_are_found_by_their_node(store):
    pods = [key(name, resource="pods") for name in "ab"]
    apply(store, *(put(pod) for pod in pods))
    assert [s.key.name for s in store.pods_on("")] == ["a", "b"]
    apply(store, put(pods[0], spec={"nodeName": "n1"}))
    assert [s.key.name for s in store.pods_on("n1")] == ["a"]
    assert [s.key.name for s in store.pods_on("")] == ["b"]


def test_changes_tell_what_was_and_what_is(store):
    apply(store, put(key("a")))
    apply(store, put(key("a"), data={"x": "1"}))
    apply(store, Delete(key("a")))
    changes = list(store.changes_since("configmaps", 0))
    assert [(c.revision, bool(c.old), bool(c.new)) for c in changes] == [
        (1, False, True),
        (2, True, True),
        (3, True, False),
    ]
    assert changes[2].old == changes[1].new


def test_a_deleted_object_can_be_shown_at_the_revision_of_its_deletion(store):
    apply(store, put(key("a"), data={"x": "1"}))
    apply(store, Delete(key("a")))
    [change] = store.changes_since("configmaps", 1)
    shown = json.loads(stamping.restamped(change.old.json, change.revision))
    assert shown["metadata"]["resourceVersion"] == "2"
    assert shown["data"] == {"x": "1"}


def test_changes_of_a_resource_are_its_own(store):
    apply(store, put(key("a")), put(key("s", resource="secrets")), put(key("b")))
    assert [c.revision for c in store.changes_since("configmaps", 1)] == [3]
    assert [c.revision for c in store.changes_since("configmaps", 3)] == []
    assert [c.revision for c in store.changes_since("events", 3)] == []


def test_a_watch_from_before_the_window_is_told_that_it_expired(store, monkeypatch):
    monkeypatch.setattr(window, "CHANGES_MAX", 3)
    for number in range(10):
        store.apply(Command(b"", (put(key("a"), data={"x": str(number)}),)))
    with pytest.raises(ExpiredError, match=r"too old resource version: 6 \(7\)"):
        store.changes_since("configmaps", 6)
    assert [c.revision for c in store.changes_since("configmaps", 7)] == [8, 9, 10]


def test_large_objects_shorten_the_window(store, monkeypatch):
    monkeypatch.setattr(window, "BYTES_MAX", 3_000)
    for number in range(10):
        store.apply(Command(b"", (put(key("a"), data={"x": str(number) * 1_000}),)))
    with pytest.raises(ExpiredError):
        store.changes_since("configmaps", 5)


def test_subscribers_hear_every_change_in_order_until_they_unsubscribe(store):
    heard = []
    unsubscribe = store.subscribe(heard.append)
    apply(store, put(key("a")), put(key("b")))
    apply(store, put(key("a")))
    apply(store, Delete(key("b")))
    assert [[c.revision for c in changes] for changes in heard] == [[1, 2], [3]]
    unsubscribe()
    apply(store, Delete(key("a")))
    assert len(heard) == 2


def test_a_restored_store_goes_on_where_the_snapshot_was_made(store):
    apply(store, put(key("a")), put(key("p", resource="pods"), spec={"nodeName": "n1"}), request_id=b"1" * 16)
    restored = Store()
    heard = []
    restored.subscribe(heard.append)
    apply(restored, put(key("gone")))
    restored.restore(store.capture().encode_chunks())
    restored.validate()
    assert heard[-1] == ()
    assert restored.revision == 2
    assert restored.get(key("gone")) is None
    assert restored.pods_on("n1") == store.pods_on("n1")
    assert verdicts(apply(restored, put(key("a"), 0), request_id=b"1" * 16)) == [Verdict.DONE, Verdict.DONE]
    with pytest.raises(ExpiredError, match=r"too old resource version: 1 \(2\)"):
        restored.changes_since("configmaps", 1)
    assert list(restored.changes_since("configmaps", 2)) == []


def test_a_capture_does_not_see_later_changes(store):
    apply(store, put(key("a")))
    before = list(store.capture().encode_chunks())
    capture = store.capture()
    apply(store, put(key("a"), data={"x": "1"}))
    assert list(capture.encode_chunks()) == before


def test_a_snapshot_may_be_cut_anywhere(store):
    apply(store, *(put(key(f"k{number}")) for number in range(20)))
    data = b"".join(store.capture().encode_chunks())
    restored = Store()
    restored.restore(data[at : at + 7] for at in range(0, len(data), 7))
    assert restored.list("configmaps") == store.list("configmaps")


def test_a_large_state_is_encoded_in_bounded_chunks(store):
    for number in range(30):
        store.apply(Command(b"", (put(key(f"k{number}"), data={"x": "y" * 100_000}),)))
    assert max(map(len, store.capture().encode_chunks())) < 500_000


@pytest.mark.parametrize(
    "spoil", [lambda d: d[:-1], lambda d: b"", lambda d: b"\xff" + d[1:], lambda d: d[:4] + b"x" + d[5:]]
)
def test_a_damaged_snapshot_is_refused_and_changes_nothing(store, spoil):
    apply(store, put(key("a")))
    data = b"".join(store.capture().encode_chunks())
    with pytest.raises(DiskError):
        store.restore([spoil(data)])
    assert store.get(key("a")) is not None


def test_an_object_nested_without_end_is_invalid_and_changes_nothing(store):
    deep = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default"},"x":%b}'
    operations = [
        Put(key("a"), deep % (opening * depth + closing * depth))
        for opening, closing, depth in ((b"[", b"]", 2_000), (b'{"y":', b"}", 100_000))
    ]
    for operation in operations:
        (outcome,) = apply(store, Put(operation.key, operation.object.replace(b'"y":}', b'"y":1}')))
        assert (outcome.verdict, outcome.message) == (Verdict.INVALID, "the object is nested over 900 deep")
    assert store.revision == 0
    brackets = deep % (b'"\\"' + b"[{" * 5_000 + b'"')
    assert verdicts(apply(store, Put(key("a"), brackets))) == [Verdict.DONE]
    many = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","namespace":"default"},"x":[%b[]]}'
    assert verdicts(apply(store, Put(key("b"), many % (b"[]," * 5_000)))) == [Verdict.DONE]


def test_a_listener_that_fails_keeps_nothing_from_being_applied():
    told, heard = [], []

    def fail(changes):
        raise KeyError("poison")

    store = Store(failed=lambda listener, error: told.append((listener, str(error))))
    store.subscribe(fail)
    store.subscribe(heard.append)
    assert verdicts(apply(store, put(key("a")))) == [Verdict.DONE]
    assert told == [(fail, "'poison'")]
    assert len(heard) == 1
    alone = Store()
    alone.subscribe(fail)
    with pytest.raises(KeyError):
        apply(alone, put(key("a")))
