"""What `describe` says of priorities, gates and nominations."""

from __future__ import annotations

from swarmlet.cli.descriptions import kinds as descriptions


def lines(document: dict) -> dict[str, str]:
    told = descriptions.rendered(descriptions.describe(document))
    return {label.strip(): value.strip() for label, _, value in (line.partition(":") for line in told)}


def test_a_class_tells_its_value_and_what_it_is_for() -> None:
    document = {"kind": "PriorityClass", "metadata": {"name": "high"}, "value": 9, "description": "For the shop."}
    told = lines(document | {"preemptionPolicy": "Never"})
    assert [told[label] for label in ("Value", "GlobalDefault", "PreemptionPolicy", "Description")] == [
        "9",
        "false",
        "Never",
        "For the shop.",
    ]


def test_a_pod_tells_its_priority_and_what_it_waits_for() -> None:
    spec = {
        "containers": [],
        "priority": 9,
        "priorityClassName": "high",
        "schedulingGates": [{"name": "example.com/g"}],
    }
    document = {"kind": "Pod", "metadata": {"name": "p"}, "spec": spec, "status": {"nominatedNodeName": "n2"}}
    told = lines(document)
    assert (told["Priority"], told["Priority Class Name"]) == ("9", "high")
    assert (told["Scheduling Gates"], told["NominatedNodeName"]) == ("example.com/g", "n2")
    spec = {"containers": [], "runtimeClassName": "kata", "overhead": {"cpu": "250m"}}
    told = lines({"kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
    assert (told["Runtime Class Name"], told["cpu"]) == ("kata", "250m")
    plain = lines({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}})
    assert not {"Priority", "Scheduling Gates", "NominatedNodeName"} & plain.keys()
