"""Authentication: from what a connection shows (certificate, bearer token, the local socket) to a `User`."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from swarmlet.clock import Clock
from swarmlet.errors import UnauthorizedError
from swarmlet.identity import tls, tokens
from swarmlet.identity.authority import NODE_USER_PREFIX, NODES_GROUP
from swarmlet.model.cluster import Token

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
AUTHORIZATION_LENGTH_MAX = 4_096
CERTIFICATES_MAX = 256
"""Kept as they were read; one takes some 3 KB."""
_WEB_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
"""Three parts of base64url. An API token has no points."""


@dataclass(frozen=True, slots=True)
class User:
    """Who asks. `node_id` is set for a machine of the cluster, `uid` and `extra` for what runs in it.

    `impersonated_by` names who really asks, where that is somebody else.
    """

    name: str
    groups: tuple[str, ...]
    node_id: str = ""
    uid: str = ""
    extra: tuple[tuple[str, str], ...] = ()
    impersonated_by: str = ""


ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))
LOCAL_ADMIN = User("local-admin", (MASTERS, AUTHENTICATED))
"""Whoever may open the unix socket, which is root's (mode 0600)."""


class Authenticator:
    """Tells who a request comes from.

    Args:
        cluster_id: node certificates of any other cluster are refused.
        clock: for the expiry of tokens; the handshake has checked that of certificates.
        find_token: token id -> the stored token, from the local replica.
        is_member: node id -> whether it is one of this cluster now: a removed node's certificate is worth nothing.
        account_of: a JSON Web Token -> the ServiceAccount's user; raises `UnauthorizedError`. None: there are none.
    """

    def __init__(
        self,
        *,
        cluster_id: str,
        clock: Clock,
        find_token: Callable[[str], Token | None],
        is_member: Callable[[str], bool],
        account_of: Callable[[str], User] | None = None,
    ) -> None:
        self._cluster_id = cluster_id
        self._clock = clock
        self._find_token = find_token
        self._is_member = is_member
        self._account_of = account_of
        self._certificates: dict[bytes, Mapping[str, object]] = {}

    def authenticate(
        self, connection: ssl.SSLObject | ssl.SSLSocket | None, authorization: str = "", *, local: bool = False
    ) -> User:
        """Return the user behind a request; raise `UnauthorizedError` for a credential that is wrong.

        `connection` is the transport's "ssl_object" (None: no TLS), `authorization` the header of that name, `local`
        whether the request came by the unix socket. No credential at all makes `ANONYMOUS`.
        """
        if local:
            return LOCAL_ADMIN
        certificate = self._certificate(connection) if connection else None
        if certificate:
            return self._by_certificate(certificate)
        if authorization:
            return self._by_token(authorization)
        return ANONYMOUS

    def _certificate(self, connection: ssl.SSLObject | ssl.SSLSocket) -> Mapping[str, object] | None:
        """Return what the other side's certificate says. It is taken apart once, and not for each of its requests."""
        encoded = connection.getpeercert(binary_form=True)
        if encoded is None:
            return None
        found = self._certificates.get(encoded)
        if found is None:
            found = connection.getpeercert() or {}
            if len(self._certificates) >= CERTIFICATES_MAX:
                self._certificates.clear()
            self._certificates[encoded] = found
        return found

    def _by_certificate(self, certificate: Mapping[str, object]) -> User:
        """The handshake has verified the certificate's chain, dates and purpose."""
        node = tls.node_identity(certificate)
        if node is None:
            return self._by_subject(certificate)
        if node.cluster_id != self._cluster_id:
            raise UnauthorizedError(f"the certificate is of cluster {node.cluster_id}, this is {self._cluster_id}")
        if not self._is_member(node.node_id):
            raise UnauthorizedError(f'node "{node.name}" ({node.node_id}) is not a member of this cluster')
        return User(NODE_USER_PREFIX + node.name, (NODES_GROUP, AUTHENTICATED), node.node_id)

    def _by_subject(self, certificate: Mapping[str, object]) -> User:
        name = tls.subject_value(certificate, "commonName")
        groups = tuple(tls.subject_values(certificate, "organizationName"))
        if not name or NODES_GROUP in groups:
            raise UnauthorizedError("the client certificate names no user")
        return User(name, (*groups, AUTHENTICATED))

    def _by_token(self, authorization: str) -> User:
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer" or len(authorization) > AUTHORIZATION_LENGTH_MAX:
            raise UnauthorizedError("Authorization: only `Bearer <token>` is known")
        if self._account_of and _WEB_TOKEN.fullmatch(text.strip()):
            return self._account_of(text.strip())
        token_id, secret = tokens.parse_api_token(text.strip())
        token = tokens.check(self._find_token(token_id), usage=tokens.API, secret=secret, now=self._clock.now())
        return User(token.user, (*token.groups, AUTHENTICATED))
