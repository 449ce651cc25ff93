"""Kinds that only daemons see: they are in the store and never served by the API."""

from __future__ import annotations

from swarmlet.model.base import Time, always
from swarmlet.model.meta import Object

NODE_ID_LABEL = "swarmlet.io/node-id"
"""The label of a Node that bears its consensus node id; `metadata.uid` is another thing."""

THE_CLUSTER = "cluster"
"""The name of the one `ClusterIdentity`."""


class ClusterIdentity(Object, frozen=True, kw_only=True):
    """The one object "cluster" that makes any daemon able to admit a node: id, CA certificate and CA key (PEM)."""

    api_version: str = always("internal.swarmlet.io/v1")
    kind: str = always("ClusterIdentity")
    cluster_id: str = ""
    ca_certificate: str = ""
    ca_key: str = ""

    def __repr__(self) -> str:
        """Name the cluster and hide its key: a repr ends in logs."""
        return f"ClusterIdentity({self.cluster_id})"


class Token(Object, frozen=True, kw_only=True):
    """A join token or an API bearer token, by its public id (`metadata.name`); the secret is kept only as a hash.

    `usage`: "join" or "api". `user` and `groups` are who an "api" token speaks for. `expires` None: never.
    """

    api_version: str = always("internal.swarmlet.io/v1")
    kind: str = always("Token")
    usage: str = "join"
    secret_sha256: str = ""
    expires: Time | None = None
    user: str = ""
    groups: tuple[str, ...] = ()
    description: str = ""


class Rebalancing(Object, frozen=True, kw_only=True):
    """The one object "cluster" that says whether Pods are moved to even out the nodes, and who said so.

    `enabled` None: nobody has said; the daemons' configuration counts. `asked_at` is when a user asked for it, whatever
    `enabled` says; None again once nothing is left to be moved.
    """

    api_version: str = always("internal.swarmlet.io/v1")
    kind: str = always("Rebalancing")
    enabled: bool | None = None
    asked_at: Time | None = None
    said_by: str = ""
