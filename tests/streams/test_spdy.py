"""The SPDY codec against itself, cut anywhere, and against what no peer should send."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.streams import spdy
from swarmlet.streams.spdy import Connection, DataReceived, StreamEnded, StreamOpened, StreamReplied, StreamReset
from swarmlet.streams.spdy_headers import BLOCK_BYTES_MAX, DICTIONARY, Compressor, Decompressor, ProtocolError

HEADERS = {"streamtype": "data", "port": "8080", "requestid": "0"}


def control(kind: int, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack(">LL", 0x8003_0000 | kind, flags << 24 | len(payload)) + payload


def syn(stream_id: int, block: bytes) -> bytes:
    return control(spdy.SYN_STREAM, struct.pack(">LLH", stream_id, 0, 0) + block)


def pair() -> tuple[Connection, Connection]:
    return Connection(client=True), Connection(client=False)


def opened() -> tuple[Connection, Connection, int]:
    client, server = pair()
    stream_id = client.open(HEADERS)
    server.receive(client.take())
    server.reply(stream_id)
    client.receive(server.take())
    return client, server, stream_id


def test_the_dictionary_is_the_drafts() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_a_stream_is_opened_accepted_used_and_ended_from_both_sides() -> None:
    client, server = pair()
    stream_id = client.open(HEADERS)
    assert server.receive(client.take()) == [StreamOpened(stream_id, HEADERS)]
    server.reply(stream_id)
    assert client.receive(server.take()) == [StreamReplied(stream_id)]
    client.send(stream_id, b"ask", end=True)
    assert server.receive(client.take()) == [DataReceived(stream_id, b"ask"), StreamEnded(stream_id)]
    server.send(stream_id, b"answer")
    server.send(stream_id, b"", end=True)
    assert client.receive(server.take()) == [DataReceived(stream_id, b"answer"), StreamEnded(stream_id)]
    assert not client.is_open(stream_id)
    assert not server.is_open(stream_id)


def test_after_its_end_nothing_is_sent_on_a_stream() -> None:
    client, server, stream_id = opened()
    client.send(stream_id, b"", end=True)
    client.send(stream_id, b"more")
    assert server.receive(client.take()) == [StreamEnded(stream_id)]


def test_a_stream_that_is_given_up_is_over_for_both() -> None:
    client, server, stream_id = opened()
    server.reset(stream_id)
    assert client.receive(server.take()) == [StreamReset(stream_id)]
    assert not client.is_open(stream_id)
    server.send(stream_id, b"more")
    assert server.take() == b""


@given(data=st.binary(max_size=100_000), cuts=st.lists(st.integers(1, 5_000), max_size=20), end=st.booleans())
@settings(deadline=None, max_examples=40)
def test_data_arrives_whole_wherever_the_bytes_are_cut(data: bytes, cuts: list[int], end: bool) -> None:
    client, server, stream_id = opened()
    client.send(stream_id, data, end=end)
    sent = client.take()
    events = []
    for cut in [*cuts, len(sent)]:
        events += server.receive(sent[:cut])
        server.validate()
        sent = sent[cut:]
    assert b"".join(each.data for each in events if isinstance(each, DataReceived)) == data
    assert (StreamEnded(stream_id) in events) is end


@given(headers=st.lists(st.dictionaries(st.text("abcXYZ-", min_size=1), st.text(max_size=50), max_size=5), max_size=5))
def test_headers_are_read_as_they_were_written(headers: list[dict[str, str]]) -> None:
    ours, theirs = Compressor(), Decompressor()
    for each in headers:
        expected = {name.lower(): value for name, value in each.items()}
        if len(expected) == len(each):
            assert theirs.decode(ours.encode(each)) == expected


def test_a_ping_of_the_peer_is_answered_and_one_of_ours_is_not() -> None:
    server = Connection(client=False)
    server.receive(control(spdy.PING, struct.pack(">L", 2)))
    assert server.take() == b""
    asked = control(spdy.PING, struct.pack(">L", 1))
    server.receive(asked)
    assert server.take() == asked


def test_frames_about_windows_and_settings_are_passed_over() -> None:
    server = Connection(client=False)
    assert server.receive(control(spdy.WINDOW_UPDATE, bytes(8)) + control(spdy.SETTINGS, bytes(4))) == []


def test_streams_over_the_limit_are_refused_and_the_others_go_on() -> None:
    client, server = pair()
    ids = [client.open(HEADERS) for _ in range(spdy.STREAMS_MAX + 1)]
    events = []
    for _ in ids:
        events += server.receive(client.take())
    assert len(events) == spdy.STREAMS_MAX
    assert client.receive(server.take()) == [StreamReset(ids[-1])]


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack(">LL", 0x8002_0001, 0),  # SPDY/2
        struct.pack(">LL", 0x8003_0001, spdy.CONTROL_BYTES_MAX + 1),
        control(spdy.SYN_STREAM, b"\0"),
        syn(2, Compressor().encode(HEADERS)),  # an even number is the server's
        syn(1, b"no zlib"),
        syn(1, zlib.compress(b"another dictionary")),
        syn(1, Compressor().encode({"a": "b" * (BLOCK_BYTES_MAX + 1)})),
        syn(1, Compressor().encode({str(number): "" for number in range(101)})),
        control(spdy.RST_STREAM, b"\0"),
    ],
)
def test_what_breaks_the_rules_ends_the_connection(sent: bytes) -> None:
    with pytest.raises(ProtocolError, match="SPDY"):
        Connection(client=False).receive(sent)


def test_a_stream_cannot_be_opened_twice() -> None:
    server, deflate = Connection(client=False), Compressor()
    server.receive(syn(3, deflate.encode(HEADERS)))
    with pytest.raises(ProtocolError, match="stream 3"):
        server.receive(syn(3, deflate.encode(HEADERS)))


def test_a_peer_that_reads_no_answers_is_given_up() -> None:
    server = Connection(client=False)
    asked = control(spdy.PING, struct.pack(">L", 1))
    server.receive(asked * (spdy.UNSENT_BYTES_MAX // len(asked) + 1))
    with pytest.raises(ProtocolError, match="more answers"):
        server.receive(asked)


FRAMES = st.one_of(
    st.binary(max_size=40),
    st.builds(control, st.integers(0, 12), st.binary(max_size=40), st.integers(0, 255)),
    st.builds(syn, st.integers(0, 9), st.just(Compressor().encode(HEADERS)) | st.binary(max_size=30)),
    st.builds(
        lambda stream_id, flags, data: struct.pack(">LL", stream_id, flags << 24 | len(data)) + data,
        st.integers(0, 9),
        st.integers(0, 255),
        st.binary(max_size=40),
    ),
)


@given(frames=st.lists(FRAMES, max_size=12), client=st.booleans())
@settings(deadline=None, max_examples=300)
def test_no_bytes_do_more_than_end_the_connection(frames: list[bytes], client: bool) -> None:
    connection = Connection(client=client)
    try:
        for frame in frames:
            for event in connection.receive(frame):
                if isinstance(event, StreamOpened):
                    connection.reply(event.stream_id)
                    connection.send(event.stream_id, b"x")
            connection.validate()
    except ProtocolError:
        pass


# What kubectl 1.37.1 sent for `echo hello | kubectl exec -i p1 -- cat` after the 101, with websockets turned off.
KUBECTL_EXEC = bytes.fromhex(
    "80030001000000290000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff"
    "800300010000001700000003000000000000c22e555c92929907000000ffff"
    "800300010000001900000005000000000000c22ac5565c92925f5a02000000ffff"
    "800300010000001500000007000000000000c229975a5404000000ffff"
    "000000030000000668656c6c6f0a0000000301000000"
)


def test_what_kubectl_sent_is_read_and_answered_in_a_way_that_it_reads() -> None:
    server = Connection(client=False)
    events = server.receive(KUBECTL_EXEC)
    names = {each.stream_id: each.headers for each in events if isinstance(each, StreamOpened)}
    assert names == {
        number: {"streamtype": name} for number, name in ((1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr"))
    }
    assert events[4:] == [DataReceived(3, b"hello\n"), StreamEnded(3)]
    for stream_id in names:
        server.reply(stream_id)
    server.send(5, b"hello\n", end=True)
    answered = (  # as it was captured on the way to that kubectl, which printed it
        "80030002000000140000000178bbe3c6a7c202a6230600000000ffff800300020000000c00000003020100000000ffff"
        "800300020000000c00000005020100000000ffff800300020000000c00000007020100000000ffff"
    )
    assert server.take().hex().startswith(answered)
