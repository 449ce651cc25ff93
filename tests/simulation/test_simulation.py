"""The simulator at work: a fixed set of seeds keeps every promise, replays to the byte, and failures are made short."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from swarmlet.raft.messages import HardState
from swarmlet.raft.state import State
from tests.simulation import __main__ as command
from tests.simulation import faults, planning
from tests.simulation.scenarios import BY_NAME, CONSENSUS
from tests.simulation.shrinking import Shrinker
from tests.simulation.simulation import Report, Simulation

ROOT = Path(__file__).resolve().parents[2]
SEEDS_A_TEST = 5
SEEDS = 50


def digest(report: Report) -> str:
    return hashlib.sha256("\n".join(report.trace).encode()).hexdigest()


def run(seed: int) -> Report:
    report = Simulation(seed).run()
    if report.violation:
        pytest.fail(f"seed {seed}: {report.violation}; python -m tests.simulation --seeds 1 --first-seed {seed}")
    return report


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(0, SEEDS, SEEDS_A_TEST))
def test_every_promise_is_kept(first_seed: int) -> None:
    figures = [run(seed).figures for seed in range(first_seed, first_seed + SEEDS_A_TEST)]
    assert sum(each["done"] for each in figures) > 30 * SEEDS_A_TEST
    assert sum(each["watched"] for each in figures) > 30 * SEEDS_A_TEST
    assert sum(each["lives"] for each in figures) > 3 * SEEDS_A_TEST


REPLAYED = 5
"""A seed with crashes, cuts and a removal."""


@pytest.mark.slow
def test_a_replay_is_the_same_to_the_byte() -> None:
    assert digest(run(REPLAYED)) == digest(run(REPLAYED))


@pytest.mark.slow
@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_replay_in_another_process_is_the_same_to_the_byte(hash_seed: str) -> None:
    code = f"from tests.simulation.test_simulation import *; print(digest(run({REPLAYED})))"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == digest(run(REPLAYED))


def test_a_plan_is_read_back_as_it_was_written() -> None:
    plans = [planning.draw(seed) for seed in range(300)]
    assert [faults.parse(str(plan)) for plan in plans] == plans
    ours = {name for name, kind in faults.KINDS.items() if kind.__module__ == faults.__name__}
    assert {fault.kind for plan in plans for fault in plan.faults} == ours


@pytest.mark.parametrize(
    "line", ["1.0 flood machine=m1", "1.0 kill machine=m1", "1.0 kill machine", "1.0 pause seconds=x"]
)
def test_a_line_that_is_no_fault_is_named(line: str) -> None:
    with pytest.raises(ValueError, match=line):
        faults.parse(f"plan machines=1 clients=1 seconds=1\n{line}")


# A bug put back on purpose.

THREE_FAULTS = """
plan machines=3 clients=3 seconds=12
5.0 pause machine=m2 seconds=0.3
6.0 kill machine=m1 down_seconds=0.5
7.0 reset one=m1 other=m3
"""


@pytest.fixture
def forgets_its_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a restarted node forget for whom it voted, as raftos does."""
    remembers = State.__init__

    def forgets(self: State, node_id: str, config: object, restored: object) -> None:
        remembers(self, node_id, config, restored)  # type: ignore[arg-type]
        if restored.hard_state != HardState():  # type: ignore[attr-defined]
            self.vote = ""

    monkeypatch.setattr(State, "__init__", forgets)


@pytest.mark.slow
def test_a_failing_plan_is_made_short(forgets_its_vote: None) -> None:
    report = CONSENSUS.run(1, faults.parse(THREE_FAULTS))
    assert report.violation
    assert report.violation.promise == "term, vote and commit never go back"
    shortest = Shrinker(CONSENSUS, report, seconds_max=60).shrink()
    assert shortest.violation
    assert shortest.violation.promise == report.violation.promise
    assert [fault.kind for fault in shortest.plan.faults] == ["kill"]
    assert shortest.plan.clients == 1


@pytest.mark.slow
def test_the_command_says_how_to_see_a_failure_again(
    forgets_its_vote: None, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setitem(BY_NAME, "consensus", replace(CONSENSUS, draw=lambda _seed: faults.parse(THREE_FAULTS)))
    assert command.main(["--seeds", "1", "--first-seed", "7", "--jobs", "1", "--shrink-seconds", "5"]) == 1
    printed = capsys.readouterr().out
    for words in ("seed:    7", "commit:  ", "promise: term, vote and commit never go back", "replay:  python -m"):
        assert words in printed
    (path,) = tmp_path.glob("*.plan")
    assert command.main(["--replay", str(path)]) == 1
    assert "VIOLATION term, vote and commit never go back" in capsys.readouterr().out
