"""The operator: lets machines join, stops them, removes them, and replaces the ones whose disk is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from swarmlet.consensus.driver import Consensus
from swarmlet.errors import AlreadyExistsError, ConflictError, NotFoundError, PeerError
from swarmlet.raft.messages import Membership
from tests.simulation.desk import Desk
from tests.simulation.machine import Machine
from tests.simulation.member import Identity, Member

PAUSE_SECONDS = 0.25
ASK_SECONDS = 12.0
VOTERS_WIPED_MIN = 3
"""Of fewer voters none may lose its disk: what it alone helped to acknowledge would be gone."""
LEAVE_SECONDS = 3.0
"""What a removed daemon gets to notice and end by itself."""


class Operator:
    """Does one thing at a time, as patiently as it takes."""

    def __init__(self, desk: Desk, machines: dict[str, Machine], members: dict[str, Member]) -> None:
        self.identities = {name: Identity(f"{name}-1", founds=name == "m1") for name in machines}
        self.out: set[str] = set()
        """Machines that shall not be started now: they are on their way out of the cluster."""
        self._desk = desk
        self._machines = machines
        self._members = members
        self._rng = desk.kernel.chance("operator")
        self._busy = asyncio.Lock()

    @property
    def is_idle(self) -> bool:
        return not self._busy.locked()

    # What is asked for.

    async def begin(self) -> None:
        """Found the cluster and let all others join."""
        async with self._busy:
            for name in self._machines:
                if name == "m1":
                    self._machines[name].start()
                else:
                    await self._join(name)

    async def request(self, what: str, name: str) -> None:
        """Carry out a `faults.Request`."""
        async with self._busy:
            if what == "transfer":
                await self._try(lambda consensus: consensus.transfer_leadership(self.identities[name].node_id))
            elif what == "stop":
                await self._ask(name, lambda consensus: consensus.stop())
            elif what == "remove" and len(self._machines) > 1:
                await self._replace(name, wipe=False)
            elif what == "wipe" and self._may_lose(name):
                await self._replace(name, wipe=True)

    async def rejoin(self, name: str) -> None:
        """Bring a machine back whose daemon found that it was removed."""
        async with self._busy:
            await self._join(name)

    # How.

    async def _replace(self, name: str, *, wipe: bool) -> None:
        """Remove a machine for good, and let it come back as another node."""
        node = self.identities[name].node_id
        self.out.add(name)
        if wipe:
            self._machines[name].wipe()
            self._desk.kernel.record("operator", f"{name} has lost its disk")
        removed = await self._insist(lambda consensus: consensus.remove_member(node), avoid=name, forever=wipe)
        if not removed:
            self.out.discard(name)
            self._machines[name].start()
            return
        await asyncio.sleep(LEAVE_SECONDS)
        await self._join(name)

    async def _join(self, name: str) -> None:
        """Let a machine with an empty disk into the cluster, under a new name unless it is its first."""
        machine, before = self._machines[name], self.identities[name]
        if machine.lives:
            machine.wipe()
            stem, _, number = before.node_id.rpartition("-")
            self.identities[name] = Identity(f"{stem}-{int(number) + 1}")
        identity = self.identities[name]
        identity.seeds = {
            other.node_id: self._machines[each].address for each, other in self.identities.items() if each != name
        }
        await self._insist(
            lambda consensus: consensus.add_member(identity.node_id, machine.address), avoid=name, forever=True
        )
        self.out.discard(name)
        machine.start()

    def _may_lose(self, name: str) -> bool:
        """Whether the cluster can bear the loss of a machine's disk: a voter among enough, with nobody else away."""
        memberships = [self._membership(member) for member in self._members.values() if member.consensus]
        voters = max((each.voters for each in memberships), key=len, default=frozenset[str]())
        fewest = min((len(each.voters) for each in memberships), default=0)
        return len(voters) >= VOTERS_WIPED_MIN and fewest >= VOTERS_WIPED_MIN

    def _membership(self, member: Member) -> Membership:
        assert member.consensus
        return member.consensus._engine.core.membership

    async def _insist(self, work: Callable[[Consensus], Awaitable[None]], *, avoid: str, forever: bool) -> bool:
        """Ask one machine after another until one has done it; False where the cluster refuses."""
        for _ in range(1_000_000 if forever else 5):
            others = [name for name in self._machines if name != avoid]
            try:
                await self._desk.ask(self._rng.choice(others), work, seconds=ASK_SECONDS)
            except (AlreadyExistsError, NotFoundError):
                return True
            except ConflictError:
                if not forever:
                    return False
            except PeerError:
                pass
            else:
                return True
            await asyncio.sleep(PAUSE_SECONDS)
        return False

    async def _try(self, work: Callable[[Consensus], Awaitable[None]]) -> None:
        await self._ask(self._rng.choice(list(self._machines)), work)

    async def _ask(self, name: str, work: Callable[[Consensus], Awaitable[None]]) -> None:
        try:
            await self._desk.ask(name, work, seconds=ASK_SECONDS)
        except (PeerError, ConflictError):
            return
