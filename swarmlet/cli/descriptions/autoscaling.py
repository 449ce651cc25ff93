"""What `describe` says of a HorizontalPodAutoscaler.

Source: kubernetes/kubectl pkg/describe/describe.go (describeHorizontalPodAutoscalerV2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

UNKNOWN = "<unknown>"
UNSET = "<unset>"

Document = Mapping[str, Any]
Lines = list[tuple[str, Any]]


def horizontal_pod_autoscaler(document: Document) -> Lines:
    """Return the lines of a HorizontalPodAutoscaler, its conditions apart."""
    spec, status = document["spec"], document.get("status") or {}
    target = spec["scaleTargetRef"]
    current: Sequence[Document] = status.get("currentMetrics") or ()
    metrics = [
        _metric(metric, current[number] if number < len(current) else {})
        for number, metric in enumerate(spec.get("metrics") or ())
    ]
    lines: Lines = [
        ("Reference", f"{target['kind']}/{target['name']}"),
        ("Metrics (current / target)", metrics or "<none>"),
        ("Min Replicas", str(spec.get("minReplicas", UNSET))),
        ("Max Replicas", str(spec["maxReplicas"])),
    ]
    behavior = spec.get("behavior") or {}
    rules = [
        (label, _rules(behavior[name]))
        for label, name in (("Scale Up", "scaleUp"), ("Scale Down", "scaleDown"))
        if name in behavior
    ]
    lines += [("Behavior", rules)] if rules else []
    replicas = f"{status.get('currentReplicas', 0)} current / {status.get('desiredReplicas', 0)} desired"
    return [
        *lines,
        (f"{target['kind']} Pods", replicas),
        ("Last Scale Time", str(status.get("lastScaleTime") or "<none>")),
    ]


def _metric(spec: Document, status: Document) -> tuple[str, str]:
    kind = "containerResource" if spec["type"] == "ContainerResource" else "resource"
    source, now = spec[kind], (status.get(kind) or {}).get("current") or {}
    what = f"resource {source['name']}"
    if kind == "containerResource":
        what += f" of container {source['container']}"
    target = source["target"]
    if "averageValue" in target:
        return f"{what} on pods", f"{now.get('averageValue', UNKNOWN)} / {target['averageValue']}"
    share = f"{now['averageUtilization']}% ({now.get('averageValue')})" if "averageUtilization" in now else UNKNOWN
    return f"{what} on pods (as a percentage of request)", f"{share} / {target['averageUtilization']}%"


def _rules(rules: Document) -> Lines:
    window = rules.get("stabilizationWindowSeconds")
    lines: Lines = [
        ("Stabilization Window", UNSET if window is None else f"{window} seconds"),
        ("Select Policy", str(rules.get("selectPolicy", UNSET))),
    ]
    lines += [("Tolerance", str(rules["tolerance"]))] if "tolerance" in rules else []
    policies = [
        f"Type: {policy['type']}  Value: {policy['value']}  Period: {policy['periodSeconds']} seconds"
        for policy in rules.get("policies") or ()
    ]
    return [*lines, ("Policies", policies)]
