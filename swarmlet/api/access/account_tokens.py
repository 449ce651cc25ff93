"""Tokens of ServiceAccounts over the API: the subresource `token`, and where others learn how to check them.

Source: kubernetes pkg/registry/core/serviceaccount/storage/token.go, KEP-1205, KEP-1393.
"""

from __future__ import annotations

from typing import cast

import msgspec
from aiohttp import web

from swarmlet.api import answers, bodies, queries
from swarmlet.api.targets import Target
from swarmlet.api.writing import admission
from swarmlet.clock import Clock
from swarmlet.errors import ConflictError, InvalidError, NotFoundError
from swarmlet.identity import account_tokens
from swarmlet.identity.access import ISSUER_PATHS
from swarmlet.identity.account_tokens import AccountTokens
from swarmlet.model import decode, objects
from swarmlet.model.account_tokens import (
    AUDIENCE,
    EXPIRATION_SECONDS_DEFAULT,
    EXPIRATION_SECONDS_MAX,
    EXPIRATION_SECONDS_MIN,
    BoundObjectReference,
    TokenRequest,
)
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.pod import Pod
from swarmlet.model.problems import Problems, refusal
from swarmlet.model.service_accounts import ServiceAccount
from swarmlet.store.commands import Key
from swarmlet.store.replica import Replica, View

AUDIENCES_MAX = 16
KEY_SET_SECONDS = 3_600
"""For how long others may keep the keys."""


def tokens_of(view: View, clock: Clock) -> AccountTokens:
    """Return what issues and checks tokens by a daemon's replica."""

    def find(kind: Kind, namespace: str, name: str) -> Object | None:
        stored = view.get(Key(kind.resource, namespace, name))
        return stored.object if stored else None

    return AccountTokens(clock=clock, find=find)


class AccountTokenApi:
    """Answers requests for tokens, and for the keys that they are signed with."""

    def __init__(self, *, replica: Replica, tokens: AccountTokens) -> None:
        self._replica = replica
        self._tokens = tokens

    def routes(self) -> tuple[web.RouteDef, ...]:
        """Return the paths that this answers."""
        discovery, keys = ISSUER_PATHS
        return (web.get(discovery, self._get_discovery), web.get(keys, self._get_keys))

    async def create(self, request: web.Request, target: Target) -> web.Response:
        """Answer a POST of a TokenRequest."""
        options = queries.write_options(request.query, request.headers.get("User-Agent", ""))
        document = await bodies.document(request)
        decoded = decode.decode_as(TokenRequest, document)
        asked = cast("TokenRequest", admission.accepted(decoded, options, request[answers.WARNINGS]))
        await self._replica.linearize()
        stored = self._replica.view.get(target.key)
        if stored is None:
            raise NotFoundError(f"{target.qualified} not found")
        account = cast("ServiceAccount", stored.object)
        complete = self._completed(asked, account)
        metadata = ObjectMeta(name=target.name, namespace=target.namespace, creation_timestamp=None)
        told = msgspec.structs.replace(complete, metadata=metadata)
        if not options.dry_run:
            told = msgspec.structs.replace(told, status=self._tokens.issue(account, complete.spec))
        return answers.json(objects.to_json(told), code=201)

    def _completed(self, asked: TokenRequest, account: ServiceAccount) -> TokenRequest:
        """Return a request with what it leaves out; raise where it asks for what cannot be had."""
        spec, problems = asked.spec, Problems()
        place = problems.at("spec")
        seconds = EXPIRATION_SECONDS_DEFAULT if spec.expiration_seconds is None else spec.expiration_seconds
        if seconds < EXPIRATION_SECONDS_MIN:
            place.field("expirationSeconds").invalid(seconds, "may not specify a duration less than 10 minutes")
        if seconds > EXPIRATION_SECONDS_MAX:
            place.field("expirationSeconds").invalid(seconds, "may not specify a duration larger than 2^32 seconds")
        if len(spec.audiences) > AUDIENCES_MAX:
            place.field("audiences").too_many(len(spec.audiences), AUDIENCES_MAX)
        bound = spec.bound_object_ref
        if bound is not None and bound.kind not in account_tokens.BOUND_KINDS:
            place.field("boundObjectRef").field("kind").unsupported(bound.kind, tuple(account_tokens.BOUND_KINDS))
        if problems.causes:
            raise refusal(asked, problems.causes)
        complete = msgspec.structs.replace(
            spec,
            audiences=spec.audiences or (AUDIENCE,),
            expiration_seconds=seconds,
            bound_object_ref=self._bound(bound, account) if bound else None,
        )
        return msgspec.structs.replace(asked, spec=complete)

    def _bound(self, reference: BoundObjectReference, account: ServiceAccount) -> BoundObjectReference:
        """Return what a token is to be bound to, with its uid."""
        kind = account_tokens.BOUND_KINDS[reference.kind]
        namespace = account.metadata.namespace if kind.namespaced else ""
        stored = self._replica.view.get(Key(kind.resource, namespace, reference.name))
        if stored is None:
            raise NotFoundError(f'{kind.resource} "{reference.name}" not found')
        uid = stored.object.metadata.uid
        if reference.uid not in ("", uid):
            raise ConflictError(
                f'Operation cannot be fulfilled on {kind.resource} "{reference.name}": the UID in the bound object '
                f"reference ({reference.uid}) does not match the UID in record. The object might have been deleted "
                "and then recreated"
            )
        if isinstance(stored.object, Pod) and stored.object.spec.service_account_name != account.metadata.name:
            told = (
                f'cannot bind token for serviceaccount "{account.metadata.name}" to pod running with different '
                "serviceaccount name."
            )
            raise InvalidError(told, (("spec.boundObjectRef", told),))
        return msgspec.structs.replace(reference, uid=uid, api_version=kind.api_version)

    async def _get_discovery(self, _request: web.Request) -> web.Response:
        return _kept(account_tokens.discovery())

    async def _get_keys(self, _request: web.Request) -> web.Response:
        return _kept(self._tokens.key_set(), "application/jwk-set+json")


def _kept(document: dict[str, object], content_type: str = "application/json") -> web.Response:
    response = web.Response(body=msgspec.json.encode(document), content_type=content_type)
    response.headers["Cache-Control"] = f"public, max-age={KEY_SET_SECONDS}"
    return response
