"""HorizontalPodAutoscalers of version 1, which says in annotations what it has no fields for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlet.errors import CallerError, InvalidError
from swarmlet.model import decode, kinds, objects
from swarmlet.model.versions import autoscaling_v1, conversion
from swarmlet.model.versions.autoscaling_v1 import BEHAVIOR, CONDITIONS, CURRENT_METRICS, METRICS

TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def cpu(share: int) -> dict[str, Any]:
    return {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": share}},
    }


MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}
SIDE = {
    "type": "ContainerResource",
    "containerResource": {
        "name": "cpu",
        "container": "side",
        "target": {"type": "Utilization", "averageUtilization": 40},
    },
}
BEHAVES = {
    "scaleDown": {"stabilizationWindowSeconds": 60, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 9}]}
}
STATUS = {
    "currentReplicas": 2,
    "desiredReplicas": 3,
    "currentMetrics": [
        {"type": "Resource", "resource": {"name": "memory", "current": {"averageValue": "40Mi"}}},
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageValue": "9m", "averageUtilization": 35}}},
    ],
    "conditions": [{"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"}],
}


def v1(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": "web"} | ({"annotations": annotations} if annotations else {})
    spec = {"scaleTargetRef": TARGET, "maxReplicas": 9} | spec
    return {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}


def v2(*metrics: Any, status: Any = None, **spec: Any) -> dict[str, Any]:
    given = {"metrics": list(metrics)} if metrics else {}
    spec = {"scaleTargetRef": TARGET, "maxReplicas": 9} | given | spec
    document = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}}
    return document | {"spec": spec} | ({"status": status} if status else {})


def test_a_target_of_cpu_is_a_metric() -> None:
    assert autoscaling_v1.to_v2(v1(targetCPUUtilizationPercentage=70)) == v2(cpu(70))
    assert autoscaling_v1.to_v1(v2(cpu(70))) == v1(targetCPUUtilizationPercentage=70)


def test_other_metrics_are_in_an_annotation() -> None:
    found = autoscaling_v1.to_v1(v2(MEMORY, cpu(70), SIDE))
    assert found["spec"]["targetCPUUtilizationPercentage"] == 70
    assert json.loads(found["metadata"]["annotations"][METRICS]) == [
        {"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "1Gi"}},
        {
            "type": "ContainerResource",
            "containerResource": {"name": "cpu", "container": "side", "targetAverageUtilization": 40},
        },
    ]


@pytest.mark.parametrize(
    "document",
    [
        v2(),
        v2(MEMORY),
        v2(MEMORY, SIDE, cpu(70)),
        v2(cpu(70), minReplicas=0, behavior=BEHAVES),
        v2(MEMORY, cpu(70), status=STATUS),
    ],
)
def test_what_was_read_in_version_1_is_written_back_whole(document: dict[str, Any]) -> None:
    assert autoscaling_v1.to_v2(autoscaling_v1.to_v1(document)) == document


def test_the_status_is_told_as_far_as_version_1_goes() -> None:
    found = autoscaling_v1.to_v1(v2(MEMORY, cpu(70), status=STATUS))
    assert found["status"] == {"currentReplicas": 2, "desiredReplicas": 3, "currentCPUUtilizationPercentage": 35}
    annotations = {name: json.loads(text) for name, text in found["metadata"]["annotations"].items()}
    assert annotations[CONDITIONS] == STATUS["conditions"]
    assert annotations[CURRENT_METRICS][1]["resource"] == {
        "name": "cpu",
        "currentAverageValue": "9m",
        "currentAverageUtilization": 35,
    }


def test_behavior_bears_the_names_of_gos_fields() -> None:
    text = autoscaling_v1.to_v1(v2(cpu(70), behavior=BEHAVES))["metadata"]["annotations"][BEHAVIOR]
    assert json.loads(text)["ScaleDown"]["Policies"] == [{"Type": "Pods", "Value": 1, "PeriodSeconds": 9}]
    other = json.dumps({"ScaleUp": None} | BEHAVES)
    assert autoscaling_v1.to_v2(v1({BEHAVIOR: other}))["spec"]["behavior"] == BEHAVES


def test_version_2_has_none_of_the_annotations() -> None:
    found = autoscaling_v1.to_v2(v1({METRICS: "[]", "mine": "1", CONDITIONS: "[]"}))
    assert found["metadata"]["annotations"] == {"mine": "1"}
    stale = v2(cpu(70))
    stale["metadata"]["annotations"] = {METRICS: "[{}]"}
    assert "annotations" not in autoscaling_v1.to_v1(stale)["metadata"]


@pytest.mark.parametrize("text", ["", "{", "null", "7", '{"a": 1}'])
def test_an_annotation_that_says_no_metrics_is_passed_over(text: str) -> None:
    assert autoscaling_v1.to_v2(v1({METRICS: text}, targetCPUUtilizationPercentage=70)) == v2(cpu(70))


def test_a_partial_document_stays_partial() -> None:
    assert autoscaling_v1.to_v2(v1(minReplicas=2))["spec"].keys() == {"scaleTargetRef", "maxReplicas", "minReplicas"}
    assert "status" not in autoscaling_v1.to_v2(v1())


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "resource", "name", "target", "metrics", "current", "Policies", "scaleUp"]), inner
        )
    ),
    max_leaves=8,
)


@given(junk)
def test_whatever_an_annotation_says_is_read_or_refused(value: Any) -> None:
    document = v1(dict.fromkeys((METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR), json.dumps(value)))
    try:
        decode.decode(kinds.HORIZONTAL_POD_AUTOSCALER, conversion.stored(kinds.HORIZONTAL_POD_AUTOSCALER_V1, document))
    except (CallerError, InvalidError):
        return


def test_a_document_is_decoded_strictly_in_its_own_version() -> None:
    kind = kinds.HORIZONTAL_POD_AUTOSCALER_V1
    assert decode.decode(kind, v1(metrics=[])).unknown_fields == ("spec.metrics",)
    value = decode.decode(kind, v1(targetCPUUtilizationPercentage=70)).object
    assert objects.to_document(value)["spec"]["targetCPUUtilizationPercentage"] == 70


@pytest.mark.parametrize("depth", [100, 900, 100_000])
def test_an_annotation_that_is_nested_without_end_says_nothing(depth: int) -> None:
    annotations = {autoscaling_v1.BEHAVIOR: '{"a":' * depth + "1" + "}" * depth}
    assert autoscaling_v1.to_v2({"metadata": {"annotations": annotations}, "spec": {}})["spec"] == {}
