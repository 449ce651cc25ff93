from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from swarmlet.model import conditions, ip_families, pods
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import PodIP, PodStatus

NOW = datetime(2024, 1, 1, 12, 0, 0, 500, tzinfo=UTC)


def ready_since(seconds: int, status: str = "True") -> Pod:
    since = NOW - timedelta(seconds=seconds)
    return Pod(status=PodStatus(conditions=(Condition(type="Ready", status=status, last_transition_time=since),)))


def test_a_pod_is_available_once_it_has_been_ready_for_long_enough():
    assert pods.is_available(ready_since(10), NOW, min_ready_seconds=10)
    assert not pods.is_available(ready_since(9), NOW, min_ready_seconds=10)
    assert pods.available_in(ready_since(9), NOW, min_ready_seconds=10) == timedelta(seconds=1)
    assert pods.is_available(ready_since(0), NOW)


@pytest.mark.parametrize("pod", [Pod(), ready_since(100, "False")])
def test_a_pod_that_is_not_ready_is_not_available(pod):
    assert not pods.is_ready(pod)
    assert pods.available_in(pod, NOW) is None


def test_an_address_is_an_address_whatever_a_status_says():
    told = ("fd00::1%x }\nflush ruleset", "10.42.0.7 }", "10.42.0.8")
    pod = Pod(status=PodStatus(pod_ip=told[0], pod_ips=tuple(PodIP(ip=each) for each in told)))
    assert [pods.address(pod, family) for family in ip_families.FAMILIES] == ["10.42.0.8", ""]


@pytest.mark.parametrize(
    ("pod", "active"),
    [
        (Pod(), True),
        (Pod(status=PodStatus(phase="Running")), True),
        (Pod(status=PodStatus(phase="Succeeded")), False),
        (Pod(status=PodStatus(phase="Failed")), False),
        (Pod(metadata=ObjectMeta(deletion_timestamp=NOW)), False),
    ],
)
def test_finished_and_leaving_pods_do_not_count(pod, active):
    assert pods.is_active(pod) is active


def container(requests=None, limits=None) -> Container:
    return Container(name="c", resources=ResourceRequirements(requests=requests or {}, limits=limits or {}))


def test_containers_add_up_and_the_largest_init_container_counts_where_it_is_more():
    spec = PodSpec(
        containers=(container({"cpu": "100m", "memory": "1Ki"}), container({"cpu": "200m"})),
        init_containers=(container({"cpu": "250m", "memory": "2Ki"}), container({"cpu": "50m"})),
    )
    assert pods.effective_requests(spec) == {"cpu": 300, "memory": 2048 * 1000}


BOTH = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ((container(),), "BestEffort"),
        ((container({"cpu": "0"}),), "BestEffort"),
        ((container({"cpu": "1"}),), "Burstable"),
        ((container(BOTH, BOTH),), "Guaranteed"),
        ((container(BOTH, {"cpu": "1000m", "memory": "1024Mi"}),), "Guaranteed"),
        ((container({}, BOTH),), "Guaranteed"),
        ((container({"cpu": "500m"}, BOTH),), "Burstable"),
        ((container(BOTH, BOTH), container()), "Burstable"),
        ((), "BestEffort"),
    ],
)
def test_the_class_of_service(containers, expected):
    assert pods.qos_class(PodSpec(containers=containers)) == expected


def test_a_condition_keeps_its_time_until_its_status_changes():
    first = conditions.put((), Condition(type="Ready", status="True", reason="a"), NOW)
    later = NOW + timedelta(minutes=1)
    second = conditions.put(first, Condition(type="Ready", status="True", reason="b"), later)
    third = conditions.put(second, Condition(type="Ready", status="False", reason="b"), later)
    start = NOW.replace(microsecond=0)
    assert [each[0].last_transition_time - start for each in (first, second, third)] == [
        timedelta(0),
        timedelta(0),
        timedelta(minutes=1),
    ]
    assert (second[0].reason, third[0].status) == ("b", "False")


def test_a_condition_that_says_the_same_changes_nothing():
    first = conditions.put((), Condition(type="Ready", status="True"), NOW)
    assert conditions.put(first, Condition(type="Ready", status="True"), NOW + timedelta(days=1)) is first


def test_a_condition_is_set_in_its_place():
    both = (Condition(type="A", status="True"), Condition(type="B", status="True"))
    changed = conditions.put(both, Condition(type="A", status="False"), NOW)
    assert [(each.type, each.status) for each in changed] == [("A", "False"), ("B", "True")]
    assert [each.type for each in conditions.drop(changed, "A")] == ["B"]
    assert not conditions.is_true(changed, "A")
