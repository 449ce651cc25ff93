"""What this machine itself sees of the others: for how long its link to each has been down."""

from __future__ import annotations

from swarmlet.consensus.surroundings import Surroundings


class Links:
    """Follows the links as they open and close."""

    def __init__(self, given: Surroundings) -> None:
        self._node_id = given.node_id
        self._clock = given.clock
        self._started = given.clock.monotonic()
        self._is_up: set[str] = set()
        self._down_since: dict[str, float] = {}
        given.peers.on_link(self._link_changed)

    def down_seconds(self, node: str) -> float | None:
        """Return for how long there has been no link to a node; None where there is one, and of this node itself."""
        if node in self._is_up or node == self._node_id:
            return None
        return self._clock.monotonic() - self._down_since.get(node, self._started)

    def _link_changed(self, node: str, up: bool) -> None:
        if up:
            self._is_up.add(node)
            self._down_since.pop(node, None)
        elif node in self._is_up:
            self._is_up.discard(node)
            self._down_since[node] = self._clock.monotonic()
