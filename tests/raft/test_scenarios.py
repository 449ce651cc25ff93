"""Every case of the conformance list, by name, as text: see `scenario` for how the files read."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import scenario

FOLDER = Path(__file__).parent / "scenarios"
CASES = [
    pytest.param(path, each, id=f"{path.stem}-{each.name}")
    for path in sorted(FOLDER.glob("*.txt"))
    for each in scenario.parse(path)
]


@pytest.fixture(scope="session", autouse=True)
def _regenerate(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--regenerate-scenarios", default=False):
        for path in FOLDER.glob("*.txt"):
            scenario.regenerate(path)


@pytest.mark.parametrize(("path", "case"), CASES)
def test_scenario_sees_what_it_expects(path: Path, case: scenario.Scenario, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--regenerate-scenarios", default=False):
        pytest.skip("the files were written anew; read the diff")
    for command, seen in case.run():
        assert [command.line, *seen] == [command.line, *command.expected]


def test_scenario_names_are_unique() -> None:
    names = [case.values[1].name for case in CASES]
    assert len(names) == len(set(names))
