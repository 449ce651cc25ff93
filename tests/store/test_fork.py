from __future__ import annotations

import pytest

from swarmlet.errors import ExpiredError
from swarmlet.store.commands import Command, Delete, Key, Put, Verdict
from swarmlet.store.state import Store
from tests.store.test_state import document, key, put


@pytest.fixture
def store() -> Store:
    store = Store()
    pod = Key("pods", "default", "p")
    metadata = {"ownerReferences": [{"uid": "owner"}]}
    store.apply(Command(b"1", (put(key("a"), data={"x": "1"}), put(key("b")))))
    store.apply(Command(b"2", (Put(pod, document(pod, metadata=metadata, spec={"nodeName": "h1"})),)))
    return store


def state(store: Store) -> list:
    return [(stored.key, stored.revision, stored.json) for stored in store.capture().objects]


def test_a_fork_begins_with_what_there_is(store):
    fork = store.fork()
    assert state(fork) == state(store)
    assert fork.revision == store.revision
    assert [each.key.name for each in fork.pods_on("h1")] == ["p"]
    assert [each.key.name for each in fork.by_owner("owner")] == ["p"]
    fork.validate()


def test_what_happens_to_one_does_not_happen_to_the_other(store):
    fork = store.fork()
    before = state(store)
    heard = []
    store.subscribe(heard.append)
    pod = Key("pods", "default", "p")
    moved = Put(pod, document(pod, spec={"nodeName": "h2"}))
    fork.apply(Command(b"", (put(key("a"), data={"x": "2"}), Delete(key("b")), put(key("new")), moved)))
    assert (state(store), heard) == (before, [])
    assert not fork.pods_on("h1")
    assert not fork.by_owner("owner")
    after = state(fork)
    store.apply(Command(b"3", (Delete(pod), put(key("other", "elsewhere")))))
    assert state(fork) == after
    fork.validate()
    store.validate()


def test_a_fork_does_not_remember_the_requests_of_the_store(store):
    [outcome] = store.fork().apply(Command(b"1", (put(key("c")),)))
    assert outcome.verdict is Verdict.DONE


def test_a_fork_remembers_only_its_own_changes(store):
    fork = store.fork()
    fork.apply(Command(b"", (put(key("c")),)))
    assert [change.key.name for change in fork.changes_since("configmaps", store.revision)] == ["c"]
    with pytest.raises(ExpiredError):
        list(fork.changes_since("configmaps", store.revision - 1))
