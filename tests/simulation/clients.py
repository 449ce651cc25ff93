"""Clients that write, compare and swap, read and watch, through any machine, and write down what they were told."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Sequence

from swarmlet.consensus.driver import Consensus
from swarmlet.errors import ExpiredError, OutcomeUnknownError, PeerError
from swarmlet.store import commands
from swarmlet.store.commands import Key, Outcome, Verdict
from swarmlet.store.replica import Change, Stored
from tests.simulation.desk import Desk
from tests.simulation.invariants import Truth
from tests.simulation.linearizability import Kind, Operation, Result
from tests.simulation.violations import require

RESOURCE = "configmaps"
KEYS = ("a", "b", "c")
THINK_SECONDS_MAX = 0.5
CALL_SECONDS = 3.0
PATIENCE_SECONDS = 4.0
"""A client gives up a little after the daemon should have."""
WATCH_SECONDS_MAX = 5.0
READ_OWN = "a stale read shows what was written"
WATCH = "a watch is gap-free and in order"
DENIED = "a write that is said to have changed nothing is nowhere"

_VALUE = re.compile(rb'"value":"([^"]*)"')


def key_of(name: str) -> Key:
    return Key(RESOURCE, "default", name)


def config_map(name: str, value: str) -> bytes:
    metadata = f'"metadata":{{"name":"{name}","namespace":"default"}}'
    return f'{{"apiVersion":"v1","kind":"ConfigMap",{metadata},"data":{{"value":"{value}"}}}}'.encode()


def value_of(stored: Stored | None) -> str | None:
    match = _VALUE.search(stored.json) if stored else None
    return match[1].decode() if match else None


class Client:
    """One client that does one thing after another. Its every outcome goes into `history`."""

    def __init__(self, name: str, desk: Desk, machines: Sequence[str], history: list[Operation], truth: Truth) -> None:
        self.name = name
        self._desk = desk
        self._machines = machines
        self._history = history
        self._truth = truth
        self._rng = desk.kernel.chance(name)
        self._writes = 0
        self.denied: set[str] = set()
        """The values of writes that surely changed nothing, by what it was told."""
        self._known: dict[str, tuple[str | None, int]] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        deeds = {Kind.PUT: 3, Kind.SWAP: 4, Kind.CREATE: 1, Kind.DELETE: 1, Kind.READ: 5}
        while True:
            await asyncio.sleep(self._rng.uniform(0, THINK_SECONDS_MAX))
            (kind,) = self._rng.choices(list(deeds), list(deeds.values()))
            machine, name = self._rng.choice(self._machines), self._rng.choice(KEYS)
            if kind is Kind.READ:
                await self._read(machine, name)
            else:
                await self._write(machine, name, kind)

    # Writing.

    async def _write(self, machine: str, name: str, kind: Kind) -> None:
        self._writes += 1
        value = f"{self.name}.{self._writes}"
        expected, revision = self._known.get(name, (None, 0))
        if kind is Kind.SWAP and expected is None:
            kind = Kind.PUT
        operation = Operation(
            self.name,
            name,
            kind,
            self._desk.kernel.now,
            argument=None if kind is Kind.DELETE else value,
            expected=expected if kind is Kind.SWAP else None,
        )
        self._history.append(operation)
        change = self._operation(kind, name, value, revision)
        try:
            outcomes = await self._desk.ask(
                machine,
                lambda consensus: consensus.propose([change], timeout_seconds=CALL_SECONDS),
                seconds=PATIENCE_SECONDS,
            )
        except OutcomeUnknownError:
            self._finish(operation, Result.UNKNOWN)
        except PeerError:
            self._history.remove(operation)
            self.denied.add(value)
        else:
            self._note(operation, outcomes[0])

    def _operation(self, kind: Kind, name: str, value: str, revision: int) -> commands.Operation:
        if kind is Kind.DELETE:
            return commands.Delete(key_of(name))
        expected = {Kind.SWAP: revision, Kind.CREATE: 0}.get(kind)
        return commands.Put(key_of(name), config_map(name, value), expected_revision=expected)

    def _note(self, operation: Operation, outcome: Outcome) -> None:
        refused = {Verdict.CONFLICT, Verdict.NOT_FOUND, Verdict.ALREADY_EXISTS}
        require(outcome.verdict in refused | {Verdict.DONE}, "every outcome makes sense", f"{operation}: {outcome}")
        operation.revision = outcome.revision
        self._finish(operation, Result.REFUSED if outcome.verdict in refused else Result.DONE)
        if outcome.verdict is Verdict.DONE:
            self._known[operation.key] = (operation.argument, outcome.revision)
        else:
            self._known.pop(operation.key, None)

    # Reading.

    async def _read(self, machine: str, name: str) -> None:
        linearizable = self._rng.random() < 0.8
        operation = Operation(self.name, name, Kind.READ, self._desk.kernel.now)
        if linearizable:
            self._history.append(operation)

        async def work(consensus: Consensus) -> tuple[str | None, int]:
            if linearizable:
                await consensus.linearize(timeout_seconds=CALL_SECONDS)
            stored = consensus.view.get(key_of(name))
            if stored:
                fact = self._truth.facts.get(stored.revision)
                require(fact and fact.json == stored.json, READ_OWN, f"{machine} shows {stored}")
            return value_of(stored), stored.revision if stored else 0

        try:
            operation.argument, operation.revision = await self._desk.ask(machine, work, seconds=PATIENCE_SECONDS)
        except PeerError:
            if linearizable:
                self._history.remove(operation)
            return
        if linearizable:
            self._finish(operation, Result.DONE)
        self._known[name] = operation.argument, operation.revision

    def _finish(self, operation: Operation, result: Result) -> None:
        operation.result = result
        if result is not Result.UNKNOWN:
            operation.returned = self._desk.kernel.now
        self._desk.kernel.record(self.name, str(operation))


class Watcher:
    """One client that follows every change of the resource, from machine to machine."""

    def __init__(self, name: str, desk: Desk, machines: Sequence[str], truth: Truth) -> None:
        self.name = name
        self.seen = 0
        self.changes = 0
        self.expirations = 0
        self._desk = desk
        self._machines = machines
        self._truth = truth
        self._rng = desk.kernel.chance(name)
        self._stream = 0
        self._arrives_at = 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._stream += 1
            seconds = self._rng.uniform(0.2, WATCH_SECONDS_MAX)
            work = functools.partial(self._serve, stream=self._stream, seconds=seconds)
            try:
                await self._desk.ask(self._rng.choice(self._machines), work, seconds=seconds + PATIENCE_SECONDS)
            except ExpiredError:
                self.expirations += 1
                await self._list()
            except PeerError:
                await asyncio.sleep(0.2)

    async def _list(self) -> None:
        """Begin anew from what there is now."""

        async def work(consensus: Consensus) -> int:
            await consensus.linearize(timeout_seconds=CALL_SECONDS)
            return consensus.view.revision

        try:
            revision = await self._desk.ask(self._rng.choice(self._machines), work, seconds=PATIENCE_SECONDS)
        except PeerError:
            return
        self._stream += 1  # what the old one sent is old news
        require(revision >= self.seen, WATCH, f"{self.name} had seen {self.seen}, and a new list shows {revision}")
        self.seen = revision

    async def _serve(self, consensus: Consensus, *, stream: int, seconds: float) -> None:
        """Send what changes after what was seen, in the daemon, as its API does."""
        await consensus.linearize(timeout_seconds=CALL_SECONDS)
        since, changed = self.seen, asyncio.Event()
        require(consensus.view.revision >= since, WATCH, f"revision {consensus.view.revision}, seen was {since}")
        unsubscribe = consensus.view.subscribe(lambda _changes: changed.set())
        try:
            async with asyncio.timeout(seconds):
                while True:
                    changed.clear()
                    for change in consensus.view.changes_since(RESOURCE, since):
                        since = change.revision
                        self._send(stream, change)
                    await changed.wait()
        except TimeoutError:
            return
        finally:
            unsubscribe()

    def _send(self, stream: int, change: Change) -> None:
        kernel = self._desk.kernel
        self._arrives_at = max(self._arrives_at + 0.000_000_1, kernel.now + 0.001)
        kernel.at(self._arrives_at, lambda: self._desk.process.post(self._take, stream, change))

    def _take(self, stream: int, change: Change) -> None:
        if stream != self._stream:
            return
        skipped = [
            revision
            for revision in range(self.seen + 1, change.revision)
            if self._truth.facts[revision].key.resource == RESOURCE
        ]
        require(not skipped and change.revision > self.seen, WATCH, f"{self.name}: {change.revision} at {self.seen}")
        self._truth.changed(self.name, (change,))
        self.seen = change.revision
        self.changes += 1


def check_revisions(history: Sequence[Operation], truth: Truth) -> None:
    """Every acknowledged write is in the history that all replicas share, at the revision that was acknowledged."""
    for operation in history:
        written = operation.kind is not Kind.READ and operation.result is Result.DONE
        fact = truth.facts.get(operation.revision)
        if written and operation.argument is not None:
            found = fact and fact.json and f'"{operation.argument}"'.encode() in fact.json
            require(found, "no acknowledged write is lost", f"{operation} at revision {operation.revision}: {fact}")


def check_denied(clients: Sequence[Client], truth: Truth) -> None:
    """What a client was told to have had no effect has none, then or later."""
    denied = set().union(*(client.denied for client in clients))
    for revision, fact in truth.facts.items():
        match = _VALUE.search(fact.json) if fact.json else None
        require(not match or match[1].decode() not in denied, DENIED, f"{fact} at revision {revision}")
