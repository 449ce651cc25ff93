"""Whether what a Pod waits for is there, by the status of what it is."""

from __future__ import annotations

import pytest

from swarmlet.controllers import dependency_states
from swarmlet.controllers.dependency_states import State
from swarmlet.controllers.work.drafts import creation
from swarmlet.model import dependencies, kinds
from swarmlet.model.apps import Deployment, DeploymentSpec, DeploymentStatus
from swarmlet.model.apps_sets import (
    DaemonSet,
    DaemonSetStatus,
    RollingUpdateStatefulSet,
    StatefulSet,
    StatefulSetSpec,
    StatefulSetStatus,
    StatefulSetUpdateStrategy,
)
from swarmlet.model.batch import Job, JobSpec, JobStatus
from swarmlet.model.meta import Condition, Object, ObjectMeta
from swarmlet.model.pod import Pod
from swarmlet.model.pod_status import PodStatus
from swarmlet.store.commands import Command
from swarmlet.store.state import Store

LATE = Condition(type="Progressing", status="False", reason="ProgressDeadlineExceeded", message="too slow")
ON_DELETE = StatefulSetUpdateStrategy(type="OnDelete")
ROLLING = StatefulSetUpdateStrategy()
PART = StatefulSetUpdateStrategy(type="RollingUpdate", rolling_update=RollingUpdateStatefulSet(partition=2))


def deployment(wanted: int | None = 2, **status: object) -> Deployment:
    return Deployment(
        spec=DeploymentSpec(replicas=wanted), status=DeploymentStatus(**{"observed_generation": 3} | status)
    )


def stateful_set(strategy: StatefulSetUpdateStrategy = ROLLING, **status: object) -> StatefulSet:
    spec = StatefulSetSpec(replicas=3, update_strategy=strategy)
    return StatefulSet(spec=spec, status=StatefulSetStatus(**{"observed_generation": 3} | status))


def daemon_set(**status: object) -> DaemonSet:
    return DaemonSet(status=DaemonSetStatus(**{"observed_generation": 3} | status))


def state(value: Object, condition: str = "", *, optional: bool = False) -> State:
    kind = kinds.BY_GVK[value.api_version, value.kind]
    metadata = ObjectMeta(name="db", namespace="shop", uid="u", generation=3)
    store = Store()
    store.apply(Command(b"1", (creation(kind, type(value)(metadata=metadata, spec=value.spec, status=value.status)),)))
    word = value.kind.lower()
    wanted = dependencies.Dependency(word, "db", condition or dependencies.CONDITIONS[word][0], optional=optional)
    return dependency_states.state_of(store, "shop", wanted)


@pytest.mark.parametrize(
    "value",
    [
        deployment(updated_replicas=2, replicas=2, ready_replicas=2),
        deployment(0),
        deployment(None, updated_replicas=1, replicas=1, ready_replicas=1),
        stateful_set(updated_replicas=3, ready_replicas=3),
        stateful_set(ON_DELETE, updated_replicas=0, ready_replicas=3),
        stateful_set(PART, updated_replicas=1, ready_replicas=3),
        daemon_set(desired_number_scheduled=2, updated_number_scheduled=2, number_ready=2),
        Job(status=JobStatus(conditions=(Condition(type="Complete", status="True"),))),
        Pod(status=PodStatus(conditions=(Condition(type="Ready", status="True"),))),
    ],
)
def test_what_is_there_is_not_waited_for(value: Object) -> None:
    assert state(value) == dependency_states.MET


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (deployment(updated_replicas=2, replicas=2, ready_replicas=1), "deployment/db to be ready (1/2)"),
        (deployment(updated_replicas=1, replicas=1, ready_replicas=2), "deployment/db to be ready (2/2)"),
        (deployment(updated_replicas=2, replicas=3, ready_replicas=3), "deployment/db to be ready (2/2)"),
        (
            deployment(observed_generation=2, updated_replicas=2, replicas=2, ready_replicas=2),
            "deployment/db to be ready (2/2)",
        ),
        (stateful_set(updated_replicas=2, ready_replicas=3), "statefulset/db to be ready (3/3)"),
        (stateful_set(updated_replicas=3, ready_replicas=2), "statefulset/db to be ready (2/3)"),
        (stateful_set(PART, updated_replicas=0, ready_replicas=3), "statefulset/db to be ready (3/3)"),
        (
            daemon_set(desired_number_scheduled=2, updated_number_scheduled=1, number_ready=2),
            "daemonset/db to be ready (2/2)",
        ),
        (daemon_set(observed_generation=0), "daemonset/db to be ready (0/0)"),
        (Job(spec=JobSpec(completions=3), status=JobStatus(succeeded=2)), "job/db to complete (2/3)"),
        (Pod(status=PodStatus(phase="Running")), "pod/db to be ready (0/1)"),
    ],
)
def test_what_is_not_there_is_waited_for_with_its_figures(value: Object, words: str) -> None:
    assert state(value) == State(met=False, words=f"waits for {words}")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            deployment(updated_replicas=2, replicas=2, ready_replicas=0, conditions=(LATE,)),
            "deployment/db failed: too slow",
        ),
        (
            Job(status=JobStatus(conditions=(Condition(type="Failed", status="True", reason="R", message="m"),))),
            "job/db failed: R: m",
        ),
        (Pod(status=PodStatus(phase="Failed", reason="Evicted")), "pod/db failed: Evicted"),
    ],
)
def test_what_failed_is_told_and_not_waited_for_where_it_is_optional(value: Object, words: str) -> None:
    assert state(value) == State(met=False, failed=True, words=words)
    assert state(value, optional=True) == dependency_states.MET


@pytest.mark.parametrize(
    ("value", "condition", "met"),
    [
        (Pod(status=PodStatus(phase="Running")), "started", True),
        (Pod(status=PodStatus(phase="Succeeded")), "complete", True),
        (Pod(status=PodStatus(phase="Running")), "complete", False),
        (Job(status=JobStatus(ready=1)), "started", True),
        (Job(status=JobStatus(active=1)), "started", False),
        (deployment(updated_replicas=2, replicas=2, ready_replicas=2), "started", False),
    ],
)
def test_other_conditions(value: Object, condition: str, met: bool) -> None:
    assert state(value, condition).met is met
