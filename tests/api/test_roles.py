"""Roles and bindings: who may do what by them, and that nobody gives more than they have."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet.controllers.namespaces import cluster_roles as controller
from swarmlet.identity.users import LOCAL_ADMIN, User
from swarmlet.model import cluster_roles, kinds, objects
from tests.api.conftest import Api, DirectReplica, FakeAuthenticator

RBAC = "/apis/rbac.authorization.k8s.io/v1"
AUTHORIZATION = "/apis/authorization.k8s.io/v1"
WEB = "system:serviceaccount:default:web"
ACCOUNT = User(WEB, ("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"))
ANN = User("ann", ("dev", "system:authenticated"))
READ_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}


async def make(api: Api, path: str, name: str, **fields: Any) -> tuple[int, Any]:
    return await api.read("POST", f"{RBAC}/{path}", json={"metadata": {"name": name}, **fields})


async def give(api: Api, subject: dict[str, str], kind: str = "Role", name: str = "reader") -> tuple[int, Any]:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
    return await make(api, "namespaces/default/rolebindings", name, subjects=[subject], roleRef=reference)


async def may(api: Api, user: User, verb: str, resource: str, namespace: str = "default", **more: str) -> bool:
    asked = {"verb": verb, "resource": resource, "namespace": namespace, **more}
    spec = {"user": user.name, "groups": list(user.groups), "resourceAttributes": asked}
    code, review = await api.read("POST", f"{AUTHORIZATION}/subjectaccessreviews", json={"spec": spec})
    assert code == 201
    return review["status"]["allowed"]


async def test_an_account_may_what_its_role_says_and_in_its_namespace(
    api: Api, authenticator: FakeAuthenticator
) -> None:
    assert (await make(api, "namespaces/default/roles", "reader", rules=[READ_PODS]))[0] == 201
    assert (await give(api, {"kind": "ServiceAccount", "name": "web", "namespace": "default"}))[0] == 201
    authenticator.user = ACCOUNT
    assert (await api.read("GET", "/api/v1/namespaces/default/pods"))[0] == 200
    assert (await api.read("GET", "/api/v1/namespaces/other/pods"))[0] == 403
    assert (await api.read("GET", "/api/v1/pods"))[0] == 403
    assert (await api.read("GET", "/api/v1/namespaces/default/secrets"))[0] == 403
    authenticator.user = LOCAL_ADMIN
    await api.read("DELETE", f"{RBAC}/namespaces/default/rolebindings/reader")
    authenticator.user = ACCOUNT
    assert (await api.read("GET", "/api/v1/namespaces/default/pods"))[0] == 403


async def test_a_role_that_changes_counts_at_once(api: Api) -> None:
    await make(api, "namespaces/default/roles", "reader", rules=[READ_PODS])
    await give(api, {"kind": "User", "name": "ann"})
    assert not await may(api, ANN, "get", "configmaps")
    patch = {"rules": [READ_PODS | {"resources": ["configmaps"]}]}
    headers = {"Content-Type": "application/merge-patch+json"}
    await api.read("PATCH", f"{RBAC}/namespaces/default/roles/reader", json=patch, headers=headers)
    assert await may(api, ANN, "get", "configmaps")
    assert not await may(api, ANN, "get", "pods")


async def test_a_cluster_role_is_given_everywhere_or_in_one_namespace(api: Api) -> None:
    await make(api, "clusterroles", "reader", rules=[READ_PODS])
    await give(api, {"kind": "Group", "name": "dev"}, "ClusterRole")
    assert await may(api, ANN, "list", "pods")
    assert not await may(api, ANN, "list", "pods", "other")
    reference = {"kind": "ClusterRole", "name": "reader"}
    code, bound = await make(
        api, "clusterrolebindings", "all", subjects=[{"kind": "User", "name": "ann"}], roleRef=reference
    )
    assert (code, bound["subjects"][0]["apiGroup"]) == (201, "rbac.authorization.k8s.io")
    assert await may(api, ANN, "list", "pods", "other")
    assert await may(api, ANN, "list", "pods", "")


async def test_names_and_parts_of_resources_count(api: Api) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["settings"], "verbs": ["get"]},
        {"apiGroups": ["apps"], "resources": ["*/scale"], "verbs": ["update"]},
    ]
    await make(api, "namespaces/default/roles", "reader", rules=rules)
    await give(api, {"kind": "User", "name": "ann"})
    assert await may(api, ANN, "get", "configmaps", name="settings")
    assert not await may(api, ANN, "get", "configmaps", name="others")
    assert not await may(api, ANN, "get", "configmaps")
    assert await may(api, ANN, "update", "deployments", group="apps", subresource="scale")
    assert not await may(api, ANN, "update", "deployments", group="apps")


async def test_a_list_and_a_watch_of_one_object_are_of_that_name(api: Api, authenticator: FakeAuthenticator) -> None:
    named = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["settings"], "verbs": ["list", "watch"]}
    await make(api, "namespaces/default/roles", "reader", rules=[named])
    await give(api, {"kind": "User", "name": "ann"})
    authenticator.user = ANN
    maps = "/api/v1/namespaces/default/configmaps"
    assert (await api.read("GET", f"{maps}?fieldSelector=metadata.name%3Dsettings"))[0] == 200
    async with api.get(f"{maps}?watch=1&fieldSelector=metadata.name%3Dsettings") as watch:
        assert watch.status == 200
    assert (await api.read("GET", f"{maps}?fieldSelector=metadata.name%3Dothers"))[0] == 403
    assert (await api.read("GET", f"{maps}?fieldSelector=metadata.name%21%3Dsettings"))[0] == 403
    assert (await api.read("GET", maps))[0] == 403
    assert (await api.read("DELETE", f"{maps}?fieldSelector=metadata.name%3Dsettings"))[0] == 403


async def test_a_namespace_is_in_itself(api: Api, authenticator: FakeAuthenticator) -> None:
    await make(api, "clusterroles", "reader", rules=[READ_PODS | {"resources": ["namespaces"]}])
    await give(api, {"kind": "User", "name": "ann"}, "ClusterRole")
    authenticator.user = ANN
    assert (await api.read("GET", "/api/v1/namespaces/default"))[0] == 200
    code, status = await api.read("GET", "/api/v1/namespaces/other")
    assert code == 403
    assert 'cannot get resource "namespaces" in API group "" in the namespace "other"' in status["message"]
    assert (await api.read("GET", "/api/v1/namespaces"))[0] == 403


async def test_an_apply_that_makes_an_object_needs_both_rights(api: Api, authenticator: FakeAuthenticator) -> None:
    maps = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch", "get"]}
    await make(api, "namespaces/default/roles", "reader", rules=[maps])
    await give(api, {"kind": "User", "name": "ann"})
    headers = {"Content-Type": "application/apply-patch+yaml"}

    async def apply(**data: str) -> int:
        document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
        path = "/api/v1/namespaces/default/configmaps/a?fieldManager=test"
        return (await api.read("PATCH", path, json=document, headers=headers))[0]

    authenticator.user = ANN
    assert await apply(a="1") == 403
    authenticator.user = LOCAL_ADMIN
    assert await apply(a="1") == 201
    authenticator.user = ANN
    assert await apply(a="1", b="2") == 200


async def test_paths_are_given_too(api: Api) -> None:
    urls = ["/swarmlet/v1/tokens", "/swarmlet/v1/nodes/*"]
    await make(api, "clusterroles", "reader", rules=[{"nonResourceURLs": urls, "verbs": ["get"]}])
    reference = {"kind": "ClusterRole", "name": "reader"}
    await make(api, "clusterrolebindings", "all", subjects=[{"kind": "User", "name": "ann"}], roleRef=reference)

    async def may_path(verb: str, path: str) -> bool:
        spec = {"user": "ann", "nonResourceAttributes": {"verb": verb, "path": path}}
        _, review = await api.read("POST", f"{AUTHORIZATION}/subjectaccessreviews", json={"spec": spec})
        return review["status"]["allowed"]

    assert await may_path("get", "/swarmlet/v1/tokens")
    assert await may_path("get", "/swarmlet/v1/nodes/h1")
    assert not await may_path("get", "/swarmlet/v1/tokens/x")
    assert not await may_path("post", "/swarmlet/v1/tokens")


async def test_nobody_gives_more_than_they_have(api: Api, authenticator: FakeAuthenticator) -> None:
    rules = [READ_PODS, {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["*"]}]
    rules[1]["verbs"] = ["create", "update", "patch", "get"]
    await make(api, "namespaces/default/roles", "reader", rules=rules)
    await make(api, "namespaces/default/roles", "secrets", rules=[READ_PODS | {"resources": ["secrets"]}])
    await give(api, {"kind": "User", "name": "ann"})
    authenticator.user = ANN
    assert (await make(api, "namespaces/default/roles", "same", rules=[READ_PODS]))[0] == 201
    code, status = await make(api, "namespaces/default/roles", "more", rules=[READ_PODS | {"verbs": ["delete"]}])
    assert code == 403
    assert 'user "ann" (groups=["dev" "system:authenticated"]) is attempting to grant RBAC' in status["message"]
    assert '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}' in status["message"]
    assert (await give(api, {"kind": "User", "name": "bob"}, name="same"))[0] == 201
    assert (await give(api, {"kind": "User", "name": "ann"}, name="secrets"))[0] == 403
    patch = {"rules": [READ_PODS | {"verbs": ["*"]}]}
    headers = {"Content-Type": "application/merge-patch+json"}
    path = f"{RBAC}/namespaces/default/roles/same"
    assert (await api.read("PATCH", path, json=patch, headers=headers))[0] == 403
    assert (await api.read("PATCH", path, json={"metadata": {"labels": {"a": "b"}}}, headers=headers))[0] == 200


async def test_a_label_and_a_selection_give_rules_too(api: Api, authenticator: FakeAuthenticator) -> None:
    label = "rbac.authorization.k8s.io/aggregate-to-view"
    roles = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["get", "patch"]}
    await make(api, "clusterroles", "own", rules=[roles])
    await make(api, "clusterroles", "strong", rules=[READ_PODS | {"verbs": ["*"]}])
    reference = {"kind": "ClusterRole", "name": "own"}
    await make(api, "clusterrolebindings", "own", subjects=[{"kind": "User", "name": "ann"}], roleRef=reference)
    authenticator.user = ANN
    headers = {"Content-Type": "application/merge-patch+json"}
    for name, patch in (
        ("strong", {"metadata": {"labels": {label: "true"}}}),
        ("own", {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {}}]}}),
    ):
        code, status = await api.read("PATCH", f"{RBAC}/clusterroles/{name}", json=patch, headers=headers)
        assert code == 403
        assert "is attempting to grant RBAC permissions not currently held" in status["message"]
    free = {"metadata": {"finalizers": ["example.com/wait"]}}
    assert (await api.read("PATCH", f"{RBAC}/clusterroles/strong", json=free, headers=headers))[0] == 200


async def test_a_role_that_is_not_there_yet_is_given_by_who_may_bind_alone(
    api: Api, authenticator: FakeAuthenticator
) -> None:
    bindings = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings"], "verbs": ["create"]}
    await make(api, "namespaces/default/roles", "reader", rules=[bindings])
    await give(api, {"kind": "User", "name": "ann"})
    authenticator.user = ANN
    code, status = await give(api, {"kind": "User", "name": "ann"}, name="later")
    assert (code, status["message"]) == (404, 'roles.rbac.authorization.k8s.io "later" not found')
    authenticator.user = LOCAL_ADMIN
    assert (await give(api, {"kind": "User", "name": "ann"}, name="later"))[0] == 201


async def test_a_role_of_millions_of_permissions_is_not_looked_through(
    api: Api, authenticator: FakeAuthenticator
) -> None:
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["create", "get"]}]
    await make(api, "namespaces/default/roles", "reader", rules=rules)
    await give(api, {"kind": "User", "name": "ann"})
    authenticator.user = ANN
    many = [f"r{number}" for number in range(3_000)]
    code, status = await make(
        api, "namespaces/default/roles", "many", rules=[{"apiGroups": many, "resources": many, "verbs": ["get"]}]
    )
    assert code == 403
    assert "gives over 10000 permissions" in status["message"]


async def test_who_may_bind_or_escalate_may_give_more(api: Api, authenticator: FakeAuthenticator) -> None:
    rules = [
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings"], "verbs": ["create"]},
        {
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["roles"],
            "resourceNames": ["secrets"],
            "verbs": ["bind"],
        },
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["escalate", "create"]},
    ]
    await make(api, "namespaces/default/roles", "reader", rules=rules)
    await make(api, "namespaces/default/roles", "secrets", rules=[READ_PODS | {"resources": ["secrets"]}])
    await make(api, "namespaces/default/roles", "pods", rules=[READ_PODS])
    await give(api, {"kind": "User", "name": "ann"})
    authenticator.user = ANN
    assert (await give(api, {"kind": "User", "name": "ann"}, name="secrets"))[0] == 201
    assert (await give(api, {"kind": "User", "name": "ann"}, name="pods"))[0] == 403
    assert (await make(api, "namespaces/default/roles", "all", rules=[READ_PODS | {"verbs": ["*"]}]))[0] == 201


async def test_the_usual_roles_allow_what_they_are_known_for(api: Api, replica: DirectReplica) -> None:
    for role in cluster_roles.ROLES:
        replica.put(kinds.CLUSTER_ROLE, objects.with_metadata(role, uid=role.metadata.name))
    made = controller.ClusterRoles.__new__(controller.ClusterRoles)
    for name in ("view", "edit", "admin"):
        key = next(each for each in controller.ALWAYS if each.name == name)
        step = made.reconcile(replica.view, key, None)
        replica.apply(step.operations)
        await give(api, {"kind": "User", "name": name}, "ClusterRole", name)
    view, edit, admin = (User(name, ()) for name in ("view", "edit", "admin"))
    assert await may(api, view, "watch", "deployments", group="apps")
    assert not await may(api, view, "get", "secrets")
    assert not await may(api, view, "delete", "pods")
    assert await may(api, edit, "get", "secrets")
    assert await may(api, edit, "create", "pods", subresource="exec")
    assert not await may(api, edit, "create", "roles", group="rbac.authorization.k8s.io")
    assert await may(api, admin, "create", "roles", group="rbac.authorization.k8s.io")
    assert await may(api, admin, "list", "pods")
    assert not await may(api, admin, "list", "pods", "other")


async def test_one_sees_the_rules_of_ones_roles(api: Api, authenticator: FakeAuthenticator) -> None:
    await make(api, "namespaces/default/roles", "reader", rules=[READ_PODS | {"resourceNames": ["a"]}])
    await give(api, {"kind": "User", "name": "ann"})
    authenticator.user = ANN
    spec = {"spec": {"namespace": "default"}}
    _, review = await api.read("POST", f"{AUTHORIZATION}/selfsubjectrulesreviews", json=spec)
    assert READ_PODS | {"resourceNames": ["a"]} in review["status"]["resourceRules"]


@pytest.mark.parametrize(
    ("path", "fields", "told"),
    [
        ("namespaces/default/roles", {"rules": [{"resources": ["pods"], "apiGroups": [""]}]}, "at least one value"),
        ("namespaces/default/roles", {"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]}, "namespaced rules"),
        ("clusterroles", {"rules": [{"verbs": ["get"], "resources": ["pods"]}]}, "at least one api group"),
        ("clusterroles", {"aggregationRule": {}}, "at least one clusterRoleSelector required"),
        ("clusterrolebindings", {"roleRef": {"kind": "Role", "name": "x"}}, 'supported values: "ClusterRole"'),
        (
            "clusterrolebindings",
            {
                "roleRef": {"kind": "ClusterRole", "name": "x"},
                "subjects": [{"kind": "ServiceAccount", "name": "web"}],
            },
            "subjects[0].namespace: Required value",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused(api: Api, path: str, fields: Any, told: str) -> None:
    code, status = await make(api, path, "x", **fields)
    assert code == 422
    assert told in status["message"]


async def test_a_bindings_role_stays_what_it_is(api: Api) -> None:
    await give(api, {"kind": "User", "name": "ann"})
    patch = {"roleRef": {"name": "other"}}
    headers = {"Content-Type": "application/merge-patch+json"}
    path = f"{RBAC}/namespaces/default/rolebindings/reader"
    code, status = await api.read("PATCH", path, json=patch, headers=headers)
    assert code == 422
    assert "cannot change roleRef" in status["message"]


async def test_one_namespaces_question_is_of_that_namespace(api: Api) -> None:
    path = f"{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews"
    spec = {"user": "ann", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
    assert (await api.read("POST", path, json={"spec": spec}))[1]["status"] == {"allowed": False}
    spec["resourceAttributes"] = {"verb": "get", "resource": "pods", "namespace": "other"}
    assert (await api.read("POST", path, json={"spec": spec}))[0] == 422
