"""A replica without consensus: the real store, and a list of members that does as it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from swarmlet.errors import AlreadyExistsError, ConflictError
from swarmlet.store.commands import NOBODY, Command, Operation, Origin, Outcome
from swarmlet.store.replica import MemberStatus, ReplicaStatus
from swarmlet.store.state import Store


class LoneReplica:
    """Applies what is proposed at once. Several may share one `store` and one `members`: a cluster in agreement."""

    def __init__(self, node_id: str, store: Store, members: dict[str, MemberStatus]) -> None:
        self.node_id = node_id
        self.view = store
        self.members = members
        self.is_leader = False
        self.quorum_needs: set[str] = set()
        self.has_quorum = True
        self.transfers = 0
        self.failures: list[Exception] = []

    async def propose(
        self,
        operations: Sequence[Operation],
        *,
        atomic: bool = True,
        timeout_seconds: float = 5.0,
        origin: Origin = NOBODY,
    ) -> tuple[Outcome, ...]:
        return self.view.apply(Command(b"", tuple(operations), atomic, origin))

    async def linearize(self, *, timeout_seconds: float = 5.0) -> None:
        pass

    async def add_member(self, node_id: str, address: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if node_id in self.members:
            raise AlreadyExistsError(f"{node_id} is a member")
        self.members[node_id] = MemberStatus(node_id, address, "spare")

    async def remove_member(self, node_id: str) -> None:
        if node_id in self.quorum_needs:
            raise ConflictError(f"removing {node_id} would break the quorum")
        del self.members[node_id]

    async def transfer_leadership(self, to: str = "") -> None:
        self.transfers += 1
        self.is_leader = False

    def status(self) -> ReplicaStatus:
        members = tuple(self.members.values())
        return ReplicaStatus(self.node_id, "", 1, 1, 1, healthy=self.has_quorum, members=members)

    def on_leadership(self, listener: Callable[[bool], None]) -> None:
        pass
