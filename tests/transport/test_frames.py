"""Frames survive any cutting of the stream, and nothing else passes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlet.errors import BusyError, EngineError, InvalidError, OutcomeUnknownError
from swarmlet.transport import faults, frames
from swarmlet.transport.frames import Call, Fault, Ping, Pong, Reply, Send

SOME = [
    Send("raft", b"x"),
    Call(1, "propose", b"y" * 300),
    Reply(1, b""),
    Fault(2, "BusyError", "full"),
    Ping(),
    Pong(),
]


@given(st.lists(st.integers(1, 40), min_size=1))
def test_frames_are_put_together_however_the_stream_is_cut(sizes: list[int]) -> None:
    stream = b"".join(frames.encode(frame) for frame in SOME)
    reader, got, start, turn = frames.Reader(), [], 0, 0
    while start < len(stream):
        size = sizes[turn % len(sizes)]
        got += reader.feed(stream[start : start + size])
        start, turn = start + size, turn + 1
    assert got == SOME


def test_a_frame_over_the_limit_is_refused_before_it_arrives() -> None:
    with pytest.raises(ValueError, match="over the limit"):
        list(frames.Reader().feed(struct.pack(">I", frames.FRAME_BYTES_MAX + 1)))


def test_bytes_that_are_no_frame_are_refused() -> None:
    with pytest.raises(ValueError, match=r".+"):
        list(frames.Reader().feed(struct.pack(">I", 3) + b"\xff\xff\xff"))


@pytest.mark.parametrize("error", [BusyError("full"), EngineError("no such image"), InvalidError("spec.replicas: -1")])
def test_an_error_keeps_its_class_and_message(error: Exception) -> None:
    restored = faults.restored(faults.name_of(error), str(error))
    assert (type(restored), str(restored)) == (type(error), str(error))


def test_an_error_of_an_unknown_class_is_an_unknown_outcome() -> None:
    assert isinstance(faults.restored("os", "x"), OutcomeUnknownError)
