"""Join tokens and API tokens: made, written, read and checked. Of a secret the cluster keeps the hash alone.

A join token reads `swarmlet_join_1_<CA>_<id>_<secret>`: 32 base32 digits (160 bits) of the SHA-256 of the CA
certificate, 8 that name the token, 26 (130 bits) of secret. An API token reads `swarmlet_api_<id>_<secret>`.
Underscores, so that a double click takes the whole.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from swarmlet.errors import InvalidError, UnauthorizedError
from swarmlet.model.base import clock_time
from swarmlet.model.cluster import Token
from swarmlet.model.meta import ObjectMeta

JOIN = "join"
API = "api"
JOIN_TTL_DEFAULT = timedelta(hours=24)
TTL_MIN = timedelta(minutes=1)
TTL_MAX = timedelta(days=3650)

RandomBytes = Callable[[int], bytes]
"""The source of secrets: `secrets.token_bytes`, or a seeded one in a simulation."""

_JOIN_FORM = re.compile(r"swarmlet_join_1_([a-z2-7]{32})_([a-z2-7]{8})_([a-z2-7]{26})")
_API_FORM = re.compile(r"swarmlet_api_([a-z2-7]{8})_([a-z2-7]{26})")


@dataclass(frozen=True, slots=True)
class JoinToken:
    """What a new machine needs: which CA to trust, and proof that it was invited."""

    authority_hash: str
    token_id: str
    secret: str = field(repr=False)

    def __str__(self) -> str:
        return f"swarmlet_join_1_{self.authority_hash}_{self.token_id}_{self.secret}"

    @classmethod
    def parse(cls, text: str) -> JoinToken:
        """Read what the user pasted; raise `InvalidError`, which does not repeat it, where it is none."""
        match = _JOIN_FORM.fullmatch(text.strip())
        if match is None:
            raise InvalidError(
                "token: not a join token, or cut off; it reads swarmlet_join_1_..., 84 characters in all"
            )
        return cls(*match.groups())

    def trusts(self, authority_sha256: bytes) -> bool:
        """Whether a CA certificate with this hash is the one that the token was made for."""
        return hmac.compare_digest(self.authority_hash, authority_hash(authority_sha256))


def new_token_id(random_bytes: RandomBytes = secrets.token_bytes) -> str:
    """Return a token's public name."""
    return _base32(random_bytes(5))


def new_secret(random_bytes: RandomBytes = secrets.token_bytes) -> str:
    """Return 130 bits that nobody guesses."""
    return _base32(random_bytes(17))[:26]


def new_id(random_bytes: RandomBytes = secrets.token_bytes) -> str:
    """Return a cluster id or a node id: 16 hexadecimal digits."""
    return random_bytes(8).hex()


def authority_hash(authority_sha256: bytes) -> str:
    """Return the part of a CA certificate's hash that a join token carries."""
    return _base32(authority_sha256[:20])


def write_api_token(token_id: str, secret: str) -> str:
    """Return what a client sends as its bearer token."""
    return f"swarmlet_api_{token_id}_{secret}"


def stored(  # noqa: PLR0913  a record's fields, all by keyword
    *,
    token_id: str,
    secret: str,
    usage: str,
    now: datetime,
    ttl: timedelta | None,
    user: str = "",
    groups: tuple[str, ...] = (),
    description: str = "",
) -> Token:
    """Return the object that the cluster keeps of a token; `ttl` None: it never expires."""
    return Token(
        metadata=ObjectMeta(name=token_id, creation_timestamp=clock_time(now)),
        usage=usage,
        secret_sha256=_hash(secret),
        expires=clock_time(now + ttl) if ttl else None,
        user=user,
        groups=groups,
        description=description,
    )


def check(token: Token | None, *, usage: str, secret: str, now: datetime) -> Token:
    """Return the token if `secret` is its own and it is still good; raise `UnauthorizedError` otherwise.

    An unknown token and a wrong secret cost the same time and read the same.
    """
    matches = hmac.compare_digest(token.secret_sha256 if token else _hash(""), _hash(secret))
    if token is None or not matches or token.usage != usage:
        raise UnauthorizedError(f"wrong {usage} token: make one with `swarmlet token create` on a member")
    if token.expires is not None and now >= token.expires:
        raise UnauthorizedError(
            f"the {usage} token expired at {token.expires:%Y-%m-%d %H:%M:%S} UTC; "
            "make another with `swarmlet token create` on a member"
        )
    return token


def parse_api_token(text: str) -> tuple[str, str]:
    """Return (token id, secret) of a bearer token; raise `UnauthorizedError` where it is none."""
    match = _API_FORM.fullmatch(text)
    if match is None:
        raise UnauthorizedError("wrong api token: it reads swarmlet_api_..., as `swarmlet token create` printed it")
    return match[1], match[2]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _base32(content: bytes) -> str:
    return base64.b32encode(content).decode().lower().rstrip("=")
