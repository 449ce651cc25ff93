"""NetworkPolicies at the API."""

from __future__ import annotations

from tests.api.conftest import Api

POLICIES = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"


def policy(**spec: object) -> dict:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "web"}, "spec": spec}


async def test_a_policy_that_is_as_it_should_be_is_written_without_a_word(api: Api) -> None:
    for verb, path in (("POST", POLICIES), ("PUT", f"{POLICIES}/web")):
        async with api.request(verb, path, json=policy(podSelector={})) as answer:
            assert "Warning" not in answer.headers


async def test_a_change_of_the_spec_counts_its_generation(api: Api) -> None:
    _, first = await api.read("POST", POLICIES, json=policy(podSelector={}))
    _, same = await api.read("PUT", f"{POLICIES}/web", json=policy(podSelector={}))
    _, other = await api.read("PUT", f"{POLICIES}/web", json=policy(podSelector={}, egress=[{}]))
    assert [each["metadata"]["generation"] for each in (first, same, other)] == [1, 1, 2]
    assert other["spec"]["policyTypes"] == ["Ingress", "Egress"]
