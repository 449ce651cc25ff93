"""Is what a stopped member's disk holds sound: beneath `swarmlet check`. Works on a copy and changes nothing."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from swarmlet.consensus import recovery, sqlite_disk
from swarmlet.consensus.disk import Contents
from swarmlet.consensus.files import SystemFiles
from swarmlet.consensus.snapshot_file import SnapshotFolder
from swarmlet.consensus.sqlite_log import SqliteLog
from swarmlet.errors import ConfigError, DiskError
from swarmlet.model import kinds
from swarmlet.store.state import Store

FINDINGS_MAX = 5
"""Of the objects that do not decode, so many are named."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str


@dataclass(slots=True)
class Report:
    """What was found; `last_index` and `last_term` are how far this machine's log goes."""

    findings: list[Finding] = field(default_factory=list)
    cluster_id: str = ""
    node_id: str = ""
    last_index: int = 0
    last_term: int = 0
    commit: int = 0

    @property
    def ok(self) -> bool:
        return all(finding.ok for finding in self.findings)

    def add(self, what: str, problem: str, fine: str) -> None:
        """Note what was looked at: its problem, or, where there is none, what is fine about it."""
        self.findings.append(Finding(what, not problem, problem or fine))


def examine(folder: Path) -> Report:
    """Check a consensus folder; raise `ConfigError` where a daemon uses it or it cannot be read."""
    report = Report()
    with _copied(folder) as copy:
        contents = _log(copy, report)  # first: what SQLite opens, it tidies up
        report.add("database", _integrity(copy / sqlite_disk.DATABASE), "its pages are whole")
        if contents:
            _check_hard_state(contents, report)
            chunks = _snapshot(copy, contents, report)
            if chunks is not None:
                _check_replay(contents, chunks, report)
    return report


@contextlib.contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    """Yield a copy that may be opened, which recovers and moves what a crash left, while no daemon has the original."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is nothing to check; is this machine a member, and --data-dir right?")
    with contextlib.ExitStack() as stack:
        sqlite_disk.take_folder(stack, folder, SystemFiles())
        try:
            copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="check-", dir=folder)))
            for path in folder.iterdir():
                if path.is_file():
                    shutil.copy2(path, copy)
        except OSError as error:
            raise ConfigError(f"{folder}: cannot be copied to be checked: {error.strerror or error}") from error
        yield copy


def _integrity(path: Path) -> str:
    if not path.exists():
        return "it is missing"
    try:
        with contextlib.closing(sqlite3.connect(path)) as db:
            found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as error:
        return str(error)
    return "" if found == ["ok"] else " ".join("; ".join(found).split())


def _log(folder: Path, report: Report) -> Contents | None:
    """Read the log as a start would; where acknowledged writes are gone, go on with what is there."""
    problem, contents = "", None
    try:
        contents = _loaded(folder, accept_loss=False)
    except DiskError as error:
        problem = _reason(error)
        with contextlib.suppress(DiskError):
            contents = _loaded(folder, accept_loss=True)
    report.add("log", problem, _described(contents) if contents else "")
    if contents:
        _note(contents, report)
    return contents


def _loaded(folder: Path, *, accept_loss: bool) -> Contents:
    log = SqliteLog(folder / sqlite_disk.DATABASE, claimed=True)
    try:
        return log.load(accept_loss=accept_loss)
    finally:
        log.close()


def _note(contents: Contents, report: Report) -> None:
    found = contents.entries[-1] if contents.entries else contents.snapshot.meta
    report.last_index, report.last_term = found.index, found.term
    report.cluster_id, report.node_id = contents.cluster_id, contents.node_id
    report.commit = contents.hard_state.commit


def _described(contents: Contents) -> str:
    if not contents.entries:
        return f"no entries after index {contents.snapshot.meta.index}"
    first, last = contents.entries[0], contents.entries[-1]
    return f"entries {first.index} to {last.index} of term {last.term}, none missing, checksums right"


def _check_hard_state(contents: Contents, report: Report) -> None:
    state, snapshot = contents.hard_state, contents.snapshot.meta
    last = contents.entries[-1] if contents.entries else snapshot
    problem = ""
    if state.commit > last.index:
        problem = f"commit {state.commit} lies behind the log's end at {last.index}"
    elif state.term < last.term:
        problem = f"term {state.term} is older than the log's last, {last.term}"
    elif state.vote and not state.term:
        problem = f"a vote for {state.vote} in no term"
    report.add("hard state", problem, f"term {state.term}, commit {state.commit} of {last.index}")


def _snapshot(folder: Path, contents: Contents, report: Report) -> tuple[bytes, ...] | None:
    """Read the snapshot's file, if there is to be one; None where it is damaged."""
    meta = contents.snapshot.meta
    if not meta.index:
        report.add("snapshot", "", "none yet")
        return ()
    snapshots = SnapshotFolder(folder)
    try:
        header = snapshots.header(meta)
        chunks = tuple(snapshots.read(meta))
    except DiskError as error:
        report.add("snapshot", _reason(error), "")
        return None
    problem = "" if header == contents.snapshot else "its header is not what the log says of it"
    size = sum(map(len, chunks))
    report.add("snapshot", problem, f"index {meta.index} of term {meta.term}, {size} bytes, checksum right")
    return chunks


def _check_replay(contents: Contents, chunks: tuple[bytes, ...], report: Report) -> None:
    try:
        found = recovery.replayed(contents, chunks)
    except DiskError as error:
        report.add("state", str(error), "")
        return
    problems = [problem for resource in kinds.BY_RESOURCE for problem in _undecodable(found.store, resource)]
    count = sum(len(found.store.list(resource)) for resource in kinds.BY_RESOURCE)
    fine = f"revision {found.store.revision}, {count} objects, all decode"
    report.add("state", "; ".join(problems[:FINDINGS_MAX]), fine)


def _undecodable(store: Store, resource: str) -> Iterator[str]:
    for stored in store.list(resource):
        try:
            stored.object  # noqa: B018  decoding it is the point
        except ValueError as error:
            yield f"{stored.key}: {error}"


def _reason(error: DiskError) -> str:
    """Return what was found, without the path of a copy and without the way out, which is told once."""
    text = str(error).partition(": ")[2]
    return text.partition("damaged (")[2].partition("); this machine")[0] or text
