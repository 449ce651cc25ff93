"""What the core starts from: its limits and clocks in ticks, and what the disk kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from swarmlet import errors
from swarmlet.raft.messages import Entry, HardState, Membership, NodeId, SnapshotMeta


@dataclass(frozen=True, slots=True, kw_only=True)
class RaftConfig:
    """Timeouts are in ticks, sizes in bytes as `Log` counts them.

    A node waits between `election_timeout_ticks` and twice that before it campaigns. A message carries at most
    `max_append_bytes` of entries, or one entry that is larger.
    """

    election_timeout_ticks: int = 10
    heartbeat_ticks: int = 2
    max_append_bytes: int = 1 << 20
    max_inflight_messages: int = 64
    max_inflight_bytes: int = 8 << 20
    max_uncommitted_bytes: int = 32 << 20
    max_committed_bytes_per_ready: int = 4 << 20
    max_pending_reads: int = 10_000
    promotion_lag_entries_max: int = 1_000
    pre_vote: bool = True
    check_quorum: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.heartbeat_ticks < self.election_timeout_ticks:
            raise errors.ConfigError(
                f"heartbeat_ticks ({self.heartbeat_ticks}) must be positive and below "
                f"election_timeout_ticks ({self.election_timeout_ticks})"
            )
        for name in (
            "max_append_bytes",
            "max_inflight_messages",
            "max_inflight_bytes",
            "max_uncommitted_bytes",
            "max_committed_bytes_per_ready",
            "max_pending_reads",
        ):
            if getattr(self, name) <= 0:
                raise errors.ConfigError(f"{name} must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredState:
    """What the disk kept. `entries` may begin before the snapshot's end; `applied` is what the state machine holds."""

    hard_state: HardState = field(default_factory=HardState)
    snapshot: SnapshotMeta = field(default_factory=SnapshotMeta)
    entries: Sequence[Entry] = ()
    applied: int = 0

    @classmethod
    def bootstrap(cls, voter: NodeId) -> RestoredState:
        """Return the state that a new cluster is born with: a snapshot of nothing at index 1, of term 1.

        A membership that no entry made can only reach later members inside a snapshot; beginning at index 1 sees to
        it that each of them needs one. The driver keeps an empty state as that snapshot's bytes.
        """
        born = SnapshotMeta(index=1, term=1, membership=Membership(voters=frozenset({voter})))
        return cls(hard_state=HardState(term=1, commit=1), snapshot=born, applied=1)
