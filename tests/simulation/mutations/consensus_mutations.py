"""Bugs in the disk code and in the driver, which the simulated clusters must find."""

from __future__ import annotations

from tests.simulation.mutations.mutation import Mutation, World

DISK = (
    Mutation(
        name="no-fsync",
        source="raftos, pysyncobj: no fsync anywhere",
        file="consensus/sqlite_log.py",
        old='db.execute("PRAGMA synchronous = FULL")',
        new='db.execute("PRAGMA synchronous = OFF")',
        world=World.CONSENSUS,
    ),
    Mutation(
        name="fsync-at-checkpoints-only",
        source="pitfall 1: entries, term and vote are on disk before any reply that depends on them",
        file="consensus/sqlite_log.py",
        old='db.execute("PRAGMA synchronous = FULL")',
        new='db.execute("PRAGMA synchronous = NORMAL")',
        world=World.CONSENSUS,
    ),
    Mutation(
        name="disk-error-ignored",
        source="pitfall 1: an fsync error is fatal; never retried",
        file="consensus/sqlite_log.py",
        old="            raise damage.unwritable(self._path, error) from error\n",
        new=('            if self._db.in_transaction:\n                self._db.execute("ROLLBACK")\n'),
        world=World.CONSENSUS,
    ),
    Mutation(
        name="disk-error-retried",
        source="pitfall 1: an fsync error is fatal; never retried",
        file="consensus/sqlite_log.py",
        old='            self._db.execute("COMMIT")\n',
        new=(
            "            try:\n"
            '                self._db.execute("COMMIT")\n'
            "            except sqlite3.Error:\n"
            "                if self._db.in_transaction:\n"
            '                    self._db.execute("COMMIT")\n'
        ),
        world=World.CONSENSUS,
    ),
    Mutation(
        name="snapshot-without-fsync",
        source="pitfall 2: write aside, fsync, rename",
        file="consensus/snapshot_file.py",
        old="            file.write(digest.digest())\n            self._files.sync(file)\n",
        new="            file.write(digest.digest())\n",
        world=World.CONSENSUS,
    ),
    Mutation(
        name="received-snapshot-without-fsync",
        source="pitfall 2: write aside, fsync, rename",
        file="consensus/snapshot_file.py",
        old="                header = _verified_header(file)\n                self._files.sync(file)\n",
        new="                header = _verified_header(file)\n",
        world=World.CONSENSUS,
    ),
    Mutation(
        name="folder-without-fsync",
        source="pitfall 2: rename, fsync the folder, only then trim the log",
        file="consensus/snapshot_file.py",
        old="        self._files.sync_folder(self._folder)\n",
        new="",
        world=World.CONSENSUS,
    ),
    Mutation(
        name="vote-not-in-the-database",
        source="raftos: two votes in one term after a restart",
        file="consensus/sqlite_log.py",
        old="hard_state=batch.hard_state or state.hard_state,",
        new='hard_state=msgspec.structs.replace(batch.hard_state or state.hard_state, vote=""),',
        world=World.CONSENSUS,
    ),
    Mutation(
        name="hard-state-only-with-entries",
        source="pitfall 1: term and vote are on disk before any reply that depends on them",
        file="consensus/engine.py",
        old="if ready.must_sync or ready.entries or ready.snapshot:",
        new="if ready.entries or ready.snapshot:",
        world=World.CONSENSUS,
    ),
    Mutation(
        name="acknowledged-before-persisted",
        source="pitfall 1: entries, term and vote are on disk before any reply that depends on them",
        file="consensus/engine.py",
        old=(
            "        if ready.must_sync or ready.entries or ready.snapshot:\n"
            "            await self._persist(ready)\n"
            "        listeners.send(ready.messages_after_persist)\n"
        ),
        new=(
            "        listeners.send(ready.messages_after_persist)\n"
            "        if ready.must_sync or ready.entries or ready.snapshot:\n"
            "            await self._persist(ready)\n"
        ),
        world=World.CONSENSUS,
    ),
    Mutation(
        name="entry-read-back-as-another-kind",
        source="raftos: the serializer cannot re-read its own log",
        file="consensus/log_rows.py",
        old="            entry = Entry(position, entry_term, data, EntryKind(kind))\n",
        new="            entry = Entry(position, entry_term, data, EntryKind(kind and 0))\n",
        world=World.CONSENSUS,
    ),
    Mutation(
        name="term-ten-breaks-the-framing",
        source="raftos: term 10 (0x0a) breaks its line framing",
        file="consensus/wire.py",
        old="    return _messages.decode(payload)\n",
        new='    return _messages.decode(payload.partition(b"\\n")[0])\n',
        world=World.CONSENSUS,
    ),
)

APPLYING = (
    Mutation(
        name="snapshot-of-the-commit-index",
        source="pitfall 2: applied index and state move together",
        file="consensus/snapshots.py",
        old="        index = self._engine.applied.index\n        self._engine.snapshot_index",
        new="        index = self._engine.core.commit\n        self._engine.snapshot_index",
        world=World.CONSENSUS,
    ),
    Mutation(
        name="snapshot-installed-without-its-state",
        source="pitfall 2: applied index and state move together",
        file="consensus/engine.py",
        old="            self._store.adopt(restoration)\n",
        new="            pass\n",
        world=World.CONSENSUS,
    ),
    Mutation(
        name="state-not-read-at-the-start",
        source="pitfall 2: recovery begins from the snapshot's state",
        file="consensus/driver.py",
        old="            store.restore(chunks)\n",
        new="            pass\n",
        world=World.CONSENSUS,
    ),
    Mutation(
        name="retried-proposal-applied-twice",
        source="RAFT.md: client request ids, so that a retried proposal is applied once",
        file="store/state.py",
        old="        if first is not None:\n            return first\n        changes",
        new="        changes",
        world=World.CONSENSUS,
    ),
    Mutation(
        name="another-id-for-each-attempt",
        source="RAFT.md: a retried proposal is applied once",
        file="consensus/driver.py",
        old="            here=lambda: self._append(data, command),\n",
        new=(
            "            here=lambda: self._append(\n"
            "                *(lambda again: (commands.encode(again), again))(\n"
            "                    Command(self._given.rng.randbytes(REQUEST_ID_BYTES), tuple(operations), atomic)\n"
            "                )\n"
            "            ),\n"
        ),
        world=World.CONSENSUS,
    ),
)

CLIENTS = (
    Mutation(
        name="wrong-command-acknowledged",
        source="raftos: a shared future acknowledges the wrong command",
        file="consensus/waiting.py",
        old="        proposal = self._by_index.pop(index, None)\n        if proposal and proposal.term != term:\n",
        new=(
            "        proposal = self._by_index.pop(min(self._by_index, default=index), None)\n"
            "        if proposal and proposal.term != term:\n"
        ),
        world=World.CONSENSUS,
    ),
    Mutation(
        name="lost-lead-told-as-success",
        source="RAFT.md: a timeout means unknown, and the API says so",
        file="consensus/waiting.py",
        old=(
            "        for proposal in self._by_index.values():\n            _fail(proposal.done, _lost())\n"
            "        self._by_index.clear()\n"
        ),
        new=(
            "        for proposal in self._by_index.values():\n"
            "            if not proposal.done.done():\n"
            "                proposal.done.set_result(())\n"
            "        self._by_index.clear()\n"
        ),
        world=World.CONSENSUS,
    ),
    Mutation(
        name="unknown-told-as-nothing-changed",
        source="RAFT.md: a timeout means unknown, and the API says so",
        file="consensus/forwarding.py",
        old="before, unknown = unknown, True  # until an answer says otherwise",
        new="before, unknown = unknown, False",
        world=World.CONSENSUS,
    ),
    Mutation(
        name="lost-lead-told-as-nothing-changed",
        source="RAFT.md: a timeout means unknown, and the API says so",
        file="consensus/waiting.py",
        old='    return OutcomeUnknownError("the leader lost its lead before the write was committed")\n',
        new='    return UnavailableError("the leader lost its lead before the write was committed")\n',
        world=World.CONSENSUS,
    ),
    Mutation(
        name="acknowledged-on-append",
        source="RAFT.md: an acknowledged write is durable on a quorum",
        file="consensus/driver.py",
        old="        return wire.Proposed(index, await done)\n",
        new="        return wire.Proposed(0, self._given.store.apply_entry(data) if not done.done() else await done)\n",
        world=World.CONSENSUS,
    ),
    Mutation(
        name="read-before-it-is-applied",
        source="pitfall 6: a read is served once its index is applied",
        file="consensus/driver.py",
        old="                await self._engine.applied.wait(await self._reads.index())\n",
        new="                await self._reads.index()\n",
        world=World.CONSENSUS,
    ),
    Mutation(
        name="read-without-the-leader",
        source="RAFT.md: ReadIndex with a quorum round, no local reads",
        file="consensus/driver.py",
        old="                await self._engine.applied.wait(await self._reads.index())\n",
        new="                await self._engine.applied.wait(self._engine.core.commit)\n",
        world=World.CONSENSUS,
    ),
)

SENDING = (
    Mutation(
        name="snapshot-named-as-the-one-asked-for",
        source="RAFT.md: snapshots that carry the membership as of their own index",
        file="consensus/snapshots.py",
        old="last = Message(message.kind, message.sender, message.to, message.term, snapshot=meta)",
        new="last = message",
        world=World.CONSENSUS,
    ),
    Mutation(
        name="snapshot-taken-for-delivered",
        source="etcd: a snapshot that could not be sent is sent again",
        file="consensus/snapshots.py",
        old="            self._engine.core.report_snapshot(message.to, ok=delivered)\n",
        new="            pass\n",
        world=World.CONSENSUS,
    ),
)

CONSENSUS = (*DISK, *APPLYING, *CLIENTS, *SENDING)
