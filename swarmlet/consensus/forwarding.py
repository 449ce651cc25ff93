"""Carries a request to the leader, wherever it is, through changes of leader, and says honestly how that ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from swarmlet.clock import Clock
from swarmlet.consensus.waiting import LeaderWatch
from swarmlet.errors import OutcomeUnknownError, PeerError, UnavailableError
from swarmlet.transport.peers import Peers

T = TypeVar("T")

RETRY_SECONDS = 0.05
"""How long to wait for another leader before the same one is asked again."""


class Forwarder:
    """Serves on the leader itself, calls it from elsewhere.

    A request is repeated where it surely had no effect, and also where nobody knows: each is such that doing it twice
    is the same as doing it once.
    """

    def __init__(self, *, node_id: str, watch: LeaderWatch, peers: Peers, clock: Clock) -> None:
        self._node_id = node_id
        self._watch = watch
        self._peers = peers
        self._clock = clock

    async def carry(
        self,
        method: str,
        payload: bytes,
        *,
        here: Callable[[], Awaitable[T]],
        read: Callable[[bytes], T],
        seconds: float,
    ) -> T:
        """Return the leader's answer within `seconds`: of `here` if this node leads, else what `read` makes of a reply.

        Raises `OutcomeUnknownError` where time ran out and some attempt may have had an effect, `UnavailableError`
        where none had; besides, what the leader raised.
        """
        deadline = self._clock.monotonic() + seconds
        unknown = False
        cause: Exception | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    leader = await self._watch.wait()
                    before, unknown = unknown, True  # until an answer says otherwise
                    try:
                        if leader == self._node_id:
                            return await here()
                        left = max(deadline - self._clock.monotonic(), RETRY_SECONDS)
                        async with self._watch.while_leading():
                            return read(await self._peers.call(leader, method, payload, timeout_seconds=left))
                    except OutcomeUnknownError as error:
                        cause = error
                    except UnavailableError as error:
                        unknown, cause = before, error
                    await self._watch.pause(RETRY_SECONDS)
        except (TimeoutError, UnavailableError) as error:
            raise _ended(seconds, cause or error, unknown=unknown) from error


def _ended(seconds: float, cause: Exception, *, unknown: bool) -> PeerError:
    if unknown:
        return OutcomeUnknownError(
            f"no answer within {seconds:g} s, but the change may yet take effect: look ({cause})"
        )
    return UnavailableError(f"nothing was changed: {cause}" if str(cause) else f"nothing was changed in {seconds:g} s")
