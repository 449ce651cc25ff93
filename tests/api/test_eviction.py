"""Evictions: what a budget allows, that no disruption is spent twice, and Kubernetes' words where it does not."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from swarmlet.model import kinds
from swarmlet.model.meta import Condition, LabelSelector, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import PodStatus
from swarmlet.model.policy import (
    ALWAYS_ALLOW,
    SYNC_FAILED,
    BudgetCondition,
    PodDisruptionBudget,
    PodDisruptionBudgetSpec,
    PodDisruptionBudgetStatus,
)
from swarmlet.store.commands import Key
from tests.api.conftest import START, Api, DirectReplica
from tests.api.documents import PODS

BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"


def put_pod(replica: DirectReplica, name: str, *, ready: bool = True, phase: str = "Running", app: str = "web") -> None:
    replica.put(
        kinds.POD,
        Pod(
            metadata=ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", labels={"app": app}, generation=1),
            spec=PodSpec(node_name="node-a", termination_grace_period_seconds=30),
            status=PodStatus(phase=phase, conditions=(Condition(type="Ready", status="True" if ready else "False"),)),
        ),
    )


def put_budget(
    replica: DirectReplica,
    allowed: int,
    *,
    name: str = "web",
    healthy: int = 2,
    desired: int = 2,
    observed: int = 1,
    policy: str = "",
    conditions: tuple[BudgetCondition, ...] = (),
    disrupted: dict[str, datetime] | None = None,
) -> None:
    selector = LabelSelector(match_labels={"app": "web"})
    status = PodDisruptionBudgetStatus(
        observed_generation=observed,
        disruptions_allowed=allowed,
        current_healthy=healthy,
        desired_healthy=desired,
        expected_pods=3,
        conditions=conditions,
        disrupted_pods=disrupted or {},
    )
    replica.put(
        kinds.POD_DISRUPTION_BUDGET,
        PodDisruptionBudget(
            metadata=ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", generation=1),
            spec=PodDisruptionBudgetSpec(min_available=2, selector=selector, unhealthy_pod_eviction_policy=policy),
            status=status,
        ),
    )


def eviction(name: str, **delete_options: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return body | ({"deleteOptions": delete_options} if delete_options else {})


async def evict(api: Api, name: str, query: str = "", **delete_options: Any) -> tuple[int, Any]:
    return await api.read("POST", f"{PODS}/{name}/eviction{query}", json=eviction(name, **delete_options))


def found(replica: DirectReplica, name: str) -> Pod:
    return replica.store.get(Key("pods", "default", name)).object


def budget(replica: DirectReplica) -> PodDisruptionBudgetStatus:
    return replica.store.get(Key(kinds.POD_DISRUPTION_BUDGET.resource, "default", "web")).object.status


def is_going(replica: DirectReplica, name: str) -> bool:
    return found(replica, name).metadata.deletion_timestamp is not None


async def test_a_pod_of_no_budget_is_deleted_with_its_grace(api: Api, replica: DirectReplica) -> None:
    put_pod(replica, "a")
    code, status = await evict(api, "a")
    assert (code, status["status"]) == (201, "Success")
    pod = found(replica, "a")
    assert pod.metadata.deletion_grace_period_seconds == 30
    told = pod.status.conditions[-1]
    assert (told.type, told.reason, told.message) == (
        "DisruptionTarget",
        "EvictionByEvictionAPI",
        "Eviction API: evicting",
    )


async def test_the_budget_is_spent_in_the_command_that_deletes(api: Api, replica: DirectReplica) -> None:
    put_pod(replica, "a")
    put_budget(replica, 1)
    before = replica.store.revision
    assert (await evict(api, "a"))[0] == 201
    assert is_going(replica, "a")
    status = budget(replica)
    assert (status.disruptions_allowed, status.disrupted_pods) == (0, {"a": START})
    assert status.current_healthy == 1, "the next refusal tells what is true already"
    assert status.conditions[0].reason == "InsufficientPods"
    assert replica.store.revision == before + 2


async def test_a_budget_that_is_spent_refuses_in_kubernetes_words(api: Api, replica: DirectReplica) -> None:
    put_pod(replica, "a")
    put_budget(replica, 0)
    async with api.post(f"{PODS}/a/eviction", json=eviction("a")) as response:
        status = await response.json()
        assert "Retry-After" not in response.headers  # the client asks its user, and does not sleep unseen
    assert (response.status, status["reason"], status["code"]) == (429, "TooManyRequests", 429)
    assert status["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert status["details"]["causes"] == [
        {"reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods and has 2 currently"}
    ]
    assert not is_going(replica, "a")


async def test_a_spec_that_is_not_yet_counted_is_waited_for(api: Api, replica: DirectReplica) -> None:
    put_pod(replica, "a")
    put_budget(replica, 3, observed=0)
    code, status = await evict(api, "a")
    assert code == 429
    assert status["details"]["retryAfterSeconds"] == 1
    assert (
        status["details"]["causes"][0]["message"] == "The disruption budget web is still being processed by the server."
    )


async def test_a_budget_whose_count_failed_says_why(api: Api, replica: DirectReplica) -> None:
    put_pod(replica, "a")
    failed = BudgetCondition(
        type="DisruptionAllowed", status="False", reason=SYNC_FAILED, message='found no controllers for pod "a"'
    )
    put_budget(replica, 0, healthy=0, desired=0, conditions=(failed,))
    _, status = await evict(api, "a")
    assert status["details"]["causes"][0]["message"].endswith(
        'because it failed sync: found no controllers for pod "a"'
    )


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
async def test_a_pod_that_does_not_run_passes_every_budget(api: Api, replica: DirectReplica, phase: str) -> None:
    put_pod(replica, "a", phase=phase)
    put_budget(replica, 0)
    put_budget(replica, 0, name="another")
    assert (await evict(api, "a"))[0] == 201
    assert replica.store.get(Key("pods", "default", "a")) is None or is_going(replica, "a")


async def test_a_pod_that_is_going_is_not_counted_again(api: Api, replica: DirectReplica) -> None:
    put_pod(replica, "a")
    put_budget(replica, 2)
    assert (await evict(api, "a"))[0] == 201
    assert (await evict(api, "a"))[0] == 201
    assert budget(replica).disruptions_allowed == 1


@pytest.mark.parametrize(
    ("policy", "healthy", "code"), [("", 2, 201), ("", 1, 429), (ALWAYS_ALLOW, 1, 201), ("IfHealthyBudget", 1, 429)]
)
async def test_an_unready_pod_goes_by_its_policy_and_is_not_counted(
    api: Api, replica: DirectReplica, policy: str, healthy: int, code: int
) -> None:
    put_pod(replica, "a", ready=False)
    put_budget(replica, 0, healthy=healthy, policy=policy)
    assert (await evict(api, "a"))[0] == code
    assert budget(replica).disrupted_pods == {}


async def test_an_unready_pod_is_judged_anew_where_its_budget_changes_meanwhile(
    api: Api, replica: DirectReplica
) -> None:
    put_pod(replica, "a", ready=False)
    put_budget(replica, 0, healthy=2)

    def one_falls() -> None:
        replica.before_propose = lambda: None
        put_budget(replica, 0, healthy=1)

    replica.before_propose = one_falls
    assert (await evict(api, "a"))[0] == 429
    assert not is_going(replica, "a")


async def test_two_budgets_over_one_pod_are_refused(api: Api, replica: DirectReplica) -> None:
    put_pod(replica, "a")
    put_budget(replica, 5)
    put_budget(replica, 5, name="another")
    code, status = await evict(api, "a")
    assert (code, status["message"]) == (
        500,
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    )


async def test_a_map_of_unconfirmed_evictions_that_is_too_large_refuses(api: Api, replica: DirectReplica) -> None:
    put_pod(replica, "a")
    put_budget(replica, 5, disrupted={f"gone-{number}": START for number in range(2_001)})
    _, status = await evict(api, "a")
    assert "too many pending evictions" in status["details"]["causes"][0]["message"]


@pytest.mark.parametrize(("query", "options"), [("?dryRun=All", {}), ("", {"dryRun": ["All"]})])
async def test_a_dry_run_decides_and_changes_nothing(
    api: Api, replica: DirectReplica, query: str, options: dict[str, Any]
) -> None:
    put_pod(replica, "a")
    put_budget(replica, 1)
    before = replica.store.revision
    assert (await evict(api, "a", query, **options))[0] == 201
    put_budget(replica, 0)
    assert (await evict(api, "a", query, **options))[0] == 429
    assert replica.store.revision == before + 1


async def test_grace_and_preconditions_are_those_of_the_delete_options(api: Api, replica: DirectReplica) -> None:
    put_pod(replica, "a")
    put_budget(replica, 1)
    code, status = await evict(api, "a", preconditions={"uid": "another"})
    assert (code, status["reason"]) == (409, "Conflict")
    assert budget(replica).disruptions_allowed == 1, "what is not deleted spends nothing"
    assert (await evict(api, "a", gracePeriodSeconds=5, preconditions={"uid": "uid-a"}))[0] == 201
    assert found(replica, "a").metadata.deletion_grace_period_seconds == 5


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"metadata": {"name": "b"}}, "name in URL does not match name in Eviction object"),
        ({"metadata": {"name": "a", "namespace": "other"}}, "does not match the namespace"),
        ({"metadata": {"name": "a"}, "kind": "Pod"}, "expected: an Eviction"),
        ({"metadata": {"name": "a"}, "deleteOptions": {"dryRun": ["None"]}}, "dryRun"),
        ({"metadata": {"name": "a"}, "deleteOptions": {"gracePeriodSeconds": "x"}}, "gracePeriodSeconds"),
    ],
)
async def test_a_body_that_means_something_else_is_refused(
    api: Api, replica: DirectReplica, body: dict[str, Any], words: str
) -> None:
    put_pod(replica, "a")
    code, status = await api.read("POST", f"{PODS}/a/eviction", json=body)
    assert code in (400, 422)
    assert words in status["message"]
    assert not is_going(replica, "a")


async def test_a_pod_that_is_not_there_is_404(api: Api) -> None:
    assert (await evict(api, "nobody"))[0] == 404


async def test_the_old_version_is_accepted_and_unknown_fields_are_told(api: Api, replica: DirectReplica) -> None:
    put_pod(replica, "a")
    body = eviction("a") | {"apiVersion": "policy/v1beta1", "colour": "red"}
    strict = await api.read("POST", f"{PODS}/a/eviction?fieldValidation=Strict", json=body)
    assert strict[0] == 400
    async with api.post(f"{PODS}/a/eviction", json=body) as response:
        assert (response.status, response.headers["Warning"]) == (201, '299 - "unknown field \\"colour\\""')


async def test_two_drains_at_once_never_spend_one_disruption_twice(api: Api, replica: DirectReplica) -> None:
    names = [f"p{number}" for number in range(12)]
    for name in names:
        put_pod(replica, name)
    put_budget(replica, 5)
    answers = await asyncio.gather(*(evict(api, name) for name in names))
    codes = [code for code, _ in answers]
    assert (codes.count(201), codes.count(429)) == (5, 7)
    assert sum(is_going(replica, name) for name in names) == 5
    assert budget(replica).disruptions_allowed == 0


async def test_what_another_daemon_spent_between_reading_and_writing_is_not_spent_again(
    api: Api, replica: DirectReplica
) -> None:
    """The other daemon's write lands after this one's decision: the command as a whole is refused, and decided anew."""
    put_pod(replica, "a")
    put_budget(replica, 1)

    def another() -> None:
        replica.before_propose = lambda: None
        put_budget(replica, 0, disrupted={"b": START})

    replica.before_propose = another
    code, _ = await evict(api, "a")
    assert code == 429
    assert not is_going(replica, "a")
    assert budget(replica).disrupted_pods == {"b": START}


async def test_discovery_tells_kubectl_where_evictions_go(api: Api) -> None:
    _, resources = await api.read("GET", "/api/v1")
    (entry,) = [each for each in resources["resources"] if each["name"] == "pods/eviction"]
    assert (entry["kind"], entry["group"], entry["version"], entry["verbs"]) == ("Eviction", "policy", "v1", ["create"])
    _, groups = await api.read("GET", "/apis")
    assert "policy" in [group["name"] for group in groups["groups"]]
