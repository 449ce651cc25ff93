"""Who am I, and may I."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet.identity.access import Attributes, allowed
from swarmlet.identity.users import AUTHENTICATED, User
from tests.api.conftest import Api, FakeAuthenticator

AUTHORIZATION = "/apis/authorization.k8s.io/v1"
ACCESS = f"{AUTHORIZATION}/selfsubjectaccessreviews"
RULES = f"{AUTHORIZATION}/selfsubjectrulesreviews"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
STRANGER = User("mallory", (AUTHENTICATED,))


async def ask(api: Api, spec: Any) -> bool:
    document = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    code, review = await api.read("POST", ACCESS, json=document)
    assert code == 201
    assert review["spec"] == spec
    return review["status"]["allowed"]


async def test_the_answer_is_what_a_request_would_meet(api: Api, authenticator: FakeAuthenticator) -> None:
    logs = {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "default"}
    assert await ask(api, {"resourceAttributes": logs})
    assert await ask(api, {"resourceAttributes": {"verb": "*", "group": "*", "resource": "*"}})
    authenticator.user = STRANGER
    assert not await ask(api, {"resourceAttributes": logs})
    assert await ask(api, {"nonResourceAttributes": {"verb": "GET", "path": "/version"}})
    assert not await ask(api, {"nonResourceAttributes": {"verb": "get", "path": "/swarmlet/v1/backup"}})


async def test_the_rules_are_told(api: Api, authenticator: FakeAuthenticator) -> None:
    document = {"kind": "SelfSubjectRulesReview", "spec": {"namespace": "default"}}
    _, review = await api.read("POST", RULES, json=document)
    assert {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]} in review["status"]["resourceRules"]
    authenticator.user = STRANGER
    _, review = await api.read("POST", RULES, json=document)
    assert review["status"]["incomplete"] is False
    for rule in review["status"]["resourceRules"]:
        asked = Attributes(verb=rule["verbs"][0], api_group=rule["apiGroups"][0], resource=rule["resources"][0])
        assert allowed(STRANGER, asked)
    assert any("/version" in rule["nonResourceURLs"] for rule in review["status"]["nonResourceRules"])


async def test_one_is_told_who_one_is(api: Api, authenticator: FakeAuthenticator) -> None:
    authenticator.user = STRANGER
    code, review = await api.read("POST", WHO, json={"kind": "SelfSubjectReview"})
    assert (code, review["status"]["userInfo"]) == (201, {"username": "mallory", "groups": [AUTHENTICATED]})


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (ACCESS, {"spec": {}}),
        (ACCESS, {"spec": {"resourceAttributes": {}, "nonResourceAttributes": {}}}),
        (RULES, {"spec": {}}),
    ],
)
async def test_a_question_that_is_none_is_refused(api: Api, path: str, document: Any) -> None:
    code, status = await api.read("POST", path, json=document)
    assert (code, status["reason"]) == (422, "Invalid")


async def test_a_review_is_neither_read_nor_listed(api: Api) -> None:
    assert (await api.read("GET", ACCESS))[0] == 405
    assert (await api.read("DELETE", f"{ACCESS}/x"))[0] == 405
