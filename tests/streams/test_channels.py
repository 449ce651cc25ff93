from __future__ import annotations

import asyncio

import pytest

from swarmlet.streams import channels, outcome
from swarmlet.streams.inbox import BYTES_MAX, READ_BYTES_MAX, Inbox


@pytest.mark.parametrize("code", [0, 1, 3, 137, 255])
def test_an_exit_code_is_read_as_it_was_told(code: int) -> None:
    assert outcome.read(outcome.exited(code))[0] == code


def test_what_could_not_be_run_has_no_exit_code_and_words() -> None:
    assert outcome.read(outcome.failed("no such program")) == (None, "no such program")
    assert outcome.read(b"plain text of old protocols") == (None, "plain text of old protocols")


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"Width":0,"Height":5}', b'{"Width":1e9,"Height":5}', b"\xff"])
def test_what_is_no_size_is_none(text: bytes) -> None:
    assert channels.size(text) is None


def test_a_size_is_read_as_kubectl_writes_it() -> None:
    assert channels.size(b'{"Width":80,"Height":24}\n') == channels.Size(80, 24)


async def test_an_inbox_that_is_full_lets_its_filler_wait_until_it_is_read() -> None:
    inbox = Inbox()
    await inbox.put(bytes(BYTES_MAX))
    waiting = asyncio.create_task(inbox.put(b"more"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    assert len(await inbox.read()) == READ_BYTES_MAX
    await waiting


async def test_an_inbox_tells_its_end_after_what_was_put_before_it() -> None:
    inbox = Inbox()
    await inbox.put(b"last")
    inbox.end()
    await inbox.put(b"too late")
    assert [await inbox.read(), await inbox.read()] == [b"last", b""]


async def test_an_inbox_that_nobody_reads_any_more_holds_nobody_up() -> None:
    inbox = Inbox()
    await inbox.put(bytes(BYTES_MAX))
    waiting = asyncio.create_task(inbox.put(b"more"))
    await asyncio.sleep(0)
    inbox.drop()
    await waiting
    assert await inbox.read() == b""
