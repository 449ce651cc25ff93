"""Lists of which the whole is never in memory: in pieces, with turns for others, whatever the client does."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib

import pytest

from swarmlet import slices
from swarmlet.api import answers
from swarmlet.api.reading import joined
from swarmlet.api.reading.joined import Joined, Pieces
from swarmlet.clock import SystemClock
from swarmlet.model import kinds
from swarmlet.model.core import ConfigMap
from swarmlet.model.meta import ObjectMeta
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored
from tests.api.conftest import Api, DirectReplica, FakeClock
from tests.api.documents import CONFIG_MAPS, TABLE

METADATA = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
COUNT = 40
VALUE = "x" * 50_000


@pytest.fixture
def maps(replica: DirectReplica) -> list[str]:
    """More than fits into one piece, in the API's own store."""
    names = [f"m{number:02}" for number in range(COUNT)]
    for number, name in enumerate(names):
        labels = {"parity": "odd" if number % 2 else "even"}
        metadata = ObjectMeta(name=name, namespace="default", uid=name, labels=labels)
        replica.put(kinds.CONFIG_MAP, ConfigMap(metadata=metadata, data={"v": VALUE}))
    return names


def items(count: int) -> list[Stored]:
    return [Stored(Key("configmaps", "default", f"m{number}"), 1, b'"%d"' % number) for number in range(count)]


def document(count: int) -> Joined:
    return Joined(b"[", items(count), b"]", lambda stored: stored.json)


class Ticking(SystemClock):
    """A clock of which some time goes by whenever it is looked at."""

    def __init__(self, looks_a_slice: int) -> None:
        self.seconds = 0.0
        self._step = slices.SLICE_SECONDS / looks_a_slice

    def monotonic(self) -> float:
        self.seconds += self._step
        return self.seconds


class Writer:
    """Takes what is written, as a connection does; or nothing at all."""

    def __init__(self, *, takes: bool = True) -> None:
        self.taken: list[bytes] = []
        self._takes = takes

    async def write(self, data: bytes) -> None:
        if not self._takes:
            await asyncio.Event().wait()
        self.taken.append(data)


@pytest.mark.parametrize("accept", [{}, TABLE, METADATA], ids=["objects", "Table", "metadata"])
async def test_a_large_list_is_whole(
    api: Api, maps: list[str], accept: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joined, "PIECE_BYTES", 1_000)
    async with api.get(CONFIG_MAPS, headers=accept) as response:
        assert response.headers["Content-Type"].startswith("application/json")
        assert response.headers["Transfer-Encoding"] == "chunked"
        listed = json.loads(await response.read())
    if accept is TABLE:
        assert [row["cells"][0] for row in listed["rows"]] == maps
    else:
        assert [item["metadata"]["name"] for item in listed["items"]] == maps


async def test_a_large_list_is_compressed_for_who_comes_from_elsewhere(
    api: Api, maps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "_is_near", lambda _request: False)
    async with api.get(CONFIG_MAPS, headers={"Accept-Encoding": "gzip"}, auto_decompress=False) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        packed = await response.read()
    assert len(packed) < len(VALUE)
    assert [item["metadata"]["name"] for item in json.loads(gzip.decompress(packed))["items"]] == maps


async def test_pages_of_a_selection_hold_all_that_is_selected(api: Api, maps: list[str]) -> None:
    found, token = [], ""
    while token is not None:
        query = {"limit": "7", "labelSelector": "parity=odd", "continue": token}
        _, page = await api.read("GET", CONFIG_MAPS, params=query)
        assert "remainingItemCount" not in page["metadata"]
        found += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue")
    assert found == maps[1::2]


async def test_a_page_of_a_selection_looks_no_further_than_it_must(
    api: Api, replica: DirectReplica, maps: list[str]
) -> None:
    replica.store.restore(replica.store.capture().encode_chunks())  # now nothing has been read
    await api.read("GET", CONFIG_MAPS, params={"limit": "3", "fieldSelector": "metadata.name!=m01"})
    assert sum(stored._object is not None for stored in replica.store.list("configmaps")) == 5


async def test_a_label_is_compared_without_reading_the_rest(api: Api, replica: DirectReplica, maps: list[str]) -> None:
    replica.store.restore(replica.store.capture().encode_chunks())
    _, listed = await api.read("GET", CONFIG_MAPS, params={"labelSelector": "parity=odd"})
    assert len(listed["items"]) == COUNT / 2
    assert all(stored._object is None for stored in replica.store.list("configmaps"))


def test_a_document_comes_in_pieces_of_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "PIECE_BYTES", 20)
    pieces = list(document(50).pieces(FakeClock()))
    assert json.loads(b"".join(pieces)) == [str(number) for number in range(50)]
    assert max(map(len, pieces)) < 40
    assert len(pieces) > 5


def test_a_document_comes_in_pieces_of_a_slice_of_time() -> None:
    pieces = list(document(50).pieces(Ticking(looks_a_slice=5)))
    assert json.loads(b"".join(pieces)) == [str(number) for number in range(50)]
    assert len(pieces) >= 8


def test_a_document_of_one_piece_is_bytes() -> None:
    assert joined.body(document(3), FakeClock()) == b'["0","1","2"]' == document(3).whole()
    assert joined.body(document(0), FakeClock()) == b"[]"


async def test_others_have_a_turn_after_each_piece() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    writer = Writer()
    await Pieces([b"a"] * 20).write(writer)
    task.cancel()
    assert len(writer.taken) == 20
    assert turns >= 19


async def test_packed_pieces_unpack_to_the_document() -> None:
    pieces, writer = Pieces([b"piece %d" % number for number in range(100)]), Writer()
    pieces.is_packed = True
    await pieces.write(writer)
    assert zlib.decompress(b"".join(writer.taken), 16 + zlib.MAX_WBITS).startswith(b"piece 0piece 1")


async def test_a_client_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "WRITE_SECONDS_MAX", 0)
    with pytest.raises(ConnectionResetError):
        await Pieces([b"a", b"b"]).write(Writer(takes=False))


async def test_a_client_that_goes_away_in_the_middle_is_no_error(
    api: Api, replica: DirectReplica, maps: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(COUNT):  # more than all buffers on the way hold
        metadata = ObjectMeta(name=f"n{number:02}", namespace="default", uid=f"n{number}")
        replica.put(kinds.CONFIG_MAP, ConfigMap(metadata=metadata, data={"v": VALUE * 10}))
    reader, writer = await asyncio.open_connection(api.host, api.port)
    writer.write(f"GET {CONFIG_MAPS} HTTP/1.1\r\nHost: {api.host}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.transport.abort()
    code, _ = await api.read("GET", f"{CONFIG_MAPS}/m00")
    assert code == 200
    assert caplog.records == []
