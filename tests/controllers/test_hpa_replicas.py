"""The replica calculator, by the names and cases of Kubernetes' own tests (replica_calculator_test.go)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from swarmlet.controllers.autoscaling import replicas as hpa_replicas
from swarmlet.controllers.autoscaling.replicas import MetricError, PodMetric, Readiness, Tolerances
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import PodStatus

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
READINESS = Readiness(now=NOW, cpu_initialization=timedelta(minutes=2), initial_readiness=timedelta(seconds=10))
WINDOW = timedelta(seconds=60)


def new_pod(
    name: str,
    *,
    ready: bool | None = True,
    started_ago: float = 3600.0,
    turned_ago: float = 3600.0,
    phase: str = "Running",
    request: str = "1",
    deleted: bool = False,
) -> Pod:
    """A Pod that began and whose readiness changed so many seconds ago; `ready` None: it was never told."""
    resources = ResourceRequirements(requests={"cpu": request, "memory": "1Gi"} if request else {})
    turned = NOW - timedelta(seconds=turned_ago)
    told = Condition(type="Ready", status=str(ready), last_transition_time=turned)
    return Pod(
        metadata=ObjectMeta(name=name, namespace="test", deletion_timestamp=NOW if deleted else None),
        spec=PodSpec(containers=(Container(name="main", image="x", resources=resources),)),
        status=PodStatus(
            phase=phase,
            conditions=() if ready is None else (told,),
            start_time=NOW - timedelta(seconds=started_ago),
        ),
    )


@dataclass(frozen=True)
class Case:
    """`ready` "T": ready; "F": never was; "H": hot, its start is too near for its processor time to count."""

    name: str
    current: int
    expected: int
    levels: Sequence[int]
    target: int
    utilization: int
    ready: str = ""
    requests: Sequence[str] = ()
    phases: Sequence[str] = ()
    deleted: Sequence[bool] = ()
    pods: int = 0

    def make(self) -> list[Pod]:
        count = self.pods or len(self.requests) or len(self.ready) or self.current
        return [self._pod(number) for number in range(count)]

    def _pod(self, number: int) -> Pod:
        state = self.ready[number] if self.ready else "T"
        hot = {"started_ago": 30.0, "turned_ago": 20.0} if state == "H" else {}
        return new_pod(
            f"p{number}",
            ready=state != "F",
            request=self.requests[number] if self.requests else "1",
            phase=self.phases[number] if self.phases else "Running",
            deleted=self.deleted[number] if self.deleted else False,
            **hot,
        )


UTILIZATION = [
    Case("ScaleUp", 3, 5, (300, 500, 700), 30, 50),
    Case("ScaleUpUnreadyLessScale", 3, 4, (300, 500, 700), 30, 60, "FTT"),
    Case("ScaleUpHotCpuLessScale", 3, 4, (300, 500, 700), 30, 60, "HTT"),
    Case("ScaleUpUnreadyNoScale", 3, 3, (400, 500, 700), 30, 40, "TFF"),
    Case("ScaleUpHotCpuNoScale", 3, 3, (400, 500, 700), 30, 40, "THH"),
    Case(
        "ScaleUpIgnoresFailedPods", 2, 4, (500, 700), 30, 60, "TTFF",
        phases=("Running", "Running", "Failed", "Failed"),
    ),
    Case("ScaleUpIgnoresDeletionPods", 2, 4, (500, 700), 30, 60, "TTFF", deleted=(False, False, True, True)),
    Case("ScaleDown", 5, 3, (100, 300, 500, 250, 250), 50, 28),
    Case("ScaleDownIncludeUnreadyPods", 5, 2, (100, 300, 500, 250, 250), 50, 30, "TTTFF"),
    Case("ScaleDownIgnoreHotCpuPods", 5, 2, (100, 300, 500, 250, 250), 50, 30, "TTTHH"),
    Case(
        "ScaleDownIgnoresFailedPods", 5, 3, (100, 300, 500, 250, 250), 50, 28, "TTTTTFF",
        phases=("Running",) * 5 + ("Failed",) * 2,
    ),
    Case("Tolerance", 3, 3, (1010, 1030, 1020), 100, 102, requests=("0.9", "1", "1.1")),
    Case("SuperfluousMetrics", 4, 24, (4000, 9500, 3000, 7000, 3200, 2000), 100, 587),
    Case("MissingMetrics", 4, 3, (400, 95), 100, 24),
    Case("MissingMetricsNoChangeEq", 2, 2, (1000,), 100, 100),
    Case("MissingMetricsNoChangeGt", 2, 2, (1900,), 100, 190),
    Case("MissingMetricsNoChangeLt", 2, 2, (600,), 100, 60),
    Case("MissingMetricsUnreadyNoChange", 3, 3, (100, 450), 50, 45, "FTT"),
    Case("MissingMetricsHotCpuNoChange", 3, 3, (100, 450), 50, 45, "HTT"),
    Case("MissingMetricsUnreadyScaleUp", 3, 4, (100, 2000), 50, 200, "FTT"),
    Case("MissingMetricsHotCpuScaleUp", 3, 4, (100, 2000), 50, 200, "HTT"),
    Case("MissingMetricsUnreadyScaleDown", 4, 3, (100, 100, 100), 50, 10, "FTTT"),
    Case("DuringRollingUpdateWithMaxSurge", 2, 2, (100, 100), 50, 10, "TTT"),
    Case("of our own: Pods that start use nothing yet", 3, 3, (550, 550, 900, 900), 30, 55, "TTFF"),
]  # fmt: skip


def metrics_of(levels: Sequence[int]) -> dict[str, PodMetric]:
    return {f"p{number}": PodMetric(level, NOW, WINDOW) for number, level in enumerate(levels)}


@pytest.mark.parametrize("case", UTILIZATION, ids=lambda case: case.name)
def test_a_share_of_what_is_asked_for(case: Case) -> None:
    pods, metrics = case.make(), metrics_of(case.levels)
    groups = hpa_replicas.group(pods, metrics, "cpu", READINESS)
    requested = hpa_replicas.requests(pods, "", "cpu")
    found = hpa_replicas.by_utilization(case.current, case.target, metrics, requested, groups, Tolerances())
    assert (found.replicas, found.utilization) == (case.expected, case.utilization)


@dataclass(frozen=True)
class Amount:
    name: str
    current: int
    expected: int
    levels: Sequence[int]
    target: int
    usage: int
    ready: str = ""
    pods: int = 0


AMOUNTS = [
    Amount("ScaleUpCM", 3, 4, (20_000, 10_000, 30_000), 15_000, 20_000),
    Amount("ScaleUpCMUnreadyHotCpuNoLessScale", 3, 6, (50_000, 10_000, 30_000), 15_000, 30_000, "TTF"),
    Amount("ScaleUpCMUnreadyHotCpuScaleWouldScaleDown", 3, 7, (50_000, 15_000, 30_000), 15_000, 31_666, "FTF"),
    Amount("ScaleDownCM", 5, 3, (12_000, 12_000, 12_000, 12_000, 12_000), 20_000, 12_000),
    Amount("ToleranceCM", 3, 3, (20_000, 21_000, 21_000), 20_000, 20_666),
    Amount("MissingMetricsDown", 4, 3, (400, 95), 1000, 247),
    Amount("MissingMetricsUp", 4, 5, (4000, 4500), 1700, 4250),
]


@pytest.mark.parametrize("case", AMOUNTS, ids=lambda case: case.name)
def test_an_amount_as_a_mean(case: Amount) -> None:
    states = case.ready or "T" * case.current
    pods = [new_pod(f"p{number}", ready=state == "T") for number, state in enumerate(states)]
    metrics = metrics_of(case.levels)
    groups = hpa_replicas.group(pods, metrics, "memory", READINESS)
    found = hpa_replicas.by_amount(case.current, case.target, metrics, groups, Tolerances())
    assert (found.replicas, found.utilization, found.average_milli) == (case.expected, None, case.usage)


TOLERANCES = [
    ("inside the default", Tolerances(), 108, 3),
    ("over the default", Tolerances(), 112, 4),
    ("a wide one upwards", Tolerances(up=0.2), 112, 3),
    ("a wide one upwards is none downwards", Tolerances(up=0.5), 60, 2),
    ("a narrow one", Tolerances(up=0.01, down=0.01), 103, 4),
    ("a wide one downwards", Tolerances(down=0.5), 60, 3),
]


@pytest.mark.parametrize(
    ("tolerances", "level", "expected"), [case[1:] for case in TOLERANCES], ids=[c[0] for c in TOLERANCES]
)
def test_tolerances_hold_in_their_own_direction(tolerances: Tolerances, level: int, expected: int) -> None:
    pods = [new_pod(f"p{number}") for number in range(3)]
    metrics = metrics_of([level * 10] * 3)
    groups = hpa_replicas.group(pods, metrics, "cpu", READINESS)
    requested = hpa_replicas.requests(pods, "", "cpu")
    assert hpa_replicas.by_utilization(3, 100, metrics, requested, groups, tolerances).replicas == expected


GROUPS = [  # TestGroupPods
    ("count in a ready pod - memory", new_pod("p0", started_ago=1, turned_ago=0), "memory", WINDOW, "ready"),
    ("ignore a pod without ready condition - CPU", new_pod("p0", ready=None), "cpu", WINDOW, "unready"),
    (
        "count in a ready pod with fresh metrics during initialization period - CPU",
        new_pod("p0", started_ago=60, turned_ago=30), "cpu", timedelta(seconds=30), "ready",
    ),
    (
        "ignore a ready pod without fresh metrics during initialization period - CPU",
        new_pod("p0", started_ago=60, turned_ago=30), "cpu", WINDOW, "unready",
    ),
    (
        "ignore an unready pod during initialization period - CPU",
        new_pod("p0", ready=False, started_ago=90, turned_ago=85), "cpu", timedelta(seconds=30), "unready",
    ),
    (
        "count in a ready pod without fresh metrics after initialization period - CPU",
        new_pod("p0", started_ago=180, turned_ago=3), "cpu", WINDOW, "ready",
    ),
    (
        "count in an unready pod that was ready after initialization period - CPU",
        new_pod("p0", ready=False, started_ago=600, turned_ago=180), "cpu", WINDOW, "ready",
    ),
    (
        "ignore pod that has never been ready after initialization period - CPU",
        new_pod("p0", ready=False, started_ago=600, turned_ago=595), "cpu", WINDOW, "unready",
    ),
    ("pending pods are unreadied", new_pod("p0", phase="Pending"), "cpu", WINDOW, "unready"),
    ("ignore pods with deletion timestamps", new_pod("p0", deleted=True), "cpu", WINDOW, "ignored"),
    ("ignore pods in a failed state", new_pod("p0", phase="Failed"), "cpu", WINDOW, "ignored"),
]  # fmt: skip


@pytest.mark.parametrize(("pod", "resource", "window", "expected"), [c[1:] for c in GROUPS], ids=[c[0] for c in GROUPS])
def test_pods_are_told_apart(pod: Pod, resource: str, window: timedelta, expected: str) -> None:
    groups = hpa_replicas.group([pod], {"p0": PodMetric(1, NOW, window)}, resource, READINESS)
    found = {"ready": groups.ready, "unready": len(groups.unready), "ignored": len(groups.ignored)}
    assert found == {"ready": 0, "unready": 0, "ignored": 0} | {expected: 1}


def test_a_pod_without_a_metric_is_missing() -> None:
    assert hpa_replicas.group([new_pod("p0")], {}, "cpu", READINESS).missing == {"p0"}


def test_a_share_of_nothing_cannot_be_told() -> None:
    with pytest.raises(MetricError, match=r"^missing request for cpu in container main of Pod p1$"):
        hpa_replicas.requests([new_pod("p0"), new_pod("p1", request="")], "", "cpu")


def test_sidecars_ask_beside_the_containers_and_other_init_containers_do_not() -> None:
    pod = new_pod("p0")
    half = ResourceRequirements(requests={"cpu": "500m"})
    init = (
        Container(name="sidecar", image="x", resources=half, restart_policy="Always"),
        Container(name="init", image="x", resources=half),
    )
    pod = msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, init_containers=init))
    assert hpa_replicas.requests([pod], "", "cpu") == {"p0": 1500}
    assert hpa_replicas.requests([pod], "sidecar", "cpu") == {"p0": 500}


def test_where_no_pod_is_ready_nothing_can_be_told() -> None:
    pods, metrics = [new_pod("p0", ready=False)], metrics_of([500])
    groups = hpa_replicas.group(pods, metrics, "cpu", READINESS)
    with pytest.raises(MetricError, match="did not receive metrics for targeted pods"):
        hpa_replicas.by_utilization(1, 50, metrics, {"p0": 1000}, groups, Tolerances())
