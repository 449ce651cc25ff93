"""What the leader knows of one follower's log, and how much it may have under way to it.

A follower is *probed*, one append at a time, until it is known where its log and ours agree; then *replicated* to, in a
pipeline bounded by messages and bytes; or it is too far behind and waits for a *snapshot*.
Source: etcd-io/raft `tracker/progress.go`, `tracker/inflights.go`.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

from swarmlet.raft.config import RaftConfig


class ProgressState(enum.Enum):
    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class ProgressStatus:
    """What `/status` shows of a follower: `match` is the last index known to be on its disk."""

    match: int
    state: ProgressState
    recently_active: bool


class Window:
    """The appends under way: (last index, bytes) each, oldest first."""

    __slots__ = ("_bytes", "_bytes_max", "_messages_max", "_under_way")

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._under_way: deque[tuple[int, int]] = deque()
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        return len(self._under_way) >= self._messages_max or self._bytes >= self._bytes_max

    def add(self, last_index: int, size_bytes: int) -> None:
        self._under_way.append((last_index, size_bytes))
        self._bytes += size_bytes

    def free_to(self, index: int) -> None:
        """Forget the appends that end at or before an acknowledged index."""
        while self._under_way and self._under_way[0][0] <= index:
            self._bytes -= self._under_way.popleft()[1]

    def clear(self) -> None:
        self._under_way.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._under_way)


class Progress:
    """`match`: known to be on the follower's disk. `next`: the first index not sent yet. `match < next` always.

    `commit_sent` is the commit index that the follower knows of once it has our messages; `nudged` asks for one append,
    even an empty one, to find out whether the pipeline lost something.
    """

    __slots__ = (
        "commit_sent",
        "match",
        "next",
        "nudged",
        "probe_is_out",
        "recently_active",
        "snapshot_index",
        "state",
        "window",
    )

    def __init__(self, config: RaftConfig, next_index: int, *, recently_active: bool = False) -> None:
        self.match = 0
        self.next = next_index
        self.state = ProgressState.PROBE
        self.window = Window(config.max_inflight_messages, config.max_inflight_bytes)
        self.probe_is_out = False
        self.nudged = False
        self.commit_sent = 0
        self.snapshot_index = 0
        self.recently_active = recently_active

    @property
    def status(self) -> ProgressStatus:
        return ProgressStatus(self.match, self.state, self.recently_active)

    def wants(self, last_index: int, commit: int) -> bool:
        """Whether an append should go out now."""
        if self.state is ProgressState.REPLICATE:
            has_news = self.next <= last_index or self.commit_sent < commit
            return self.nudged or (has_news and not self.window.is_full)
        return self.state is ProgressState.PROBE and not self.probe_is_out

    def sent(self, last_index: int, size_bytes: int, commit: int) -> None:
        """Take note of an append that ends at `last_index`; of no bytes, where it bears no entry."""
        self.nudged = False
        self.commit_sent = commit
        if self.state is ProgressState.PROBE:
            self.probe_is_out = True
        elif size_bytes:
            self.next = last_index + 1
            self.window.add(last_index, size_bytes)

    def acknowledged(self, index: int) -> bool:
        """Take note that the follower holds all up to `index`; return whether that is news."""
        self.probe_is_out = False
        is_news = index > self.match
        self.match = max(self.match, index)
        self.next = max(self.next, index + 1)
        if self.state is ProgressState.REPLICATE:
            self.window.free_to(index)
        elif self.state is ProgressState.PROBE or index >= self.snapshot_index:
            self.replicate()
        return is_news

    def refused(self, index: int, agree_at_most: int) -> bool:
        """Take note that the logs do not agree at `index`; return False where the refusal is an old one."""
        if self.state is ProgressState.REPLICATE:
            if index <= self.match:
                return False
            self.probe()
            return True
        if self.state is ProgressState.SNAPSHOT or index != self.next - 1:
            return False
        self.next = max(min(index, agree_at_most + 1), self.match + 1)
        self.probe_is_out = False
        return True

    def heard(self) -> None:
        """Take note of a heartbeat's reply: one more probe may go."""
        self.recently_active = True
        self.probe_is_out = False

    def probe(self) -> None:
        self._enter(ProgressState.PROBE, self.match + 1)
        self.commit_sent = 0

    def replicate(self) -> None:
        self._enter(ProgressState.REPLICATE, self.match + 1)

    def await_snapshot(self, index: int) -> None:
        self._enter(ProgressState.SNAPSHOT, index + 1)
        self.commit_sent = 0
        self.snapshot_index = index

    def snapshot_ended(self, *, ok: bool) -> None:
        """The driver is done sending: probe after the next sign of life, from the snapshot's end where it arrived."""
        if self.state is ProgressState.SNAPSHOT:
            next_index = self.snapshot_index + 1 if ok else self.match + 1
            self._enter(ProgressState.PROBE, max(next_index, self.match + 1))
            self.probe_is_out = True

    def unreachable(self) -> None:
        """What was under way may be lost: probe after the next sign of life."""
        if self.state is ProgressState.REPLICATE:
            self.probe()
            self.probe_is_out = True

    def _enter(self, state: ProgressState, next_index: int) -> None:
        self.state = state
        self.next = next_index
        self.probe_is_out = self.nudged = False
        self.snapshot_index = 0
        self.window.clear()
