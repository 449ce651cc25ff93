"""PriorityClasses, and what Pods say of their priority."""

from __future__ import annotations

import pytest

from swarmlet.model import kinds
from tests.model.test_validation import POD, made, merged, problems, update_problems

RESERVED = "Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "


def new_class(name: str = "high", value: int = 1000, **fields: object) -> dict:
    return {"metadata": {"name": name}, "value": value, **fields}


def test_a_class_preempts_unless_it_says_never() -> None:
    assert made(kinds.PRIORITY_CLASS, new_class()).preemption_policy == "PreemptLowerPriority"
    assert made(kinds.PRIORITY_CLASS, new_class(preemptionPolicy="Never")).preemption_policy == "Never"
    assert problems(kinds.PRIORITY_CLASS, new_class(value=-(2**31))) == {}
    assert problems(kinds.PRIORITY_CLASS, new_class(value=10**9)) == {}


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        (
            new_class(value=10**9 + 1),
            "value",
            "Forbidden: maximum allowed value of a user defined priority is 1000000000",
        ),
        (
            new_class("system-mine"),
            "metadata.name",
            RESERVED + "system-mine is not a known system priority class",
        ),
        (
            new_class("system-node-critical", 5),
            "metadata.name",
            RESERVED + "value of system-node-critical PriorityClass must be 2000001000",
        ),
        (
            new_class("system-node-critical", 2_000_001_000, globalDefault=True),
            "metadata.name",
            RESERVED + "globalDefault of system-node-critical PriorityClass must be false",
        ),
        (
            new_class(preemptionPolicy="Sometimes"),
            "preemptionPolicy",
            'Unsupported value: "Sometimes": supported values: "PreemptLowerPriority", "Never"',
        ),
    ],
)
def test_a_class_keeps_kubernetes_rules(document: dict, path: str, words: str) -> None:
    assert problems(kinds.PRIORITY_CLASS, document) == {path: words}


def test_a_classes_value_and_policy_stay() -> None:
    assert update_problems(kinds.PRIORITY_CLASS, new_class(), new_class(value=1)) == {
        "value": "Forbidden: may not be changed in an update."
    }
    assert update_problems(kinds.PRIORITY_CLASS, new_class(), new_class(preemptionPolicy="Never")) == {
        "preemptionPolicy": 'Invalid value: "Never": field is immutable'
    }
    assert update_problems(kinds.PRIORITY_CLASS, new_class(), new_class(description="x", globalDefault=True)) == {}


def test_a_pod_names_its_class_and_policy_well() -> None:
    assert problems(kinds.POD, merged(POD, "spec.priorityClassName", "high")) == {}
    assert "spec.priorityClassName" in problems(kinds.POD, merged(POD, "spec.priorityClassName", "High!"))
    assert "spec.preemptionPolicy" in problems(kinds.POD, merged(POD, "spec.preemptionPolicy", "Maybe"))
