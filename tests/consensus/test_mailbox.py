"""News of commits alone wait for company, and never for long."""

from __future__ import annotations

import asyncio

import pytest

from swarmlet.consensus import mailbox, wire
from swarmlet.consensus.engine import Counters
from swarmlet.consensus.mailbox import Mailbox
from swarmlet.raft.messages import Entry, Message, MessageKind

ENTRY = Entry(index=3, term=1, data=b"x")


class Sent:
    """Peers, an engine and snapshots of which a mailbox needs next to nothing."""

    def __init__(self) -> None:
        self.payloads: list[tuple[str, list[Message]]] = []

    def on_message(self, _channel: str, _handler: object) -> None: ...

    def on_call(self, _method: str, _handler: object) -> None: ...

    def on_link(self, _listener: object) -> None: ...

    def receive(self, _sender: str, _payload: bytes) -> None: ...

    def send(self, to: str, _channel: str, payload: bytes) -> None:
        self.payloads.append((to, wire.decode_messages(payload)))


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def box(sent: Sent) -> Mailbox:
    return Mailbox(engine=sent, snapshots=sent, peers=sent, counters=Counters())


def append(to: str, *, commit: int, entries: tuple[Entry, ...] = ()) -> Message:
    return Message(MessageKind.APPEND, "a", to, 1, log_index=2, log_term=1, commit=commit, entries=entries)


async def test_news_of_a_commit_travel_with_the_next_entries(box: Mailbox, sent: Sent) -> None:
    box.send([append("b", commit=2)])
    assert sent.payloads == []
    with_entries = append("b", commit=2, entries=(ENTRY,))
    box.send([with_entries])
    await asyncio.sleep(2 * mailbox.HOLD_SECONDS)
    assert sent.payloads == [("b", [with_entries])]


async def test_news_of_a_commit_wait_only_a_moment_and_only_the_newest_is_told(box: Mailbox, sent: Sent) -> None:
    box.send([append("b", commit=1), append("c", commit=1)])
    box.send([append("b", commit=2)])
    await asyncio.sleep(2 * mailbox.HOLD_SECONDS)
    assert sent.payloads == [("b", [append("b", commit=2)]), ("c", [append("c", commit=1)])]
    box.send([append("b", commit=3)])
    await asyncio.sleep(2 * mailbox.HOLD_SECONDS)
    assert sent.payloads[2:] == [("b", [append("b", commit=3)])]


async def test_all_else_goes_at_once(box: Mailbox, sent: Sent) -> None:
    heartbeat = Message(MessageKind.HEARTBEAT, "a", "b", 1, commit=2)
    box.send([append("b", commit=2), heartbeat])
    assert sent.payloads == [("b", [heartbeat])]
