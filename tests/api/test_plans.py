"""Plans through the real application, with the real controllers rehearsing on forks of a real store."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from swarmlet.api.app import ApiServer, Sources
from swarmlet.api.operations.reports import ClusterInfo
from swarmlet.api.plans.requests import PLANS, PLANS_MAX, PlanApi
from swarmlet.errors import ForbiddenError
from swarmlet.identity import access
from swarmlet.identity.users import LOCAL_ADMIN, User
from swarmlet.model import kinds
from swarmlet.model.core import Node, NodeStatus
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.model.plans import PlanRequest
from swarmlet.store.commands import Key
from tests.api.conftest import START, Api, DirectReplica, FakeAuthenticator, FakeClock, FakeLeases, FakePods, FakeUsage
from tests.api.planning import plan_api

PATH = "/swarmlet/v1/plans"
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
READY = (Condition(type="Ready", status="True"),)
WEB = Key("deployments.apps", "default", "web")


def deployment(name: str = "web", *, image: str = "a:1", **spec) -> dict:
    container = {"name": "main", "image": image}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }


def secret(**data: str) -> dict:
    metadata = {"name": "key", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def config(**data: str) -> dict:
    metadata = {"name": "conf", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def new_node(name: str) -> Node:
    allocatable = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    return Node(
        metadata=ObjectMeta(name=name, uid=name, creation_timestamp=START),
        status=NodeStatus(allocatable=allocatable, conditions=READY),
    )


@pytest.fixture
def nodes(replica: DirectReplica) -> None:
    for name in ("h1", "h2"):
        replica.put(kinds.NODE, new_node(name))


@pytest.fixture
def plans(replica: DirectReplica, clock: FakeClock) -> PlanApi:
    return plan_api(replica, clock)


@pytest.fixture
async def api(
    plans: PlanApi,
    nodes: None,
    replica: DirectReplica,
    clock: FakeClock,
    authenticator: FakeAuthenticator,
    pods: FakePods,
    usage: FakeUsage,
) -> AsyncIterator[Api]:
    server = ApiServer(
        replica=replica,
        authenticator=authenticator,
        info=ClusterInfo(cluster_id="c1", node_id="n1", node_name="node-a", started=START),
        sources=Sources(pods=pods, door=pods, leases=FakeLeases(), usage=usage),
        clock=clock,
        rng=random.Random(1),
        registry=CollectorRegistry(),
        routes=plans.routes(),
    )
    async with Api(TestServer(server.app, handler_cancellation=True)) as client:
        yield client


async def plan(api: Api, *apply: dict, code: int = 200, **request) -> dict:
    status, answer = await api.read("POST", PATH, json={"apply": list(apply), **request})
    assert status == code, answer
    return answer


async def apply(api: Api, plan_id: str, code: int = 200) -> dict:
    status, answer = await api.read("POST", f"{PATH}/{plan_id}/apply")
    assert status == code, answer
    return answer


async def planned_and_applied(api: Api, *documents: dict, **request) -> dict:
    made = await plan(api, *documents, **request)
    await apply(api, made["id"])
    return made


def told(answer: dict) -> list[tuple[str, str]]:
    return [(each["action"], each["name"]) for each in answer.get("changes", [])]


def state(replica: DirectReplica) -> list:
    return [(each.key, each.json) for each in replica.store.capture().objects if each.key.resource != PLANS]


async def test_planning_changes_nothing_and_tells_what_would_be(api, replica):
    before = state(replica)
    made = await plan(api, deployment())
    assert state(replica) == before
    assert told(made) == [("create", "web")]
    assert [(step["does"], step["owner"], step.get("unplanned")) for step in made["steps"]] == [
        ("start", "deployments.apps/web", None),
        ("ready", "deployments.apps/web", None),
    ]
    placed = {each["node"] for each in made["steps"][0]["pods"]}
    assert placed == {"h1", "h2"}
    assert all(each["name"].endswith("-<new>") for each in made["steps"][0]["pods"])
    assert made["by"] == "local-admin"


async def test_a_plan_is_applied_once_and_as_a_whole(api, replica):
    made = await plan(api, config(a="1"), deployment())
    commands = []
    replica.before_propose = lambda: commands.append(1)
    applied = await apply(api, made["id"])
    assert len(commands) == 1
    assert told(applied) == [("create", "conf"), ("create", "web")]
    stored = replica.store.get(WEB)
    assert json.loads(stored.object.metadata.annotations[ANNOTATION])["spec"]["replicas"] == 2
    assert stored.object.spec.strategy.type == "RollingUpdate"
    assert (await apply(api, made["id"], code=404))["message"].startswith(f'plan "{made["id"]}" not found')


async def test_a_change_is_told_field_by_field(api):
    await planned_and_applied(api, deployment())
    changed = deployment(image="a:2", replicas=3)
    made = await plan(api, changed)
    [change] = made["changes"]
    assert change["action"] == "change"
    assert change["differences"] == [
        {"path": "spec.replicas", "before": 2, "after": 3},
        {"path": "spec.template.spec.containers[main].image", "before": "a:1", "after": "a:2"},
    ]


async def test_what_was_applied_last_and_is_gone_is_taken_away_and_others_stay(api, replica):
    await planned_and_applied(api, config(a="1", b="2"))
    status, _ = await api.read(
        "PATCH",
        "/api/v1/namespaces/default/configmaps/conf",
        json={"data": {"others": "3"}},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert status == 200
    made = await planned_and_applied(api, config(a="1"))
    assert made["changes"][0]["differences"] == [{"path": "data.b", "before": "2"}]
    assert replica.store.get(Key("configmaps", "default", "conf")).object.data == {"a": "1", "others": "3"}


async def test_nothing_to_do_is_no_plan(api, replica):
    await planned_and_applied(api, config(a="1"))
    made = await plan(api, config(a="1"))
    assert "id" not in made
    assert made["unchanged"] == 1
    assert replica.store.list(PLANS) == []


async def test_an_object_that_cannot_be_changed_is_replaced_and_the_reason_told(api, replica):
    await planned_and_applied(api, deployment())
    uid = replica.store.get(WEB).object.metadata.uid
    other = deployment()
    other["spec"]["selector"]["matchLabels"]["tier"] = "x"
    other["spec"]["template"]["metadata"]["labels"]["tier"] = "x"
    made = await planned_and_applied(api, other)
    [change] = made["changes"]
    assert change["action"] == "replace"
    assert change["reason"] == "spec.selector: field is immutable"
    stored = replica.store.get(WEB)
    assert stored.object.metadata.uid != uid
    assert stored.object.spec.selector.match_labels == {"app": "web", "tier": "x"}


async def test_deletions_are_planned_and_what_is_not_there_is_warned_about(api, replica):
    await planned_and_applied(api, config(a="1"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "default", "name": "conf"}
    made = await planned_and_applied(api, delete=[reference, reference | {"name": "other"}])
    assert told(made) == [("delete", "conf")]
    assert made["warnings"] == ['configmaps "other" is not there: nothing to delete']
    assert replica.store.get(Key("configmaps", "default", "conf")) is None


async def test_what_goes_with_a_namespace_is_told(api):
    await planned_and_applied(api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    inside = [deployment("web"), config(a="1"), deployment("db")]
    for each in inside:
        each["metadata"]["namespace"] = "shop"
    await planned_and_applied(api, *inside)
    reference = {"apiVersion": "v1", "kind": "Namespace", "name": "shop"}
    made = await plan(api, delete=[reference])
    assert told(made) == [("delete", "shop")]
    assert "namespaces/shop: all that is in it goes, too: 1 configmaps, 2 deployments.apps" in made["notes"]


async def test_pruning_deletes_what_was_applied_and_is_named_no_more(api, replica):
    labelled = config(a="1")
    labelled["metadata"]["labels"] = {"part": "shop"}
    other = copy.deepcopy(labelled)
    other["metadata"]["name"] = "old"
    by_hand = copy.deepcopy(labelled)
    by_hand["metadata"]["name"] = "by-hand"
    await planned_and_applied(api, labelled, other)
    await api.read("POST", "/api/v1/namespaces/default/configmaps", json=by_hand)
    made = await planned_and_applied(api, labelled, prune="part=shop")
    assert told(made) == [("delete", "old")]
    assert [each.key.name for each in replica.store.list("configmaps")] == ["by-hand", "conf"]


async def test_putting_a_document_makes_the_object_that_and_nothing_else(api, replica):
    await planned_and_applied(api, config(a="1", b="2"))
    await planned_and_applied(api, put=[config(c="3")])
    assert replica.store.get(Key("configmaps", "default", "conf")).object.data == {"c": "3"}


async def test_a_secret_is_applied_and_its_values_are_never_told(api, replica):
    made = await planned_and_applied(api, secret(password="hunter2"))
    assert "hunter2" not in json.dumps(made)
    assert "aHVudGVyMg==" not in json.dumps(made)
    made = await planned_and_applied(api, secret(password="hunter3"))
    [difference] = made["changes"][0]["differences"]
    assert difference == {"path": "data.password", "before": "(secret)", "after": "(secret)"}
    assert replica.store.get(Key("secrets", "default", "key")).object.data == {"password": "aHVudGVyMw=="}


async def test_a_plan_is_stale_when_an_object_that_it_writes_has_changed(api, replica):
    await planned_and_applied(api, config(a="1"))
    made = await plan(api, config(a="2"))
    await planned_and_applied(api, config(a="3"))
    answer = await apply(api, made["id"], code=409)
    assert answer["message"] == (
        f'plan "{made["id"]}" is stale, nothing was done: configmaps/default/conf has changed; plan anew'
    )
    assert replica.store.get(Key("configmaps", "default", "conf")).object.data == {"a": "3"}


async def test_a_plan_is_stale_when_a_node_that_counts_has_come(api, replica):
    made = await plan(api, deployment())
    replica.put(kinds.NODE, new_node("h3"))
    assert "nodes/h3 is new; plan anew" in (await apply(api, made["id"], code=409))["message"]
    assert replica.store.get(WEB) is None


async def test_a_plan_is_stale_when_a_node_is_ready_no_more_and_not_when_it_tells_something_else(api, replica):
    stored = replica.store.get(Key("nodes", "", "h1"))
    made = await plan(api, config(a="1"))
    busy = msgspec.structs.replace(
        stored.object.status, conditions=(*READY, Condition(type="MemoryPressure", status="False"))
    )
    replica.put(kinds.NODE, msgspec.structs.replace(stored.object, status=busy))
    await apply(api, made["id"])
    made = await plan(api, config(a="2"))
    down = msgspec.structs.replace(stored.object.status, conditions=(Condition(type="Ready", status="False"),))
    replica.put(kinds.NODE, msgspec.structs.replace(stored.object, status=down))
    assert "nodes/h1 has changed; plan anew" in (await apply(api, made["id"], code=409))["message"]


async def test_a_write_that_comes_at_the_last_moment_is_not_overwritten(api, replica):
    await planned_and_applied(api, config(a="1"))
    made = await plan(api, config(a="2"))
    key = Key("configmaps", "default", "conf")

    def write() -> None:
        replica.before_propose = lambda: None
        replica.put(kinds.CONFIG_MAP, msgspec.structs.replace(replica.store.get(key).object, data={"a": "theirs"}))

    replica.before_propose = write
    assert "configmaps/default/conf has changed" in (await apply(api, made["id"], code=409))["message"]
    assert replica.store.get(key).object.data == {"a": "theirs"}


async def test_a_status_that_changes_at_the_last_moment_is_no_hindrance(api, replica):
    await planned_and_applied(api, deployment())
    made = await plan(api, deployment(replicas=3))

    def write() -> None:
        replica.before_propose = lambda: None
        value = replica.store.get(WEB).object
        status = msgspec.structs.replace(value.status, replicas=2)
        replica.put(kinds.DEPLOYMENT, msgspec.structs.replace(value, status=status))

    replica.before_propose = write
    await apply(api, made["id"])
    value = replica.store.get(WEB).object
    assert (value.spec.replicas, value.status.replicas) == (3, 2)


async def test_a_plan_is_stale_when_pods_would_go_elsewhere(api, replica):
    made = await plan(api, deployment())
    filler = deployment("filler", replicas=1)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "big"}}
    container = {"name": "c", "image": "b", "resources": {"requests": {"cpu": "4", "memory": "8Gi"}}}
    asking = copy.deepcopy(filler["spec"]["template"]["spec"]["containers"][0]) | container
    spec = {"containers": [asking], "nodeName": "h1"}
    status, _ = await api.read("POST", "/api/v1/namespaces/default/pods", json=pod | {"spec": spec})
    assert status == 201
    web = deployment()
    web["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    made = await plan(api, web)
    await api.read("DELETE", "/api/v1/namespaces/default/pods/big?gracePeriodSeconds=0")
    message = (await apply(api, made["id"], code=409))["message"]
    assert "is stale, nothing was done: start default/web-" in message
    assert "plan anew" in message


async def test_a_plan_is_stale_when_an_object_would_become_another_thing(api, replica):
    made = await plan(api, config(a="1"), deployment())
    ranges = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "small", "namespace": "default"},
        "spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "100m"}}]},
    }
    await api.read("POST", "/api/v1/namespaces/default/limitranges", json=ranges)
    assert "limitranges/default/small is new" in (await apply(api, made["id"], code=409))["message"]


async def test_an_address_that_was_shown_is_the_one_that_is_given(api, replica):
    metadata = {"name": "web", "namespace": "default"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}
    made = await plan(api, service)
    [address] = [each["after"]["clusterIP"] for each in made["changes"][0]["differences"] if each["path"] == "spec"]
    await apply(api, made["id"])
    assert replica.store.get(Key("services", "default", "web")).object.spec.cluster_ip == address
    metadata["name"] = "other"
    made = await plan(api, service)
    [address] = [each["after"]["clusterIP"] for each in made["changes"][0]["differences"] if each["path"] == "spec"]
    taker = {
        **service,
        "metadata": {**metadata, "name": "taker"},
        "spec": {"clusterIP": address, "ports": [{"port": 1}]},
    }
    status, _ = await api.read("POST", "/api/v1/namespaces/default/services", json=taker)
    assert status == 201
    message = (await apply(api, made["id"], code=409))["message"]
    assert "nothing was done: what becomes of services/default/other has changed" in message


async def test_a_status_makes_no_plan_stale(api, replica):
    await planned_and_applied(api, deployment())
    made = await plan(api, deployment(replicas=3))
    stored = replica.store.get(WEB)
    changed = json.loads(stored.json) | {"status": {"replicas": 2}}
    status, _ = await api.read("PUT", "/apis/apps/v1/namespaces/default/deployments/web/status", json=changed)
    assert status == 200
    await apply(api, made["id"])
    assert replica.store.get(WEB).object.spec.replicas == 3


async def test_a_plan_is_over_after_an_hour(api, clock, replica):
    made = await plan(api, config(a="1"))
    clock.time += timedelta(hours=1)
    await apply(api, made["id"], code=404)
    await plan(api, config(a="2"))
    assert len(replica.store.list(PLANS)) == 1


async def test_only_so_many_plans_are_kept(api, replica):
    made = [await plan(api, config(a=str(number))) for number in range(PLANS_MAX + 1)]
    assert len(replica.store.list(PLANS)) == PLANS_MAX
    await apply(api, made[0]["id"], code=404)
    await apply(api, made[1]["id"])


async def test_what_admission_refuses_is_refused_by_the_plan_and_named(api, replica):
    bad = deployment()
    bad["spec"]["replicas"] = -1
    before = state(replica)
    answer = await plan(api, config(a="1"), bad, code=422)
    assert 'Deployment.apps "web" is invalid: spec.replicas' in answer["message"]
    nowhere = config(a="1")
    nowhere["metadata"]["namespace"] = "nowhere"
    assert "nowhere" in (await plan(api, nowhere, code=404))["message"]
    unknown = config(a="1") | {"dat": {}}
    assert "dat" in (await plan(api, unknown, code=400))["message"]
    assert state(replica) == before


async def test_what_has_not_the_shape_of_an_object_is_refused_whether_it_is_there_or_not(api):
    for make in (True, False):
        annotated, mounted = deployment(), deployment()
        annotated["metadata"]["annotations"] = "x"
        assert "metadata.annotations" in (await plan(api, annotated, code=400))["message"]
        mounts = mounted["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "data"}]
        mounts[0]["mountPath"] = [{}]
        assert "volumeMounts[0].mountPath" in (await plan(api, mounted, code=400))["message"]
        mounts[0]["mountPath"] = "/data"
        mounted["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
        if make:
            await planned_and_applied(api, mounted)


async def test_a_namespace_and_what_goes_into_it_are_one_plan(api, replica):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fresh"}}
    inside = config(a="1")
    inside["metadata"]["namespace"] = "fresh"
    await planned_and_applied(api, namespace, inside)
    assert replica.store.get(Key("configmaps", "fresh", "conf")) is not None


async def test_a_quota_counts_what_a_plan_makes(api, replica):
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": "default"},
        "spec": {"hard": {"configmaps": "1"}},
    }
    await planned_and_applied(api, quota)
    other = config(a="1")
    other["metadata"]["name"] = "other"
    answer = await plan(api, config(a="1"), other, code=403)
    assert "exceeded quota: few" in answer["message"]
    await planned_and_applied(api, config(a="1"))
    assert "exceeded quota: few" in (await plan(api, other, code=403))["message"]


async def test_what_a_quota_would_refuse_to_the_controllers_is_noted(api):
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": "default"},
        "spec": {"hard": {"pods": "1"}},
    }
    await planned_and_applied(api, quota)
    made = await plan(api, deployment())
    assert sum(each.get("count", 1) for each in made["steps"][0]["pods"]) == 1
    assert any(
        "exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1" in each for each in made["notes"]
    )
    assert "deployments.apps/web: it would not be complete: 1 of 2 Pods updated, 1 available" in made["notes"]


async def test_who_may_not_read_may_not_plan(api, authenticator):
    authenticator.user = User(name="eve", groups=("system:authenticated",))
    answer = await plan(api, config(a="1"), code=403)
    assert 'User "eve" cannot get resource "configmaps"' in answer["message"]


async def test_who_may_only_read_may_plan_but_not_apply(api, authenticator, monkeypatch):
    reader = access.Rule(verbs=access.READ, api_groups=access.ALL, resources=access.ALL)
    monkeypatch.setitem(access.RULES, "readers", (reader,))
    authenticator.user = User(name="ann", groups=("system:authenticated", "readers"))
    made = await plan(api, config(a="1"))
    answer = await apply(api, made["id"], code=403)
    assert 'User "ann" cannot create resource "configmaps"' in answer["message"]


async def test_who_applies_anothers_plan_gives_no_more_than_they_have(api, authenticator, monkeypatch):
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["delete"]}
    metadata = {"name": "more", "namespace": "default"}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": [rule]}
    made = await plan(api, role)
    reader = access.Rule(verbs=access.READ, api_groups=access.ALL, resources=access.ALL)
    writer = access.Rule(verbs=access.WRITE, api_groups=access.ALL, resources=("roles",))
    monkeypatch.setitem(access.RULES, "writers", (reader, writer))
    authenticator.user = User(name="ann", groups=("system:authenticated", "writers"))
    answer = await apply(api, made["id"], code=403)
    assert "is attempting to grant RBAC permissions not currently held" in answer["message"]
    assert 'Resources:["secrets"], Verbs:["delete"]' in (await plan(api, role, code=403))["message"]


async def test_nothing_is_written_that_the_user_may_not_write_though_it_is_no_change(
    api, replica, authenticator, monkeypatch
):
    """A Secret that is applied as it is gets an annotation, and so is written."""
    await planned_and_applied(api, config(a="1"))
    await api.read("POST", "/api/v1/namespaces/default/secrets", json=secret(a="1"))
    before = state(replica)
    reader = access.Rule(verbs=access.READ, api_groups=access.ALL, resources=access.ALL)
    writer = access.Rule(verbs=access.WRITE, api_groups=access.ALL, resources=("configmaps",))
    monkeypatch.setitem(access.RULES, "writers", (reader, writer))
    authenticator.user = User(name="ann", groups=("system:authenticated", "writers"))
    made = await plan(api, config(a="2"), secret(a="1"))
    assert told(made) == [("change", "conf")]
    answer = await apply(api, made["id"], code=403)
    assert 'User "ann" cannot patch resource "secrets"' in answer["message"]
    assert state(replica) == before


async def test_what_would_be_pruned_is_not_told_to_who_may_not_read_it(api, authenticator, monkeypatch):
    theirs = secret(a="1")
    theirs["metadata"]["labels"] = {"part": "shop"}
    await planned_and_applied(api, theirs)
    reader = access.Rule(verbs=access.READ, api_groups=access.ALL, resources=("configmaps", "nodes", "pods"))
    monkeypatch.setitem(access.RULES, "readers", (reader,))
    authenticator.user = User(name="ann", groups=("system:authenticated", "readers"))
    answer = await plan(api, config(a="1"), prune="part=shop", code=403)
    assert 'cannot get resource "secrets"' in answer["message"]


async def test_a_plan_with_too_much_to_remember_is_shown_and_not_kept(api, replica, monkeypatch):
    """What the store's command cannot hold is no error of whoever only asks."""
    monkeypatch.setattr("swarmlet.api.plans.requests.KEPT_BYTES_MAX", 500)
    made = await plan(api, deployment())
    assert "id" not in made
    assert "too large to be kept" in made["notes"][-1]
    assert not replica.store.list(PLANS)


async def test_who_may_not_list_pods_of_a_namespace_is_not_told_of_them(api, plans, replica, monkeypatch):
    elsewhere = deployment("theirs", replicas=1)
    elsewhere["metadata"]["namespace"] = "other"
    made = await plan(api, deployment(), elsewhere)
    assert {step["namespace"] for step in made["steps"]} == {"default", "other"}
    draft = await plans._planner.draft(PlanRequest(apply=(deployment(), elsewhere)), "s")

    def authorize(user: User, asked: access.Attributes) -> None:
        if (asked.resource, asked.namespace) == ("pods", "other"):
            raise ForbiddenError("no")

    monkeypatch.setattr(plans, "_authorize", authorize)
    assert {step.namespace for step in plans._seen_by(LOCAL_ADMIN, draft).plan.steps} == {"default"}
    assert "no" in (await plan(api, elsewhere, code=403))["message"]


async def test_a_plan_that_no_command_can_hold_says_so(api):
    many = []
    for number in range(1001):
        each = config(a="1")
        each["metadata"]["name"] = f"conf-{number}"
        many.append(each)
    made = await plan(api, *many)
    assert "id" not in made
    assert "plan and apply it in parts" in made["notes"][-1]


async def test_the_same_state_gives_the_same_plan(api, replica):
    first, second = await plan(api, deployment()), await plan(api, deployment())
    for each in (first, second):
        del each["id"], each["revision"]
    assert first == second


def test_the_store_of_a_plan_is_not_served(replica):
    assert kinds.KEPT_PLAN not in kinds.IN_API
