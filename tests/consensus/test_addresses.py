"""Addresses follow the log: known when appended, forgotten when truncated, kept when applied."""

from __future__ import annotations

import pytest

from swarmlet.consensus.addresses import AddressBook
from swarmlet.raft import membership
from swarmlet.raft.messages import ChangeKind, Entry, EntryKind, MembershipChange


def change(index: int, kind: ChangeKind, node: str, address: str = "") -> Entry:
    return Entry(index, 1, membership.encode(MembershipChange(kind, node, address.encode())), EntryKind.MEMBERSHIP)


ADD = change(5, ChangeKind.ADD_LEARNER, "n2", "h2:1")
REMOVE = change(6, ChangeKind.REMOVE, "n2")
N1 = {"n1": "h1:1"}
BOTH = N1 | {"n2": "h2:1"}


@pytest.fixture
def told() -> list[dict[str, str]]:
    return []


@pytest.fixture
def book(told: list[dict[str, str]]) -> AddressBook:
    return AddressBook("n1", applied=N1, seeds={}, publish=lambda addresses: told.append(dict(addresses)))


def test_an_added_node_is_reachable_as_soon_as_its_entry_is_in_the_log(book, told) -> None:
    book.append([ADD])
    assert told == [BOTH]
    assert book.applied == N1, "a snapshot of now does not know it"


def test_an_entry_that_is_truncated_takes_its_address_with_it(book) -> None:
    book.append([ADD])
    book.append([Entry(5, 2)])
    assert book.current == N1


def test_a_later_entry_changes_nothing(book) -> None:
    book.append([ADD])
    book.append([Entry(6, 1)])
    assert book.current == BOTH


def test_a_removed_node_is_reachable_until_its_removal_is_applied(book, told) -> None:
    book.append([ADD, REMOVE])
    book.apply(ADD)
    assert book.current == BOTH
    book.apply(REMOVE)
    assert told[-1] == book.applied == N1


def test_a_snapshot_replaces_everything(book, told) -> None:
    book.append([ADD])
    book.restore({"n3": "h3:1"})
    assert told[-1] == book.current == {"n3": "h3:1"}


def test_who_has_joined_keeps_to_those_that_admitted_it_until_it_reads_of_its_own_admission() -> None:
    """The snapshot it is sent may be as old as the cluster, and know only a founder that has left long ago."""
    told: list[dict[str, str]] = []
    seeds = {"n2": "h2:1"}
    book = AddressBook("n9", applied={}, seeds=seeds, publish=lambda addresses: told.append(dict(addresses)))
    book.restore(N1)
    assert told[-1] == N1 | seeds
    book.apply(change(7, ChangeKind.ADD_LEARNER, "n9", "h9:1"))
    assert told[-1] == N1 | {"n9": "h9:1"}
