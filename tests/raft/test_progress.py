"""What a leader keeps of one follower: etcd's `progress_test` and `inflights_test`, as far as one class holds both."""

from __future__ import annotations

import pytest

from swarmlet.raft.config import RaftConfig
from swarmlet.raft.progress import Progress, ProgressState, Window

SMALL = RaftConfig(max_inflight_messages=3, max_inflight_bytes=100)
PLENTY = 1 << 30


def make(state: ProgressState, *, match: int = 3, next_index: int = 5) -> Progress:
    progress = Progress(SMALL, next_index)
    progress.match, progress.state = match, state
    return progress


@pytest.mark.parametrize(
    ("state", "probe_is_out", "under_way", "wants"),
    [
        (ProgressState.PROBE, False, 0, True),
        (ProgressState.PROBE, True, 0, False),
        (ProgressState.REPLICATE, False, 0, True),
        (ProgressState.REPLICATE, True, 0, True),
        (ProgressState.REPLICATE, False, 3, False),
        (ProgressState.SNAPSHOT, False, 0, False),
        (ProgressState.SNAPSHOT, True, 0, False),
    ],
)
def test_an_append_goes_out_where_the_state_lets_it(
    state: ProgressState, probe_is_out: bool, under_way: int, wants: bool
) -> None:
    progress = make(state)
    progress.probe_is_out = probe_is_out
    for index in range(under_way):
        progress.window.add(index + 4, 1)
    assert progress.wants(last_index=9, commit=0) is wants


def test_an_acknowledgement_lets_the_next_probe_out() -> None:
    progress = make(ProgressState.PROBE)
    progress.probe_is_out = True
    progress.acknowledged(3)
    assert not progress.probe_is_out


@pytest.mark.parametrize(("snapshot_index", "next_index"), [(0, 4), (10, 11), (2, 4)])
def test_a_sent_snapshot_is_followed_by_a_probe_from_its_end_or_from_what_is_held(
    snapshot_index: int, next_index: int
) -> None:
    progress = make(ProgressState.SNAPSHOT)
    progress.snapshot_index = snapshot_index
    progress.snapshot_ended(ok=True)
    assert (progress.state, progress.match, progress.next) == (ProgressState.PROBE, 3, next_index)


def test_a_failed_snapshot_is_followed_by_a_probe_from_what_is_held() -> None:
    progress = make(ProgressState.SNAPSHOT)
    progress.snapshot_index = 10
    progress.snapshot_ended(ok=False)
    assert (progress.state, progress.next, progress.probe_is_out) == (ProgressState.PROBE, 4, True)


def test_replication_begins_after_what_is_held_with_an_empty_window() -> None:
    progress = make(ProgressState.REPLICATE)
    progress.window.add(4, 1)
    progress.replicate()
    assert (progress.state, progress.next, len(progress.window)) == (ProgressState.REPLICATE, 4, 0)


def test_a_snapshot_stops_all_else() -> None:
    progress = make(ProgressState.PROBE)
    progress.await_snapshot(10)
    assert (progress.state, progress.match, progress.next) == (ProgressState.SNAPSHOT, 3, 11)
    assert progress.snapshot_index == 10


@pytest.mark.parametrize(
    ("index", "match", "next_index", "is_news"),
    [(2, 3, 5, False), (3, 3, 5, False), (4, 4, 5, True), (5, 5, 6, True)],
)
def test_what_is_acknowledged_never_goes_back(index: int, match: int, next_index: int, is_news: bool) -> None:
    progress = make(ProgressState.REPLICATE)
    assert progress.acknowledged(index) is is_news
    assert (progress.match, progress.next) == (match, next_index)


@pytest.mark.parametrize(
    ("state", "match", "next_index", "refused", "hint", "is_news", "next_after"),
    [
        (ProgressState.REPLICATE, 5, 10, 5, 5, False, 10),
        (ProgressState.REPLICATE, 5, 10, 4, 4, False, 10),
        (ProgressState.REPLICATE, 5, 10, 9, 9, True, 6),
        (ProgressState.PROBE, 0, 0, 0, 0, False, 0),
        (ProgressState.PROBE, 0, 10, 5, 5, False, 10),
        (ProgressState.PROBE, 0, 10, 9, 9, True, 9),
        (ProgressState.PROBE, 0, 2, 1, 1, True, 1),
        (ProgressState.PROBE, 0, 1, 0, 0, True, 1),
        (ProgressState.PROBE, 0, 10, 9, 2, True, 3),
        (ProgressState.PROBE, 0, 10, 9, 0, True, 1),
        (ProgressState.PROBE, 3, 4, 3, 1, True, 4),
        (ProgressState.SNAPSHOT, 0, 10, 9, 2, False, 10),
    ],
)
def test_a_refusal_moves_back_what_is_sent_next_unless_it_is_old(
    state: ProgressState, match: int, next_index: int, refused: int, hint: int, is_news: bool, next_after: int
) -> None:
    progress = make(state, match=match, next_index=next_index)
    assert progress.refused(refused, hint) is is_news
    assert (progress.match, progress.next) == (match, next_after)


def test_the_window_is_full_by_messages_or_by_bytes() -> None:
    by_messages, by_bytes = Window(3, PLENTY), Window(PLENTY, 100)
    for last_index in (1, 2):
        by_messages.add(last_index, 1)
    by_bytes.add(1, 99)
    assert not by_messages.is_full
    assert not by_bytes.is_full
    by_messages.add(3, 1)
    by_bytes.add(2, 1)
    assert by_messages.is_full
    assert by_bytes.is_full


@pytest.mark.parametrize(("acknowledged", "left"), [(0, 3), (1, 2), (2, 1), (5, 0)])
def test_the_window_forgets_all_that_ends_at_or_before_what_is_acknowledged(acknowledged: int, left: int) -> None:
    window = Window(PLENTY, 30)
    for last_index in (1, 2, 3):
        window.add(last_index, 10)
    window.free_to(acknowledged)
    assert len(window) == left
    assert window.is_full is (left == 3)


def test_a_cleared_window_has_room_in_bytes_too() -> None:
    window = Window(3, 30)
    window.add(1, 30)
    window.clear()
    assert (len(window), window.is_full) == (0, False)
