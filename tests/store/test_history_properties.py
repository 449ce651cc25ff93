"""Laws of the history that hold whatever was written: it leads back to each state as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest import mock

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.errors import ExpiredError
from swarmlet.store import commands, history, history_deltas, history_desired, history_reading
from swarmlet.store.commands import Command, Delete, Key, Origin, Put
from swarmlet.store.state import Store

pytestmark = pytest.mark.slow  # hundreds of histories each

KEYS = (Key("deployments.apps", "a", "x"), Key("deployments.apps", "b", "y"), Key("nodes", "", "n"))
KINDS = {"deployments.apps": ("apps/v1", "Deployment"), "nodes": ("v1", "Node")}
WHO = ("ann", "system:controller:hpa", "")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

values = st.recursive(
    st.one_of(st.integers(0, 3), st.sampled_from(["", "a", "b"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["p", "q", "0", "1"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def puts(draw) -> Put | Delete:
    key = draw(st.sampled_from(KEYS))
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return Delete(key)
    metadata: dict = {"name": key.name} | ({"namespace": key.namespace} if key.namespace else {})
    if kind == 1:
        metadata["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    if kind == 2:
        metadata["annotations"] = {"deployment.kubernetes.io/revision": draw(st.sampled_from("12"))}
    version, name = KINDS[key.resource]
    spec = {"replicas": draw(st.integers(0, 5))}
    if draw(st.booleans()):
        spec["free"] = draw(values)
    status = {"seen": draw(st.integers(0, 2))}
    return Put(
        key,
        msgspec.json.encode(
            {"apiVersion": version, "kind": name, "metadata": metadata, "spec": spec, "status": status}
        ),
    )


histories = st.lists(
    st.builds(
        lambda operations, atomic, who, minute: Command(
            b"", tuple(operations), atomic, Origin(who, NOON + timedelta(minutes=minute))
        ),
        st.lists(puts(), max_size=4, unique_by=lambda each: each.key),
        st.booleans(),
        st.sampled_from(WHO),
        st.integers(0, 60),
    ),
    max_size=40,
)


class Oracle:
    """Copies of what was desired after every revision."""

    def __init__(self, store: Store) -> None:
        self.states: list[dict[Key, object]] = [{}]
        store.subscribe(self._note)

    def _note(self, changes) -> None:
        for change in changes:
            self.states.append(self.states[-1] | {change.key: history_desired.of(change.new)})
        assert len(self.states) == changes[-1].revision + 1


@given(histories, st.sampled_from([6, 14, 1_000]))
@settings(max_examples=200, deadline=None)
def test_every_revision_that_is_known_shows_the_state_as_it_was(written, entries_max):
    with mock.patch.object(history, "ENTRIES_MAX", entries_max), mock.patch.object(history, "KEPT_MIN", 3):
        store = Store()
        oracle = Oracle(store)
        for command in written:
            store.apply(command)
            store.validate()
        for revision, state in enumerate(oracle.states):
            for key in KEYS:
                _compare(store, key, revision, state.get(key), forgets=entries_max < 1_000)
        assert [history_desired.of(store.get(key)) for key in KEYS] == [oracle.states[-1].get(key) for key in KEYS]


def _compare(store: Store, key: Key, revision: int, wanted, *, forgets: bool) -> None:
    try:
        found = history_reading.at(store, key, revision)
    except ExpiredError:
        assert forgets
        return
    if found.joined is None:
        assert found.document == wanted
        return
    assert found.joined.first <= revision < found.joined.revision
    delta = history_deltas.decode(found.joined.before)
    assert history_deltas.applied(wanted, delta) == found.document  # but for those fields they are the same


@given(histories, st.integers(0, 40))
@settings(max_examples=100, deadline=None)
def test_replicas_agree_though_one_was_restored_on_the_way(written, cut):
    with mock.patch.object(history, "ENTRIES_MAX", 12), mock.patch.object(history, "KEPT_MIN", 3):
        one, other = Store(), Store()
        for number, command in enumerate(written):
            one.apply_entry(commands.encode(command))
            other.apply_entry(commands.encode(command))
            if number == cut:
                restored = Store()
                restored.restore([b"".join(other.capture().encode_chunks())])
                other = restored
        other.validate()
        assert other.history.rows() == one.history.rows()
        assert b"".join(other.capture().encode_chunks()) == b"".join(one.capture().encode_chunks())


documents = st.dictionaries(st.sampled_from(["p", "q", "r"]), values, max_size=3)


@given(documents, documents)
@settings(max_examples=500, deadline=None)
def test_a_delta_leads_back_to_the_earlier_document(after, before):
    data = history_deltas.encode(history_deltas.between(after, before))
    assert history_deltas.applied(after, history_deltas.decode(data)) == before
