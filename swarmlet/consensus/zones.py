"""Which failure domain each member stands in, by its Node's label."""

from __future__ import annotations

from collections.abc import Mapping

from swarmlet.model import kinds
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.store.replica import View

ZONE_LABEL = "topology.kubernetes.io/zone"


def zones(view: View) -> Mapping[str, str]:
    """Return node id -> zone, for the Nodes that bear both labels."""
    labels = [stored.object.metadata.labels for stored in view.list(kinds.NODE.resource)]
    return {each[NODE_ID_LABEL]: each[ZONE_LABEL] for each in labels if NODE_ID_LABEL in each and each.get(ZONE_LABEL)}
