"""Answers as bytes, to be sent again as they are: a question that was asked before costs no more than finding it. Pure.

The bytes are without their number, by those of the query without its own; so an answer fits whoever asks just that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import dns.rdatatype

ANSWERS_MAX = 4_096
QUERY_BYTES_MAX = 512
HEADER_BYTES = 12
NUMBER_BYTES = 2
_COUNTS = struct.Struct("!4H")
_RECORD = struct.Struct("!HHIH")
_TTL = struct.Struct("!I")
_POINTER = 0xC0


@dataclass(frozen=True, slots=True)
class _Answer:
    """`times` are the places of what counts down, each with what it was at `since`; none in what does not age."""

    wire: bytes
    since: float
    until: float
    times: tuple[tuple[int, int], ...]


class ReadyAnswers:
    """Of one generation of the cluster's names: they are forgotten with it. Times are monotonic seconds."""

    def __init__(self, answers_max: int = ANSWERS_MAX) -> None:
        self._answers_max = answers_max
        self._answers: dict[bytes, _Answer] = {}
        self._generation = 0

    def get(self, query: bytes, generation: int, now: float) -> bytes | None:
        """Return an answer that is still good."""
        found = self._answers.get(query) if generation == self._generation else None
        if found is None or now >= found.until:
            return None
        seconds = int(now - found.since) if found.times else 0
        return _aged(found, seconds) if seconds else found.wire

    def put(self, query: bytes, answer: bytes, generation: int, now: float, lasting: float | None = None) -> None:
        """Keep an answer; one of another server for so many seconds, while its records' times count down."""
        if generation != self._generation or len(self._answers) >= self._answers_max:
            self._answers.clear()
            self._generation = generation
        if len(query) > QUERY_BYTES_MAX:
            return
        if lasting is None:
            self._answers[query] = _Answer(answer, now, float("inf"), ())
        elif lasting > 0:
            self._answers[query] = _Answer(answer, now, now + lasting, tuple(_times(answer)))


def _aged(answer: _Answer, seconds: int) -> bytes:
    wire = bytearray(answer.wire)
    for place, ttl in answer.times:
        _TTL.pack_into(wire, place, max(0, ttl - seconds))
    return bytes(wire)


def _times(wire: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each record's time to live stands, and what it is; in a message that we made, without its number."""
    questions, *records = _COUNTS.unpack_from(wire, 4 - NUMBER_BYTES)
    place = HEADER_BYTES - NUMBER_BYTES
    for _ in range(questions):
        place = _after_name(wire, place) + 4
    for _ in range(sum(records)):
        place = _after_name(wire, place)
        kind, _class, ttl, size = _RECORD.unpack_from(wire, place)
        if kind != dns.rdatatype.OPT:
            yield place + 4, ttl
        place += _RECORD.size + size


def _after_name(wire: bytes, place: int) -> int:
    while (length := wire[place]) and length < _POINTER:
        place += 1 + length
    return place + (2 if wire[place] else 1)
