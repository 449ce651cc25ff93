"""What a Pod says to the scheduler: its gates."""

from __future__ import annotations

import pytest

from swarmlet.model import conditions, kinds, pods
from tests.model.test_validation import DEPLOYMENT, POD, made, merged, problems, update_problems

SSD = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
SSD_IN_A = {"matchExpressions": [*SSD["matchExpressions"], {"key": "zone", "operator": "Exists"}]}
TERMS = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"


def gated(*names: str, **spec: object) -> dict:
    changed = merged(POD, "spec.schedulingGates", [{"name": name} for name in names])
    return changed | {"spec": changed["spec"] | spec}


def wanting(*terms: dict) -> dict:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def test_gates_are_kept_and_pass() -> None:
    pod = made(kinds.POD, gated("example.com/a", "b"))
    assert [gate.name for gate in pod.spec.scheduling_gates] == ["example.com/a", "b"]
    assert problems(kinds.POD, gated("example.com/a", "b")) == {}
    assert problems(kinds.DEPLOYMENT, merged(DEPLOYMENT, "spec.template.spec.schedulingGates", [{"name": "a"}])) == {}


def test_gates_have_names_that_differ_and_no_node_beside_them() -> None:
    assert "name part must be non-empty" in problems(kinds.POD, gated(""))["spec.schedulingGates[0]"]
    assert problems(kinds.POD, gated("a", "a"))["spec.schedulingGates[1]"] == 'Duplicate value: "a"'
    assert problems(kinds.POD, gated("a", nodeName="n1")) == {
        "spec.nodeName": "Forbidden: cannot be set until all schedulingGates have been cleared"
    }


def test_gates_only_go() -> None:
    assert update_problems(kinds.POD, gated("a", "b"), gated("b")) == {}
    assert update_problems(kinds.POD, gated("a"), gated()) == {}
    assert update_problems(kinds.POD, gated("a"), gated("a", "g2")) == {
        "spec.schedulingGates[1].name": "Forbidden: only deletion is allowed, but found new scheduling gate 'g2'"
    }
    assert update_problems(kinds.POD, gated(), gated("a")) != {}


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ({"nodeSelector": {"a": "b"}}, {"nodeSelector": {"a": "b", "c": "d"}}, ""),
        ({"nodeSelector": {"a": "b"}}, {"nodeSelector": {"a": "z"}}, "spec.nodeSelector"),
        ({"nodeSelector": {"a": "b"}}, {"nodeSelector": {}}, "spec.nodeSelector"),
        ({}, {"affinity": wanting(SSD)}, ""),
        ({"affinity": wanting(SSD)}, {"affinity": wanting(SSD_IN_A)}, ""),
        ({"affinity": wanting(SSD_IN_A)}, {"affinity": wanting(SSD)}, f"{TERMS}[0]"),
        ({"affinity": wanting(SSD)}, {"affinity": wanting(SSD, SSD_IN_A)}, TERMS),
        ({"affinity": wanting(SSD)}, {}, TERMS),
    ],
)
def test_a_gated_pod_may_be_narrowed(old: dict, new: dict, path: str) -> None:
    assert list(update_problems(kinds.POD, gated("a", **old), gated("a", **new))) == [path][: bool(path)]


def test_a_pod_without_gates_may_not_be_narrowed() -> None:
    before, after = gated(nodeSelector={"a": "b"}), gated(nodeSelector={"a": "b", "c": "d"})
    assert list(update_problems(kinds.POD, before, after)) == ["spec"]


def test_a_gated_pod_says_what_it_waits_for() -> None:
    told = conditions.get(pods.admitted(made(kinds.POD, gated("a"))).status.conditions, "PodScheduled")
    assert told is not None
    assert (told.status, told.reason) == ("False", "SchedulingGated")
    assert told.message == "Scheduling is blocked due to non-empty scheduling gates"
    assert pods.admitted(made(kinds.POD, POD)).status.conditions == ()
