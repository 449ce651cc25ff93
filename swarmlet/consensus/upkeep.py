"""Keeps the roles as they should be: on the leader, asks `roles` what is due, and does it, one change at a time."""

from __future__ import annotations

import structlog

from swarmlet.consensus import roles, wire
from swarmlet.consensus.engine import Engine
from swarmlet.consensus.roles import Health, Limits
from swarmlet.consensus.surroundings import Surroundings
from swarmlet.consensus.wire import Alive
from swarmlet.errors import ConflictError, InvalidError, PeerError
from swarmlet.raft import membership
from swarmlet.raft.messages import MembershipChange

log = structlog.get_logger()

RECENT_ELECTION_TIMEOUTS = 2
"""Who was heard of in so many of the least election timeouts may be given more to do."""


class Upkeep:
    """What this leader has heard of the others; a new leader gives everybody the benefit of the doubt."""

    def __init__(self, given: Surroundings, *, engine: Engine) -> None:
        config = given.config
        self._node_id = given.node_id
        self._engine = engine
        self._clock = given.clock
        self._zones = given.zones
        self._limits = limits_of(given)
        self._lag_max = config.promote_lag_entries
        self._recent_seconds = RECENT_ELECTION_TIMEOUTS * config.election_seconds
        self._every_ticks = config.heartbeat_ticks
        self._ticks = 0
        self._heard: dict[str, float] = {}
        self._spare_applied: dict[str, int] = {}
        given.peers.on_message(wire.ALIVE, self._take_alive)

    def tick(self) -> None:
        """Listen, and now and then change what is to be changed."""
        core = self._engine.core
        if not core.has_committed_in_term:
            self._heard.clear()
            self._spare_applied.clear()
            return
        self._listen()
        self._ticks += 1
        if self._ticks % self._every_ticks == 0 and not core.transferee:
            self._step()

    def silent_seconds(self, node: str) -> float | None:
        """Return how long a member has been silent, on the leader; None elsewhere."""
        heard = self._heard.get(node)
        return None if heard is None else self._clock.monotonic() - heard

    def _listen(self) -> None:
        now, core = self._clock.monotonic(), self._engine.core
        others = membership.everybody(core.membership) - {self._node_id}
        active = {node for node, progress in core.progress.items() if progress.recently_active}
        self._heard = {node: now if node in active else self._heard.get(node, now) for node in others}

    def _take_alive(self, sender: str, payload: bytes) -> None:
        try:
            alive = wire.decode(payload, Alive)
        except InvalidError as error:
            log.warning("message_unreadable", peer=sender, error=str(error))
            return
        if sender in self._heard:
            self._heard[sender] = self._clock.monotonic()
            self._spare_applied[sender] = alive.applied

    def _step(self) -> None:
        core = self._engine.core
        step = roles.next_step(
            core.membership,
            leader=self._node_id,
            health={node: self._health(node) for node in self._heard},
            zones=self._zones(),
            limits=self._limits,
        )
        if step is None:
            return
        try:
            self._engine.propose_membership(MembershipChange(step.kind, step.node, reason=step.reason))
        except (PeerError, ConflictError):
            return  # another change is under way; the next look tries again
        log.info("role_changed", node=step.node, change=step.kind.name.lower(), reason=step.reason)

    def _health(self, node: str) -> Health:
        core = self._engine.core
        silent = self._clock.monotonic() - self._heard[node]
        progress = core.progress.get(node)
        held = progress.match if progress else self._spare_applied.get(node, 0)
        caught_up = silent < self._recent_seconds and held > 0 and core.commit - held <= self._lag_max
        return Health(silent, caught_up)


def limits_of(given: Surroundings) -> Limits:
    """Return how many of each role there may be, by the configuration."""
    return Limits(
        voters_max=given.config.voters_max,
        standbys_max=given.config.standbys_max,
        replace_after_seconds=given.config.voter_replace_after_seconds,
    )
