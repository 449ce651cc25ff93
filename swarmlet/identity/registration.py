"""The Node object that holds a machine's name from the moment of its admission, before its daemon first reports."""

from __future__ import annotations

from datetime import datetime

from swarmlet.identity.authority import NodeIdentity
from swarmlet.model.base import clock_time
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.core import Node, NodeStatus
from swarmlet.model.meta import Condition, ObjectMeta

PUBLIC_KEY_ANNOTATION = "swarmlet.io/public-key-sha256"
HOSTNAME_LABEL = "kubernetes.io/hostname"


def new_node(identity: NodeIdentity, *, public_key_sha256: str, uid: str, now: datetime) -> Node:
    """Return the Node of a machine that was just admitted; its agent fills in the rest and makes it ready."""
    return Node(
        metadata=ObjectMeta(
            name=identity.name,
            uid=uid,
            creation_timestamp=clock_time(now),
            labels={NODE_ID_LABEL: identity.node_id, HOSTNAME_LABEL: identity.name},
            annotations={PUBLIC_KEY_ANNOTATION: public_key_sha256},
        ),
        status=NodeStatus(
            conditions=(
                Condition(
                    type="Ready",
                    status="False",
                    reason="Joining",
                    message="admitted; its daemon has not reported yet",
                    last_transition_time=clock_time(now),
                    last_heartbeat_time=clock_time(now),
                ),
            )
        ),
    )


def node_id_of(node: Node) -> str:
    """Return the consensus node id of a Node object; "" where it bears none."""
    return node.metadata.labels.get(NODE_ID_LABEL, "")


def is_same_machine(node: Node, identity: NodeIdentity, public_key_sha256: str) -> bool:
    """Whether the Node belongs to a join of the same node id with the same key: a retry, and nobody else."""
    known = node.metadata.annotations.get(PUBLIC_KEY_ANNOTATION)
    return node_id_of(node) == identity.node_id and known == public_key_sha256
