"""Scenario files: commands and the output they are to have.

Rewrite them with SWARMLET_REWRITE=1 and read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scheduler.board import play

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_scenario_plays_as_written(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    played = play(text)
    if os.environ.get("SWARMLET_REWRITE"):
        path.write_text(played, encoding="utf-8")
    assert played == text


def test_there_are_scenarios() -> None:
    assert len(FILES) >= 5
