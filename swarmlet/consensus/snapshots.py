"""Snapshots: taken when the log has grown, sent in pieces to who is too far behind, received piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import structlog

from swarmlet.consensus import wire
from swarmlet.consensus.addresses import AddressBook
from swarmlet.consensus.disk import SnapshotReader
from swarmlet.consensus.engine import Counters, Engine
from swarmlet.consensus.settings import SNAPSHOT_PIECE_BYTES, TAIL_BYTES_MAX
from swarmlet.consensus.snapshot_file import Header
from swarmlet.consensus.surroundings import Surroundings
from swarmlet.errors import InvalidError, PeerError, UnavailableError
from swarmlet.raft.messages import Message
from swarmlet.store.snapshot import Capture

log = structlog.get_logger()

SNAPSHOT_GROWTH = 4
"""A snapshot is taken only once the log weighs a quarter of the last one: a large state is not written again and again
for a few changes (dissertation §5.1.3)."""
ENTRY_WEIGHT_BYTES = 512
"""What an entry weighs beside its data, for the memory that it holds and the time it takes at the next start."""
RESENDS_MAX = 3
"""How often a piece is sent before the core is told that the receiver cannot be reached."""


class Snapshots:
    """One node's snapshots. At most one is taken at a time, one sent to each peer, one received."""

    def __init__(self, given: Surroundings, *, engine: Engine, book: AddressBook, counters: Counters) -> None:
        self._engine = engine
        self._disk = given.disk
        self._store = given.store
        self._book = book
        self._peers = given.peers
        self._config = given.config
        self._counters = counters
        self._taken_bytes = 0
        self._taking = False
        self._sending: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._receiving = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None

    def start(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks

    # Taking.

    def consider(self) -> None:
        """Take a snapshot where the log has grown enough since the last one, taken or installed."""
        grown = self._engine.applied.index - self._engine.snapshot_index
        due = self._is_due(grown, self._engine.bytes_since_snapshot)
        replaced = (
            self._engine.applied.index < self._engine.core.first_index - 1
        )  # by one that is about to be installed
        if due and grown > 0 and self._tasks and not self._taking and not replaced:
            self._taking = True
            self._tasks.create_task(self._take(*self._capture()))

    def _is_due(self, entries: int, size_bytes: int) -> bool:
        """Whether a log so long is worth a snapshot: by the configured limits, and by what the last one weighed."""
        weight_bytes = size_bytes + entries * ENTRY_WEIGHT_BYTES
        return (
            entries >= self._config.snapshot_entries or size_bytes >= self._config.snapshot_bytes
        ) and weight_bytes * SNAPSHOT_GROWTH >= self._taken_bytes

    def _capture(self) -> tuple[Header, Capture, int]:
        """Freeze the applied state of this moment; say, too, up to where the log is to be trimmed."""
        index = self._engine.applied.index
        self._engine.snapshot_index, self._engine.bytes_since_snapshot = index, 0
        core, entries_max = self._engine.core, self._config.tail_entries
        trim_to = core.tail_base(index, entries_max=entries_max, bytes_max=TAIL_BYTES_MAX)
        return self._book.header(core.snapshot_meta(index)), self._store.capture(), trim_to

    async def _take(self, header: Header, capture: Capture, trim_to: int) -> None:
        """Write a captured state to disk, then trim the log to the tail behind `trim_to`."""
        try:
            await self._disk.save_snapshot(header, self._weighed(capture.encode_chunks()), trim_to=trim_to)
        finally:
            self._taking = False
        self._engine.core.compact(min((trim_to, *self._sending.values(), *self._held.values())))
        self._counters.snapshots_taken += 1
        log.info("snapshot_taken", index=header.meta.index, log_kept_from=trim_to + 1)

    def hold(self, node: str, index: int) -> None:
        """Keep the log after `index` until `let_go`: a spare is about to need it."""
        self._held[node] = index

    def let_go(self, node: str) -> None:
        self._held.pop(node, None)

    def _weighed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the chunks on, in the disk's thread, and note what they weigh."""
        size_bytes = 0
        for chunk in chunks:
            size_bytes += len(chunk)
            yield chunk
        self._taken_bytes = size_bytes

    # Sending.

    def send(self, message: Message) -> None:
        """Send the current snapshot to who needs it, in the background; the core is told how it ended."""
        if self._tasks is None or message.to in self._sending:
            return
        self._sending[message.to] = 0
        self._tasks.create_task(self._send(message))

    async def _send(self, message: Message) -> None:
        delivered = False
        try:
            reader = await self._disk.open_snapshot()
            self._sending[message.to] = reader.header.meta.index
            try:
                await self._send_pieces(message, reader)
            finally:
                reader.close()
            delivered = True
            self._counters.snapshots_sent += 1
            log.info("snapshot_sent", peer=message.to, index=reader.header.meta.index, size_bytes=reader.size)
        except (PeerError, InvalidError) as error:
            log.warning("snapshot_not_sent", peer=message.to, error=str(error))
        finally:
            del self._sending[message.to]
            self._engine.core.report_snapshot(message.to, ok=delivered)
            self._engine.wake()

    async def _send_pieces(self, message: Message, reader: SnapshotReader) -> None:
        """Send from where the receiver stands; its answers say where that is, so a broken link costs one piece."""
        meta = reader.header.meta
        last = Message(message.kind, message.sender, message.to, message.term, snapshot=meta)
        offset = failures = 0
        while True:
            piece = await reader.read(offset, SNAPSHOT_PIECE_BYTES)
            is_end = offset + len(piece) >= reader.size
            payload = wire.encode(wire.SnapshotPiece(meta, offset, piece, last if is_end else None))
            try:
                reply = await self._peers.call(
                    message.to, wire.SNAPSHOT, payload, timeout_seconds=self._config.snapshot_call_seconds_max
                )
            except PeerError:
                failures += 1
                if failures >= RESENDS_MAX:
                    raise
                continue
            failures = 0
            offset = wire.decode(reply, int)
            if offset >= reader.size and is_end:
                return

    # Receiving.

    async def receive(self, _sender: str, payload: bytes) -> bytes:
        """Take one piece; with the last one, verify the whole and hand it to the core."""
        if self._engine.is_spare:
            raise UnavailableError("this node is a spare as far as it knows, and is fed by its peers")
        piece = wire.decode(payload, wire.SnapshotPiece)
        async with self._receiving:
            if piece.meta.index <= self._engine.applied.index:
                return wire.encode(piece.offset + len(piece.piece))  # nothing in it is news
            held = await self._disk.receive_piece(piece.meta, piece.offset, piece.piece)
            if piece.message and held == piece.offset + len(piece.piece):
                header = await self._disk.accept_snapshot(piece.meta)
                self._engine.install(header, piece.message)
                log.info("snapshot_received", index=piece.meta.index, size_bytes=held)
        return wire.encode(held)
