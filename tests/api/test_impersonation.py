"""Acting as somebody else: who may, as whom a request is judged, and who is told of in the history."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet.identity.users import ANONYMOUS, AUTHENTICATED, LOCAL_ADMIN, User
from tests.api.conftest import Api, DirectReplica, FakeAuthenticator
from tests.api.documents import CONFIG_MAPS, config_map

RBAC = "/apis/rbac.authorization.k8s.io/v1"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
WEB = "system:serviceaccount:default:web"
ANN = User("ann", (AUTHENTICATED,))
READ_MAPS = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create"]}


async def who(api: Api, *headers: tuple[str, str]) -> tuple[int, Any]:
    code, told = await api.read("POST", WHO, json={"kind": "SelfSubjectReview"}, headers=headers)
    return code, told["status"]["userInfo"] if code == 201 else told["message"]


async def give(api: Api, user: str, *rules: dict[str, Any], name: str = "given") -> None:
    role = {"metadata": {"name": name}, "rules": rules}
    assert (await api.read("POST", f"{RBAC}/clusterroles", json=role))[0] == 201
    binding = {
        "metadata": {"name": name},
        "roleRef": {"kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "User", "name": user}],
    }
    assert (await api.read("POST", f"{RBAC}/clusterrolebindings", json=binding))[0] == 201


@pytest.mark.parametrize(
    ("headers", "groups"),
    [
        ([("Impersonate-User", "bob")], [AUTHENTICATED]),
        ([("Impersonate-User", "bob"), ("Impersonate-Group", "dev")], ["dev", AUTHENTICATED]),
        ([("Impersonate-User", WEB)], ["system:serviceaccounts", "system:serviceaccounts:default", AUTHENTICATED]),
        ([("Impersonate-User", WEB), ("Impersonate-Group", "dev")], ["dev", AUTHENTICATED]),
        ([("Impersonate-User", ANONYMOUS.name)], ["system:unauthenticated"]),
    ],
)
async def test_one_becomes_who_is_named_with_the_groups_that_they_have(
    api: Api, headers: list[tuple[str, str]], groups: list[str]
) -> None:
    code, told = await who(api, *headers)
    if headers[0][1] == ANONYMOUS.name:
        assert (code, told.partition(":")[0]) == (403, "selfsubjectreviews.authentication.k8s.io is forbidden")
        assert (await api.read("GET", "/version", headers=headers))[0] == 200
    else:
        assert (code, told) == (201, {"username": headers[0][1], "groups": groups})


async def test_a_uid_and_extras_are_carried(api: Api) -> None:
    named = [("Impersonate-User", "bob"), ("Impersonate-Uid", "u-1")]
    code, told = await who(api, *named, ("Impersonate-Extra-Scopes%2Fa", "x"), ("Impersonate-Extra-Scopes%2Fa", "y"))
    assert (code, told["uid"], told["extra"]) == (201, "u-1", {"scopes/a": ["x", "y"]})


async def test_the_request_is_judged_as_theirs_alone(api: Api) -> None:
    await give(api, "bob", READ_MAPS)
    assert (await api.read("GET", CONFIG_MAPS, headers={"Impersonate-User": "bob"}))[0] == 200
    code, status = await api.read("GET", "/api/v1/secrets", headers={"Impersonate-User": "bob"})
    assert (code, status["message"].partition(": User ")[2][:24]) == (403, '"bob" cannot list resour')


async def test_who_may_not_be_another_is_refused_by_the_part_that_is_missing(
    api: Api, authenticator: FakeAuthenticator
) -> None:
    users = {"apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"], "verbs": ["impersonate"]}
    scopes = {
        "apiGroups": ["authentication.k8s.io"],
        "resources": ["userextras/scopes"],
        "resourceNames": ["view"],
        "verbs": ["impersonate"],
    }
    await give(api, "ann", users, scopes)
    authenticator.user = ANN
    bob = ("Impersonate-User", "bob")
    assert (await who(api, bob))[0] == 201
    assert (await who(api, bob, ("Impersonate-Extra-Scopes", "view")))[0] == 201
    for headers, told in (
        ([("Impersonate-User", "eve")], 'users "eve" is forbidden: User "ann" cannot impersonate resource "users"'),
        ([bob, ("Impersonate-Group", "system:masters")], 'groups "system:masters" is forbidden'),
        ([bob, ("Impersonate-Uid", "1")], 'uids.authentication.k8s.io "1" is forbidden'),
        ([bob, ("Impersonate-Extra-Scopes", "all")], 'userextras.authentication.k8s.io "all" is forbidden'),
        ([("Impersonate-User", WEB)], 'in the namespace "default"'),
    ):
        code, message = await who(api, *headers)
        assert code == 403
        assert told in message


async def test_parts_of_nobody_and_too_many_are_refused(api: Api) -> None:
    for headers in ([("Impersonate-Group", "dev")], [("Impersonate-Uid", "1")], [("Impersonate-Extra-A", "b")]):
        assert (await who(api, *headers))[0] == 400
    many = [("Impersonate-Group", f"g{number}") for number in range(65)]
    assert (await who(api, ("Impersonate-User", "bob"), *many))[0] == 400


async def test_the_history_tells_both(api: Api, replica: DirectReplica) -> None:
    await give(api, "bob", READ_MAPS)
    code, _ = await api.read("POST", CONFIG_MAPS, json=config_map("a"), headers={"Impersonate-User": "bob"})
    origin = replica.store.history.rows()[-1].origin
    assert (code, origin.who, origin.note) == (201, "bob", f"impersonated by {LOCAL_ADMIN.name}")


async def test_who_is_impersonated_gives_no_more_than_they_have(api: Api) -> None:
    roles = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["create"]}
    await give(api, "bob", READ_MAPS, roles)
    role = {"metadata": {"name": "more"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}
    path = f"{RBAC}/clusterroles"
    assert (await api.read("POST", path, json=role, headers={"Impersonate-User": "bob"}))[0] == 403
