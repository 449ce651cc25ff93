"""`/swarmlet/v1/*`: the CA, joins, tokens, user certificates, leaving and removing nodes.

The app's middleware has authenticated and authorised each request before a handler runs (only the CA and a join are
open to everybody), and turns the errors raised here into Kubernetes Status documents.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
import structlog
from aiohttp import web

from swarmlet import errors
from swarmlet.api.middleware import USER
from swarmlet.api.operations.membership import Membership, token_key
from swarmlet.clock import Clock
from swarmlet.identity import authority, tokens
from swarmlet.identity.access import CA_PATH, JOIN_PATH, NODES_PATH
from swarmlet.identity.attempts import Attempts
from swarmlet.identity.joining import JoinRequest
from swarmlet.identity.tokens import JoinToken, RandomBytes
from swarmlet.model import kinds, objects
from swarmlet.model.cluster import Token
from swarmlet.store.commands import Delete, Put, Verdict
from swarmlet.store.replica import Replica

BODY_BYTES_MAX = 64 * 1024
TOKENS_MAX = 10_000
TOKENS_PATH = "/swarmlet/v1/tokens"
CERTIFICATES_PATH = "/swarmlet/v1/certificates"
LEAVE_PATH = "/swarmlet/v1/leave"

log = structlog.get_logger()
Body = TypeVar("Body")


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`ttl_seconds` 0: the token never expires. `user` and `groups` are for usage "api"."""

    usage: str = tokens.JOIN
    ttl_seconds: float = tokens.JOIN_TTL_DEFAULT.total_seconds()
    user: str = ""
    groups: tuple[str, ...] = ()
    description: str = ""


class TokenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is listed; `token`, the whole of it, is told once, when it is made."""

    id: str
    usage: str
    expires: datetime | None
    created: datetime | None
    user: str = ""
    groups: tuple[str, ...] = ()
    description: str = ""
    token: str = ""


class CertificateRequest(msgspec.Struct, frozen=True, kw_only=True):
    csr: str
    user: str
    groups: tuple[str, ...] = ()


class CertificateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`server` is the URL under which this daemon is reached, for the kubeconfig."""

    cluster_id: str
    certificate: str
    ca: str
    expires: datetime
    server: str


class ClusterApi:
    """The handlers.

    Args:
        membership: admits and removes.
        replica: where tokens are kept.
        clock: stamps them.
        authority_pem: the CA certificate of this daemon's data folder, answered even without quorum.
        advertise: where other machines reach this daemon.
        left: called when this node has left, before the answer goes out: the daemon is to end gracefully.
        random_bytes: the source of secrets.
    """

    def __init__(
        self,
        *,
        membership: Membership,
        replica: Replica,
        clock: Clock,
        authority_pem: str,
        advertise: str,
        left: Callable[[], None],
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        self._membership = membership
        self._replica = replica
        self._clock = clock
        self._authority_pem = authority_pem
        self._advertise = advertise
        self._left = left
        self._random_bytes = random_bytes
        self._attempts = Attempts()

    def routes(self) -> list[web.RouteDef]:
        """Return what the app is to serve."""
        return [
            web.get(CA_PATH, self._get_authority),
            web.post(JOIN_PATH, self._join),
            web.get(TOKENS_PATH, self._list_tokens),
            web.post(TOKENS_PATH, self._create_token),
            web.delete(TOKENS_PATH + "/{id}", self._revoke_token),
            web.post(CERTIFICATES_PATH, self._sign_certificate),
            web.post(LEAVE_PATH, self._leave),
            web.delete(NODES_PATH + "/{name}", self._remove_node),
        ]

    async def _get_authority(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._authority_pem, content_type="application/x-pem-file")

    async def _join(self, request: web.Request) -> web.Response:
        address = request.remote or ""
        self._attempts.check(address, self._clock.monotonic())
        try:
            answer = await self._membership.admit(await _decoded(request, JoinRequest))
        except errors.CallerError as error:
            self._attempts.failed(address, self._clock.monotonic())
            log.warning("join_refused", address=address, reason=str(error))
            raise
        return _answer(answer, status=201)

    async def _list_tokens(self, _request: web.Request) -> web.Response:
        await self._replica.linearize()
        found = [stored.object for stored in self._replica.view.list(kinds.TOKEN.resource)]
        return _answer({"items": [_described(token) for token in found if isinstance(token, Token)]})

    async def _create_token(self, request: web.Request) -> web.Response:
        wanted = await _decoded(request, TokenRequest)
        _check_wish(wanted)
        if len(self._replica.view.list(kinds.TOKEN.resource)) >= TOKENS_MAX:
            raise errors.BusyError(f"there are {TOKENS_MAX} tokens already; revoke some with `swarmlet token revoke`")
        secret = tokens.new_secret(self._random_bytes)
        token = tokens.stored(
            token_id=tokens.new_token_id(self._random_bytes),
            secret=secret,
            usage=wanted.usage,
            now=self._clock.now(),
            ttl=timedelta(seconds=wanted.ttl_seconds) if wanted.ttl_seconds else None,
            user=wanted.user,
            groups=wanted.groups,
            description=wanted.description,
        )
        token_id = token.metadata.name
        put = Put(token_key(token_id), objects.to_json(token), expected_revision=0)
        (outcome,) = await self._replica.propose([put])
        if outcome.verdict is not Verdict.DONE:
            raise errors.ConflictError(f"token {token_id}: {outcome.verdict.name.lower()}; try again")
        log.info("token_created", token_id=token_id, usage=token.usage, by=request[USER].name)
        whole = msgspec.structs.replace(_described(token), token=self._written(token, secret))
        return _answer(whole, status=201)

    async def _revoke_token(self, request: web.Request) -> web.Response:
        token_id = request.match_info["id"]
        (outcome,) = await self._replica.propose([Delete(token_key(token_id))])
        if outcome.verdict is Verdict.NOT_FOUND:
            raise errors.NotFoundError(f'tokens "{token_id}" not found')
        log.info("token_revoked", token_id=token_id, by=request[USER].name)
        return _answer({"id": token_id})

    async def _sign_certificate(self, request: web.Request) -> web.Response:
        wanted = await _decoded(request, CertificateRequest)
        ca = self._membership.authority()
        certificate = ca.sign_user(wanted.csr, wanted.user, wanted.groups, self._clock.now())
        log.info("certificate_signed", user=wanted.user, groups=wanted.groups, by=request[USER].name)
        return _answer(
            CertificateAnswer(
                cluster_id=ca.cluster_id,
                certificate=certificate,
                ca=ca.certificate_pem,
                expires=authority.expiry(certificate),
                server=f"https://{self._advertise}",
            ),
            status=201,
        )

    async def _leave(self, _request: web.Request) -> web.Response:
        await self._membership.leave()
        self._left()
        return _answer({})

    async def _remove_node(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        user = request[USER]
        if authority.NODES_GROUP in user.groups and user.name != authority.NODE_USER_PREFIX + name:
            raise errors.ForbiddenError(f'User "{user.name}" may remove only itself from the cluster')
        left = await self._membership.remove(name, force=_flag(request, "force"))
        if left:
            self._left()
        return _answer({"name": name})

    def _written(self, token: Token, secret: str) -> str:
        if token.usage == tokens.API:
            return tokens.write_api_token(token.metadata.name, secret)
        fingerprint = authority.authority_sha256(self._authority_pem)
        return str(JoinToken(tokens.authority_hash(fingerprint), token.metadata.name, secret))


def _check_wish(wanted: TokenRequest) -> None:
    if wanted.usage not in (tokens.JOIN, tokens.API):
        raise errors.InvalidError(f"usage: found {wanted.usage!r}; allowed: {tokens.JOIN}, {tokens.API}")
    ttl_min, ttl_max = tokens.TTL_MIN.total_seconds(), tokens.TTL_MAX.total_seconds()
    if wanted.ttl_seconds and not ttl_min <= wanted.ttl_seconds <= ttl_max:
        raise errors.InvalidError(
            f"ttl_seconds: found {wanted.ttl_seconds:g}; allowed: {ttl_min:g} to {ttl_max:g}, or 0 for a token "
            "that never expires"
        )
    if wanted.usage == tokens.API:
        authority.check_user(wanted.user, wanted.groups)
    elif wanted.user or wanted.groups:
        raise errors.InvalidError("user, groups: a join token speaks for nobody; leave them out or use usage api")


def _described(token: Token) -> TokenAnswer:
    return TokenAnswer(
        id=token.metadata.name,
        usage=token.usage,
        expires=token.expires,
        created=token.metadata.creation_timestamp,
        user=token.user,
        groups=token.groups,
        description=token.description,
    )


async def _decoded(request: web.Request, kind: type[Body]) -> Body:
    """Return the JSON body as `kind`; raise `TooLargeError` or `CallerError` naming what is wrong."""
    body = b""
    while chunk := await request.content.read(BODY_BYTES_MAX + 1 - len(body)):
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise errors.TooLargeError(f"the body is over {BODY_BYTES_MAX} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise errors.CallerError(f"the body is not what {request.path} takes: {error}") from error


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "") in ("true", "1", "True")


def _answer(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", status=status)
