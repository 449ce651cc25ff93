"""PriorityClasses at the API, and the priority that Pods get from them."""

from __future__ import annotations

import msgspec

from swarmlet.errors import ForbiddenError
from swarmlet.model import kinds, scheduling
from swarmlet.store.commands import Key
from tests.api.conftest import Api, DirectReplica
from tests.api.documents import MERGE, PODS, TABLE, pod

CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"


def new_class(name: str, value: int, **fields: object) -> dict:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        **fields,
    }


def asking(name: str, **spec: object) -> dict:
    document = pod(name)
    document["spec"] |= spec
    return document


async def test_a_pod_gets_its_priority_from_its_class(api: Api) -> None:
    await api.read("POST", CLASSES, json=new_class("high", 1000, preemptionPolicy="Never"))
    code, made = await api.read("POST", PODS, json=asking("a", priorityClassName="high"))
    assert code == 201
    assert (made["spec"]["priority"], made["spec"]["preemptionPolicy"]) == (1000, "Never")
    _, plain = await api.read("POST", PODS, json=pod("b"))
    assert (plain["spec"]["priority"], plain["spec"]["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert "priorityClassName" not in plain["spec"]


async def test_the_default_class_is_that_of_pods_that_name_none(api: Api) -> None:
    await api.read("POST", CLASSES, json=new_class("usual", 7, globalDefault=True))
    _, made = await api.read("POST", PODS, json=pod("a"))
    assert (made["spec"]["priorityClassName"], made["spec"]["priority"]) == ("usual", 7)


async def test_a_class_that_is_not_and_a_priority_of_ones_own_are_forbidden(api: Api) -> None:
    await api.read("POST", CLASSES, json=new_class("high", 1000))
    code, status = await api.read("POST", PODS, json=asking("a", priorityClassName="gone"))
    assert code == 403
    assert status["message"] == 'pods "a" is forbidden: no PriorityClass with name gone was found'
    _, status = await api.read("POST", PODS, json=asking("a", priorityClassName="high", priority=5))
    assert status["message"] == (
        'pods "a" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority '
        "admission controller computed 1000 from the given PriorityClass name"
    )
    _, status = await api.read("POST", PODS, json=asking("a", priorityClassName="high", preemptionPolicy="Never"))
    assert "the string value of PreemptionPolicy (Never) must not be provided in pod spec" in status["message"]


async def test_one_class_at_most_is_the_default(api: Api) -> None:
    await api.read("POST", CLASSES, json=new_class("one", 1, globalDefault=True))
    code, status = await api.read("POST", CLASSES, json=new_class("two", 2, globalDefault=True))
    assert code == 403
    assert status["message"] == (
        'priorityclasses.scheduling.k8s.io "two" is forbidden: PriorityClass one is already marked as default. '
        "Only one default can exist"
    )
    await api.read("POST", CLASSES, json=new_class("two", 2))
    change = {"headers": MERGE, "data": msgspec.json.encode({"globalDefault": True})}
    assert (await api.read("PATCH", f"{CLASSES}/two", **change))[0] == 403
    assert (await api.read("PATCH", f"{CLASSES}/one", **change))[0] == 200


async def test_a_pod_keeps_its_priority_when_it_is_replaced_without(api: Api) -> None:
    await api.read("POST", CLASSES, json=new_class("high", 1000))
    await api.read("POST", PODS, json=asking("a", priorityClassName="high"))
    code, after = await api.read("PUT", f"{PODS}/a", json=asking("a", priorityClassName="high"))
    assert (code, after["spec"]["priority"]) == (200, 1000)
    code, _ = await api.read("PUT", f"{PODS}/a", json=asking("a", priorityClassName="high", priority=3))
    assert code == 422


async def test_the_systems_classes_stay(api: Api, replica: DirectReplica) -> None:
    (critical, _) = scheduling.SYSTEM_CLASSES
    document = msgspec.to_builtins(critical)
    document["metadata"].pop("resourceVersion", None)
    assert (await api.read("POST", CLASSES, json=document))[0] == 201
    code, status = await api.read("DELETE", f"{CLASSES}/system-cluster-critical")
    assert (code, status["reason"]) == (403, ForbiddenError.reason)
    assert status["message"].endswith("this is a system priority class and cannot be deleted")
    assert replica.view.get(Key(kinds.PRIORITY_CLASS.resource, "", "system-cluster-critical"))
    assert (await api.read("DELETE", CLASSES))[0] == 403


async def test_kubectl_shows_a_class_in_its_columns(api: Api) -> None:
    await api.read("POST", CLASSES, json=new_class("low", 0))
    _, table = await api.read("GET", CLASSES, headers=TABLE)
    names = [column["name"] for column in table["columnDefinitions"]]
    assert names == ["Name", "Value", "Global-Default", "Age", "PreemptionPolicy"]
    (row,) = table["rows"]
    assert [row["cells"][at] for at in (0, 1, 2, 4)] == ["low", 0, False, "PreemptLowerPriority"]
