"""`swarmlet rebalance` against the real API, on Pods and nodes that lie in the store."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from structlog.testing import CapturingLogger

from swarmlet.api.operations import rebalance as rebalance_api
from swarmlet.model import kinds, moves
from swarmlet.scheduler import rebalancing
from tests.cli.conftest import Cluster
from tests.cli.objects import pod, put

OLD = "2026-01-01T00:00:00Z"
READY = {"type": "Ready", "status": "True", "lastTransitionTime": OLD}
REPLICA_SET = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "metadata": {"name": "web", "namespace": "default", "uid": "ReplicaSet", "generation": 1},
    "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}},
    "status": {"replicas": 3, "readyReplicas": 3, "availableReplicas": 3, "observedGeneration": 1},
}


def owned(name: str, kind: str = "ReplicaSet", **metadata: Any) -> dict[str, Any]:
    document = pod(name)
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": "web", "uid": kind, "controller": True}
    document["metadata"] |= {"creationTimestamp": OLD, "ownerReferences": [owner], **metadata}
    document["status"]["conditions"] = [READY]
    return document


@pytest.fixture
def crowded(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Three Pods of a ReplicaSet on node-a, and one of a StatefulSet; node-b is empty."""
    monkeypatch.setattr(rebalance_api, "log", CapturingLogger())  # it speaks on the stdout of this process
    for name in ("node-a", "node-b"):
        allocatable = {"cpu": "4", "memory": "8Gi", "pods": "110"}
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "uid": name},
            "status": {"allocatable": allocatable, "conditions": [READY]},
        }
        cluster.do(lambda node=node: put(cluster.replica, kinds.NODE, node))
    cluster.do(lambda: put(cluster.replica, kinds.REPLICA_SET, REPLICA_SET))
    for document in (owned("web-1"), owned("web-2"), owned("web-3"), owned("db-0", "StatefulSet")):
        cluster.do(lambda document=document: put(cluster.replica, kinds.POD, document))
    return cluster


def said(cluster: Cluster) -> tuple[bool | None, bool]:
    switch = cluster.do(lambda: rebalancing.switch(cluster.replica.store))
    return switch.enabled, switch.asked_at is not None


def test_a_dry_run_shows_moves_with_their_gain_and_what_stays_and_why(crowded: Cluster) -> None:
    lines = crowded.ok("rebalance", "--dry-run").splitlines()
    assert lines[0] == "2 Pods would be moved:"
    assert lines[1].split() == ["POD", "FROM", "TO", "GAIN", "WHY"]
    assert lines[2].split(maxsplit=4) == [
        "default/web-1",
        "node-a",
        "node-b",
        "133%",
        "replicaset default/web had 3 Pods on node-a and 0 on node-b",
    ]
    assert lines[3].split()[:4] == ["default/web-2", "node-a", "node-b", "50%"], "now for the load of the nodes"
    assert lines[5].split() == ["STAYS", "NODE", "WHY"]
    assert lines[6].split(maxsplit=2)[2].startswith("a StatefulSet's Pod keeps its name")
    assert len(lines) == 7
    assert said(crowded) == (None, False), "it is only shown"


def test_asked_for_it_is_noted_for_the_leader(crowded: Cluster) -> None:
    assert crowded.ok("rebalance").splitlines()[0] == "2 Pods will be moved:"
    assert said(crowded) == (None, True)


def test_the_switch_is_kept_in_the_store_and_shown(crowded: Cluster) -> None:
    assert "Rebalance:" in crowded.ok("status")
    assert crowded.ok("rebalance", "off") == "rebalance off\n"
    assert said(crowded) == (False, False)
    assert crowded.ok("rebalance", "--dry-run").startswith("Rebalancing is off: Pods move only when asked for.")
    (line,) = [line for line in crowded.ok("status").splitlines() if line.startswith("Rebalance:")]
    assert line.split(maxsplit=1)[1].startswith("off, said ")
    crowded.ok("rebalance", "on")
    assert said(crowded) == (True, False)


def test_the_answer_can_be_had_whole(crowded: Cluster) -> None:
    told = json.loads(crowded.ok("rebalance", "--dry-run", "--json"))
    move, _ = told["planned"]
    assert (move["source"]["pods"], move["target"]["pods"]) == ([3, 2], [0, 1])
    assert (move["reason"], move["gain_percent"]) == ("spread", 133.3)
    assert told["enabled"] is True
    assert told["moving"] == []


def test_moves_under_way_are_shown(crowded: Cluster) -> None:
    def begin() -> None:
        move = moves.Move("web-1", "uid-web-1", "node-a", "node-b", "uid-web-9", "so it is")
        told = {moves.MOVE: msgspec.json.encode(move).decode()}
        put(crowded.replica, kinds.POD, owned("web-9", annotations=told))

    crowded.do(begin)
    printed = crowded.ok("rebalance", "--dry-run")
    assert "1 Pod moving:" in printed
    assert "default/web-9 takes its place: so it is" in printed
    assert "another Pod of replicaset default/web is being moved" in printed
    assert "default/web-1 from node-a to node-b" in crowded.ok("status")


def test_nothing_to_do_is_said(cluster: Cluster) -> None:
    assert cluster.ok("rebalance", "--dry-run") == "Nothing is worth a move.\n"


@pytest.mark.parametrize(("arguments", "told"), [(["maybe"], "allowed: on, off"), (["on", "--dry-run"], "--dry-run")])
def test_what_makes_no_sense_is_refused(cluster: Cluster, arguments: list[str], told: str) -> None:
    result = cluster.run("rebalance", *arguments)
    assert result.code == 2
    assert told in result.err
