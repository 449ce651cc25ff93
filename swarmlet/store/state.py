"""The replicated state: committed commands in, outcomes and changes out.

Pure and deterministic. One task applies; everybody on that task's event loop may read between two applies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from swarmlet.model import kinds
from swarmlet.store import commands, snapshot, stamping
from swarmlet.store.commands import Command, Delete, Key, Operation, Outcome, Put, Verdict
from swarmlet.store.history import History
from swarmlet.store.replica import Change, Stored
from swarmlet.store.requests import RecentRequests
from swarmlet.store.snapshot import Restoration
from swarmlet.store.tables import Tables
from swarmlet.store.window import Window

Listener = Callable[[Sequence[Change]], None]
Failed = Callable[[Listener, Exception], None]
Changes = list[Change]
Plan = tuple[Outcome, stamping.Draft | None]
"""What would become of an operation; DONE: not yet, and with what, for a Put, the draft."""

_FINE = (Verdict.DONE, Verdict.UNCHANGED)
_SKIPPED = Outcome(verdict=Verdict.SKIPPED)


class Store:
    """Every object of the cluster, by the `View` protocol, and the ways to change them: `apply` and `restore`.

    `failed` is told of a listener that raised: what is committed is applied, whatever a subscriber makes of it. Without
    it, who applies is told.
    """

    def __init__(self, failed: Failed | None = None) -> None:
        self._listeners: list[Listener] = []
        self._failed = failed
        self._hold(Tables(), RecentRequests(), History(), revision=0)

    def _hold(self, tables: Tables, requests: RecentRequests, history: History, *, revision: int) -> None:
        self._tables = tables
        self._requests = requests
        self._history = history
        self._revision = revision
        self._floor = revision
        self._windows: dict[str, Window] = {}

    # Reading: the View protocol.

    @property
    def revision(self) -> int:
        """Return the revision of the newest change."""
        return self._revision

    def get(self, key: Key) -> Stored | None:
        """Return one object."""
        return self._tables.get(key)

    def list(self, resource: str, namespace: str = "") -> Sequence[Stored]:
        """Return a resource's objects, of one namespace or all (""), sorted by (namespace, name)."""
        return self._tables.list(resource, namespace)

    def by_owner(self, owner_uid: str) -> Sequence[Stored]:
        """Return the objects that have an ownerReference to this uid, sorted by key."""
        return self._tables.owned.get(owner_uid)

    def pods_on(self, node_name: str) -> Sequence[Stored]:
        """Return the Pods bound to a node ("" for the unbound), sorted by key."""
        return self._tables.bound.get(node_name)

    def changes_since(self, resource: str, revision: int) -> Iterator[Change]:
        """Return a resource's changes after `revision`, oldest first; raise `ExpiredError` where they are forgotten.

        A `revision` that is still to come yields nothing: who asks waits for it first.
        """
        return self._window(resource).since(revision)

    @property
    def history(self) -> History:
        """The changes of what is asked for, up to this moment."""
        return self._history

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the changes of each applied command that changed something; see `View.subscribe`."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # Changing.

    def apply_entry(self, data: bytes) -> tuple[Outcome, ...]:
        """Apply a committed entry's bytes; bytes that are no command change nothing and give one INVALID."""
        try:
            command = commands.decode(data)
        except msgspec.MsgspecError as error:
            return (Outcome(verdict=Verdict.INVALID, message=f"not a command: {error}"),)
        return self.apply(command)

    def apply(self, command: Command) -> tuple[Outcome, ...]:
        """Apply a committed command and tell the subscribers; return an outcome for each of its operations."""
        first = self._requests.get(command.request_id)
        if first is not None:
            return first
        changes: Changes = []
        outcomes = self._perform(command, changes)
        self._requests.remember(command.request_id, outcomes)
        if changes:
            self._history.record(changes, command.origin, atomic=command.atomic)
            self._tell(changes)
        return outcomes

    def capture(self) -> snapshot.Capture:
        """Return the state of this moment, to be encoded elsewhere while this store goes on."""
        objects, requests = list(self._tables.everything()), self._requests.items()
        return snapshot.Capture(self._revision, objects, requests, self._history.floor, self._history.rows())

    def fork(self) -> Store:
        """Return a store of its own that begins with this moment: what is applied to it changes nothing here.

        It does not know how this moment came about: neither requests nor history.
        """
        twin = Store()
        twin._hold(self._tables.copy(), RecentRequests(), History(self._revision), revision=self._revision)
        return twin

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Replace everything by a snapshot and tell the subscribers to read anew.

        Raises `DiskError`, and changes nothing, where the chunks are no whole snapshot of a known format.
        """
        restoration = Restoration()
        for chunk in chunks:
            restoration.add(chunk)
        self.adopt(restoration)

    def adopt(self, restoration: Restoration) -> None:
        """Replace everything by a snapshot that was read beside it; `restore` in one step of many.

        Raises `DiskError`, and changes nothing, where the snapshot is not whole.
        """
        restoration.check_whole()
        requests = RecentRequests(restoration.requests)
        self._hold(restoration.tables, requests, restoration.history, revision=restoration.revision)
        self._tell(())

    def validate(self) -> None:
        """Assert that tables, indexes and revisions agree (for tests: it looks at everything)."""
        everything = list(self._tables.everything())
        assert all(stored.revision <= self._revision for stored in everything)
        assert len({stored.revision for stored in everything}) == len(everything)
        for stored in everything:
            assert stamping.restamped(stored.json, stored.revision) == stored.json
            facts = stamping.facts(stored.key, stored.json)
            assert (facts.owner_uids, facts.node_name) == (stored.owner_uids, stored.node_name)
            assert all(stored in self._tables.owned.get(uid) for uid in facts.owner_uids)
            assert stored.key.resource != kinds.POD.resource or stored in self._tables.bound.get(facts.node_name)
        assert self._tables.owned.size() == sum(len(stored.owner_uids) for stored in everything)
        assert self._tables.bound.size() == len(self.list(kinds.POD.resource))
        self._history.validate()

    def _tell(self, changes: Sequence[Change]) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(changes)
            except Exception as error:
                if self._failed is None:
                    raise
                self._failed(listener, error)

    # One command.

    def _perform(self, command: Command, changes: Changes) -> tuple[Outcome, ...]:
        """Carry out the operations that may be; each names another key, so none sees another's effect."""
        plans = self._plan(command.operations)
        if command.atomic and not all(outcome.verdict in _FINE for outcome, _ in plans):
            return tuple(_SKIPPED if outcome.verdict in _FINE else outcome for outcome, _ in plans)
        return tuple(
            self._carry_out(operation, draft, changes) if outcome.verdict is Verdict.DONE else outcome
            for operation, (outcome, draft) in zip(command.operations, plans, strict=True)
        )

    def _plan(self, operations: Sequence[Operation]) -> Sequence[Plan]:
        seen: set[Key] = set()
        plans: list[Plan] = []
        for operation in operations:
            if operation.key in seen:
                message = f"{operation.key} is named twice in one command"
                plans.append((Outcome(verdict=Verdict.INVALID, message=message), None))
            else:
                seen.add(operation.key)
                plans.append(self._judge(operation))
        return plans

    def _judge(self, operation: Operation) -> Plan:
        """Say what would become of an operation, changing nothing; DONE means: not yet."""
        stored = self.get(operation.key)
        refusal = _refusal(operation, stored)
        if refusal or isinstance(operation, Delete):
            return refusal or Outcome(verdict=Verdict.DONE), None
        try:
            draft = stamping.read(operation.key, operation.object)
        except (msgspec.MsgspecError, ValueError) as error:
            return Outcome(verdict=Verdict.INVALID, message=str(error)), None
        if stored is not None and stamping.same(draft.at(stored.revision), stored.json):
            return Outcome(verdict=Verdict.UNCHANGED, revision=stored.revision), None
        return Outcome(verdict=Verdict.DONE), draft

    def _carry_out(self, operation: Operation, draft: stamping.Draft | None, changes: Changes) -> Outcome:
        self._revision += 1
        old = self.get(operation.key)
        new = stamping.stored(operation.key, self._revision, draft.at(self._revision), draft.facts) if draft else None
        change = Change(self._revision, operation.key, old, new)
        self._tables.place(old, new)
        self._window(operation.key.resource).append(change)
        changes.append(change)
        return Outcome(verdict=Verdict.DONE, revision=self._revision)

    def _window(self, resource: str) -> Window:
        window = self._windows.get(resource)
        if window is None:
            window = self._windows[resource] = Window(self._floor)
        return window


def _refusal(operation: Operation, stored: Stored | None) -> Outcome | None:
    """Return the outcome of an operation whose preconditions do not hold."""
    expected = operation.expected_revision
    if stored is None:
        if isinstance(operation, Put) and not expected and not operation.expected_uid:
            return None
        return Outcome(verdict=Verdict.NOT_FOUND, message=f"{operation.key} does not exist")
    if expected == 0:
        return Outcome(verdict=Verdict.ALREADY_EXISTS, revision=stored.revision, message=f"{operation.key} exists")
    if expected is not None and expected != stored.revision:
        message = f"{operation.key} is at revision {stored.revision}, not {expected}"
        return Outcome(verdict=Verdict.CONFLICT, revision=stored.revision, message=message)
    if operation.expected_uid and (uid := stamping.facts(stored.key, stored.json).uid) != operation.expected_uid:
        message = f"{operation.key} has uid {uid}, not {operation.expected_uid}"
        return Outcome(verdict=Verdict.CONFLICT, revision=stored.revision, message=message)
    return None
