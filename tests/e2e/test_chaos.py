"""The short form of `make chaos`: a minute and a half of faults, and nothing may be lost."""

from __future__ import annotations

import pytest

from tools.chaos.__main__ import run

pytestmark = pytest.mark.alone

SEED = 1
MINUTES = 1.5
WRITES_MIN = 100
TRIALS_MIN = 5


@pytest.mark.usefixtures("machines")
@pytest.mark.timeout(480)
def test_nothing_acknowledged_is_lost_and_no_watch_has_a_gap_while_machines_are_tormented() -> None:
    told = run(seed=SEED, machines=3, minutes=MINUTES, lab="chaostest", subnet="10.77.36.0/24")
    assert told["findings"] == []
    assert (told["lost"], told["gaps"]) == (0, 0)
    assert told["writes"]["done"] > WRITES_MIN
    assert len(told["trials"]) >= TRIALS_MIN
    assert told["snapshots_taken"]
