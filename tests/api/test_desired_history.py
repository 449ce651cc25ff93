"""The history, moments and undoing through the real application, with real plans."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from swarmlet.api.access.origins import Signed
from swarmlet.api.app import ApiServer, Sources
from swarmlet.api.operations.reports import ClusterInfo
from swarmlet.api.past import desired_history
from swarmlet.api.past.desired_history import HistoryApi
from swarmlet.errors import ForbiddenError
from swarmlet.identity import access
from swarmlet.identity.access import Attributes
from swarmlet.identity.users import User
from swarmlet.store.commands import Key
from tests.api.conftest import (
    START,
    Api,
    DirectReplica,
    FakeAuthenticator,
    FakeClock,
    FakeLeases,
    FakePods,
    FakeUsage,
    Judged,
)
from tests.api.documents import CONFIG_MAPS, DEPLOYMENTS, MERGE, PODS, config_map, deployment, pod
from tests.api.planning import plan_api

PATH = "/swarmlet/v1/history"
WEB = Key("deployments.apps", "default", "web")
ANN, BOB = (User(name, ("system:masters", "system:authenticated")) for name in ("ann", "bob"))
OF_WEB = {"resource": "deployments.apps", "namespace": "default", "name": "web"}


def authorize(user: User, asked: Attributes) -> None:
    """Let "carl" read nothing but ConfigMaps of one namespace."""
    if user.name != "carl" or not asked.resource:
        access.authorize(user, asked)
    elif (asked.resource, asked.namespace) != ("configmaps", "default"):
        raise ForbiddenError(f"not for {user.name}")


@pytest.fixture
async def api(
    replica: DirectReplica, clock: FakeClock, authenticator: FakeAuthenticator, pods: FakePods, usage: FakeUsage
) -> AsyncIterator[Api]:
    signed: Any = Signed(replica)
    plans = plan_api(signed, clock)
    server = ApiServer(
        replica=signed,
        authenticator=authenticator,
        info=ClusterInfo(cluster_id="c1", node_id="n1", node_name="node-a", started=START),
        sources=Sources(pods=pods, door=pods, leases=FakeLeases(), usage=usage),
        clock=clock,
        rng=random.Random(1),
        registry=CollectorRegistry(),
        routes=[
            *plans.routes(),
            *HistoryApi(replica=signed, plans=plans, authorize=authorize).routes(),
        ],
        authorizer=Judged(replica.view, authorize),
    )
    authenticator.user = ANN
    async with Api(TestServer(server.app, handler_cancellation=True)) as client:
        yield client


async def ask(api: Api, path: str = "", code: int = 200, **query: object) -> dict:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    status, answer = await api.read("GET", f"{PATH}{path}?{words}".replace("+", "%2B"))
    assert status == code, answer
    return answer


async def write(api: Api, method: str, path: str, document: dict | None = None, **kwargs) -> int:
    """Do something and return the revision of the change."""
    status, answer = await api.read(method, path, json=document, **kwargs)
    assert status < 300, answer
    return int((await ask(api, limit=1))["changes"][0]["revision"])


async def set_web(api: Api, image: str = "", **spec) -> int:
    if image:
        spec["template"] = {"spec": {"containers": [{"name": "main", "image": image}]}}
    return await write(api, "PATCH", f"{DEPLOYMENTS}/web", {"spec": spec}, headers=MERGE)


async def undo(api: Api, revision: int, code: int = 200, *, force: bool = False) -> dict:
    status, plan = await api.read("POST", f"{PATH}/{revision}/undo", json={"force": force})
    assert status == code, plan
    return plan


async def undo_and_apply(api: Api, revision: int, *, force: bool = False) -> dict:
    plan = await undo(api, revision, force=force)
    status, answer = await api.read("POST", f"/swarmlet/v1/plans/{plan['id']}/apply")
    assert status == 200, answer
    return plan


def web(replica: DirectReplica):
    return replica.store.get(WEB).object


async def test_the_history_tells_who_changed_what_newest_first(api, authenticator, clock):
    await write(api, "POST", DEPLOYMENTS, deployment())
    authenticator.user = BOB
    clock.time += timedelta(minutes=5)
    revision = await set_web(api, "web:2", replicas=5)
    answer = await ask(api, **OF_WEB)
    last, first = answer["changes"]
    assert {name: last[name] for name in ("revision", "action", "who", "node", "address", "verb", "at")} == {
        "revision": revision,
        "action": "change",
        "who": "bob",
        "node": "node-a",
        "address": "127.0.0.1",
        "verb": "patch",
        "at": "2026-01-02T03:09:05Z",
    }
    assert {"path": "spec.replicas", "before": 3, "after": 5} in last["differences"]
    assert (first["action"], first["who"], "differences" in first) == ("create", "ann", False)


async def test_of_many_changes_the_newest_are_told_and_whether_there_are_more(api):
    await write(api, "POST", DEPLOYMENTS, deployment())
    revisions = [await set_web(api, replicas=count) for count in (4, 5, 6)]
    answer = await ask(api, limit=2)
    assert [change["revision"] for change in answer["changes"]] == [revisions[2], revisions[1]]
    assert answer["more"]
    answer = await ask(api, since=revisions[1])
    assert [change["revision"] for change in answer["changes"]] == [revisions[2]]
    assert "more" not in answer


async def test_nobody_is_told_of_what_they_may_not_read(api, authenticator):
    secret = await write(api, "POST", DEPLOYMENTS, deployment())
    mine = await write(api, "POST", CONFIG_MAPS, config_map("mine", a="1"))
    authenticator.user = User("carl", ("system:authenticated", "readers"))
    assert [change["revision"] for change in (await ask(api))["changes"]] == [mine]
    await ask(api, f"/{secret}", code=404)
    await ask(api, code=403, **OF_WEB)
    await ask(api, "/at", code=403, **OF_WEB)
    await ask(api, "/at", code=403, resource="deployments.apps")
    assert (await api.read("POST", f"{PATH}/{mine}/undo", json={}))[0] == 403  # a plan tells of nodes and Pods


async def test_values_of_secrets_are_never_told(api):
    document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": "hush"}}
    await write(api, "POST", "/api/v1/namespaces/default/secrets", document)
    revision = await write(
        api, "PATCH", "/api/v1/namespaces/default/secrets/s", {"stringData": {"key": "hush2"}}, headers=MERGE
    )
    told = f"{await ask(api)}{await ask(api, f'/{revision}')}{await ask(api, f'/{revision - 1}')}"
    assert "(secret)" in told
    assert "aHVza" not in told
    assert "hush" not in told


# Moments.


async def test_an_object_is_told_as_it_was_at_a_revision_and_at_a_time(api, clock):
    first = await write(api, "POST", DEPLOYMENTS, deployment())
    clock.time += timedelta(hours=1)
    await set_web(api, replicas=9)
    await write(api, "DELETE", f"{DEPLOYMENTS}/web")
    for moment in (first, (START + timedelta(minutes=59)).isoformat()):
        answer = await ask(api, "/at", at=moment, **OF_WEB)
        assert (answer["revision"], answer["items"][0]["spec"]["replicas"]) == (first, 3)
        assert "status" not in answer["items"][0]
    await ask(api, "/at", code=404, **OF_WEB)
    await ask(api, "/at", code=404, at=1, **OF_WEB)


async def test_a_moment_that_is_none_is_refused(api):
    for moment in ("99999", "yesterday", "2026-01-02T03:04:05", "\N{SUPERSCRIPT TWO}"):
        await ask(api, "/at", code=400, at=moment, **OF_WEB)
    await ask(api, "/at", code=400)
    await ask(api, limit="\N{SUPERSCRIPT TWO}", code=400)


async def test_changes_since_before_all_that_is_known_are_all_that_are_known(api, replica):
    """So it is in the first hours of a history: in a cluster that was just upgraded, or that forgot."""
    made = await write(api, "POST", DEPLOYMENTS, deployment())
    replica.store.history.floor = made - 1  # as a snapshot without a history leaves it
    long_ago = (START - timedelta(hours=1)).isoformat()
    assert [change["revision"] for change in (await ask(api, since=long_ago, **OF_WEB))["changes"]] == [made]
    await ask(api, "/at", code=410, at=long_ago, **OF_WEB)


async def test_a_collection_is_told_as_it_was(api):
    await write(api, "POST", CONFIG_MAPS, config_map("a", x="1"))
    then = await write(api, "POST", CONFIG_MAPS, config_map("b", x="1"))
    await write(api, "DELETE", f"{CONFIG_MAPS}/a")
    await write(api, "PUT", f"{CONFIG_MAPS}/b", config_map("b", x="2"))
    await write(api, "POST", CONFIG_MAPS, config_map("c"))
    answer = await ask(api, "/at", at=then, resource="configmaps", namespace="default")
    assert [(each["metadata"]["name"], each["data"]) for each in answer["items"]] == [
        ("a", {"x": "1"}),
        ("b", {"x": "1"}),
    ]


async def test_two_moments_are_compared_over_all_objects(api):
    before = await write(api, "POST", DEPLOYMENTS, deployment())
    await set_web(api, replicas=9)
    await set_web(api, replicas=4)
    after = await write(api, "POST", CONFIG_MAPS, config_map("a"))
    answer = await ask(api, "/between", before=before, after=after)
    assert [(each["action"], each["name"]) for each in answer["objects"]] == [("create", "a"), ("change", "web")]
    assert answer["objects"][1]["differences"] == [{"path": "spec.replicas", "before": 3, "after": 4}]
    backwards = await ask(api, "/between", before=after, after=before)
    assert [each["action"] for each in backwards["objects"]] == ["delete", "change"]


# Undoing.


async def test_of_many_objects_that_differ_so_many_are_told_and_how_many_more_there_are(api, monkeypatch):
    first = await write(api, "POST", CONFIG_MAPS, config_map("a", a="1"))
    for name in ("b", "c", "d"):
        last = await write(api, "POST", CONFIG_MAPS, config_map(name, a="1"))
    monkeypatch.setattr(desired_history, "DIFFERING_MAX", 2)
    answer = await ask(api, "/between", before=first, after=last)
    assert ([each["name"] for each in answer["objects"]], answer["more"]) == (["b", "c"], 1)


async def test_others_get_their_turn_while_the_past_of_many_objects_is_looked_up():
    """Ten thousand objects take a second, and a leader that is silent for so long is replaced."""
    keys = [Key("configmaps", "default", f"c{number}") for number in range(300)]
    others: list[str] = []
    asyncio.get_running_loop().call_soon(others.append, "had theirs")
    before = [key async for key in desired_history._unhurried(keys) if not others]
    assert 0 < len(before) < len(keys)


async def test_a_change_is_undone_on_top_of_what_is_now_and_that_is_a_change_itself(api, replica, authenticator):
    await write(api, "POST", DEPLOYMENTS, deployment())
    bad = await set_web(api, "bad:1")
    await set_web(api, replicas=7)
    authenticator.user = BOB
    plan = await undo_and_apply(api, bad)
    assert plan["changes"][0]["differences"][0]["path"].endswith("containers[main].image")
    assert (web(replica).spec.template.spec.containers[0].image, web(replica).spec.replicas) == ("web:1", 7)
    newest = (await ask(api, limit=1))["changes"][0]
    assert (newest["who"], newest["note"]) == ("bob", f"undo of {bad}")
    await undo_and_apply(api, newest["revision"])
    assert web(replica).spec.template.spec.containers[0].image == "bad:1"


async def test_an_undo_that_would_undo_a_later_change_is_refused_by_name(api, replica, authenticator):
    await write(api, "POST", DEPLOYMENTS, deployment())
    image = await set_web(api, "web:2")
    await set_web(api, "web:3")
    assert (
        "ann changed spec.template.spec.containers[main].image later" in (await undo(api, image, code=409))["message"]
    )
    first = await set_web(api, replicas=5)
    authenticator.user = BOB
    second = await set_web(api, replicas=9)
    refused = await undo(api, first, code=409)
    assert refused["message"] == (
        f"deployments.apps/web in default: bob changed spec.replicas later, in revision {second}; "
        "--force undoes that, too"
    )
    await undo_and_apply(api, first, force=True)
    assert web(replica).spec.replicas == 3


async def test_what_was_deleted_is_made_again_and_what_was_made_is_deleted(api, replica):
    made = await write(api, "POST", DEPLOYMENTS, deployment())
    uid = web(replica).metadata.uid
    await set_web(api, replicas=6)
    deleted = await write(api, "DELETE", f"{DEPLOYMENTS}/web?propagationPolicy=Background")
    await undo_and_apply(api, deleted)
    assert (web(replica).spec.replicas, web(replica).metadata.uid != uid) == (6, True)
    assert "ann made it anew later" in (await undo(api, deleted, code=409))["message"]
    await undo_and_apply(api, made, force=True)
    assert replica.store.get(WEB) is None
    assert "nothing to undo, as ann deleted it later" in (await undo(api, made, code=409))["message"]
    assert (await undo(api, deleted))["changes"][0]["action"] == "create"


async def test_what_a_person_has_changed_since_it_was_made_is_not_deleted_unasked(api, replica, authenticator):
    made = await write(api, "POST", DEPLOYMENTS, deployment())
    authenticator.user = BOB
    await set_web(api, replicas=6)
    assert "bob changed it later" in (await undo(api, made, code=409))["message"]
    assert (await undo(api, made, force=True))["changes"][0]["action"] == "delete"


async def test_a_service_that_is_made_again_gets_other_addresses_only_where_its_own_are_taken(api, replica):
    services = "/api/v1/namespaces/default/services"
    ports = [{"name": "http", "port": 80, "nodePort": 30080}, {"name": "https", "port": 443, "nodePort": 30443}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    await write(api, "POST", services, service | {"spec": {"type": "NodePort", "ports": ports}})
    key = Key("services", "default", "web")
    had = replica.store.get(key).object.spec
    deleted = await write(api, "DELETE", f"{services}/web")
    other = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other"}}
    taken = {"type": "NodePort", "clusterIP": had.cluster_ip, "ports": ports[:1]}
    await write(api, "POST", services, other | {"spec": taken})
    await undo_and_apply(api, deleted)
    has = replica.store.get(key).object.spec
    assert (has.ports[0].node_port != 30080, has.ports[1].node_port) == (True, 30443)
    assert has.cluster_ip not in ("", had.cluster_ip)
    await write(api, "DELETE", f"{services}/other")
    await undo_and_apply(api, await write(api, "DELETE", f"{services}/web"))
    assert replica.store.get(key).object.spec == has


async def test_a_pod_that_is_made_again_gets_the_priority_that_its_class_gives_then(api, replica):
    await write(api, "POST", PODS, pod("lone"))
    deleted = await write(api, "DELETE", f"{PODS}/lone?gracePeriodSeconds=0")
    metadata = {"name": "usual"}
    usual = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": metadata, "value": 7}
    await write(api, "POST", "/apis/scheduling.k8s.io/v1/priorityclasses", usual | {"globalDefault": True})
    await undo_and_apply(api, deleted)
    assert replica.store.get(Key("pods", "default", "lone")).object.spec.priority == 7


async def test_a_namespace_does_not_take_along_unasked_what_others_have_made_in_it_since(api, replica):
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    made = await write(api, "POST", "/api/v1/namespaces", shop)
    conf = config_map("conf", a="1")
    conf["metadata"]["namespace"] = "shop"
    inside = await write(api, "POST", "/api/v1/namespaces/shop/configmaps", conf)
    refused = await undo(api, made, code=409)
    assert refused["message"] == (
        "namespaces/shop: configmaps/conf in shop would go with it; --force deletes them, too"
    )
    assert [each["name"] for each in (await undo(api, made, force=True))["changes"]] == ["shop"]
    await undo_and_apply(api, inside)
    await undo_and_apply(api, made)
    assert replica.store.get(Key("namespaces", "", "shop")).object.metadata.deletion_timestamp


async def test_what_was_changed_together_is_undone_together(api, replica):
    applied = [config_map("a", x="1"), config_map("b", x="1")]
    for document in applied:
        document["metadata"]["namespace"] = "default"
    _, plan = await api.read("POST", "/swarmlet/v1/plans", json={"apply": applied})
    await api.read("POST", f"/swarmlet/v1/plans/{plan['id']}/apply")
    newest = (await ask(api, limit=1))["changes"][0]
    assert newest["size"] == 2
    assert [each["name"] for each in (await ask(api, f"/{newest['revision']}"))["changes"]] == ["a", "b"]
    await undo_and_apply(api, newest["revision"])
    assert not [stored for stored in replica.store.list("configmaps") if stored.key.name in "ab"]


async def test_labels_of_others_and_bookkeeping_stay(api, replica):
    await write(api, "POST", DEPLOYMENTS, deployment())
    labelled = await write(api, "PATCH", f"{DEPLOYMENTS}/web", {"metadata": {"labels": {"x": "1"}}}, headers=MERGE)
    notes = {"deployment.kubernetes.io/revision": "7", "mine": "yes"}
    await write(api, "PATCH", f"{DEPLOYMENTS}/web", {"metadata": {"annotations": notes}}, headers=MERGE)
    await undo_and_apply(api, labelled)
    assert web(replica).metadata.labels == {"app": "web"}
    assert web(replica).metadata.annotations == notes


async def test_a_machine_is_not_undone_but_a_cordon_is(api, replica):
    document = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "h1"}}
    joined = await write(api, "POST", "/api/v1/nodes", document)
    cordoned = await write(api, "PATCH", "/api/v1/nodes/h1", {"spec": {"unschedulable": True}}, headers=MERGE)
    assert "joins and leaves by itself" in (await undo(api, joined, code=409))["message"]
    await undo_and_apply(api, cordoned)
    assert not replica.store.get(Key("nodes", "", "h1")).object.spec.unschedulable


async def test_bookkeeping_stays_where_all_that_people_asked_for_beside_it_goes_or_comes(api, replica):
    """A label that was the only one of theirs, a cordon on a machine that has other taints and a subnet."""
    own = {"labels": {"swarmlet.io/node-id": "n1"}, "annotations": {"swarmlet.io/public-key-sha256": "00ff"}}
    taint = {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}
    document = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "h1"} | own, "spec": {"taints": [taint]}}
    await write(api, "POST", "/api/v1/nodes", document)
    patch = {"metadata": {"labels": {"zone": "a"}, "annotations": {"rack": "7"}}, "spec": {"unschedulable": True}}
    changed = await write(api, "PATCH", "/api/v1/nodes/h1", patch, headers=MERGE)
    await undo_and_apply(api, changed)
    node = replica.store.get(Key("nodes", "", "h1")).object
    assert (node.metadata.labels, node.metadata.annotations) == (own["labels"], own["annotations"])
    assert ([each.key for each in node.spec.taints], node.spec.unschedulable) == ([taint["key"]], False)
    await undo_and_apply(api, int((await ask(api, limit=1))["changes"][0]["revision"]))
    node = replica.store.get(Key("nodes", "", "h1")).object
    assert node.metadata.labels == own["labels"] | {"zone": "a"}
    assert node.metadata.annotations == own["annotations"] | {"rack": "7"}
    assert ([each.key for each in node.spec.taints], node.spec.unschedulable) == ([taint["key"]], True)


async def test_what_is_no_change_cannot_be_undone(api):
    await undo(api, 4711, code=404)
