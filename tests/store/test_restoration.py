from __future__ import annotations

import gc

import pytest

from swarmlet.errors import DiskError
from swarmlet.store import snapshot
from swarmlet.store.commands import Command
from swarmlet.store.snapshot import Restoration
from swarmlet.store.state import Store
from tests.store.test_state import apply, key, put


def filled(count: int) -> Store:
    store = Store()
    for number in range(count):
        operation = put(key(f"k{number:04}"), metadata={"ownerReferences": [{"uid": f"o{number % 3}"}]})
        store.apply(Command(b"", (operation,)))
    apply(store, put(key("p", resource="pods"), spec={"nodeName": "n1"}), request_id=b"1" * 16)
    return store


def test_a_snapshot_that_is_being_read_is_not_seen_before_it_is_adopted(monkeypatch):
    monkeypatch.setattr(snapshot, "BATCH_OBJECTS_MAX", 10)
    original, store, heard = filled(40), Store(), []
    apply(store, put(key("old")))
    store.subscribe(heard.append)
    restoration = Restoration()
    for chunk in original.capture().encode_chunks():
        restoration.add(chunk)
        assert (store.revision, heard) == (1, [])
        assert [stored.key.name for stored in store.list("configmaps")] == ["old"]
    store.adopt(restoration)
    store.validate()
    assert heard == [()]
    assert list(store.capture().encode_chunks()) == list(original.capture().encode_chunks())
    assert store.by_owner("o1") == original.by_owner("o1") != []
    assert store.pods_on("n1") == original.pods_on("n1") != []


def test_a_restoration_that_is_not_whole_is_refused_and_changes_nothing():
    store = filled(3)
    before = list(store.capture().encode_chunks())
    restoration = Restoration()
    for chunk in before[:-1]:
        restoration.add(chunk)
    with pytest.raises(DiskError, match="the end is missing"):
        store.adopt(restoration)
    assert list(store.capture().encode_chunks()) == before


def test_what_follows_the_end_of_a_snapshot_is_refused():
    chunks = list(filled(3).capture().encode_chunks())
    restoration = Restoration()
    for chunk in chunks:
        restoration.add(chunk)
    with pytest.raises(DiskError, match="something follows the end"):
        restoration.add(chunks[1])


def test_many_small_objects_make_many_small_chunks():
    """What a chunk costs to read holds up the event loop, and depends on the number of objects, too."""
    chunks = list(filled(1_100).capture().encode_chunks())
    restoration, read = Restoration(), []
    for chunk in chunks:
        before = len(restoration.tables.list("configmaps"))
        restoration.add(chunk)
        read.append(len(restoration.tables.list("configmaps")) - before)
    assert sum(read) == 1_100
    assert max(read) <= snapshot.BATCH_OBJECTS_MAX


def test_the_garbage_collector_need_not_look_at_each_object():
    """100,000 objects that it walks over are a pause of the event loop of 50 ms."""
    chunks = list(filled(2_000).capture().encode_chunks())
    gc.collect()
    before = len(gc.get_objects())
    store = Store()
    store.restore(chunks)
    gc.collect()
    assert len(store.list("configmaps")) == 2_000
    assert len(gc.get_objects()) - before < 500
