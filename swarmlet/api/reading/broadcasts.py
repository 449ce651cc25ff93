"""What watches are told of a change: made once for all that see it the same way, and framed for the wire with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from swarmlet.api.reading import documents, lines, versions
from swarmlet.api.reading.feeds import Feed
from swarmlet.api.reading.media import Form
from swarmlet.api.reading.selection import Selection
from swarmlet.api.tables import table
from swarmlet.model.kinds import Kind
from swarmlet.store import stamping
from swarmlet.store.replica import Change, Stored

CHANGES_MAX = 500
BYTES_MAX = 256 * 1024
"""Of JSON, which one write to each watch may carry; a single object may be larger."""
TURN_BYTES = 16 * 1024
"""What one unit of work sends, about: a TLS record."""
LOOKS_PER_WRITE = 10
"""Changes that a selector is asked about in the time of one unit of work: a thousand watches may have one each."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a watch is told of objects; of equal shapes the bytes are equal, too. `include`: what goes with a Table."""

    kind: Kind
    form: Form
    version: str = "v1"
    include: str = ""

    def line(self, type_: str, stored: Stored, now: datetime, *, is_first: bool) -> bytes:
        """Return one event, framed. Only the first Table of a watch names the columns."""
        return lines.event(type_, self._document(stored, now, is_first=is_first))

    def bookmark(self, revision: int, *, initial_events_end: bool = False) -> bytes:
        """Return the event that tells how far a watch has come, framed."""
        kind, api_version = self.kind.kind, self.kind.api_version
        if self.form in (Form.METADATA, Form.METADATA_LIST):
            kind, api_version = Form.METADATA.value, f"meta.k8s.io/{self.version}"
        return lines.bookmark(kind, api_version, revision, initial_events_end=initial_events_end)

    def _document(self, stored: Stored, now: datetime, *, is_first: bool) -> bytes:
        if self.form is Form.TABLE:
            renderer = table.Renderer(self.kind, now, self.version, self.include)
            return renderer.table(documents.list_metadata(stored.revision), [stored], with_columns=is_first)
        if self.form in (Form.METADATA, Form.METADATA_LIST):
            return documents.partial(stored, self.version)
        return versions.shown_json(self.kind, stored.json)


@dataclass(frozen=True, slots=True)
class Interest:
    """What a watch wants to see: watches of equal interest form one audience. `selection` is what the selectors say."""

    shape: Shape
    namespace: str
    name: str
    label_selector: str
    field_selector: str
    selection: Selection = field(compare=False)

    @property
    def resource(self) -> str:
        return self.shape.kind.resource

    def type_of(self, change: Change) -> str:
        """Return what a change is to this interest: what leaves the selection is DELETED, what enters it ADDED.

        "" where it is nothing.
        """
        if self.namespace not in ("", change.key.namespace):
            return ""
        was = change.old is not None and self.selection.matches(change.old)
        if change.new is not None and self.selection.matches(change.new):
            return "MODIFIED" if was else "ADDED"
        return "DELETED" if was else ""


def shown(type_: str, change: Change) -> Stored:
    """Return the object that an event shows; of what is gone the last state, at the revision of its end."""
    if type_ != "DELETED" and change.new is not None:
        return change.new
    old = change.old
    assert old is not None
    return Stored(old.key, change.revision, stamping.restamped(old.json, change.revision), old.object)


class Batch:
    """Changes of one resource that are told together, up to `revision`, and the lines that were made of them so far."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.revision = 0
        self._bytes = 0
        self._lines: dict[tuple[int, str, Shape, bool], bytes] = {}

    @property
    def is_full(self) -> bool:
        return len(self.changes) >= CHANGES_MAX or self._bytes >= BYTES_MAX

    def add(self, change: Change) -> None:
        """Take the newest change."""
        self.changes.append(change)
        self.revision = change.revision
        shown_of = change.new or change.old
        self._bytes += len(shown_of.json) if shown_of else 0

    def lines(self, interest: Interest, now: datetime, *, is_first: bool) -> list[bytes]:
        """Return what an interest is told of; `is_first`: it was told nothing before."""
        told: list[bytes] = []
        for number, change in enumerate(self.changes):
            if type_ := interest.type_of(change):
                told.append(self._line(number, type_, interest.shape, now, is_first=is_first and not told))
        return told

    def _line(self, number: int, type_: str, shape: Shape, now: datetime, *, is_first: bool) -> bytes:
        key = (number, type_, shape, is_first)
        line = self._lines.get(key)
        if line is None:
            stored = shown(type_, self.changes[number])
            line = self._lines[key] = shape.line(type_, stored, now, is_first=is_first)
        return line


class Audience:
    """The watches of one interest."""

    def __init__(self, interest: Interest) -> None:
        self.interest = interest
        self.feeds: dict[Feed, None] = {}

    def end(self, why: str) -> None:
        """Cut every feed."""
        for feed in self.feeds:
            feed.end(why)

    def tell(self, batch: Batch, now: datetime) -> Iterator[float]:
        """Give a batch to every feed; yield after each step how much work it was."""
        told = _Telling(batch, self.interest, now)
        yield len(batch.changes) / LOOKS_PER_WRITE
        for feed in tuple(self.feeds):
            if batch.revision <= feed.after:
                continue
            made, chunk = told.to(feed)
            if made:
                feed.give(made, chunk)
                yield 1 + len(chunk) // TURN_BYTES

    def tell_revision(self, revision: int) -> Iterator[float]:
        """Give a bookmark to those who want one; yield as `tell` does."""
        line = self.interest.shape.bookmark(revision)
        for feed in tuple(self.feeds):
            if feed.bookmarks and feed.after <= revision:
                feed.give((line,), line)
                yield 1


class _Telling:
    """What one audience is told of one batch. Only a Table's first line differs from what others get."""

    def __init__(self, batch: Batch, interest: Interest, now: datetime) -> None:
        self._batch = batch
        self._interest = interest
        self._now = now
        self._made: dict[bool, tuple[Sequence[bytes], bytes]] = {}

    def to(self, feed: Feed) -> tuple[Sequence[bytes], bytes]:
        """Return the lines for a feed, and all of them joined."""
        is_first = feed.is_new and self._interest.shape.form is Form.TABLE
        made = self._made.get(is_first)
        if made is None:
            each = self._batch.lines(self._interest, self._now, is_first=is_first)
            made = self._made[is_first] = each, each[0] if len(each) == 1 else b"".join(each)
        return made
