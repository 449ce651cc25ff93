"""What `describe node` tells of a node's conditions, its Pods and what of it they ask for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from swarmlet.cli.descriptions import nodes as node_descriptions

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NODE = {"status": {"allocatable": {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "100Gi", "pods": "110"}}}


def pod(name: str, phase: str = "Running", **resources: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "creationTimestamp": "2026-01-01T11:00:00Z"},
        "spec": {"containers": [{"name": "main", "image": "web:1", "resources": resources}]},
        "status": {"phase": phase},
    }


def test_pods_are_told_with_their_share_of_the_node() -> None:
    asks = pod("asks", requests={"cpu": "500m", "memory": "2Gi"}, limits={"cpu": "1", "memory": "4Gi"})
    ended = pod("ended", "Succeeded", requests={"cpu": "4"})
    told = node_descriptions.workload(NODE, [asks, pod("free"), ended], NOW)
    assert told[0] == "Non-terminated Pods:  (2 in total)"
    assert told[1].split("   ")[:3] == ["  Namespace", "Name", "CPU Requests"]
    words = [" ".join(line.split()) for line in told]
    assert "default asks 500m (12%) 1 (25%) 2Gi (25%) 4Gi (50%) 60m" in words
    assert "default free 0 (0%) 0 (0%) 0 (0%) 0 (0%) 60m" in words
    assert words[-4:] == [
        "-------- -------- ------",
        "cpu 500m (12%) 1 (25%)",
        "memory 2Gi (25%) 4Gi (50%)",
        "ephemeral-storage 0 (0%) 0 (0%)",
    ]
    assert "(Total limits may be over 100 percent, i.e., overcommitted.)" in words


def test_a_resource_of_the_nodes_own_is_told_too() -> None:
    node = {"status": {"allocatable": {"cpu": "4", "example.com/gpu": "2"}}}
    told = node_descriptions.workload(node, [pod("gpu", requests={"example.com/gpu": "1"})], NOW)
    assert " ".join(told[-1].split()) == "example.com/gpu 1 (50%) 0 (0%)"


def test_a_node_that_says_nothing_of_its_size_has_no_shares() -> None:
    told = node_descriptions.workload({}, [pod("asks", requests={"cpu": "1"})], NOW)
    assert "cpu 1 (0%) 0 (0%)" in [" ".join(line.split()) for line in told]


def test_conditions_are_told_with_their_times() -> None:
    condition = {
        "type": "MemoryPressure",
        "status": "True",
        "reason": "KubeletHasInsufficientMemory",
        "message": "kubelet has insufficient memory available",
        "lastTransitionTime": "2026-01-01T11:59:00Z",
    }
    told = node_descriptions.conditions({"conditions": [condition]})
    assert told[0] == "Conditions:"
    assert " ".join(told[3].split()) == (
        "MemoryPressure True <unknown> 2026-01-01T11:59:00Z KubeletHasInsufficientMemory "
        "kubelet has insufficient memory available"
    )
