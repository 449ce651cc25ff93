"""How a Job's Pods ended: each is counted once, in the step that lets it go.

Source: kubernetes pkg/controller/job/job_controller.go (trackJobStatusAndRemoveFinalizers) and indexed_job_utils.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from swarmlet.controllers.jobs import pods as job_pods
from swarmlet.controllers.jobs import policies as job_policies
from swarmlet.controllers.jobs.pods import Attempt
from swarmlet.model import batch, indexes
from swarmlet.model.pod import Pod
from swarmlet.store.replica import Stored, View

COUNTED_MAX = 300
COUNTED_BYTES_MAX = 1024 * 1024
"""Pods counted in one step, and their size: the step must fit into one command."""


@dataclass(slots=True)
class Tally:
    """What is counted, after this step.

    `counted` are the Pods to be let go; `waiting` the failed ones that are held until their index is tried again, by
    index, with what the next try is. `fail_job` says why the Pods' failure policy ends the Job. `more`: the step was
    full.
    """

    succeeded: int
    failed: int
    completed: set[int]
    failed_indexes: set[int]
    counted: list[Stored] = field(default_factory=list)
    waiting: dict[int, tuple[Pod, Attempt]] = field(default_factory=dict)
    fail_job: str = ""
    more: bool = False


def count(job: batch.Job, owned: Sequence[Stored], view: View, *, ending: bool) -> Tally:
    """Return the tally; where the Job is `ending`, no index is tried again."""
    return _Counting(job, owned, view, ending=ending).run()


class _Counting:
    def __init__(self, job: batch.Job, owned: Sequence[Stored], view: View, *, ending: bool) -> None:
        self._job = job
        self._owned = owned
        self._view = view
        self._ending = ending
        self._latest = _latest_attempts(owned)
        self._is_indexed = job.spec.completion_mode == batch.INDEXED
        self._completions = job.spec.completions or 0
        status = job.status
        self._tally = Tally(
            succeeded=status.succeeded,
            failed=status.failed,
            completed=_told(status.completed_indexes, self._completions) if self._is_indexed else set(),
            failed_indexes=_told(status.failed_indexes or "", self._completions),
        )

    def run(self) -> Tally:
        held = [each for each in self._owned if job_pods.is_tracked(cast("Pod", each.object))]
        size = 0
        for stored in held:
            if len(self._tally.counted) == COUNTED_MAX or size > COUNTED_BYTES_MAX:
                self._tally.more = True
                break
            if self._take(cast("Pod", stored.object)):
                self._tally.counted.append(stored)
                size += len(stored.json)
        if self._is_indexed:
            self._tally.succeeded = len(self._tally.completed)
            self._tally.failed_indexes -= self._tally.completed
        return self._tally

    def _take(self, pod: Pod) -> bool:
        """Count a Pod where it has ended; return whether it may go."""
        if pod.status.phase == "Succeeded":
            self._succeed(pod)
            return True
        return job_pods.has_failed(pod, self._job, self._view) and self._fail(pod)

    def _succeed(self, pod: Pod) -> None:
        if not self._is_indexed:
            self._tally.succeeded += 1
        elif self._is_known(index := job_pods.index_of(pod)):
            self._tally.completed.add(index)

    def _fail(self, pod: Pod) -> bool:
        index = job_pods.index_of(pod)
        if self._is_indexed and not self._is_known(index):
            return True
        judged = job_policies.judge(self._job.spec.pod_failure_policy, pod)
        if judged.action == "FailJob":
            self._tally.fail_job = self._tally.fail_job or judged.message
        if self._job.spec.backoff_limit_per_index is not None and not self._fail_index(pod, index, judged.action):
            return False
        self._tally.failed += judged.action != "Ignore"
        return True

    def _fail_index(self, pod: Pod, index: int, action: str) -> bool:
        """Take down a failure of an index; return whether the Pod may go, for it tells the next try its number."""
        ignored = action == "Ignore"
        before = job_pods.attempt_of(pod)
        following = Attempt(before.failures + (not ignored), before.ignored + ignored)
        if self._ending or index in self._tally.completed or self._latest[index] > before.number:
            return True
        if action == "FailIndex" or following.failures > (self._job.spec.backoff_limit_per_index or 0):
            self._tally.failed_indexes.add(index)
            return True
        self._tally.waiting[index] = (pod, following)
        return False

    def _is_known(self, index: int) -> bool:
        return 0 <= index < self._completions


def _latest_attempts(owned: Sequence[Stored]) -> Mapping[int, int]:
    latest: dict[int, int] = {}
    for stored in owned:
        pod = cast("Pod", stored.object)
        index = job_pods.index_of(pod)
        latest[index] = max(latest.get(index, 0), job_pods.attempt_of(pod).number)
    return latest


def _told(text: str, completions: int) -> set[int]:
    """Return the indexes of a status; none of one that somebody wrote before such texts were checked."""
    try:
        return indexes.parse(text, completions)
    except ValueError:
        return set()
