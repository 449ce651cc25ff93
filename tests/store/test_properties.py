"""Laws of the store that hold for every history."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.model import kinds
from swarmlet.store import commands
from swarmlet.store.commands import Command, Delete, Key, Put
from swarmlet.store.state import Store

pytestmark = pytest.mark.slow  # hundreds of histories each

RESOURCES = ("pods", "configmaps", "nodes")


def object_of(key: Key, draw_owner: str, node: str, value: int) -> bytes:
    kind = kinds.BY_RESOURCE[key.resource]
    owners = [{"uid": draw_owner}] if draw_owner else []
    metadata = {"name": key.name, "uid": f"uid-{key.name}", "generation": value, "ownerReferences": owners}
    if key.namespace:
        metadata["namespace"] = key.namespace
    spec = {"nodeName": node} if node else {}
    return msgspec.json.encode({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec})


@st.composite
def keys(draw) -> Key:
    resource = draw(st.sampled_from(RESOURCES))
    namespace = draw(st.sampled_from(["a", "b"])) if kinds.BY_RESOURCE[resource].namespaced else ""
    return Key(resource, namespace, draw(st.sampled_from(["x", "y", "z"])))


@st.composite
def operations(draw) -> Put | Delete:
    key = draw(keys())
    expected = draw(st.sampled_from([None, None, None, 0, 1, 3]))
    if draw(st.integers(0, 3)) == 0:
        return Delete(key, expected)
    owner, node = draw(st.sampled_from(["", "o1", "o2"])), draw(st.sampled_from(["", "n1", "n2"]))
    data = object_of(key, owner, node, draw(st.integers(1, 2)))
    return Put(key, data if draw(st.integers(0, 9)) else b"{", expected)


histories = st.lists(
    st.builds(
        Command,
        st.binary(min_size=1, max_size=1),
        st.lists(operations(), max_size=5).map(tuple),
        st.booleans(),
    ),
    max_size=25,
)


def replayed(history: list[Command]) -> tuple[Store, list]:
    store = Store()
    outcomes = [store.apply_entry(commands.encode(command)) for command in history]
    store.validate()
    return store, outcomes


def snapshot(store: Store) -> bytes:
    return b"".join(store.capture().encode_chunks())


@given(histories)
@settings(max_examples=150, deadline=None)
def test_equal_histories_give_equal_outcomes_and_snapshots(history):
    (one, first), (other, second) = replayed(history), replayed(history)
    assert first == second
    assert snapshot(one) == snapshot(other)


@given(histories, histories)
@settings(max_examples=150, deadline=None)
def test_a_restored_store_behaves_as_the_one_it_was_taken_from(before, after):
    original, _ = replayed(before)
    restored = Store()
    restored.restore([snapshot(original)])
    restored.validate()
    assert snapshot(restored) == snapshot(original)
    assert [restored.apply(command) for command in after] == [original.apply(command) for command in after]
    restored.validate()
    assert snapshot(restored) == snapshot(original)
    for word in ("o1", "o2"):
        assert restored.by_owner(word) == original.by_owner(word)
    for word in ("", "n1", "n2"):
        assert restored.pods_on(word) == original.pods_on(word)


@given(histories, st.integers(0, 40))
@settings(max_examples=150, deadline=None)
def test_a_watch_resumed_anywhere_sees_just_what_was_observed_after_it(history, start):
    store = Store()
    observed: list = []
    store.subscribe(observed.extend)
    for command in history:
        store.apply(command)
    assert [change.revision for change in observed] == list(range(1, store.revision + 1))
    for resource in RESOURCES:
        wanted = [change for change in observed if change.key.resource == resource and change.revision > start]
        assert list(store.changes_since(resource, start)) == wanted


@given(histories)
@settings(max_examples=100, deadline=None)
def test_the_changes_lead_from_nothing_to_the_present_state(history):
    store, _ = replayed(history)
    for resource in RESOURCES:
        state: dict = {}
        for change in store.changes_since(resource, 0):
            assert state.get(change.key) == change.old
            state[change.key] = change.new
        assert [state[key] for key in sorted(state) if state[key]] == list(store.list(resource))
