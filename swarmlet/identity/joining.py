"""The new machine's side of joining: find the CA, compare it with the token, ask to be admitted.

The first request trusts nobody and sends nothing; only after the CA's hash has been found in the token does the second
one, verified, carry the secret.
"""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from swarmlet import errors
from swarmlet.addresses import split_address
from swarmlet.clock import Clock
from swarmlet.identity import authority, calls, tls
from swarmlet.identity.access import CA_PATH, JOIN_PATH
from swarmlet.identity.incarnation import FIRST, Incarnation
from swarmlet.identity.state import Member
from swarmlet.identity.tokens import JoinToken

CLOCK_SKEW_MAX = timedelta(seconds=30)
ATTEMPTS_MAX = 5
PAUSE_SECONDS = 1.0
TIME_FORMAT = "%Y-%m-%d %H:%M:%S UTC"


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /swarmlet/v1/join`. `node_id` is chosen by the machine, so that a retry is the same join."""

    token_id: str
    secret: str
    csr: str
    name: str
    advertise: str
    node_id: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]

    def __repr__(self) -> str:
        """Name the machine and hide the secret: a repr ends in logs."""
        return f"JoinRequest({self.name}, {self.node_id})"


class JoinAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an admitted machine is told."""

    cluster_id: str
    certificate: str
    ca: str
    members: tuple[Member, ...] = ()
    incarnation: Incarnation = FIRST


def check_clocks(ours: datetime, theirs: datetime, our_name: str, their_name: str) -> None:
    """Refuse two clocks that differ by more than `CLOCK_SKEW_MAX`; raise `CallerError` with both times."""
    skew = abs(ours - theirs)
    if skew > CLOCK_SKEW_MAX:
        raise errors.CallerError(
            f"clocks differ by {skew.total_seconds():.0f} s: {our_name} says {ours:{TIME_FORMAT}}, "
            f"{their_name} {theirs:{TIME_FORMAT}}; "
            f"set the wrong one (at most {CLOCK_SKEW_MAX.seconds} s are allowed)"
        )


class Joiner:
    """Asks `peer` ("host" or "host:port") to admit this machine.

    Args:
        peer: any member of the cluster.
        token: the invitation; its hash decides which CA is trusted.
        clock: to compare with the peer's, and to wait between attempts.
    """

    def __init__(self, *, peer: str, token: JoinToken, clock: Clock) -> None:
        try:
            split_address(peer)
        except ValueError as error:
            raise errors.InvalidError(f"peer: found {peer!r}; allowed: {error}") from None
        self._peer = peer
        self._token = token
        self._clock = clock

    async def fetch_authority(self) -> str:
        """Return the cluster's CA certificate (PEM), proven to be the one that the token was made for.

        Raises `UnauthorizedError` for another CA, `CallerError` where the clocks differ, `UnavailableError` where
        nobody answers.
        """
        answer = await calls.call(self._peer, "GET", CA_PATH, tls.unverified_context())
        if answer.date is not None:
            check_clocks(self._clock.now(), answer.date, "this machine", self._peer)
        authority_pem = answer.body.decode("ascii", "replace")
        try:
            fingerprint = authority.authority_sha256(authority_pem)
        except errors.InvalidError as error:
            raise errors.CallerError(f"{self._peer} is no swarmlet daemon: it shows no CA certificate") from error
        if not self._token.trusts(fingerprint):
            raise errors.UnauthorizedError(
                f"wrong CA: {self._peer} does not belong to the cluster that this token was made for; "
                "check the address and the token (or somebody stands between)"
            )
        return authority_pem

    async def ask(self, request: JoinRequest, authority_pem: str) -> JoinAnswer:
        """Return the admission; asks again, as the same node, while the peer's refusal says that this may help."""
        context = tls.client_context(authority_pem)
        for attempt in range(1, ATTEMPTS_MAX):
            try:
                return await self._ask_once(request, context)
            except (errors.UnavailableError, errors.OutcomeUnknownError):
                await self._clock.sleep(PAUSE_SECONDS * attempt)
        return await self._ask_once(request, context)

    async def _ask_once(self, request: JoinRequest, context: ssl.SSLContext) -> JoinAnswer:
        body = msgspec.json.encode(msgspec.structs.replace(request, time=self._clock.now()))
        answer = await calls.call(self._peer, "POST", JOIN_PATH, context, body)
        try:
            return msgspec.json.decode(answer.body, type=JoinAnswer)
        except msgspec.MsgspecError as error:
            raise errors.CallerError(f"{self._peer} gave an answer that this version cannot read: {error}") from error
