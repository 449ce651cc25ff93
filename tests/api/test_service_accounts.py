"""ServiceAccounts, the tokens that they are given, and whose a token is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pytest

from swarmlet.api.access.account_tokens import tokens_of
from swarmlet.errors import UnauthorizedError
from swarmlet.identity.authority import Authority
from swarmlet.identity.users import Authenticator, User
from swarmlet.model import kinds
from swarmlet.model.cluster import THE_CLUSTER, ClusterIdentity
from swarmlet.model.meta import ObjectMeta
from swarmlet.store.commands import Delete
from tests.api.conftest import START, Api, DirectReplica, FakeAuthenticator, FakeClock

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
PODS = "/api/v1/namespaces/default/pods"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
API = "https://kubernetes.default.svc.cluster.local"


def found(replica: DirectReplica, cluster_id: str = "0123456789abcdef") -> None:
    authority = Authority.create(cluster_id, START)
    identity = ClusterIdentity(
        metadata=ObjectMeta(name=THE_CLUSTER, uid="c"),
        cluster_id=cluster_id,
        ca_certificate=authority.certificate_pem,
        ca_key=authority.key_pem,
    )
    replica.put(kinds.CLUSTER_IDENTITY, identity)


@pytest.fixture(autouse=True)
def cluster(replica: DirectReplica) -> None:
    found(replica)


async def make_account(api: Api, name: str = "web", **fields: Any) -> Any:
    code, account = await api.read("POST", ACCOUNTS, json={"metadata": {"name": name}, **fields})
    assert code == 201
    return account


async def ask(api: Api, name: str = "web", **spec: Any) -> tuple[int, Any]:
    return await api.read("POST", f"{ACCOUNTS}/{name}/token", json={"spec": spec})


def check(replica: DirectReplica, clock: FakeClock, token: str) -> User:
    return tokens_of(replica.view, clock).check(token)[0]


async def make_pod(api: Api, **spec: Any) -> tuple[int, Any]:
    containers = [{"name": "web", "image": "web"}]
    return await api.read("POST", PODS, json={"metadata": {"name": "p"}, "spec": {"containers": containers, **spec}})


async def test_a_token_speaks_for_its_account(api: Api, replica: DirectReplica, clock: FakeClock) -> None:
    account = await make_account(api)
    code, told = await ask(api)
    assert (code, told["kind"], told["spec"]["audiences"]) == (201, "TokenRequest", [API])
    assert told["status"]["expirationTimestamp"] == "2026-01-02T04:04:05Z"
    authenticator = Authenticator(
        cluster_id="c",
        clock=clock,
        find_token=lambda _id: None,
        is_member=lambda _id: False,
        account_of=lambda token: check(replica, clock, token),
    )
    user = authenticator.authenticate(None, f"Bearer {told['status']['token']}")
    assert user == User(
        "system:serviceaccount:default:web",
        ("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"),
        uid=account["metadata"]["uid"],
    )


async def test_a_token_ends_with_its_time_and_with_its_account(
    api: Api, replica: DirectReplica, clock: FakeClock
) -> None:
    await make_account(api)
    _, told = await ask(api, expirationSeconds=600)
    token = told["status"]["token"]
    clock.time += timedelta(seconds=599)
    check(replica, clock, token)
    clock.time += timedelta(seconds=1)
    with pytest.raises(UnauthorizedError, match="expired"):
        check(replica, clock, token)
    clock.time = START
    await api.read("DELETE", f"{ACCOUNTS}/web")
    with pytest.raises(UnauthorizedError, match="gone: default/web"):
        check(replica, clock, token)
    await make_account(api)  # another one by the same name
    with pytest.raises(UnauthorizedError, match="gone: default/web"):
        check(replica, clock, token)


async def test_a_token_bound_to_a_pod_ends_with_it(api: Api, replica: DirectReplica, clock: FakeClock) -> None:
    await make_account(api)
    assert (await make_pod(api, serviceAccountName="web"))[0] == 201
    code, told = await ask(api, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "p"})
    assert code == 201
    token = told["status"]["token"]
    assert dict(check(replica, clock, token).extra)["authentication.kubernetes.io/pod-name"] == "p"
    (pod,) = replica.view.list(kinds.POD.resource)
    replica.apply([Delete(pod.key)])
    with pytest.raises(UnauthorizedError, match="of a pod that is gone"):
        check(replica, clock, token)


async def test_a_token_is_bound_only_to_what_is_the_accounts(api: Api) -> None:
    await make_account(api)
    await make_pod(api)
    other = {"kind": "Pod", "name": "p"}
    code, status = await ask(api, boundObjectRef=other)
    assert code == 422
    assert "different serviceaccount name" in status["message"]
    assert (await ask(api, boundObjectRef=other | {"name": "gone"}))[0] == 404
    assert (await ask(api, boundObjectRef=other | {"uid": "another"}))[0] == 409
    assert (await ask(api, boundObjectRef={"kind": "Service", "name": "p"}))[0] == 422


@pytest.mark.parametrize(("seconds", "code"), [(599, 422), (600, 201), (2**32 + 1, 422)])
async def test_a_token_lives_neither_too_short_nor_for_ever(api: Api, seconds: int, code: int) -> None:
    await make_account(api)
    assert (await ask(api, expirationSeconds=seconds))[0] == code


async def test_a_forged_token_is_nobodys(api: Api, replica: DirectReplica, clock: FakeClock) -> None:
    await make_account(api)
    _, told = await ask(api)
    token = told["status"]["token"]
    head, body, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    unsigned = jwt.encode(claims, None, algorithm="none")
    shared = jwt.encode(claims, "x" * 32, algorithm="HS256")
    for forged in (f"{head}.{body}.{signature[::-1]}", unsigned, shared, f"{head}.e30.{signature}"):
        with pytest.raises(UnauthorizedError):
            check(replica, clock, forged)
    found(replica, "fedcba9876543210")
    with pytest.raises(UnauthorizedError):
        check(replica, clock, token)


async def test_a_token_for_others_is_none_for_this_api(api: Api, replica: DirectReplica, clock: FakeClock) -> None:
    await make_account(api)
    _, told = await ask(api, audiences=["vault"])
    token = told["status"]["token"]
    with pytest.raises(UnauthorizedError):
        check(replica, clock, token)
    _, review = await api.read("POST", REVIEWS, json={"spec": {"token": token}})
    assert "authenticated" not in review["status"]
    _, review = await api.read("POST", REVIEWS, json={"spec": {"token": token, "audiences": ["vault", "other"]}})
    assert (review["status"]["authenticated"], review["status"]["audiences"]) == (True, ["vault"])
    assert review["status"]["user"]["username"] == "system:serviceaccount:default:web"


async def test_others_check_tokens_with_the_published_keys(api: Api) -> None:
    await make_account(api)
    _, told = await ask(api)
    _, document = await api.read("GET", "/.well-known/openid-configuration")
    assert (document["issuer"], document["jwks_uri"]) == (API, f"{API}/openid/v1/jwks")
    _, keys = await api.read("GET", "/openid/v1/jwks")
    key = jwt.PyJWKSet.from_dict(keys).keys[0]
    token = told["status"]["token"]
    assert jwt.get_unverified_header(token)["kid"] == key.key_id
    claims = jwt.decode(token, key, algorithms=["ES256"], audience=API, options={"verify_exp": False})
    assert claims["kubernetes.io"]["serviceaccount"]["name"] == "web"


async def test_a_pod_has_an_account_and_its_pull_secrets(api: Api) -> None:
    await make_account(api, imagePullSecrets=[{"name": "registry"}])
    code, pod = await make_pod(api, serviceAccountName="web")
    assert (code, pod["spec"]["imagePullSecrets"]) == (201, [{"name": "registry"}])
    await api.read("DELETE", f"{PODS}/p")
    code, pod = await make_pod(api)
    assert (code, pod["spec"]["serviceAccountName"]) == (201, "default")
    await api.read("DELETE", f"{PODS}/p")
    code, status = await make_pod(api, serviceAccountName="nobody")
    assert code == 403
    assert 'error looking up service account default/nobody: serviceaccount "nobody" not found' in status["message"]


async def test_a_secret_for_a_token_says_whose(api: Api) -> None:
    document = {"metadata": {"name": "t"}, "type": "kubernetes.io/service-account-token"}
    code, status = await api.read("POST", "/api/v1/namespaces/default/secrets", json=document)
    assert code == 422
    assert "metadata.annotations[kubernetes.io/service-account.name]: Required value" in status["message"]


async def test_who_may_not_make_tokens_gets_none(api: Api, authenticator: FakeAuthenticator) -> None:
    await make_account(api)
    authenticator.user = User("ann", ("system:authenticated",))
    code, status = await ask(api)
    assert code == 403
    assert 'cannot create resource "serviceaccounts/token"' in status["message"]
