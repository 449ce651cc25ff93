"""What the report calls the longest unavailability, and which lines of a log are guilty."""

from __future__ import annotations

from tools.chaos import logs, report
from tools.chaos.nemesis import Ordeal
from tools.chaos.plan import Fault, Kind, Trial


def ordeal(struck: float, mended: float, recovered: float, *, keeps_quorum: bool) -> Ordeal:
    fault = Fault(kind=Kind.KILL, victims=("h1",))
    trial = Trial(faults=(fault,), seconds=mended - struck, rest_seconds=0, keeps_quorum=keeps_quorum)
    return Ordeal(trial, str(fault), struck, mended, recovered)


def test_without_a_fault_the_longest_pause_between_two_writes_counts() -> None:
    overall, quorate = report.outages([0, 1, 4, 5], [])
    assert (overall.seconds, overall.during) == (3, "no fault")
    assert quorate == overall


def test_a_pause_is_put_down_to_the_trial_that_it_began_in() -> None:
    overall, quorate = report.outages([0, 1, 9, 10], [ordeal(2, 6, 8, keeps_quorum=True)])
    assert (overall.seconds, overall.during) == (8, "daemons killed: h1")
    assert quorate == overall


def test_without_a_quorum_only_what_follows_the_mending_counts_as_unavailability_with_one() -> None:
    overall, quorate = report.outages([0, 1, 9, 11], [ordeal(2, 6, 10, keeps_quorum=False)])
    assert overall.seconds == 8
    assert quorate.seconds == 3


LOG = """\
{"event": "daemon_started", "level": "info"}
{"event": "task_failed", "level": "error"}
Traceback (most recent call last):
error: /data/raft/raft.db: damaged (it is empty)
[1, 2]
"""


def test_tracebacks_and_errors_are_guilty_and_what_a_daemon_says_when_it_cannot_go_on_is_not() -> None:
    assert [line[:12] for line in logs.guilty(LOG)] == ['{"event": "t', "Traceback (m"]
