"""authentication.k8s.io/v1: asking for a ServiceAccount's token, and asking whose a token is.

Source: k8s.io/api/authentication/v1/types.go.
"""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct, Time, always
from swarmlet.model.meta import Object
from swarmlet.model.reviews import UserInfo

EXPIRATION_SECONDS_DEFAULT = 3_600
EXPIRATION_SECONDS_MIN = 600
EXPIRATION_SECONDS_MAX = 1 << 32
AUDIENCE = "https://kubernetes.default.svc.cluster.local"
"""Whom a token is for that names nobody: this cluster's API, which is also who issues it."""


class BoundObjectReference(ApiStruct, frozen=True, kw_only=True):
    kind: str = ""
    api_version: str = ""
    name: str = ""
    uid: str = ""


class TokenRequestSpec(ApiStruct, frozen=True, kw_only=True):
    audiences: tuple[str, ...] = ()
    expiration_seconds: int | None = None
    bound_object_ref: BoundObjectReference | None = None


class TokenRequestStatus(ApiStruct, frozen=True, kw_only=True):
    token: str = ""
    expiration_timestamp: Time | None = None

    def __repr__(self) -> str:
        """Hide the token: a repr ends in logs."""
        return "TokenRequestStatus(...)"


class TokenRequest(Object, frozen=True, kw_only=True):
    api_version: str = always("authentication.k8s.io/v1")
    kind: str = always("TokenRequest")
    spec: TokenRequestSpec = TokenRequestSpec()
    status: TokenRequestStatus = TokenRequestStatus()


class TokenReviewSpec(ApiStruct, frozen=True, kw_only=True):
    token: str = ""
    audiences: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Hide the token: a repr ends in logs."""
        return "TokenReviewSpec(...)"


class TokenReviewStatus(ApiStruct, frozen=True, kw_only=True):
    """`error` says why a token is nobody's."""

    authenticated: bool = False
    user: UserInfo = UserInfo()
    audiences: tuple[str, ...] = ()
    error: str = ""


class TokenReview(Object, frozen=True, kw_only=True):
    api_version: str = always("authentication.k8s.io/v1")
    kind: str = always("TokenReview")
    spec: TokenReviewSpec = TokenReviewSpec()
    status: TokenReviewStatus = msgspec.field(default_factory=TokenReviewStatus)
