from __future__ import annotations

import time

import pytest

from tests.explain.board import Board


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    """Times are printed in the reader's zone: here they read UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    made = Board()
    made.node("h1")
    made.node("h2")
    return made
