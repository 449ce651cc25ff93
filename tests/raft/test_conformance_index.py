"""docs/conformance.md: every case of etcd's Raft tests, and the scenario or test of ours that holds it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from . import scenario

TESTS = Path(__file__).parents[1]
INDEX = TESTS.parent / "docs" / "conformance.md"
CASES_EXPECTED = {
    "raft_paper_test": 26,
    "raft_test": 118,
    "raft_snap_test": 5,
    "raft_flow_control_test": 3,
    "log_test": 21,
    "log_unstable_test": 9,
    "progress_test and inflights_test": 12,
    "Interaction scenarios (testdata)": 29,
}
"""How many cases each of their files has; a row that goes missing is to be missed."""


def read_index() -> dict[str, list[tuple[str, str]]]:
    sections: dict[str, list[tuple[str, str]]] = {}
    for line in INDEX.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            rows = sections.setdefault(line[3:], [])
        elif (row := re.fullmatch(r"\| (\w+) \| (.+) \|", line)) and row[1] != "Case":
            rows.append((row[1], row[2]))
    return sections


ROWS = [pytest.param(case, here, id=case) for rows in read_index().values() for case, here in rows]
SCENARIOS = {each.name for path in (Path(__file__).parent / "scenarios").glob("*.txt") for each in scenario.parse(path)}


def test_every_case_is_named_once() -> None:
    index = read_index()
    assert {section: len(rows) for section, rows in index.items()} == CASES_EXPECTED
    for rows in index.values():
        assert len({case for case, _ in rows}) == len(rows)


@pytest.mark.parametrize(("case", "here"), ROWS)
def test_a_case_points_to_what_is_there(case: str, here: str) -> None:
    if here.startswith("*not ours*: "):
        return
    for target in here.split(", "):
        if "::" in target:
            path, name = target.split("::")
            assert re.search(rf"^(async )?def {name}\(", (TESTS / path).read_text(encoding="utf-8"), re.MULTILINE), case
        else:
            assert target in SCENARIOS, case


def test_a_case_whose_name_we_use_points_there() -> None:
    for rows in read_index().values():
        for case, here in rows:
            assert case not in SCENARIOS or case in here.split(", ")
