"""The Protocol through which daemons talk to each other; `transport` implements it on TLS, the simulator on a queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

MessageHandler = Callable[[str, bytes], None]
"""(sender node id, payload); must not block or raise."""

CallHandler = Callable[[str, bytes], Awaitable[bytes]]
"""(sender node id, payload) -> reply; a `SwarmletError` that it raises is raised again at the caller."""


class Peers(Protocol):
    """Authenticated links to the other daemons: datagrams that may be lost, and calls that are answered."""

    def set_addresses(self, addresses: Mapping[str, str]) -> None:
        """Tell where each other node listens: node id -> "host:port". Links to nodes that are gone are closed."""

    def send(self, to: str, channel: str, payload: bytes) -> None:
        """Send without waiting; dropped (and counted) when the link is down or its bounded queue is full."""

    async def call(self, to: str, method: str, payload: bytes, *, timeout_seconds: float) -> bytes:
        """Call a peer and return its reply.

        Raises `UnavailableError` when it surely was not delivered, `OutcomeUnknownError` when the link broke or
        time ran out after it was sent, or what the handler raised.
        """

    def on_message(self, channel: str, handler: MessageHandler) -> None:
        """Receive what peers `send` on `channel`."""

    def on_call(self, method: str, handler: CallHandler) -> None:
        """Answer what peers `call` as `method`."""

    def on_link(self, listener: Callable[[str, bool], None]) -> None:
        """Call `listener(node id, up)` when a link opens or closes (a closed link to the leader starts a pre-vote)."""
