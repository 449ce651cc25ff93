"""Random schedules of messages lost, doubled, reordered and delayed, and of crashes that lose what was not on disk."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from swarmlet import errors
from swarmlet.raft.config import RaftConfig
from swarmlet.raft.messages import ChangeKind, MembershipChange

from .network import Disk, Member, Network, born
from .promises import Promises

FOUNDERS = ("n1", "n2", "n3")
EVERYBODY = ("n1", "n2", "n3", "n4", "n5")
STEPS = 5_000
SMALL = RaftConfig(
    election_timeout_ticks=6,
    heartbeat_ticks=2,
    max_append_bytes=120,
    max_inflight_messages=3,
    max_inflight_bytes=300,
    max_uncommitted_bytes=600,
    max_committed_bytes_per_ready=100,
    max_pending_reads=8,
    promotion_lag_entries_max=5,
)


class Campaign:
    """One seed's run; every check is made as soon as there is something to check."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.network = Network()
        self.promises = Promises(self.network.members, FOUNDERS)
        self.network.watch, self.network.overhear = self.promises.worked, self.promises.sent
        for node in EVERYBODY:
            disk = born(FOUNDERS) if node in FOUNDERS else Disk()
            self.network.add(node, SMALL, disk, random.Random(f"{seed}/{node}"))
        self.proposals = 0

    # What happens.

    def run(self, steps: int) -> None:
        actions = self._draw_actions()
        weights = [weight for weight, _ in actions]
        for step in range(steps):
            member = self.rng.choice(list(self.network.members.values()))
            if not member.is_up:
                if self.rng.random() < 0.1:
                    self._start(member)
                continue
            (_, action) = self.rng.choices(actions, weights)[0]
            try:
                action(member)
            except (errors.PeerError, errors.CallerError):
                continue
            member.core.validate()
            for each in self.network.members.values():
                if each.is_up:
                    self.promises.look(each)
            if step % 25 == 0:
                self.promises.match_logs()

    def _draw_actions(self) -> list[tuple[float, Callable[[Member], None]]]:
        """Each run has its own mixture: what is rare in all of them together is frequent in some."""
        steady: list[tuple[float, Callable[[Member], None]]] = [
            (30, self._deliver),
            (30, self._work),
            (14 * self.rng.choice((1, 1, 2, 4)), self._tick),
        ]
        varied: list[tuple[float, Callable[[Member], None]]] = [
            (10, self._propose),
            (4, self._read),
            (2, self._lose),
            (2, self._double),
            (2, self._compact),
            (1, self._crash),
            (1, self._change),
            (1, self._transfer),
            (1, self._unreachable),
            (1, self._campaign),
            (1, self._partition),
        ]
        return steady + [(weight * self.rng.choice((0.1, 0.5, 1, 1, 3)), action) for weight, action in varied]

    def _start(self, member: Member) -> None:
        member.start()
        self.promises.started(member)

    def _take_message(self) -> int:
        """Mostly the oldest, sometimes any."""
        count = len(self.network.under_way)
        return 0 if self.rng.random() < 0.7 else self.rng.randrange(count)

    def _deliver(self, _: Member) -> None:
        for _ in range(min(len(self.network.under_way), self.rng.randrange(1, 6))):
            self.network.deliver(self.network.under_way.pop(self._take_message()))

    def _lose(self, _: Member) -> None:
        if self.network.under_way:
            self.network.lose(self.network.under_way.pop(self._take_message()))

    def _double(self, _: Member) -> None:
        if self.network.under_way:
            self.network.under_way.append(self.network.under_way[self._take_message()])

    def _work(self, member: Member) -> None:
        if member.outstanding is not None:
            self.network.finish(member)
        elif member.core.has_ready():
            self.network.take(member)

    def _tick(self, member: Member) -> None:
        member.core.tick()

    def _propose(self, member: Member) -> None:
        self.proposals += 1
        member.core.propose(b"%d" % self.proposals * self.rng.randrange(1, 20))

    def _read(self, member: Member) -> None:
        context = b"read %d" % len(self.promises.reads) + b" %d" % self.rng.getrandbits(60)
        self.promises.asked(context)
        member.core.read_index(context)

    def _compact(self, member: Member) -> None:
        if member.outstanding is None and member.applied > member.disk.snapshot.index:
            member.compact(self.rng.randrange(member.disk.snapshot.index, member.applied) + 1)
            self.promises.snapshot_holds(member.disk.snapshot)

    def _crash(self, member: Member) -> None:
        if self.rng.random() < 0.5:
            self.network.crash(member)

    def _change(self, member: Member) -> None:
        change = MembershipChange(self.rng.choice(list(ChangeKind)), self.rng.choice(EVERYBODY))
        voters = member.core.membership.voters
        takes_vote = change.kind in {ChangeKind.REMOVE, ChangeKind.DEMOTE, ChangeKind.RELEASE}
        if takes_vote and len(voters) < 3 and change.node in voters:
            return
        member.core.propose_membership(change)

    def _transfer(self, member: Member) -> None:
        member.core.transfer_leadership(self.rng.choice(EVERYBODY))

    def _unreachable(self, member: Member) -> None:
        member.core.report_unreachable(self.rng.choice(EVERYBODY))

    def _campaign(self, member: Member) -> None:
        member.core.campaign()

    def _partition(self, member: Member) -> None:
        """Cut off anybody, or one who leads: it goes on to serve and to append until it notices."""
        if self.network.cuts:
            self.network.cuts.clear()
        else:
            self.network.isolate(self.rng.choice([member, *self.network.leaders()]).node_id)

    # After the faults.

    def heal(self) -> Member:
        """Restart all and let time pass; return the leader that must come of it."""
        self.network.cuts.clear()
        for member in self.network.members.values():
            if not member.is_up:
                self._start(member)
        for _ in range(SMALL.election_timeout_ticks * 20):
            for member in self.network.members.values():
                member.core.tick()
            self.network.settle()
        for member in self.network.members.values():
            self.promises.look(member)
        self.promises.match_logs()
        newest = max(self.network.leaders(), key=lambda member: member.core.term, default=None)
        assert newest is not None, "somebody leads once the faults stop"
        return newest


def run_seed(seed: int, steps: int = STEPS) -> Campaign:
    campaign = Campaign(seed)
    try:
        campaign.run(steps)
        leader = campaign.heal()
        leader.core.propose(b"the last word")
        for _ in range(SMALL.heartbeat_ticks * 3):
            leader.core.tick()
            campaign.network.settle()
        core = leader.core
        for node in core.membership.voters | core.membership.learners:
            assert campaign.network.members[node].applied == core.last_index, f"{node} has all that was committed"
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error
    return campaign


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(0, 60, 10))
def test_any_schedule_of_faults_keeps_every_promise(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 10):
        run_seed(seed)


def test_the_schedules_get_somewhere() -> None:
    campaigns = [run_seed(seed) for seed in range(6)]
    assert sum(len(campaign.promises.committed) for campaign in campaigns) > 200
    assert sum(len(campaign.promises.leaders) for campaign in campaigns) > 20
    assert sum(campaign.promises.reads_served for campaign in campaigns) > 50
    snapshots = [member.disk.snapshot for campaign in campaigns for member in campaign.network.members.values()]
    assert sum(snapshot.index > 1 for snapshot in snapshots) > 6
