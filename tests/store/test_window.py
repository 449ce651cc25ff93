from __future__ import annotations

from swarmlet.store import window
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored

KEY = Key("configmaps", "default", "a")


def change(revision: int) -> Change:
    return Change(revision, KEY, None, Stored(KEY, revision, b"{}"))


def test_what_is_forgotten_is_let_go(monkeypatch):
    monkeypatch.setattr(window, "CHANGES_MAX", 4)
    held = window.Window(floor=0)
    for revision in range(1, 101):
        held.append(change(revision))
        assert len(held._changes) <= 2 * window.CHANGES_MAX + 1
    assert (held.floor, [each.revision for each in held.since(held.floor)]) == (96, [97, 98, 99, 100])


def test_a_window_shortened_by_large_objects_grows_again(monkeypatch):
    monkeypatch.setattr(window, "BYTES_MAX", 20)
    held = window.Window(floor=0)
    held.append(Change(1, KEY, None, Stored(KEY, 1, b"x" * 100)))
    for revision in range(2, 12):
        held.append(change(revision))
    assert [each.revision for each in held.since(1)] == list(range(2, 12))
