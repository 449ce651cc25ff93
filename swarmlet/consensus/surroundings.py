"""What a node is given and does not make itself: the seams at which a simulator puts its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from swarmlet.clock import Clock
from swarmlet.consensus.disk import Disk
from swarmlet.consensus.settings import ConsensusConfig
from swarmlet.store.state import Store
from swarmlet.transport.peers import Peers


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """One node's identity, time, chance, disk, links, state and numbers; `zones` tells node id -> failure domain."""

    node_id: str
    disk: Disk
    peers: Peers
    store: Store
    clock: Clock
    rng: random.Random
    config: ConsensusConfig
    zones: Callable[[], Mapping[str, str]]
