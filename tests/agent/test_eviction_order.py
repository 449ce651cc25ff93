"""Which Pod goes first, and when a node is under pressure: Kubernetes' order, words and delays."""

from __future__ import annotations

from swarmlet.agent.pressure import eviction
from swarmlet.agent.pressure.eviction import Candidate, Consumption
from swarmlet.agent.pressure.pressures import Gauge, Pressures, Shortage
from swarmlet.model import thresholds
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec

MI = 1024 * 1024
GI = 1024 * MI
LIMITS = thresholds.read({"memory.available": "100Mi", "nodefs.available": "10%", "pid.available": "5%"})
LOW = {"memory.available": Gauge(GI, 50 * MI)}
FINE = {"memory.available": Gauge(GI, 500 * MI)}


def candidate(
    name: str, used: int | None, request: str = "", *, resource: str = "memory", priority: int = 0, limit: str = ""
) -> Candidate:
    resources = ResourceRequirements(
        requests={resource: request} if request else {}, limits={resource: limit} if limit else {}
    )
    container = Container(name="main", image="web:1", resources=resources)
    pod = Pod(metadata=ObjectMeta(name=name, uid=name), spec=PodSpec(containers=(container,), priority=priority))
    return Candidate(pod, None if used is None else Consumption({"main": used}))


def order(*candidates: Candidate, resource: str = "memory") -> list[str]:
    return [each.pod.metadata.name for each in eviction.in_order(candidates, resource)]


# The order


def test_those_above_their_request_go_first_however_little_they_use() -> None:
    assert order(candidate("below", 500 * MI, "1Gi"), candidate("above", 2 * MI, "1Mi")) == ["above", "below"]


def test_of_those_above_the_lower_priority_goes_first() -> None:
    low, high = candidate("low", 10 * MI, priority=1), candidate("high", 900 * MI, priority=2)
    assert order(high, low) == ["low", "high"]


def test_of_equal_priority_the_one_most_above_its_request_goes_first() -> None:
    most = candidate("most", 600 * MI, "100Mi")
    less = candidate("less", 800 * MI, "400Mi")
    least = candidate("least", 450 * MI, "400Mi")
    assert order(least, less, most) == ["most", "less", "least"]


def test_a_low_priority_does_not_make_one_below_its_request_go_before_one_above() -> None:
    below, above = candidate("below", MI, "1Gi", priority=-10), candidate("above", GI, "1Mi", priority=10)
    assert order(below, above) == ["above", "below"]


def test_a_critical_one_never_goes() -> None:
    assert order(candidate("critical", GI, priority=2_000_000_000), candidate("other", MI)) == ["other"]


def test_one_that_cannot_be_measured_goes_first() -> None:
    assert order(candidate("known", GI), candidate("unknown", None)) == ["unknown", "known"]


def test_the_disk_is_judged_by_requests_of_the_disk() -> None:
    asks = candidate("asks", 50 * MI, "1Gi", resource="ephemeral-storage")
    asks_of_memory = candidate("asks-of-memory", 10 * MI, "1Gi")
    assert order(asks, asks_of_memory, resource="ephemeral-storage") == ["asks-of-memory", "asks"]


# The words


def test_the_message_is_kubelets() -> None:
    shortage = Shortage("memory.available", 100 * MI, 50 * MI + 1024)
    assert eviction.message(candidate("web", 200 * MI, "64Mi"), shortage) == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 51201Ki. "
        "Container main was using 200Mi, request is 64Mi, has larger consumption of memory. "
    )


def test_a_container_within_its_request_is_not_named() -> None:
    shortage = Shortage("nodefs.available", 10 * GI, GI)
    assert eviction.message(candidate("web", MI, "64Mi", resource="ephemeral-storage"), shortage) == (
        "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 1Gi. "
    )


def test_the_limits_of_the_disk_are_kept_by_the_pod_and_by_each_container() -> None:
    web = candidate("web", 0, resource="ephemeral-storage", limit="10Mi").pod
    assert eviction.over_storage_limit(web, Consumption({"main": 10 * MI})) == ""
    assert eviction.over_storage_limit(web, Consumption({"main": 4 * MI}, volumes=7 * MI)) == (
        "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "
    )
    side = Container(name="side", image="web:1", resources=ResourceRequirements(limits={"ephemeral-storage": "1Gi"}))
    both = Pod(metadata=web.metadata, spec=PodSpec(containers=(*web.spec.containers, side)))
    assert eviction.over_storage_limit(both, Consumption({"main": 11 * MI, "side": 0})) == (
        'Container main exceeded its local ephemeral storage limit "10Mi". '
    )


def test_a_pod_without_limits_may_take_what_there_is() -> None:
    assert eviction.over_storage_limit(candidate("web", 0).pod, Consumption({"main": 100 * GI})) == ""


# Thresholds and conditions


def test_a_threshold_is_met_below_it_and_not_at_it() -> None:
    pressures = Pressures(LIMITS, 30.0)
    assert pressures.observe({"memory.available": Gauge(GI, 100 * MI)}, 0.0) == []
    (met,) = pressures.observe({"memory.available": Gauge(GI, 100 * MI - 1)}, 0.0)
    assert (met.resource, met.condition, met.wanted) == ("memory", "MemoryPressure", 100 * MI)


def test_a_share_is_of_what_there_is() -> None:
    (met,) = Pressures(LIMITS, 30.0).observe({"nodefs.available": Gauge(50 * GI, 4 * GI)}, 0.0)
    assert (met.wanted, met.condition) == (5 * GI, "DiskPressure")


def test_memory_is_more_urgent_than_the_disk() -> None:
    found = Pressures(LIMITS, 30.0).observe({"nodefs.available": Gauge(50 * GI, 0), **LOW}, 0.0)
    assert [each.resource for each in found] == ["memory", "ephemeral-storage"]


def test_a_condition_outlasts_its_threshold_for_a_while() -> None:
    pressures = Pressures(LIMITS, 30.0)
    pressures.observe(LOW, 0.0)
    assert pressures.held(0.0) == ("MemoryPressure",)
    pressures.observe(FINE, 10.0)
    assert pressures.held(29.0) == ("MemoryPressure",)
    assert pressures.held(30.0) == ()


def test_a_condition_counts_from_when_its_threshold_was_met_last() -> None:
    pressures = Pressures(LIMITS, 30.0)
    pressures.observe(LOW, 0.0)
    pressures.observe(LOW, 20.0)
    assert pressures.held(49.0) == ("MemoryPressure",)


def test_without_a_wait_a_condition_ends_with_its_threshold() -> None:
    pressures = Pressures(LIMITS, 0.0)
    pressures.observe(LOW, 5.0)
    assert pressures.held(5.0) == ("MemoryPressure",)
    pressures.observe(FINE, 7.0)
    assert pressures.held(7.0) == ()


def test_a_signal_that_cannot_be_read_is_no_shortage() -> None:
    assert Pressures(LIMITS, 30.0).observe({}, 0.0) == []


def test_a_shortage_of_processes_is_told() -> None:
    (met,) = Pressures(LIMITS, 30.0).observe({"pid.available": Gauge(1000, 10)}, 0.0)
    assert str(met) == "The node was low on resource: pids. Threshold quantity: 50, available: 10. "
