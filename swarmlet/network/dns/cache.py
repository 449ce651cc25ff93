"""Answers of other servers, kept for as long as they allow, and no more of them than there is room for. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

ENTRIES_MAX = 10_000
ENTRY_BYTES_MAX = 16 * 1024
BYTES_MAX = 4 * 1024 * 1024
"""Of all answers as they came; in memory they take some fifteen times as much."""
TTL_SECONDS_MAX = 3_600
NEGATIVE_TTL_SECONDS_MAX = 300


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of another server. `name` is in lower case; `secure`: with the signatures (the DO bit)."""

    name: dns.name.Name
    kind: dns.rdatatype.RdataType
    secure: bool = False


@dataclass(frozen=True, slots=True)
class _Entry:
    message: dns.message.Message
    since: float
    until: float
    size: int


class Cache:
    """What was asked longest ago goes first. Times are monotonic seconds."""

    def __init__(self, entries_max: int = ENTRIES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._entries: OrderedDict[Question, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, question: Question, now: float) -> dns.message.Message | None:
        """Return an answer with the time that it still has; it is the caller's to change."""
        entry = self._entries.get(question)
        if entry is None:
            return None
        if entry.until <= now:
            self._forget(question)
            return None
        self._entries.move_to_end(question)
        return aged(entry.message, int(now - entry.since))

    def put(self, question: Question, message: dns.message.Message, wire_bytes: int, now: float) -> None:
        """Keep an answer of `wire_bytes` where it may be kept at all."""
        seconds = lifetime(message)
        if not seconds or wire_bytes > ENTRY_BYTES_MAX:
            return
        if question in self._entries:
            self._forget(question)
        self._entries[question] = _Entry(message, now, now + seconds, wire_bytes)
        self._bytes += wire_bytes
        while len(self._entries) > self._entries_max or self._bytes > self._bytes_max:
            self._forget(next(iter(self._entries)))

    def _forget(self, question: Question) -> None:
        self._bytes -= self._entries.pop(question).size


def lifetime(message: dns.message.Message) -> int:
    """Return for how many seconds an answer may be kept; 0: not at all.

    What says "no" is kept as its SOA record allows, and without one it is not (RFC 2308 §5).
    """
    if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or not message.question:
        return 0
    kind = message.question[0].rdtype
    said = message.rcode() == dns.rcode.NOERROR and any(row.rdtype == kind for row in message.answer)
    if said:
        return min(TTL_SECONDS_MAX, *(row.ttl for row in message.answer))
    limits = [min(row.ttl, row[0].minimum) for row in message.authority if row.rdtype == dns.rdatatype.SOA]
    return min(NEGATIVE_TTL_SECONDS_MAX, *limits, *(row.ttl for row in message.answer)) if limits else 0


def aged(message: dns.message.Message, seconds: int) -> dns.message.Message:
    """Return a copy whose records have so many seconds less to live."""
    copy = dns.message.Message(message.id)
    copy.flags = message.flags
    copy.question = list(message.question)
    for section, rows in enumerate((message.answer, message.authority, message.additional), start=1):
        for row in rows:
            fresh = dns.rrset.from_rdata_list(row.name, max(0, row.ttl - seconds), list(row))
            copy.sections[section].append(fresh)
    copy.use_edns(-1)
    copy.set_rcode(message.rcode())
    return copy
