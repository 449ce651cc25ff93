"""RuntimeClasses, and the overhead that Pods have of them."""

from __future__ import annotations

import pytest

from swarmlet.model import kinds, pods, usage
from tests.model.test_validation import POD, made, merged, problems, update_problems


def new_class(handler: str = "runc", **fields: object) -> dict:
    return {"metadata": {"name": "small"}, "handler": handler, **fields}


def test_a_whole_class_passes() -> None:
    document = new_class(
        overhead={"podFixed": {"cpu": "250m", "memory": "64Mi"}},
        scheduling={
            "nodeSelector": {"runtime": "kata"},
            "tolerations": [{"key": "kata", "operator": "Exists", "effect": "NoSchedule"}],
        },
    )
    assert problems(kinds.RUNTIME_CLASS, document) == {}
    assert made(kinds.RUNTIME_CLASS, document).overhead.pod_fixed == {"cpu": "250m", "memory": "64Mi"}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (new_class(""), "handler"),
        (new_class("Run.C"), "handler"),
        (new_class(overhead={"podFixed": {"cpu": "-1"}}), "overhead.podFixed[cpu]"),
        (new_class(scheduling={"nodeSelector": {"-": "x"}}), "scheduling.nodeSelector"),
        (new_class(scheduling={"tolerations": [{"key": "a", "effect": "Never"}]}), "scheduling.tolerations[0].effect"),
    ],
)
def test_a_class_keeps_kubernetes_rules(document: dict, path: str) -> None:
    assert list(problems(kinds.RUNTIME_CLASS, document)) == [path]


def test_a_classes_handler_stays() -> None:
    assert update_problems(kinds.RUNTIME_CLASS, new_class("a"), new_class("b")) == {
        "handler": 'Invalid value: "b": field is immutable'
    }


def test_a_pods_class_and_overhead_are_checked_and_stay() -> None:
    assert "spec.runtimeClassName" in problems(kinds.POD, merged(POD, "spec.runtimeClassName", "No!"))
    assert "spec.overhead[cpu]" in problems(kinds.POD, merged(POD, "spec.overhead", {"cpu": "-1"}))
    assert list(update_problems(kinds.POD, POD, merged(POD, "spec.runtimeClassName", "small"))) == ["spec"]


def test_overhead_counts_with_what_the_containers_ask_for() -> None:
    pod = made(kinds.POD, merged(POD, "spec.overhead", {"cpu": "250m", "memory": "64Mi"}))
    requests = pods.effective_requests(pod.spec)
    assert (requests["cpu"], requests["memory"]) == (1250, 64 * 2**20 * 1000)
    asked, limited = usage.pod_resources(pod.spec)
    assert {name: str(amount) for name, amount in asked.items()} == {"cpu": "1250m", "memory": "64Mi"}
    assert {name: str(amount) for name, amount in limited.items()} == {"cpu": "2250m"}
    assert pods.qos_class(pod.spec) == "Burstable"
