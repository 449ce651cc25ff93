"""`swarmlet taint`, beside kubectl on the same node."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swarmlet.model import kinds
from tests.cli import objects
from tests.cli.conftest import Cluster


@pytest.fixture(autouse=True)
def _node(cluster: Cluster) -> None:
    metadata = {"name": "h2", "uid": "h2", "creationTimestamp": objects.now(), "labels": {"disk": "ssd"}}
    spec = {"taints": [{"key": "old", "value": "a", "effect": "NoSchedule"}]}
    document = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": {}}
    cluster.do(lambda: objects.put(cluster.replica, kinds.NODE, document))


def taints(text: str) -> Any:
    found = json.loads(text)["spec"].get("taints") or []
    return sorted((each["key"], each.get("value", ""), each["effect"]) for each in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "taint nodes h2 gpu=a:NoSchedule slow:PreferNoSchedule",
        "taint node h2 old-",
        "taint node h2 old:NoSchedule- gpu=b:NoExecute",
        "taint nodes --all old=b:NoSchedule --overwrite",
        "taint nodes -l disk=ssd gpu:NoSchedule",
    ],
)
def test_it_does_and_tells_what_kubectl_does(cluster: Cluster, line: str) -> None:
    command = [*line.split(), "--dry-run=server"]
    ours, theirs = cluster.run(*command), cluster.kubectl(*command)
    told = ours.out.replace(" (server dry run)", "")  # which kubectl does not say here
    assert (ours.code, told, ours.err) == (theirs.code, theirs.out, theirs.err)
    ours, theirs = cluster.run(*command, "-o", "json"), cluster.kubectl(*command, "-o", "json")
    assert taints(ours.out) == taints(theirs.out)


def test_the_taint_is_there_and_goes_again(cluster: Cluster) -> None:
    assert cluster.ok("taint", "nodes", "h2", "gpu=a:NoSchedule") == "node/h2 tainted\n"
    assert taints(cluster.ok("get", "node/h2", "-o", "json"))[0] == ("gpu", "a", "NoSchedule")
    assert cluster.ok("taint", "nodes", "h2", "gpu-", "old-") == "node/h2 untainted\n"
    assert taints(cluster.ok("get", "node/h2", "-o", "json")) == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("taint nodes h2 old=b:NoSchedule", "already has old taint(s) with same effect(s)"),
        ("taint nodes h2 none-", 'taint "none" not found'),
        ("taint nodes h2 gpu=a", "EFFECT of NoSchedule, PreferNoSchedule, NoExecute"),
        ("taint nodes h2", "at least one taint update"),
        ("taint ns default a:NoSchedule", "only nodes have taints"),
    ],
)
def test_what_cannot_be_is_refused(cluster: Cluster, line: str, complaint: str) -> None:
    result = cluster.run(*line.split())
    assert result.code in (1, 2)
    assert complaint in result.err
