"""What `describe` prints of quotas, limits and a namespace that ends."""

from __future__ import annotations

from typing import Any

from swarmlet.cli.descriptions import kinds as descriptions


def described(kind: str, **parts: Any) -> list[str]:
    document = {"kind": kind, "metadata": {"name": "q", "namespace": "default"}, **parts}
    return descriptions.rendered(descriptions.describe(document))


def test_a_quota_is_a_table_of_what_is_used_of_what() -> None:
    spec = {
        "scopes": ["NotTerminating", "BestEffort"],
        "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["a", "b"]}]},
    }
    status = {"hard": {"pods": "10", "limits.memory": "1Gi"}, "used": {"pods": "3"}}
    assert described("ResourceQuota", spec=spec, status=status)[-5:] == [
        "Scopes:          BestEffort, NotTerminating",
        "Scope Selector:  PriorityClass In [a b]",
        "Resources:       Resource       Used  Hard",
        "                 limits.memory  0     1Gi",
        "                 pods           3     10",
    ]


def test_a_limit_range_is_a_table_of_types_and_resources() -> None:
    item = {"type": "Container", "max": {"memory": "1Gi"}, "default": {"memory": "512Mi", "cpu": "1"}}
    assert described("LimitRange", spec={"limits": [item]})[-2:] == [
        "              Container  cpu       -    -    -                1              -",
        "              Container  memory    -    1Gi  -                512Mi          -",
    ]


def test_a_namespace_that_ends_tells_what_is_left() -> None:
    condition = {"type": "NamespaceContentRemaining", "status": "True", "reason": "SomeResourcesRemain", "message": "x"}
    lines = described("Namespace", status={"phase": "Terminating", "conditions": [condition]})
    assert lines[-1].split() == ["NamespaceContentRemaining:", "True", "SomeResourcesRemain:", "x"]
