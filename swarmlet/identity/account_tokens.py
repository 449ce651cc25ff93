"""Tokens of ServiceAccounts: JSON Web Tokens that any daemon issues and any daemon checks, and that none has to store.

    tokens = AccountTokens(clock=clock, find=find)
    told = tokens.issue(account, TokenRequestSpec(expiration_seconds=3607, bound_object_ref=...))
    tokens.check(told.token)    # User("system:serviceaccount:shop:web", ...), or UnauthorizedError
    lasting(account, secret, find)    # one without an end, which holds for as long as its Secret has it

They are signed (ES256) with a key of their own, which every daemon derives from that of the cluster's authority: HKDF
(RFC 5869), then FIPS 186-5 A.2.1. A token is worth something for as long as its account and what it is bound to are
there. Source: kubernetes pkg/serviceaccount/claims.go, KEP-1205.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from swarmlet.clock import Clock
from swarmlet.errors import UnauthorizedError, UnavailableError
from swarmlet.identity.users import AUTHENTICATED, User
from swarmlet.model import kinds
from swarmlet.model.account_tokens import (
    AUDIENCE,
    EXPIRATION_SECONDS_DEFAULT,
    EXPIRATION_SECONDS_MAX,
    TokenRequestSpec,
    TokenRequestStatus,
)
from swarmlet.model.base import clock_time
from swarmlet.model.cluster import THE_CLUSTER, ClusterIdentity
from swarmlet.model.core import Secret
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object
from swarmlet.model.service_accounts import TOKEN_KEY, ServiceAccount

ISSUER = AUDIENCE
ALGORITHM = "ES256"
USER_PREFIX = "system:serviceaccount:"
ACCOUNTS_GROUP = "system:serviceaccounts"
POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
LEEWAY = timedelta(seconds=5)
"""How far the clock of who issued a token may be ahead of that of who checks it."""

BOUND_KINDS = {"Pod": kinds.POD, "Secret": kinds.SECRET, "Node": kinds.NODE}
"""What a token may be bound to."""

_FORM = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_PURPOSE = b"swarmlet ServiceAccount tokens, version 1"
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_DERIVED_BYTES = 40
"""64 bits more than the order has, so that no key is likelier than another."""

Find = Callable[[Kind, str, str], Object | None]
"""Looks up an object by kind, namespace ("" for none) and name."""


class _Named(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str = ""
    uid: str = ""


class _Bindings(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claim `kubernetes.io`."""

    namespace: str
    serviceaccount: _Named
    pod: _Named | None = None
    secret: _Named | None = None
    node: _Named | None = None


class _Claims(msgspec.Struct, frozen=True):
    aud: tuple[str, ...]
    sub: str
    kubernetes: _Bindings = msgspec.field(name="kubernetes.io")


class AccountTokens:
    """Issues and checks them on one daemon. `find` looks into the local replica."""

    def __init__(self, *, clock: Clock, find: Find) -> None:
        self._clock = clock
        self._find = find

    def issue(self, account: ServiceAccount, spec: TokenRequestSpec) -> TokenRequestStatus:
        """Return a token as it was asked for, which was checked before.

        Raises `UnavailableError` on a daemon that has not caught up with its cluster.
        """
        now = clock_time(self._clock.now())
        seconds = spec.expiration_seconds or EXPIRATION_SECONDS_DEFAULT
        expires = now + timedelta(seconds=min(seconds, EXPIRATION_SECONDS_MAX))
        metadata, bound = account.metadata, spec.bound_object_ref
        held: dict[str, Any] = {bound.kind.lower(): _Named(bound.name, bound.uid)} if bound else {}
        bindings = _Bindings(metadata.namespace, _Named(metadata.name, metadata.uid), **held)
        times = {"iat": now, "nbf": now, "exp": expires}
        token = _signed(_key(self._find), bindings, spec.audiences or (AUDIENCE,), times)
        return TokenRequestStatus(token=token, expiration_timestamp=expires)

    def check(self, token: str, audiences: Sequence[str] = (AUDIENCE,)) -> tuple[User, tuple[str, ...]]:
        """Return whose a token is, and for which of the `audiences` it is; raise `UnauthorizedError`."""
        now = self._clock.now()
        try:
            found = jwt.decode(
                token,
                _key(self._find).private.public_key(),
                algorithms=[ALGORITHM],
                audience=list(audiences),
                issuer=ISSUER,
                options={
                    "require": ["iss", "sub", "aud"],
                    # The times are held against this daemon's clock below; in a simulation it is not the machine's.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            claims = msgspec.convert(found, _Claims)
            times = (float(found["nbf"]), float(found["exp"])) if "exp" in found else None
        except (jwt.InvalidTokenError, msgspec.ValidationError, LookupError, TypeError, ValueError) as error:
            raise UnauthorizedError(f"the token of a service account is not valid: {error}") from error
        if times is None:
            self._check_kept(claims, token)
        else:
            _check_times(*times, now.timestamp())
        return self._user(claims), tuple(each for each in audiences if each in claims.aud)

    def key_set(self) -> dict[str, Any]:
        """Return the JSON Web Key Set with which others check these tokens (RFC 7517)."""
        key = _key(self._find)
        told = jwt.algorithms.ECAlgorithm.to_jwk(key.private.public_key(), as_dict=True)
        return {"keys": [{"use": "sig", "alg": ALGORITHM, "kid": key.name, **told}]}

    def _user(self, claims: _Claims) -> User:
        """Return the account's user, where it and what the token is bound to are what they were."""
        bindings = claims.kubernetes
        namespace, account = bindings.namespace, bindings.serviceaccount
        self._check_there(kinds.SERVICE_ACCOUNT, namespace, account)
        for name, kind in BOUND_KINDS.items():
            bound: _Named | None = getattr(bindings, name.lower())
            if bound is not None:
                self._check_there(kind, namespace if kind.namespaced else "", bound)
        pod = bindings.pod
        return User(
            f"{USER_PREFIX}{namespace}:{account.name}",
            (ACCOUNTS_GROUP, f"{ACCOUNTS_GROUP}:{namespace}", AUTHENTICATED),
            uid=account.uid,
            extra=((POD_NAME, pod.name), (POD_UID, pod.uid)) if pod else (),
        )

    def _check_there(self, kind: Kind, namespace: str, named: _Named) -> None:
        found = self._find(kind, namespace, named.name)
        if found is None or found.metadata.uid != named.uid:
            what = f"{namespace}/{named.name}" if namespace else named.name
            raise UnauthorizedError(f"service account token is of a {kind.singular} that is gone: {what}")

    def _check_kept(self, claims: _Claims, token: str) -> None:
        """Raise `UnauthorizedError` unless a token without an end is the one that its Secret has."""
        bindings = claims.kubernetes
        secret = self._find(kinds.SECRET, bindings.namespace, bindings.secret.name) if bindings.secret else None
        kept = secret.data.get(TOKEN_KEY, "") if isinstance(secret, Secret) else ""
        if not secrets.compare_digest(kept.encode(), base64.b64encode(token.encode())):
            raise UnauthorizedError("service account token is not the one that its secret has")


def lasting(account: ServiceAccount, secret: Secret, find: Find) -> str:
    """Return a token without an end, to be put into a Secret, with which and with whose token it ends.

    Raises `UnavailableError` where `find` knows no cluster.
    """
    metadata, holder = account.metadata, secret.metadata
    bindings = _Bindings(
        metadata.namespace, _Named(metadata.name, metadata.uid), secret=_Named(holder.name, holder.uid)
    )
    return _signed(_key(find), bindings, (AUDIENCE,), {})


def _signed(key: _Key, bindings: _Bindings, audiences: Sequence[str], times: dict[str, datetime]) -> str:
    claims = {
        "iss": ISSUER,
        "sub": USER_PREFIX + f"{bindings.namespace}:{bindings.serviceaccount.name}",
        "aud": list(audiences),
        **times,
        "kubernetes.io": msgspec.to_builtins(bindings),
    }
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.name})


def _check_times(begins: float, ends: float, now: float) -> None:
    if now >= ends:
        raise UnauthorizedError("service account token has expired")
    if now < begins - LEEWAY.total_seconds():
        raise UnauthorizedError("service account token is not valid yet")


def _key(find: Find) -> _Key:
    cluster = find(kinds.CLUSTER_IDENTITY, "", THE_CLUSTER)
    if not isinstance(cluster, ClusterIdentity):
        raise UnavailableError("this daemon has not caught up with the cluster yet; ask another, or wait")
    return _derived(cluster.ca_key)


def is_one(token: str) -> bool:
    """Whether a bearer token has the form of a JSON Web Token: three parts of base64url."""
    return _FORM.fullmatch(token) is not None


def discovery() -> dict[str, Any]:
    """Return where others find the keys, as OpenID Connect Discovery 1.0 has it."""
    return {
        "issuer": ISSUER,
        "jwks_uri": f"{ISSUER}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
    }


@dataclass(frozen=True, slots=True)
class _Key:
    """What signs tokens. Its name is Kubernetes': base64url of the hash of its public half."""

    private: ec.EllipticCurvePrivateKey = field(repr=False)
    name: str


@functools.lru_cache(maxsize=4)
def _derived(authority_key_pem: str) -> _Key:
    """Return the key of a cluster. The authority's own signs certificates, and nothing else."""
    authority = serialization.load_pem_private_key(authority_key_pem.encode(), password=None)
    assert isinstance(authority, ec.EllipticCurvePrivateKey), "the authority's key is made by `identity.authority`"
    secret = authority.private_numbers().private_value.to_bytes(32, "big")
    derived = HKDF(algorithm=hashes.SHA256(), length=_DERIVED_BYTES, salt=None, info=_PURPOSE).derive(secret)
    private = ec.derive_private_key(int.from_bytes(derived, "big") % (_P256_ORDER - 1) + 1, ec.SECP256R1())
    der = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _Key(private, base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode())
