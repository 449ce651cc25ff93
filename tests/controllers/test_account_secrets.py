"""Secrets that hold a token of an account: filled, good for as long as they have it, and gone with the account."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from swarmlet.api.access.account_tokens import tokens_of
from swarmlet.errors import UnauthorizedError
from swarmlet.identity.authority import Authority
from swarmlet.model import kinds
from swarmlet.model.cluster import THE_CLUSTER, ClusterIdentity
from swarmlet.model.core import Secret
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.service_accounts import NAME_ANNOTATION, UID_ANNOTATION, ServiceAccount
from tests.controllers.world import World

TYPE = "kubernetes.io/service-account-token"
YEARS = timedelta(days=3_000)
AUTHORITY = Authority.create("0123456789abcdef", datetime(2026, 1, 1, tzinfo=UTC))


class LaterClock:
    """A clock that is years ahead: no time ends such a token."""

    def now(self) -> datetime:
        return datetime.now(UTC) + YEARS

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


async def prepare(world: World) -> None:
    identity = ClusterIdentity(
        metadata=ObjectMeta(name=THE_CLUSTER, uid="c"),
        cluster_id="0123456789abcdef",
        ca_certificate=AUTHORITY.certificate_pem,
        ca_key=AUTHORITY.key_pem,
    )
    await world.create(kinds.CLUSTER_IDENTITY, identity)
    await world.create(kinds.SERVICE_ACCOUNT, ServiceAccount(metadata=named("web")))
    await make(world)


def named(name: str, **annotations: str) -> ObjectMeta:
    return ObjectMeta(name=name, namespace="default", annotations=annotations)


async def make(world: World, name: str = "web-token", account: str = "web", **data: str) -> None:
    metadata = named(name, **{NAME_ANNOTATION: account})
    await world.create(kinds.SECRET, Secret(metadata=metadata, type=TYPE, data=data))
    await world.pass_time(1)


def held(world: World, key: str = "token", name: str = "web-token") -> str:
    return base64.b64decode(world.stored(kinds.SECRET, name).object.data[key]).decode()


def exists(world: World, name: str = "web-token") -> bool:
    return any(each.key.name == name for each in world.replica.view.list(kinds.SECRET.resource))


async def test_a_secret_gets_a_token_without_an_end_that_speaks_for_the_account() -> None:
    async with World(nodes=1) as world:
        await prepare(world)
        assert held(world, "ca.crt") == AUTHORITY.certificate_pem
        assert held(world, "namespace") == "default"
        account = world.stored(kinds.SERVICE_ACCOUNT, "web").object
        assert world.stored(kinds.SECRET, "web-token").object.metadata.annotations[UID_ANNOTATION] == (
            account.metadata.uid
        )
        assert "exp" not in jwt.decode(held(world), options={"verify_signature": False})
        user, _ = tokens_of(world.replica.view, LaterClock()).check(held(world))
        assert (user.name, user.uid) == ("system:serviceaccount:default:web", account.metadata.uid)


async def test_what_a_user_has_put_in_stays_and_what_is_taken_out_is_made_anew() -> None:
    async with World(nodes=1) as world:
        await prepare(world)
        first = held(world)
        await world.change(kinds.SECRET, "web-token", lambda secret: replaced(secret, more="eA=="))
        await world.pass_time(1)
        assert (held(world), held(world, "more")) == (first, "x")
        await world.change(kinds.SECRET, "web-token", lambda secret: replaced(secret, token=""))
        await world.pass_time(1)
        assert held(world) != first
        tokens = tokens_of(world.replica.view, LaterClock())
        tokens.check(held(world))
        with pytest.raises(UnauthorizedError, match="not the one that its secret has"):
            tokens.check(first)


def replaced(secret: Secret, **data: str) -> Secret:
    return Secret(metadata=secret.metadata, type=secret.type, data=secret.data | data)


async def test_the_token_ends_with_its_secret_and_the_secret_with_its_account() -> None:
    async with World(nodes=1) as world:
        await prepare(world)
        token, tokens = held(world), tokens_of(world.replica.view, LaterClock())
        await world.delete(kinds.SECRET, "web-token")
        with pytest.raises(UnauthorizedError, match="not the one that its secret has"):
            tokens.check(token)
        await make(world)
        with pytest.raises(UnauthorizedError, match="not the one that its secret has"):
            tokens.check(token)  # another secret by the same name
        await world.delete(kinds.SERVICE_ACCOUNT, "web")
        await world.pass_time(1)
        assert not exists(world)


async def test_a_secret_of_no_account_goes_and_others_are_left_alone() -> None:
    async with World(nodes=1) as world:
        await prepare(world)
        await make(world, "orphan", "nobody")
        await world.create(kinds.SECRET, Secret(metadata=named("plain", **{NAME_ANNOTATION: "web"}), type="Opaque"))
        await world.pass_time(1)
        assert not exists(world, "orphan")
        assert world.stored(kinds.SECRET, "plain").object.data == {}


async def test_an_account_made_anew_does_not_inherit_the_secret() -> None:
    async with World(nodes=1) as world:
        await prepare(world)
        metadata = named("web-old", **{NAME_ANNOTATION: "web", UID_ANNOTATION: "another"})
        await world.create(kinds.SECRET, Secret(metadata=metadata, type=TYPE))
        await world.pass_time(1)
        assert not exists(world, "web-old")
        assert exists(world)
