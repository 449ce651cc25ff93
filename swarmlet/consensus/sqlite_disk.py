"""The real disk: a SQLite log and snapshot files in one locked folder, off the event loop.

One thread writes the log, so that batches are durable in their order; another one writes and reads snapshots, which
take long and must not hold up the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, TypeVar

from swarmlet.consensus.disk import Batch, Contents
from swarmlet.consensus.files import Files, SystemFiles
from swarmlet.consensus.snapshot_file import Header, SnapshotFolder
from swarmlet.consensus.sqlite_log import SqliteLog
from swarmlet.errors import ConfigError, DiskError
from swarmlet.raft.messages import SnapshotMeta

DATABASE = "raft.db"

T = TypeVar("T")


def _thread(name: str) -> Executor:
    return ThreadPoolExecutor(1, name)


class SqliteDisk:
    """The `Disk` of a daemon, in `folder`, which is made where it does not exist.

    `new_thread` makes an executor that does one thing at a time; on virtual time, one that does it at once.
    `files` is what lies under it all. `claimed` says that a node has used it before: then an empty one is a lost one.
    `accept_loss` opens one from which acknowledged writes are gone; `lost` counts them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        new_thread: Callable[[str], Executor] = _thread,
        files: Files | None = None,
        claimed: bool = False,
        accept_loss: bool = False,
    ) -> None:
        self._folder = folder
        self._files = files or SystemFiles()
        self._log = SqliteLog(folder / DATABASE, self._files, claimed=claimed)
        self._snapshots = SnapshotFolder(folder, self._files)
        self._log_thread = new_thread("raft-log")
        self._snapshot_thread = new_thread("raft-snapshot")
        self._accept_loss = accept_loss
        self._lock = contextlib.ExitStack()
        self._failure: DiskError | None = None
        self._failed = asyncio.Event()

    @property
    def lost(self) -> int:
        """At least so many batches that were durable are gone."""
        return self._log.lost

    async def load(self) -> Contents:
        return await self._run(self._log_thread, self._load)

    async def claim(self, cluster_id: str, node_id: str) -> None:
        await self._run(self._log_thread, self._log.claim, cluster_id, node_id)

    async def persist(self, batch: Batch) -> None:
        await self._run(self._log_thread, self._log.persist, batch)
        if batch.snapshot:
            await self._run(self._snapshot_thread, self._prune)

    async def save_snapshot(self, header: Header, chunks: Iterable[bytes], *, trim_to: int) -> None:
        await self._run(self._snapshot_thread, self._snapshots.write, header, chunks)
        if await self._run(self._log_thread, self._log.save_snapshot, header):
            while await self._run(self._log_thread, self._log.trim, min(trim_to, header.meta.index)):
                pass  # batches become durable between one part and the next
        await self._run(self._snapshot_thread, self._prune)

    async def read_state(self) -> Sequence[bytes]:
        return await self._run(self._snapshot_thread, self._read_state)

    async def open_snapshot(self) -> OpenSnapshot:
        header, file = await self._run(self._snapshot_thread, self._open_snapshot)
        return OpenSnapshot(header, file, functools.partial(self._run, self._snapshot_thread))

    async def receive_piece(self, meta: SnapshotMeta, offset: int, piece: bytes) -> int:
        return await self._run(self._snapshot_thread, self._snapshots.receive, meta, offset, piece)

    async def accept_snapshot(self, meta: SnapshotMeta) -> Header:
        return await self._run(self._snapshot_thread, self._snapshots.accept, meta)

    async def until_failure(self) -> None:
        await self._failed.wait()
        assert self._failure, "what has failed says how"
        raise self._failure

    def close(self) -> None:
        self._log_thread.shutdown()
        self._snapshot_thread.shutdown()
        self._log.close()
        self._lock.close()

    async def _run(self, thread: Executor, work: Callable[..., T], *arguments: object) -> T:
        """Do blocking work in `thread`; the first failure of the disk is every later call's answer."""
        if self._failure:
            raise self._failure
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, work, *arguments)
        except DiskError as error:
            self._fail(error)
            raise
        except OSError as error:
            failure = DiskError(f"{self._folder}: {error.strerror or error}")
            self._fail(failure)
            raise failure from error

    def _fail(self, error: DiskError) -> None:
        self._failure = self._failure or error
        self._failed.set()

    # In the snapshot thread, which is the only one to remove files: what is current there stays until it is opened.

    def _prune(self) -> None:
        self._snapshots.prune(self._log.snapshot.meta)

    def _read_state(self) -> Sequence[bytes]:
        meta = self._log.snapshot.meta
        return tuple(self._snapshots.read(meta)) if meta.index else ()

    def _open_snapshot(self) -> tuple[Header, BinaryIO]:
        header = self._log.snapshot
        return header, self._snapshots.open(header.meta)

    # In the log thread.

    def _load(self) -> Contents:
        take_folder(self._lock, self._folder, self._files)
        contents = self._log.load(accept_loss=self._accept_loss)
        self._snapshots.clean(contents.snapshot.meta)
        return contents


class OpenSnapshot:
    """A snapshot's file, open for sending. `run` does blocking work in the disk's thread for snapshots."""

    def __init__(self, header: Header, file: BinaryIO, run: Callable[..., Awaitable[bytes]]) -> None:
        self.header = header
        self.size = file.seek(0, io.SEEK_END)
        self._file = file
        self._run = run

    async def read(self, offset: int, limit: int) -> bytes:
        return await self._run(self._read, offset, limit)

    def close(self) -> None:
        self._file.close()

    def _read(self, offset: int, limit: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(limit)


def take_folder(lock: contextlib.ExitStack, folder: Path, files: Files) -> None:
    """Take a data folder for this process until `lock` closes; the kernel lets it go however the process ends.

    Raises `ConfigError` where another process has it or it cannot be used.
    """
    try:
        lock.enter_context(files.lock(folder))
    except BlockingIOError as error:
        raise ConfigError(f"{folder}: another swarmlet daemon uses this data folder; stop it first") from error
    except OSError as error:
        raise ConfigError(f"{folder}: the data folder cannot be used: {error.strerror}") from error
