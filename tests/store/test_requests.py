from __future__ import annotations

from swarmlet.store import requests
from swarmlet.store.commands import Outcome, Verdict

DONE = Outcome(Verdict.DONE)


def test_the_oldest_request_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(requests, "REQUESTS_MAX", 2)
    recent = requests.RecentRequests()
    for name in (b"a", b"b", b"c"):
        recent.remember(name, (DONE,))
    assert [name for name, _ in recent.items()] == [b"b", b"c"]
    assert recent.get(b"a") is None


def test_large_commands_shorten_the_memory(monkeypatch):
    monkeypatch.setattr(requests, "OUTCOMES_MAX", 5)
    recent = requests.RecentRequests()
    for name in (b"a", b"b", b"c"):
        recent.remember(name, (DONE,) * 3)
    assert [name for name, _ in recent.items()] == [b"c"]


def test_a_restored_memory_forgets_as_the_original_would(monkeypatch):
    monkeypatch.setattr(requests, "OUTCOMES_MAX", 5)
    original = requests.RecentRequests()
    original.remember(b"a", (DONE,) * 3)
    restored = requests.RecentRequests(type(original._outcomes)(original.items()))
    for each in (original, restored):
        each.remember(b"b", (DONE,) * 3)
    assert restored.items() == original.items() == [(b"b", (DONE,) * 3)]


def test_after_a_large_command_is_forgotten_there_is_room_again(monkeypatch):
    monkeypatch.setattr(requests, "OUTCOMES_MAX", 5)
    recent = requests.RecentRequests()
    recent.remember(b"large", (DONE,) * 5)
    for name in (b"a", b"b", b"c", b"d", b"e"):
        recent.remember(name, (DONE,))
    assert [name for name, _ in recent.items()] == [b"a", b"b", b"c", b"d", b"e"]


def test_a_request_without_an_id_is_not_remembered():
    recent = requests.RecentRequests()
    recent.remember(b"", (DONE,))
    assert recent.items() == []
