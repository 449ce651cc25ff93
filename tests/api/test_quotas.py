"""ResourceQuota and LimitRange at the API: what is completed, what is refused, and that no race gets past a quota."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from swarmlet.model import kinds
from swarmlet.model.quotas import ResourceQuota
from swarmlet.store.commands import Key, Outcome, Verdict
from tests.api.conftest import Api, DirectReplica
from tests.api.documents import CONFIG_MAPS, MERGE, NAMESPACES, PODS, TABLE, config_map, pod

CORE = "/api/v1/namespaces/default"
QUOTAS = f"{CORE}/resourcequotas"
LIMIT_RANGES = f"{CORE}/limitranges"


def quota(name: str = "q", **hard: str) -> dict:
    named = {each.replace("__", "."): amount for each, amount in hard.items()}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": named}}


def limit_range(*items: dict) -> dict:
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits": list(items)}}


def asking(name: str, **resources: dict) -> dict:
    document = pod(name)
    document["spec"]["containers"][0]["resources"] = resources
    return document


def stored(replica: DirectReplica, name: str = "q") -> ResourceQuota:
    found = replica.view.get(Key(kinds.RESOURCE_QUOTA.resource, "default", name))
    assert found is not None
    return found.object


async def test_over_a_quota_is_forbidden_in_kubernetes_words(api: Api) -> None:
    await api.read("POST", QUOTAS, json=quota(pods="2", requests__cpu="2"))
    for name in ("a", "b"):
        assert (await api.read("POST", PODS, json=asking(name, requests={"cpu": "500m"})))[0] == 201
    code, status = await api.read("POST", PODS, json=asking("c", requests={"cpu": "500m"}))
    assert (code, status["reason"]) == (403, "Forbidden")
    assert status["message"] == (
        'pods "c" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'
    )
    assert status["details"]["name"] == "c"


async def test_each_resource_that_is_exceeded_is_told(api: Api) -> None:
    await api.read("POST", QUOTAS, json=quota(pods="9", requests__cpu="1", limits__memory="1Gi"))
    document = asking("a", requests={"cpu": "1500m"}, limits={"memory": "2Gi", "cpu": "2"})
    _, status = await api.read("POST", PODS, json=document)
    assert status["message"].endswith(
        "exceeded quota: q, requested: limits.memory=2Gi,requests.cpu=1500m, used: limits.memory=0,requests.cpu=0, "
        "limited: limits.memory=1Gi,requests.cpu=1"
    )


async def test_what_a_quota_limits_must_be_specified(api: Api) -> None:
    await api.read("POST", QUOTAS, json=quota(cpu="1"))
    code, status = await api.read("POST", PODS, json=pod("a"))
    assert code == 403
    assert status["message"] == 'pods "a" is forbidden: failed quota: q: must specify cpu for: main'


async def test_a_creation_raises_what_is_used_in_the_same_command(api: Api, replica: DirectReplica) -> None:
    await api.read("POST", QUOTAS, json=quota(pods="5", requests__cpu="2"))
    before = replica.view.revision
    await api.read("POST", PODS, json=asking("a", requests={"cpu": "500m"}))
    assert stored(replica).status.used == {"pods": "1", "requests.cpu": "500m"}
    assert replica.view.revision == before + 2


async def test_without_quotas_a_creation_is_one_change(api: Api, replica: DirectReplica) -> None:
    before = replica.view.revision
    await api.read("POST", PODS, json=pod("a"))
    assert replica.view.revision == before + 1


async def test_any_kind_is_counted_by_its_name(api: Api) -> None:
    await api.read("POST", QUOTAS, json=quota(**{"configmaps": "1", "count/configmaps": "5"}))
    assert (await api.read("POST", CONFIG_MAPS, json=config_map("a")))[0] == 201
    code, status = await api.read("POST", CONFIG_MAPS, json=config_map("b"))
    assert code == 403
    assert status["message"].endswith("requested: configmaps=1, used: configmaps=1, limited: configmaps=1")


async def test_a_dry_run_is_judged_and_takes_nothing(api: Api, replica: DirectReplica) -> None:
    await api.read("POST", QUOTAS, json=quota(pods="1"))
    assert (await api.read("POST", f"{PODS}?dryRun=All", json=pod("a")))[0] == 201
    assert stored(replica).status.used == {}
    await api.read("POST", PODS, json=pod("a"))
    assert (await api.read("POST", f"{PODS}?dryRun=All", json=pod("b")))[0] == 403


async def test_a_quota_that_changes_counts_anew_at_once(api: Api) -> None:
    await api.read("POST", PODS, json=pod("a"))
    await api.read("POST", QUOTAS, json=quota(configmaps="5"))
    change = {"spec": {"hard": {"pods": "1"}}}
    assert (await api.read("PATCH", f"{QUOTAS}/q", json=change, headers=MERGE))[0] == 200
    assert (await api.read("POST", PODS, json=pod("b")))[0] == 403


async def test_many_creations_at_once_never_exceed_a_quota(
    api: Api, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.read("POST", QUOTAS, json=quota(pods="7"))
    direct, refusals = replica.propose, []

    async def slow(*arguments: object, **options: object) -> tuple[Outcome, ...]:
        await asyncio.sleep(0)  # all have judged by the same view before the first is applied
        outcomes = await direct(*arguments, **options)
        refusals.extend(each for each in outcomes if each.verdict is Verdict.CONFLICT)
        return outcomes

    monkeypatch.setattr(replica, "propose", slow)
    answers = await asyncio.gather(*(api.read("POST", PODS, json=pod(f"p{number}")) for number in range(20)))
    assert sorted(code for code, _ in answers) == [201] * 7 + [403] * 13
    assert stored(replica).status.used == {"pods": "7"}
    assert len(replica.view.list("pods")) == 7
    assert refusals, "nothing raced: the test shows nothing"


async def test_who_loses_the_last_place_to_another_daemon_is_refused(api: Api, replica: DirectReplica) -> None:
    await api.read("POST", QUOTAS, json=quota(pods="1"))
    seen: list[int] = []

    def other_first() -> None:
        replica.before_propose = lambda: None
        before = stored(replica)
        seen.append(len(replica.view.list("pods")))
        replica.put(kinds.RESOURCE_QUOTA, replaced_used(before, pods="1"))

    replica.before_propose = other_first
    code, status = await api.read("POST", PODS, json=pod("late"))
    assert (code, seen) == (403, [0])
    assert "used: pods=1" in status["message"]


def replaced_used(value: ResourceQuota, **used: str) -> ResourceQuota:
    status = msgspec.structs.replace(value.status, hard=value.spec.hard, used=used)
    return msgspec.structs.replace(value, status=status)


async def test_limits_complete_a_pod_before_quotas_judge_it(api: Api, replica: DirectReplica) -> None:
    item = {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "250m"}}
    await api.read("POST", LIMIT_RANGES, json=limit_range(item))
    await api.read("POST", QUOTAS, json=quota(requests__cpu="1", limits__cpu="3"))
    code, created = await api.read("POST", PODS, json=pod("a"))
    assert code == 201
    assert created["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "250m"}}
    assert created["status"]["qosClass"] == "Burstable"
    assert stored(replica).status.used == {"requests.cpu": "250m", "limits.cpu": "1"}


async def test_over_a_limit_is_forbidden_in_kubernetes_words(api: Api) -> None:
    await api.read("POST", LIMIT_RANGES, json=limit_range({"type": "Container", "max": {"memory": "1Gi", "cpu": "1"}}))
    document = asking("a", limits={"memory": "2Gi", "cpu": "2"}, requests={"memory": "1Gi", "cpu": "1"})
    code, status = await api.read("POST", PODS, json=document)
    assert code == 403
    assert status["message"] == (
        'pods "a" is forbidden: [maximum memory usage per Container is 1Gi, but limit is 2Gi, '
        "maximum cpu usage per Container is 1, but limit is 2]"
    )


async def test_a_default_that_contradicts_the_pod_is_invalid(api: Api) -> None:
    item = {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}
    await api.read("POST", LIMIT_RANGES, json=limit_range(item))
    code, status = await api.read("POST", PODS, json=asking("a", requests={"cpu": "2"}))
    assert code == 422
    assert "must be less than or equal to cpu limit of 1" in status["message"]


async def test_tables_show_what_kubectl_shows(api: Api) -> None:
    await api.read("POST", QUOTAS, json=quota(pods="5", requests__cpu="2", limits__cpu="4"))
    await api.read("POST", PODS, json=asking("a", requests={"cpu": "500m"}, limits={"cpu": "1"}))
    await api.read("POST", LIMIT_RANGES, json=limit_range({"type": "Pod", "max": {"cpu": "3"}}))
    _, table = await api.read("GET", QUOTAS, headers=TABLE)
    assert [each["name"] for each in table["columnDefinitions"]] == ["Name", "Request", "Limit", "Age"]
    assert table["rows"][0]["cells"] == ["q", "pods: 1/5, requests.cpu: 500m/2", "limits.cpu: 1/4", "0s"]
    _, table = await api.read("GET", LIMIT_RANGES, headers=TABLE)
    assert [each["name"] for each in table["columnDefinitions"]] == ["Name", "Created At"]
    assert table["rows"][0]["cells"] == ["l", "2026-01-02T03:04:05Z"]


async def test_nothing_new_in_a_namespace_that_ends_and_clients_are_told_why(api: Api) -> None:
    await api.read("POST", NAMESPACES, json={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "going"}})
    await api.read("DELETE", f"{NAMESPACES}/going")
    code, status = await api.read("POST", f"{NAMESPACES}/going/configmaps", json=config_map("a"))
    assert (code, status["reason"]) == (403, "Forbidden")
    assert status["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": "namespace going is being terminated",
            "field": "metadata.namespace",
        }
    ]


async def test_ports_of_nodes_and_load_balancers_are_counted_and_a_service_may_come_to_have_them(
    api: Api, replica: DirectReplica
) -> None:
    await api.read("POST", QUOTAS, json=quota(services__nodeports="2", services__loadbalancers="1"))
    ports = [{"name": name, "port": port} for name, port in (("http", 80), ("https", 443))]
    for name in ("a", "b"):
        document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports}}
        assert (await api.read("POST", f"{CORE}/services", json=document))[0] == 201
    to_nodes = {"spec": {"type": "NodePort"}}
    assert (await api.read("PATCH", f"{CORE}/services/a", json=to_nodes, headers=MERGE))[0] == 200
    assert stored(replica).status.used == {"services.loadbalancers": "0", "services.nodeports": "2"}
    code, status = await api.read("PATCH", f"{CORE}/services/b", json=to_nodes, headers=MERGE)
    assert code == 403
    assert status["message"].endswith(
        "exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=2, limited: services.nodeports=2"
    )
    without = {"spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}}
    assert (await api.read("PATCH", f"{CORE}/services/b", json=without, headers=MERGE))[0] == 200
    assert stored(replica).status.used == {"services.loadbalancers": "1", "services.nodeports": "2"}
