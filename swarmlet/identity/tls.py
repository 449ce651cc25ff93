"""TLS contexts and what a finished handshake tells about the other side. TLS 1.3 or nothing."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

from swarmlet.errors import ConfigError, UnauthorizedError
from swarmlet.identity.authority import NODE_USER_PREFIX, NodeIdentity, parse_node_uri
from swarmlet.identity.state import NodeFiles


def server_context(files: NodeFiles) -> ssl.SSLContext:
    """Return the listener's context: a client certificate is optional at the handshake, required where it matters."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    _load_node(context, files)
    return context


def peer_context(files: NodeFiles) -> ssl.SSLContext:
    """Return the context with which this daemon calls another; after the handshake call `check_peer`.

    Host names are not compared: a peer is whom its certificate's URI names, wherever it listens.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    context.check_hostname = False
    _load_node(context, files)
    return context


def client_context(authority_pem: str) -> ssl.SSLContext:
    """Return the context of a client that trusts this CA alone and has a token, or nothing yet, to show."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    context.check_hostname = False
    context.load_verify_locations(cadata=authority_pem)
    return context


def unverified_context() -> ssl.SSLContext:
    """Return the context for the one request that needs no trust: fetching the CA, to compare with a token's hash."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def peer_identity(connection: ssl.SSLObject | ssl.SSLSocket) -> NodeIdentity:
    """Return which node is at the other end; raise `UnauthorizedError` where it is none."""
    certificate = connection.getpeercert() or {}
    identity = node_identity(certificate)
    if identity is None:
        raise UnauthorizedError("the other side shows no node certificate of this cluster")
    return identity


def check_peer(connection: ssl.SSLObject | ssl.SSLSocket, cluster_id: str, node_id: str) -> NodeIdentity:
    """Return who is at the other end if it is the node that was called; raise `UnauthorizedError` otherwise."""
    identity = peer_identity(connection)
    if (identity.cluster_id, identity.node_id) != (cluster_id, node_id):
        raise UnauthorizedError(
            f"called node {node_id} of cluster {cluster_id}, but node {identity.node_id} of cluster "
            f"{identity.cluster_id} answered"
        )
    return identity


def node_identity(certificate: Any) -> NodeIdentity | None:
    """Return the node that a verified certificate (as `getpeercert()` gives it) belongs to; None for a user's."""
    uris = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
    ids = parse_node_uri(uris[0]) if len(uris) == 1 else None
    name = subject_value(certificate, "commonName").removeprefix(NODE_USER_PREFIX)
    return NodeIdentity(cluster_id=ids[0], node_id=ids[1], name=name) if ids else None


def subject_value(certificate: Any, attribute: str) -> str:
    """Return one attribute of a certificate's subject; "" where it has none."""
    return next(iter(subject_values(certificate, attribute)), "")


def subject_values(certificate: Any, attribute: str) -> Iterable[str]:
    """Return all values of one attribute of a certificate's subject, in its order."""
    return [value for names in certificate.get("subject", ()) for name, value in names if name == attribute]


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_COMPRESSION


def _load_node(context: ssl.SSLContext, files: NodeFiles) -> None:
    try:
        context.load_cert_chain(files.certificate, files.key)
        context.load_verify_locations(files.authority)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{files.data_dir}: node.crt, node.key or ca.crt is unreadable or does not fit the others ({error}); "
            "restore them, or let this machine join anew with an empty data_dir"
        ) from error
