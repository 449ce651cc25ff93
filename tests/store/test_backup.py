"""A backup's plain bytes: whole, or refused."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from swarmlet.errors import InvalidError
from swarmlet.identity.incarnation import FIRST
from swarmlet.model import kinds, objects
from swarmlet.model.core import Secret
from swarmlet.model.meta import ObjectMeta
from swarmlet.store import backup, snapshot
from swarmlet.store.backup import Manifest, Reader
from swarmlet.store.commands import Command, Key, Put
from swarmlet.store.snapshot import Capture
from swarmlet.store.state import Store

RESOURCE = kinds.SECRET.resource


def filled(count: int) -> Store:
    store = Store()
    for number in range(count):
        secret = Secret(metadata=ObjectMeta(name=f"s{number}", namespace="default", uid=f"u{number}"))
        store.apply(Command(b"%d" % number, (Put(Key(RESOURCE, "default", f"s{number}"), objects.to_json(secret)),)))
    return store


def manifest(store: Store, count: int) -> Manifest:
    taken = datetime(2026, 1, 2, tzinfo=UTC)
    return Manifest(
        cluster_id="c", incarnation=FIRST, taken=taken, node="n", version="1", revision=store.revision, objects=count
    )


def plain(count: int = 30) -> bytes:
    store = filled(count)
    return b"".join(backup.encode(manifest(store, count), store.capture()))


def read(content: bytes, *, step: int = 1000, keeps_chunks: bool = False) -> Reader:
    reader = Reader(keeps_chunks=keeps_chunks)
    for start in range(0, len(content), step):
        reader.feed(content[start : start + step])
    reader.finish()
    return reader


@pytest.mark.parametrize("step", [1, 7, 1000, 1_000_000])
def test_it_is_read_however_it_is_cut(step: int) -> None:
    reader = read(plain(), step=step)
    assert reader.counts == Counter({RESOURCE: 30})
    assert reader.manifest == manifest(filled(30), 30)


def test_what_it_holds_is_the_state() -> None:
    store = Store()
    store.restore(read(plain(), keeps_chunks=True).chunks)
    assert store.list(RESOURCE) == filled(30).list(RESOURCE)
    assert store.revision == 30


def test_who_only_verifies_keeps_nothing() -> None:
    assert read(plain()).chunks == []


def test_it_is_encoded_a_chunk_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "BATCH_OBJECTS_MAX", 1)
    capture, asked = filled(30).capture(), []

    def counted(_: Capture) -> Iterator[bytes]:
        for chunk in encode_chunks(capture):
            asked.append(chunk)
            yield chunk

    encode_chunks = Capture.encode_chunks
    monkeypatch.setattr(Capture, "encode_chunks", counted)
    pieces = backup.encode(manifest(filled(30), 30), capture)
    for _ in range(5):
        next(pieces)
    assert len(asked) == 3  # of 30 and more; the magic line and the manifest came first


def test_every_cut_is_noticed() -> None:
    content = plain(3)
    for end in range(len(content)):
        with pytest.raises(InvalidError, match="cut off"):
            read(content[:end])


def test_every_flipped_bit_is_noticed() -> None:
    content, rng = plain(3), random.Random(1)
    for offset in range(len(content)):
        damaged = bytearray(content)
        damaged[offset] ^= 1 << rng.randrange(8)
        with pytest.raises(InvalidError):
            read(bytes(damaged))


def test_what_follows_the_end_is_noticed() -> None:
    with pytest.raises(InvalidError, match="checksum"):
        read(plain() + b"x")


def test_a_count_that_is_not_the_manifests_is_noticed() -> None:
    store = filled(3)
    content = b"".join(backup.encode(manifest(store, 4), store.capture()))
    with pytest.raises(InvalidError, match="it holds 3 objects and should hold 4"):
        read(content)
