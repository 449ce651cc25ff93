"""The log by itself: etcd's `log_test` and `log_unstable_test`, as far as one class holds both."""

from __future__ import annotations

import pytest

from swarmlet import errors
from swarmlet.raft import membership
from swarmlet.raft.config import RestoredState
from swarmlet.raft.log import ENTRY_OVERHEAD_BYTES, Log
from swarmlet.raft.messages import ChangeKind, Entry, EntryKind, HardState, Membership, MembershipChange, SnapshotMeta

PLENTY = 1 << 30
FOUNDERS = Membership(frozenset({"n1", "n2", "n3"}))


def entries(first: int, *terms: int) -> tuple[Entry, ...]:
    return tuple(Entry(index, term, b"12345678") for index, term in enumerate(terms, start=first))


def make(*terms: int, base: tuple[int, int] = (1, 1), commit: int = 0) -> Log:
    index, term = base
    return Log(
        RestoredState(
            hard_state=HardState(term=9, commit=max(commit, index)),
            snapshot=SnapshotMeta(index, term, FOUNDERS),
            entries=entries(index + 1, *terms),
            applied=index,
        )
    )


def terms(log: Log) -> list[int]:
    return [entry.term for entry in log.slice(log.base_index + 1, log.last_index, PLENTY)]


@pytest.mark.parametrize(
    ("first", "arriving", "expected"),
    [
        (2, (), [1, 2, 3]),
        (2, (1, 2, 3), [1, 2, 3]),
        (3, (2, 3), [1, 2, 3]),
        (2, (1, 2), [1, 2, 3]),
        (3, (2, 3, 4, 4), [1, 2, 3, 4, 4]),
        (5, (4, 4), [1, 2, 3, 4, 4]),
        (2, (4, 4), [4, 4]),
        (3, (1, 4, 4), [1, 1, 4, 4]),
        (4, (1, 2, 4, 4), [1, 2, 1, 2, 4, 4]),
    ],
)
def test_merging_cuts_at_the_first_conflict_and_nowhere_else(
    first: int, arriving: tuple[int, ...], expected: list[int]
) -> None:
    log = make(1, 2, 3)
    log.merge(entries(first, *arriving))
    log.validate()
    assert terms(log) == expected


@pytest.mark.parametrize(
    ("entries_max", "size_max", "expected"),
    [(100, 100, 1), (2, 100, 5), (100, 3, 4), (100, 0, 7), (0, 100, 7), (4, 2, 5), (100, 6, 1), (100, 5, 2)],
)
def test_a_tail_is_bounded_in_entries_and_in_bytes(entries_max: int, size_max: int, expected: int) -> None:
    """Seven entries behind index 1, each of one size; the tail of index 7."""
    log = make(*[1] * 7)
    size = log.bytes_after(7)
    assert log.tail_base(7, entries_max=entries_max, bytes_max=size_max * size) == expected
    log.merge(entries(9, 1))
    log.applied = log.commit = log.stable = 9
    log.compact(3)
    assert log.tail_base(7, entries_max=entries_max, bytes_max=size_max * size) == max(expected, 3)


def test_what_is_cut_is_no_longer_on_disk() -> None:
    log = make(1, 2, 2)
    log.merge(entries(3, 3))
    assert (log.last_index, log.stable) == (3, 2)


def test_what_is_committed_is_never_cut() -> None:
    log = make(1, 2, 3, commit=3)
    with pytest.raises(errors.BugError, match="index 3 is committed"):
        log.merge(entries(3, 4))


@pytest.mark.parametrize(
    ("last_term", "last_index", "may_follow"),
    [
        (4, 3, True),
        (4, 4, True),
        (4, 9, True),
        (2, 3, False),
        (2, 4, False),
        (2, 9, False),
        (3, 3, False),
        (3, 4, True),
    ],
)
def test_a_log_follows_one_of_a_newer_last_term_or_the_same_and_as_long(
    last_term: int, last_index: int, may_follow: bool
) -> None:
    assert make(1, 2, 3).may_follow(last_term, last_index) is may_follow


@pytest.mark.parametrize(
    ("index", "term", "found"),
    [
        (8, 9, (8, 4)),
        (99, 4, (8, 4)),
        (8, 3, (4, 2)),
        (6, 4, (6, 4)),
        (4, 1, (2, 1)),
        (1, 1, (1, 1)),
        (0, 0, (0, 0)),
        (8, 0, (0, 0)),
    ],
)
def test_the_last_entry_of_a_term_is_found(index: int, term: int, found: tuple[int, int]) -> None:
    assert make(1, 2, 2, 4, 4, 4, 4).last_of_term(index, term) == found


def test_terms_are_known_from_the_base_to_the_end() -> None:
    log = make(5, 6, base=(100, 4))
    assert [log.term(index) for index in (99, 100, 101, 102, 103)] == [None, 4, 5, 6, None]


def test_slices_are_cut_to_their_bytes_but_never_to_nothing() -> None:
    log = make(1, 1, 1, 1)
    one = ENTRY_OVERHEAD_BYTES + 8
    lengths = [len(log.slice(2, 5, limit)) for limit in (0, one, 2 * one - 1, 2 * one, 3 * one + 1, PLENTY)]
    assert lengths == [1, 1, 1, 2, 3, 4]
    assert log.slice(5, 4, PLENTY) == ()
    assert [entry.index for entry in log.slice(3, 4, PLENTY)] == [3, 4]


def test_bytes_are_counted_across_compaction_and_truncation() -> None:
    log = make(1, 1, 1, 1, commit=3)
    one = ENTRY_OVERHEAD_BYTES + 8
    log.applied = 3
    log.compact(3)
    assert (log.bytes_after(3), log.bytes_after(4)) == (2 * one, one)
    log.merge(entries(5, 2, 2))
    assert log.bytes_after(3) == 3 * one


def test_compaction_keeps_what_follows() -> None:
    log = make(1, 2, 3, commit=4)
    log.applied = 3
    log.compact(3)
    log.validate()
    assert (log.base_index, log.base_term, log.last_index, terms(log)) == (3, 2, 4, [3])
    log.compact(2)
    assert log.base_index == 3


def test_what_is_not_applied_cannot_be_compacted() -> None:
    log = make(1, 2, 3, commit=4)
    log.applied = 3
    with pytest.raises(errors.BugError, match="applied up to 3"):
        log.compact(4)


def test_committed_entries_wait_for_the_disk_before_they_are_applied() -> None:
    log = make(1)
    log.extend(entries(3, 1, 1))
    log.commit_to(4)
    assert log.applicable_index == 2
    log.persisted(log.slice(3, 3, PLENTY), None)
    assert log.applicable_index == 3


def test_the_commit_index_never_goes_back() -> None:
    log = make(1, 1, commit=3)
    assert not log.commit_to(2)
    assert log.commit == 3


def test_a_snapshot_begins_the_log_anew() -> None:
    log = make(1, 1, 1)
    log.restore(SnapshotMeta(9, 4, Membership(frozenset({"n1"}))))
    assert (log.base_index, log.last_index, log.commit, log.term(9)) == (9, 9, 9, 4)
    assert log.memberships.latest.voters == {"n1"}
    assert (log.durable_index, log.applicable_index) == (0, 1)
    log.persisted((), log.pending_snapshot)
    log.validate()
    assert (log.durable_index, log.applied) == (9, 9)


def test_what_was_persisted_before_a_snapshot_counts_no_more() -> None:
    log = make()
    handed = entries(2, 1, 1, 1)
    log.extend(handed)
    log.restore(SnapshotMeta(3, 2, FOUNDERS))
    log.extend(entries(4, 1))
    log.persisted(handed, None)
    assert (log.durable_index, log.stable) == (0, 3)


def test_an_older_snapshot_that_is_on_disk_does_not_settle_a_newer_one() -> None:
    log = make()
    first, second = SnapshotMeta(5, 1, FOUNDERS), SnapshotMeta(9, 2, FOUNDERS)
    log.restore(first)
    log.restore(second)
    log.persisted((), first)
    assert log.pending_snapshot == second
    assert log.durable_index == 0


def change(index: int, kind: ChangeKind, node: str) -> Entry:
    return Entry(index, 2, membership.encode(MembershipChange(kind, node)), EntryKind.MEMBERSHIP)


def test_memberships_are_known_as_of_each_index() -> None:
    log = make(1)
    log.extend((change(3, ChangeKind.ADD_LEARNER, "n4"), change(4, ChangeKind.PROMOTE, "n4")))
    assert log.memberships.at(2) == FOUNDERS
    assert log.memberships.at(3) == Membership(FOUNDERS.voters, frozenset({"n4"}))
    assert log.memberships.at(4).voters == FOUNDERS.voters | {"n4"}
    log.merge(entries(4, 3))
    assert log.memberships.latest == log.memberships.at(3)
    assert log.memberships.latest_index == 3


def test_compaction_keeps_the_membership_of_its_index() -> None:
    log = make(1, 1, commit=3)
    log.extend((change(4, ChangeKind.REMOVE, "n3"), change(5, ChangeKind.REMOVE, "n2")))
    log.persisted(log.slice(4, 5, PLENTY), None)
    log.commit_to(5)
    log.applied = 5
    log.compact(4)
    assert log.memberships.at(4).voters == {"n1", "n2"}
    assert log.memberships.latest.voters == {"n1"}


# Recovery.


def test_a_new_snapshot_beside_an_old_log_is_accepted() -> None:
    state = RestoredState(snapshot=SnapshotMeta(9, 3, FOUNDERS), entries=entries(2, 1, 1, 2), applied=9)
    assert Log(state).last_index == 9


def test_a_log_that_agrees_with_the_snapshot_keeps_its_tail() -> None:
    state = RestoredState(snapshot=SnapshotMeta(3, 1, FOUNDERS), entries=entries(2, 1, 1, 2), applied=3)
    assert terms(Log(state)) == [2]


def test_a_log_that_conflicts_with_the_snapshot_loses_its_tail() -> None:
    state = RestoredState(snapshot=SnapshotMeta(3, 2, FOUNDERS), entries=entries(2, 1, 1, 1), applied=3)
    assert Log(state).last_index == 3


@pytest.mark.parametrize(
    ("restored", "words"),
    [
        (RestoredState(snapshot=SnapshotMeta(3, 1, FOUNDERS), entries=entries(6, 1)), "entries between them were lost"),
        (RestoredState(entries=(*entries(1, 1), *entries(3, 1))), "has gaps"),
        (RestoredState(entries=entries(1, 1), hard_state=HardState(1, "", 5)), "index 5 was committed"),
    ],
)
def test_a_disk_that_lost_something_is_not_started_from(restored: RestoredState, words: str) -> None:
    with pytest.raises(errors.DiskError, match=words):
        Log(restored)
