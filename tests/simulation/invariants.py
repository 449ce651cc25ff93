"""What must hold after every step of every node: Raft's safety properties, looked at from outside all nodes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from swarmlet.raft.messages import Role
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change
from swarmlet.store.state import Store
from tests.simulation.ledger import Ledger, Position, position_of
from tests.simulation.violations import require

ONE_LEADER = "one leader a term"
MATCHING = "log matching"
COMPLETE = "leader completeness"
SAME = "state machine safety"
FORWARD = "term, vote and commit never go back"
QUORUM = "what is committed is durable on a quorum"


@dataclass(frozen=True)
class Fact:
    """One change of the store, as every replica must see it."""

    key: Key
    json: bytes | None


class Truth:
    """What the cluster as a whole has decided so far."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.committed: dict[int, Position] = {}
        self.leaders: dict[int, str] = {}
        self.facts: dict[int, Fact] = {}
        self.revision = 0
        self.restores = 0
        self._entries: dict[tuple[int, int], tuple[int | None, int]] = {}

    # Told by the observers.

    def leads(self, node: str, core: Any) -> None:
        known = self.leaders.setdefault(core.term, node)
        require(known == node, ONE_LEADER, f"{known} and {node} in term {core.term}")

    def completes(self, node: str, core: Any) -> None:
        """A new leader holds all that was ever committed."""
        log = core._log
        for index, (term, _) in self.committed.items():
            require(index <= log.base_index or log.term(index) == term, COMPLETE, f"{node} leads without entry {index}")

    def holds(self, node: str, log: Any, index: int) -> None:
        """Two logs that hold an entry of one index and term agree in it and all before it."""
        (entry,) = log.slice(index, index, 0)
        seen = (log.term(index - 1), position_of(entry)[1])
        known = self._entries.setdefault((index, entry.term), seen)
        same = known[1] == seen[1] and (None in (known[0], seen[0]) or known[0] == seen[0])
        require(same, MATCHING, f"{node} at index {index} of term {entry.term}")

    def commits(self, node: str, log: Any, index: int) -> None:
        (entry,) = log.slice(index, index, 0)
        position = position_of(entry)
        if index not in self.committed:
            self.committed[index] = position
            self._on_a_quorum(node, log, index, entry.term)
        require(self.committed[index] == position, SAME, f"{node} committed another entry at index {index}")

    def _on_a_quorum(self, node: str, log: Any, index: int, term: int) -> None:
        """Of the voters as of the entry, or of those that a later entry, in force already, has made of them."""
        memberships = log.memberships.at(index), log.memberships.latest
        holders = [self.ledger.holders(index, term, membership.voters) for membership in memberships]
        require(
            any(len(found) > len(each.voters) // 2 for found, each in zip(holders, memberships, strict=True)),
            QUORUM,
            f"{node} committed {index} of term {term}; of {sorted(memberships[0].voters)} only {holders[0]} hold it",
        )

    def changed(self, node: str, changes: Sequence[Change]) -> None:
        """Every replica goes through the same changes."""
        for change in changes:
            fact = Fact(change.key, change.new.json if change.new else None)
            known = self.facts.setdefault(change.revision, fact)
            require(known == fact, SAME, f"{node} at revision {change.revision}: {fact}, not {known}")
            self.revision = max(self.revision, change.revision)

    def restored(self, node: str, store: Store) -> None:
        """A state that came as a snapshot is the one that the changes up to its revision make."""
        self.restores += 1
        live: dict[Key, bytes] = {}
        for revision in range(1, store.revision + 1):
            fact = self.facts.get(revision)
            require(fact, SAME, f"{node} restored revision {store.revision}, but nobody saw {revision}")
            assert fact
            if fact.json is None:
                live.pop(fact.key, None)
            else:
                live[fact.key] = fact.json
        held = {key: stored.json for key in live if (stored := store.get(key))}
        require(held == live, SAME, f"{node} restored another state at revision {store.revision}")


class Observer:
    """Looks at one life of one node after each of its turns; what has not changed is not looked at again."""

    def __init__(self, truth: Truth, node: str, consensus: Any, store: Store) -> None:
        self._truth = truth
        self._node = node
        self._engine = consensus._engine
        self._store = store
        self._begin()
        if store.revision:
            truth.restored(node, store)
        store.subscribe(self._changed)

    def _begin(self) -> None:
        """Look at a core that begins from the disk: at the start, and where a node becomes a spare or ceases to be."""
        core = self._core = self._engine.core
        self._seen: tuple[object, ...] = ()
        self._ballot = (core.term, core.vote, core.commit)
        self._terms: dict[int, int] = {}
        self._commit = core._log.base_index
        kept = self._truth.ledger.accounts[self._node].hard_state
        same_vote = core.term > kept.term or core.vote == kept.vote
        forward = core.term >= kept.term and core.commit >= kept.commit
        require(forward and same_vote, FORWARD, f"{self._node} kept {kept} and begins with {self._ballot}")

    def _changed(self, changes: Sequence[Change]) -> None:
        if changes:
            self._truth.changed(self._node, changes)
        else:
            self._truth.restored(self._node, self._store)

    def look(self) -> None:
        if self._core is not self._engine.core:
            self._begin()
        core, log = self._core, self._core._log
        seen = (core.term, core.vote, core.commit, log.last_index, log.last_term, core.role, log.base_index)
        if seen == self._seen:
            return
        self._seen = seen
        core.validate()
        self._look_at_ballot()
        self._look_at_log(log)
        self._look_at_commit(log)
        if core.role is Role.LEADER and self._truth.leaders.get(core.term) != self._node:
            self._truth.leads(self._node, core)
            self._truth.completes(self._node, core)

    def _look_at_ballot(self) -> None:
        core = self._core
        term, vote, commit = self._ballot
        self._ballot = (core.term, core.vote, core.commit)
        require(core.term >= term and core.commit >= commit, FORWARD, f"{self._node}: {self._ballot} after {term}")
        require(core.term > term or vote in ("", core.vote), FORWARD, f"{self._node} voted twice in term {term}")

    def _look_at_log(self, log: Any) -> None:
        """Look at the entries that are new since the last look, from the end back."""
        index = log.last_index
        while index > log.base_index and self._terms.get(index) != log.term(index):
            self._terms[index] = log.term(index)
            self._truth.holds(self._node, log, index)
            index -= 1

    def _look_at_commit(self, log: Any) -> None:
        for index in range(max(self._commit, log.base_index) + 1, log.commit + 1):
            self._truth.commits(self._node, log, index)
        self._commit = log.commit
