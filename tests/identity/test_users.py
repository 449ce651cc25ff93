from __future__ import annotations

from datetime import timedelta

import pytest

from swarmlet.errors import ForbiddenError, UnauthorizedError
from swarmlet.identity import access, tokens, users
from swarmlet.identity.access import Attributes
from swarmlet.identity.users import ANONYMOUS, LOCAL_ADMIN, Authenticator, User
from swarmlet.model.cluster import Token
from tests.identity.conftest import CLUSTER
from tests.identity.times import NOW, FixedClock

SECRET = tokens.new_secret()
NODE = User("system:node:alpha", ("system:nodes", "system:authenticated"), "a" * 16)
ANN = User("ann", ("dev", "system:authenticated"))
ADMIN = User("admin", ("system:masters", "system:authenticated"))


class Handshake:
    """What `ssl` tells of a verified client."""

    def __init__(self, *, name: str = "", groups: tuple[str, ...] = (), uri: str = "") -> None:
        subject = [(("organizationName", group),) for group in groups] + [(("commonName", name),)]
        self.certificate = {"subject": tuple(subject), "subjectAltName": (("URI", uri),) if uri else ()}

        self.read = 0

    def getpeercert(self, binary_form: bool = False):
        shown = bool(self.certificate["subject"][-1][0][1])
        if binary_form:
            return repr(self.certificate).encode() if shown else None
        self.read += 1
        return self.certificate if shown else {}


def node_handshake(cluster: str = CLUSTER, node_id: str = "a" * 16) -> Handshake:
    return Handshake(name="system:node:alpha", groups=("system:nodes",), uri=f"swarmlet://{cluster}/node/{node_id}")


def authenticator(token: Token | None = None, clock: FixedClock | None = None) -> Authenticator:
    known = {token.metadata.name: token} if token else {}
    return Authenticator(
        cluster_id=CLUSTER, clock=clock or FixedClock(), find_token=known.get, is_member=lambda node: node == "a" * 16
    )


def api_token(ttl: timedelta | None = timedelta(hours=1)) -> Token:
    return tokens.stored(
        token_id="abcdefgh", secret=SECRET, usage=tokens.API, now=NOW, ttl=ttl, user="ann", groups=("dev",)
    )


BEARER = "Bearer " + tokens.write_api_token("abcdefgh", SECRET)


def test_no_credential_is_anonymous() -> None:
    assert authenticator().authenticate(None) == ANONYMOUS
    assert authenticator().authenticate(Handshake()) == ANONYMOUS


def test_a_certificate_is_taken_apart_once_however_many_requests_come_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "CERTIFICATES_MAX", 2)
    door, ann, bob, eve = authenticator(), *(Handshake(name=name) for name in ("ann", "bob", "eve"))
    for _ in range(3):
        assert [door.authenticate(each).name for each in (ann, bob)] == ["ann", "bob"]
    assert (ann.read, bob.read) == (1, 1)
    assert [door.authenticate(each).name for each in (eve, ann, bob)] == ["eve", "ann", "bob"]
    assert len(door._certificates) <= 2


def test_the_unix_socket_is_the_local_admin() -> None:
    assert authenticator().authenticate(None, local=True) == LOCAL_ADMIN


def test_a_member_is_known_by_its_certificate() -> None:
    assert authenticator().authenticate(node_handshake()) == NODE


def test_a_removed_node_is_nobody_though_its_certificate_is_valid() -> None:
    with pytest.raises(UnauthorizedError, match="not a member"):
        authenticator().authenticate(node_handshake(node_id="f" * 16))


def test_a_node_of_another_cluster_is_nobody() -> None:
    with pytest.raises(UnauthorizedError, match="cluster"):
        authenticator().authenticate(node_handshake(cluster="d" * 16))


def test_a_user_certificate_gives_name_and_groups() -> None:
    assert authenticator().authenticate(Handshake(name="ann", groups=("dev",))) == ANN


def test_a_certificate_that_claims_to_be_a_node_without_its_uri_is_nobody() -> None:
    with pytest.raises(UnauthorizedError):
        authenticator().authenticate(Handshake(name="system:node:alpha", groups=("system:nodes",)))


def test_a_bearer_token_speaks_for_its_user() -> None:
    assert authenticator(api_token()).authenticate(None, BEARER) == ANN


def test_a_bearer_token_ceases_when_it_expires() -> None:
    with pytest.raises(UnauthorizedError, match="expired"):
        authenticator(api_token(), FixedClock(NOW + timedelta(hours=2))).authenticate(None, BEARER)


@pytest.mark.parametrize(
    "header",
    ["Basic YTpi", "Bearer", "Bearer x", BEARER[:-1], "Bearer " + "x" * 10_000],
    ids=["another scheme", "no token", "short", "one digit less", "very long"],
)
def test_a_wrong_authorization_is_refused_and_not_taken_for_anonymous(header: str) -> None:
    with pytest.raises(UnauthorizedError):
        authenticator(api_token()).authenticate(None, header)


@pytest.mark.parametrize("path", ["/version", "/healthz", "/readyz", "/livez", "/swarmlet/v1/ca"])
def test_everybody_may_read_the_public_paths(path: str) -> None:
    assert access.allowed(ANONYMOUS, Attributes(verb="get", path=path))


@pytest.mark.parametrize(
    "asked",
    [
        Attributes(verb="get", path="/api"),
        Attributes(verb="get", path="/metrics"),
        Attributes(verb="post", path="/swarmlet/v1/ca"),
        Attributes(verb="get", path="/swarmlet/v1/ca-key"),
        Attributes(verb="list", path="/version", resource="pods"),
        Attributes(verb="post", path="/swarmlet/v1/tokens"),
    ],
)
def test_anonymous_may_nothing_else(asked: Attributes) -> None:
    assert not access.allowed(ANONYMOUS, asked)


def test_masters_may_everything() -> None:
    assert access.allowed(ADMIN, Attributes(verb="delete", resource="secrets", namespace="kube-system"))
    assert access.allowed(ADMIN, Attributes(verb="post", path="/swarmlet/v1/certificates"))


def test_a_known_user_may_read_discovery_and_no_more() -> None:
    assert access.allowed(ANN, Attributes(verb="get", path="/apis/apps/v1"))
    assert not access.allowed(ANN, Attributes(verb="list", resource="pods", namespace="default"))
    assert not access.allowed(ANN, Attributes(verb="create", resource="pods/exec", namespace="default"))
    assert not access.allowed(ANN, Attributes(verb="post", path="/swarmlet/v1/certificates"))


def test_a_node_may_what_agents_need_and_no_more() -> None:
    assert access.allowed(NODE, Attributes(verb="update", resource="pods/status", namespace="default"))
    assert access.allowed(NODE, Attributes(verb="create", resource="pods/exec", namespace="default"))
    assert not access.allowed(NODE, Attributes(verb="create", api_group="apps", resource="deployments"))
    assert not access.allowed(NODE, Attributes(verb="post", path="/swarmlet/v1/certificates"))


def test_a_refusal_speaks_kubernetes_words() -> None:
    with pytest.raises(ForbiddenError) as caught:
        access.authorize(ANN, Attributes(verb="list", resource="deployments", api_group="apps", namespace="default"))
    assert str(caught.value) == (
        'deployments.apps is forbidden: User "ann" cannot list resource "deployments" in API group "apps" '
        'in the namespace "default"'
    )
