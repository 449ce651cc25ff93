"""Bytes cut anywhere give the same lines and frames."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlet.runtime import log_stream


async def cut(data: bytes, places: Sequence[int]) -> AsyncIterator[bytes]:
    start = 0
    for place in [*sorted(place % (len(data) + 1) for place in places), len(data)]:
        yield data[start:place]
        start = place


async def collect(stream: AsyncIterator[bytes]) -> list[bytes]:
    return [item async for item in stream]


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(0, 500), max_size=8))
def test_frames_carry_their_payload_wherever_they_are_cut(payloads: list[bytes], places: list[int]) -> None:
    data = b"".join(log_stream.FRAME_HEADER.pack(1, len(each)) + each for each in payloads)
    assert b"".join(asyncio.run(collect(log_stream.demultiplexed(cut(data, places))))) == b"".join(payloads)


@given(st.lists(st.binary(max_size=20).map(lambda each: each.replace(b"\n", b""))), st.lists(st.integers(0, 500)))
def test_lines_are_whole_wherever_they_are_cut(lines: list[bytes], places: list[int]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    assert asyncio.run(collect(log_stream.lines(cut(data, places), 100))) == lines


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="a line of over 10 bytes"):
        asyncio.run(collect(log_stream.lines(cut(b"x" * 100, [20]), 10)))


@pytest.mark.parametrize(("limit", "expected"), [(None, b"abcdef"), (0, b""), (4, b"abcd"), (10, b"abcdef")])
def test_the_limit_is_kept_to_the_byte(limit: int | None, expected: bytes) -> None:
    assert b"".join(asyncio.run(collect(log_stream.limited(cut(b"abcdef", [3]), limit)))) == expected
