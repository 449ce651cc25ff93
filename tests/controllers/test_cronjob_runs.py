"""Whatever becomes of leaders and of what they propose: what is due runs once, and never twice."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from swarmlet.controllers.jobs.cronjob import CRON_JOBS, JOBS, CronJobs
from swarmlet.controllers.work.drafts import creation
from swarmlet.model import batch, defaults, kinds, objects, schedules
from swarmlet.store.commands import Command, Delete, Key, Operation, Verdict
from swarmlet.store.state import Store
from tests.controllers.batch_world import new_cron_job
from tests.virtual_time import EPOCH

KEY = Key(CRON_JOBS, "default", "tick")
SCHEDULES = ["* * * * *", "*/5 * * * *", "7,8,9 * * * *", "0 */2 * * *", "30 2 * * *", "@hourly", "@every 7m"]
ZONES = [None, "America/New_York", "Australia/Lord_Howe"]
FATES = ["done", "done", "late", "lost", "down", "arrives"]
"""Of a step: its proposal is committed at once, or never; or late, when something `arrives`; or nobody leads."""


class Cluster:
    """The truth, and leaders that come and go: each is a new reconciler that remembers nothing."""

    def __init__(self, cron_job: batch.CronJob) -> None:
        self.store = Store()
        self.now = EPOCH
        self.made: Counter[datetime] = Counter()
        self.late: list[tuple[Operation, ...]] = []
        self._count = 0
        stamped = objects.with_metadata(cron_job, uid="uid-1", creation_timestamp=EPOCH)
        self.commit((creation(kinds.CRON_JOB, defaults.fill(stamped)),))

    def commit(self, operations: tuple[Operation, ...], *, atomic: bool = True) -> None:
        self._count += 1
        outcomes = self.store.apply(Command(self._count.to_bytes(16, "big"), operations, atomic))
        for operation, outcome in zip(operations, outcomes, strict=True):
            is_job = operation.key.resource == JOBS and not isinstance(operation, Delete)
            if is_job and outcome.verdict is Verdict.DONE:
                job = self.store.get(operation.key).object
                self.made[datetime.fromisoformat(job.metadata.annotations[batch.SCHEDULED_AT])] += 1

    def step(self, fate: str) -> None:
        if fate == "arrives":
            late, self.late = self.late, []
            for operations in late:
                self.commit(operations, atomic=self.atomic)
        if fate in ("down", "arrives"):
            return
        step = CronJobs(random.Random(self._count)).reconcile(self.store, KEY, self.now)
        self.atomic = step.atomic
        if fate == "done":
            self.commit(step.operations, atomic=step.atomic)
        elif fate == "late":
            self.late.append(step.operations)

    def forget_jobs(self) -> None:
        """Jobs end, and are deleted with all their traces."""
        for stored in self.store.list(JOBS):
            self.commit((Delete(stored.key),))


STEPS = st.tuples(
    st.sampled_from([0, 1, 30, 60]) | st.integers(0, 400) | st.integers(0, 40_000),
    st.sampled_from(FATES),
    st.booleans(),
)


@given(
    st.sampled_from(SCHEDULES),
    st.sampled_from(ZONES),
    st.none() | st.sampled_from([0, 10, 100, 5000]),
    st.lists(STEPS, min_size=1, max_size=25),
)
@example("* * * * *", None, None, [(65, "late", False), (1, "done", True), (1, "arrives", False)])
def test_what_is_due_runs_once_and_never_twice(
    text: str, zone: str | None, deadline: int | None, steps: list[tuple[int, str, bool]]
) -> None:
    cluster = Cluster(new_cron_job(schedule=text, time_zone=zone, starting_deadline_seconds=deadline))
    schedule = schedules.parse(text, zone, EPOCH)
    for seconds, fate, forgets in steps:
        cluster.now += timedelta(seconds=seconds)
        cluster.step(fate)
        due = schedules.latest(schedule, EPOCH, cluster.now)
        in_time = due and (deadline is None or cluster.now - due <= timedelta(seconds=deadline))
        if fate == "done" and in_time:
            assert cluster.made[due] == 1
        if forgets:
            cluster.forget_jobs()
    assert all(count == 1 for count in cluster.made.values()), cluster.made
    assert all(due <= cluster.now for due in cluster.made)
