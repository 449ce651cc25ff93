"""Events: made, counted, combined and bounded."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from swarmlet.model import events
from swarmlet.model.core import ConfigMap, Node
from swarmlet.model.meta import ObjectMeta

NOW = datetime(2026, 1, 1, 12, 0, 0, 500, tzinfo=UTC)
THING = ConfigMap(metadata=ObjectMeta(name="c", namespace="shop", uid="u1", resource_version="7"))


@pytest.fixture
def journal() -> events.Journal:
    return events.Journal(component="agent", host="n1", rng=random.Random(1))


def note(message: str = "it happened", reason: str = "Happened") -> events.Note:
    return events.Note(THING, events.NORMAL, reason, message)


def test_an_event_names_its_object_source_and_time(journal: events.Journal) -> None:
    journal.record(note(), NOW)
    (event,) = journal.take(10)
    assert (event.involved_object.kind, event.involved_object.name, event.involved_object.uid) == (
        "ConfigMap",
        "c",
        "u1",
    )
    assert (event.source.component, event.source.host) == ("agent", "n1")
    assert event.first_timestamp == event.last_timestamp == NOW.replace(microsecond=0)
    assert (event.metadata.namespace, event.count, event.type) == ("shop", 1, "Normal")


def test_events_of_cluster_wide_objects_live_in_default(journal: events.Journal) -> None:
    journal.record(events.Note(Node(metadata=ObjectMeta(name="n1")), events.WARNING, "NodeNotReady", "gone"), NOW)
    assert journal.take(1)[0].metadata.namespace == "default"


def test_the_same_again_is_the_same_event_counted_up(journal: events.Journal) -> None:
    journal.record(note(), NOW)
    (first,) = journal.take(10)
    journal.record(note(), NOW + timedelta(minutes=1))
    (second,) = journal.take(10)
    assert second.metadata.name == first.metadata.name
    assert (second.count, second.first_timestamp) == (2, first.first_timestamp)
    assert second.last_timestamp == first.last_timestamp + timedelta(minutes=1)


def test_what_waits_is_written_once_with_its_last_count(journal: events.Journal) -> None:
    for _ in range(3):
        journal.record(note(), NOW)
    assert [event.count for event in journal.take(10)] == [3]
    assert len(journal) == 0


def test_other_reasons_are_other_events(journal: events.Journal) -> None:
    journal.record(note(), NOW)
    journal.record(note(reason="Other"), NOW)
    assert len(journal) == 2


def test_many_alike_are_combined(journal: events.Journal) -> None:
    for number in range(30):
        journal.record(note(f"number {number}"), NOW)
    written = journal.take(100)
    assert len(written) == events.SIMILAR_MAX + 1
    assert (written[-1].message, written[-1].count) == ("(combined from similar events): number 29", 20)


def test_after_a_while_similar_ones_stand_for_themselves_again(journal: events.Journal) -> None:
    for number in range(events.SIMILAR_MAX):
        journal.record(note(f"number {number}"), NOW)
    journal.record(note("later"), NOW + events.SIMILAR_WINDOW + timedelta(seconds=1))
    assert journal.take(100)[-1].message == "later"


def test_what_could_not_be_written_waits_again_and_a_newer_count_wins(journal: events.Journal) -> None:
    journal.record(note(), NOW)
    unwritten = journal.take(10)
    journal.record(note(), NOW)
    journal.give_back(unwritten)
    assert [event.count for event in journal.take(10)] == [2]
    journal.give_back(unwritten)
    assert [event.count for event in journal.take(10)] == [1]


def test_over_its_bound_the_journal_drops_and_counts(journal: events.Journal) -> None:
    for number in range(events.PENDING_MAX + 5):
        journal.record(note(reason=f"R{number}"), NOW)
    assert (len(journal), journal.dropped) == (events.PENDING_MAX, 5)


def test_long_messages_are_cut_between_letters(journal: events.Journal) -> None:
    journal.record(note("ä" * 2000), NOW)
    (event,) = journal.take(1)
    assert len(event.message.encode()) <= events.MESSAGE_BYTES_MAX
    assert event.message.endswith("ä...")
