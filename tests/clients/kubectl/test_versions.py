"""A kind in two versions: made in the one that this kubectl knows, read and changed in either, on any machine."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.clients.kubectl.programs import Kubectl

SHARE = {"1.32": "--cpu-percent=70"}
"""Of `autoscale`, where it has another name."""
OLD, NEW = (f"horizontalpodautoscalers.{version}.autoscaling" for version in ("v1", "v2"))
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}


@pytest.fixture(scope="module")
def scaled(kubectl: Kubectl) -> Iterator[Kubectl]:
    kubectl("create", "deployment", "web", "--image=busybox:lab", "--replicas=0")
    kubectl("autoscale", "deployment", "web", "--min=2", "--max=5", SHARE.get(kubectl.version, "--cpu=70%"))
    yield kubectl
    kubectl("delete", "hpa,deployment", "web", "--ignore-not-found")


@pytest.mark.proves("autoscale", "get TYPE.VERSION.GROUP")
def test_autoscale_makes_what_both_versions_show(scaled: Kubectl) -> None:
    assert scaled.path(f"{OLD}/web", path="{.spec.targetCPUUtilizationPercentage}") == "70"
    assert scaled.path(f"{NEW}/web", path="{.spec.metrics[0].resource.target.averageUtilization}") == "70"
    for version in (OLD, NEW):
        row = scaled.there("get", version, "web", "--no-headers").split()
        assert row[:2] == ["web", "Deployment/web"]
        assert row[-4:-2] == ["2", "5"]


@pytest.mark.proves("patch, edit (in an older version)")
def test_a_change_in_one_version_is_one_in_the_other(scaled: Kubectl) -> None:
    scaled("patch", OLD, "web", "-p", json.dumps({"spec": {"targetCPUUtilizationPercentage": 55}}))
    assert scaled.path(f"{NEW}/web", path="{.spec.metrics[*].resource.target.averageUtilization}") == "55"
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
    }
    scaled(
        "patch",
        NEW,
        "web",
        "--type=json",
        "-p",
        json.dumps([{"op": "add", "path": "/spec/metrics/-", "value": memory}]),
    )
    scaled("edit", OLD, "web", KUBE_EDITOR="sed -i 's/maxReplicas: 5/maxReplicas: 7/'")
    assert scaled.path(f"{NEW}/web", path="{.spec.maxReplicas}") == "7"
    assert scaled.path(f"{NEW}/web", path="{.spec.metrics[*].resource.name}") == "memory cpu"


@pytest.mark.proves("explain --api-version")
def test_explain_tells_the_fields_of_each_version(kubectl: Kubectl) -> None:
    assert "targetCPUUtilizationPercentage" in kubectl.there("explain", "hpa.spec", "--api-version=autoscaling/v1")
    assert "behavior" in kubectl.there("explain", "hpa.spec")
    assert "regarding" in kubectl.there("explain", "events", "--api-version=events.k8s.io/v1", "--recursive")
