"""The numbers consensus runs by, each with its unit, and the limits that no configuration changes."""

from __future__ import annotations

from dataclasses import dataclass

from swarmlet.errors import ConfigError

SNAPSHOT_PIECE_BYTES = 256 * 1024
"""What one call carries of a snapshot's file."""
APPLY_ENTRIES_MAX = 128
"""Entries applied before the event loop gets its turn."""
APPLY_BYTES_MAX = 256 * 1024
"""Bytes of entries applied before the event loop gets its turn."""
TAIL_BYTES_MAX = 64 * 1024 * 1024
"""Of the entries kept behind a snapshot: these are held in memory, too."""
READERS_MAX = 10_000
"""Readers that wait for their quorum round at once."""
PROPOSALS_MAX = 10_000
"""Proposals that wait for their entry at once."""

FEED_BYTES_MAX = 1024 * 1024
"""What one answer to a spare carries of the log: what a slow spare costs its feeder, which keeps nothing for it."""
FEED_WAIT_SECONDS = 1.0
"""How long a feeder waits for news before it answers that there are none: a spare hears of it at least so often."""
FEED_SILENCE_SECONDS_MAX = 3.0
"""A feeder that does not answer for so long is left for another."""
FEED_LEADERLESS_SECONDS_MAX = 3.0
"""A feeder that knows of no leader for so long is cut off, or the cluster has none: an election takes less."""
FEED_RETRY_SECONDS = 0.2
FEED_HOLD_SECONDS_MAX = 30.0
"""A spare that fetches a snapshot and asks for nothing for so long has gone; the log is kept for it no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusConfig:
    """How fast consensus notices, how much it keeps, how many may vote. Tests make everything tiny."""

    tick_seconds: float = 0.1
    heartbeat_ticks: int = 2
    election_ticks: int = 10
    """The least time without a leader before an election; each node draws up to twice that."""
    snapshot_entries: int = 10_000
    snapshot_bytes: int = 16 * 1024 * 1024
    """A snapshot is taken after so many entries or bytes of entries, whichever comes first."""
    tail_entries: int = 1_000
    """Entries kept behind a snapshot, so that a follower a little behind needs none."""
    voters_max: int = 5
    standbys_max: int = 2
    """Members that hold the log without voting, ready to replace a voter; the others are spares."""
    voter_replace_after_seconds: float = 10.0
    """A member silent for so long counts as dead: another takes its role."""
    promote_lag_entries: int = 100
    """A learner this close to the leader's commit index is caught up."""
    transfer_seconds_max: float = 3.0
    forward_seconds_max: float = 30.0
    """How long a leader works on what another node forwarded, whatever that node's own time limit."""
    snapshot_call_seconds_max: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.heartbeat_ticks < self.election_ticks:
            raise ConfigError("heartbeat_ticks must be at least 1 and less than election_ticks")
        if self.tick_seconds <= 0 or self.snapshot_entries < 1 or self.snapshot_bytes < 1 or self.tail_entries < 0:
            raise ConfigError("tick_seconds, snapshot_entries and snapshot_bytes must be positive")
        if self.voters_max < 1 or self.standbys_max < 0:
            raise ConfigError("voters_max must be at least 1, standbys_max at least 0")
        if self.voter_replace_after_seconds < self.election_seconds:
            raise ConfigError(
                f"voter_replace_after_seconds must be at least the election timeout, {self.election_seconds:g} s"
            )

    @property
    def election_seconds(self) -> float:
        """The least time without a leader before an election."""
        return self.election_ticks * self.tick_seconds

    @property
    def leader_wait_seconds(self) -> float:
        """How long a caller waits for a leader before it is told that there is none: 1.5 times the longest draw."""
        return 1.5 * 2 * self.election_seconds
