"""Which endpoint a new connection goes to: they take turns, and who cannot follow is spared.

Where affinity is asked for, a client stays with the endpoint that it had. Pure: time and randomness come in, and it
looks at two endpoints for a choice, however many there are.
"""

from __future__ import annotations

import random
from collections import Counter, OrderedDict
from collections.abc import Collection, Sequence

from swarmlet.network.services.desired import Endpoint

CLIENTS_MAX = 65_535
"""How many clients of one port are remembered; who came longest ago is forgotten first, and given to any."""
AVOID_SECONDS = 2.0
"""How long an endpoint that could not be reached gets nothing while others are there."""

Place = tuple[str, int]
"""An address and a port of it: what endpoints are told apart by."""


def place(endpoint: Endpoint) -> Place:
    """Return where an endpoint is."""
    return endpoint.address, endpoint.port


class Balancer:
    """Chooses for one port of a Service. Times are monotonic seconds."""

    def __init__(self, rng: random.Random, clients_max: int = CLIENTS_MAX) -> None:
        self._rng = rng
        self._clients_max = clients_max
        self._turn = rng.getrandbits(32)  # so that the nodes of a cluster do not all begin with the same
        self._open: Counter[Place] = Counter()
        self._failed: dict[Place, float] = {}
        self._clients: OrderedDict[str, tuple[Place, float]] = OrderedDict()

    def choose(
        self,
        endpoints: Sequence[Endpoint],
        client: str,
        now: float,
        *,
        affinity_seconds: int = 0,
        tried: Collection[Place] = (),
    ) -> Endpoint | None:
        """Return one of `endpoints` for a client's new connection; None where all were tried.

        One that lately could not be reached is chosen only where no other is left.
        """
        candidates = self._candidates(endpoints, now, tried)
        if not candidates:
            return None
        chosen = self._of_client(candidates, client, now) if affinity_seconds else None
        chosen = chosen or self._next(candidates)
        if affinity_seconds:
            self._remember(client, place(chosen), now + affinity_seconds)
        return chosen

    def opened(self, where: Place) -> None:
        """Count a connection that began."""
        self._open[where] += 1

    def closed(self, where: Place) -> None:
        """Count a connection that ended."""
        self._open[where] -= 1
        if self._open[where] <= 0:
            del self._open[where]

    def failed(self, where: Place, now: float) -> None:
        """Take note that an endpoint could not be reached."""
        self._failed[where] = now + AVOID_SECONDS

    def _candidates(self, endpoints: Sequence[Endpoint], now: float, tried: Collection[Place]) -> Sequence[Endpoint]:
        if not self._failed and not tried:
            return endpoints
        self._failed = {where: until for where, until in self._failed.items() if until > now}
        left = [each for each in endpoints if place(each) not in tried]
        return [each for each in left if place(each) not in self._failed] or left

    def _next(self, candidates: Sequence[Endpoint]) -> Endpoint:
        """Return the one whose turn it is, or another drawn by lot where that one has not half of its connections.

        Taking turns is as even as can be; only who cannot follow is spared.
        """
        self._turn += 1
        first = candidates[self._turn % len(candidates)]
        other = candidates[int(self._rng.random() * len(candidates))]
        return other if 2 * self._open[place(other)] + 1 < self._open[place(first)] else first

    def _of_client(self, candidates: Sequence[Endpoint], client: str, now: float) -> Endpoint | None:
        where, until = self._clients.get(client, (None, 0.0))
        if where is None or until <= now:
            return None
        return next((each for each in candidates if place(each) == where), None)

    def _remember(self, client: str, where: Place, until: float) -> None:
        self._clients[client] = (where, until)
        self._clients.move_to_end(client)
        while len(self._clients) > self._clients_max:
            self._clients.popitem(last=False)
