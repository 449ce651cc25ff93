"""Where this node stands: who leads, whether it may act as leader, and who is told; and what it says of all that."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from swarmlet.consensus import roles
from swarmlet.consensus.addresses import AddressBook
from swarmlet.consensus.engine import Counters, Engine
from swarmlet.consensus.reads import Reads
from swarmlet.consensus.roles import Limits
from swarmlet.consensus.waiting import LeaderWatch
from swarmlet.errors import UnavailableError
from swarmlet.raft import membership
from swarmlet.raft.messages import NO_NODE, Role
from swarmlet.store.replica import MemberStatus, ReplicaStatus

log = structlog.get_logger()


class Standing:
    """Follows the core's role. A leader acts only once it has applied an entry of its own term (Raft §8)."""

    def __init__(  # noqa: PLR0913  dependencies, by keyword
        self,
        *,
        node_id: str,
        engine: Engine,
        book: AddressBook,
        watch: LeaderWatch,
        reads: Reads,
        counters: Counters,
        limits: Limits,
        silent_seconds: Callable[[str], float | None],
    ) -> None:
        self.acts = False
        self._node_id = node_id
        self._engine = engine
        self._book = book
        self._watch = watch
        self._reads = reads
        self._counters = counters
        self._limits = limits
        self._silent_seconds = silent_seconds
        self._listeners: list[Callable[[bool], None]] = []

    def listen(self, listener: Callable[[bool], None]) -> None:
        self._listeners.append(listener)

    def look(self) -> None:
        """Take note of what the core says now, and tell who must know."""
        core = self._engine.core
        if core.leader != self._watch.leader:
            log.info("leader_changed", leader=core.leader, term=core.term)
            self._counters.leader_changes += 1
            self._watch.set(core.leader)
            self._reads.ask_again()
        self._set(acts=core.role is Role.LEADER and self._engine.applied_term == core.term)

    def end(self) -> None:
        """This node takes part no more."""
        self._watch.close()
        self._reads.fail(UnavailableError("this node is stopping; ask another"))
        self._set(acts=False)

    def _set(self, *, acts: bool) -> None:
        if acts != self.acts:
            self.acts = acts
            for listener in tuple(self._listeners):
                listener(acts)

    def status(self) -> ReplicaStatus:
        """Return what this node knows of the consensus now."""
        core = self._engine.core
        addresses, progress = self._book.current, core.progress
        members = tuple(
            MemberStatus(
                node_id=node,
                address=addresses.get(node, ""),
                role=roles.role_of(core.membership, node, core.leader),
                match=progress[node].match if node in progress else None,
                why=roles.why(core.membership, node, self._book.reason(node), self._limits),
                silent_seconds=self._silent_seconds(node),
            )
            for node in sorted(membership.everybody(core.membership))
        )
        return ReplicaStatus(
            node_id=self._node_id,
            leader=core.leader,
            term=core.term,
            commit=core.commit,
            applied=self._engine.applied.index,
            healthy=self.acts or core.leader not in (NO_NODE, self._node_id),
            members=members,
        )
