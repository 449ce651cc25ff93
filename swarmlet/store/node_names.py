"""What users call the machines, where consensus knows node ids."""

from __future__ import annotations

from collections.abc import Mapping

from swarmlet.model import kinds
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.store.replica import View

_NODES = kinds.NODE.resource


def names(view: View) -> Mapping[str, str]:
    """Return node id -> name, for all Nodes that bear an id."""
    nodes = [(stored.object.metadata.labels.get(NODE_ID_LABEL, ""), stored.key.name) for stored in view.list(_NODES)]
    return {node_id: name for node_id, name in nodes if node_id}


def in_names(view: View, text: str) -> str:
    """Say names where a text says node ids."""
    for node_id, name in names(view).items():
        text = text.replace(node_id, f'"{name}"')
    return text
