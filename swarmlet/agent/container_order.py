"""In which order a Pod's containers start, and whether they have all ended. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from swarmlet.agent.container_life import Record


def due(inits: Sequence[Record], mains: Sequence[Record]) -> Sequence[Record]:
    """Return the containers whose turn it is: the first init container that is not done, or all the others."""
    pending = next((record for record in inits if not record.succeeded), None)
    return mains if pending is None else (pending,)
