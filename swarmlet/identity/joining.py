"""The new machine's side of joining: find the CA, compare it with the token, ask to be admitted.

The first request trusts nobody and sends nothing; only after the CA's hash has been found in the token does the second
one, verified, carry the secret.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
import msgspec
import yarl

from swarmlet import errors
from swarmlet.clock import Clock
from swarmlet.config import split_address
from swarmlet.identity import authority, tls
from swarmlet.identity.state import Member
from swarmlet.identity.tokens import JoinToken

CLOCK_SKEW_MAX = timedelta(seconds=30)
ANSWER_BYTES_MAX = 1024 * 1024
CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 20.0
ATTEMPTS_MAX = 5
TIME_FORMAT = "%Y-%m-%d %H:%M:%S UTC"
PAUSE_SECONDS = 1.0
CA_PATH = "/swarmlet/v1/ca"
JOIN_PATH = "/swarmlet/v1/join"


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /swarmlet/v1/join`. `node_id` is chosen by the machine, so that a retry is the same join."""

    token_id: str
    secret: str
    csr: str
    name: str
    advertise: str
    node_id: str
    time: datetime

    def __repr__(self) -> str:
        """Name the machine and hide the secret: a repr ends in logs."""
        return f"JoinRequest({self.name}, {self.node_id})"


class JoinAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an admitted machine is told."""

    cluster_id: str
    certificate: str
    ca: str
    members: tuple[Member, ...] = ()


class _Status(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a Kubernetes Status that says what went wrong."""

    reason: str = ""
    message: str = ""


_BY_REASON = {
    error.reason: error
    for error in (
        errors.CallerError,
        errors.UnauthorizedError,
        errors.ForbiddenError,
        errors.AlreadyExistsError,
        errors.ConflictError,
        errors.BusyError,
        errors.UnavailableError,
        errors.OutcomeUnknownError,
    )
}


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
        host, port = split_address(peer)
        self._peer = peer
        self._base = yarl.URL.build(scheme="https", host=host, port=port)
        self._token = token
        self._clock = clock

    async def fetch_authority(self) -> str:
        """Return the cluster's CA certificate (PEM), proven to be the one that the token was made for.

        Raises `UnauthorizedError` for another CA, `CallerError` where the clocks differ, `UnavailableError` where
        nobody answers.
        """
        status, headers, body = await self._send("GET", CA_PATH, tls.unverified_context())
        if status != 200:
            raise self._refusal(status, body)
        if "Date" in headers:
            theirs = parsedate_to_datetime(headers["Date"]).astimezone(UTC)
            check_clocks(self._clock.now(), theirs, "this machine", self._peer)
        authority_pem = body.decode("ascii", "replace")
        if not self._token.trusts(self._fingerprint(authority_pem)):
            raise errors.UnauthorizedError(
                f"wrong CA: {self._peer} does not belong to the cluster that this token was made for; "
                "check the address and the token (or somebody stands between)"
            )
        return authority_pem

    async def ask(self, request: JoinRequest, authority_pem: str) -> JoinAnswer:
        """Return the admission; tries again, as the same node, while the peer says that this may help."""
        context = tls.client_context(authority_pem)
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return await self._ask_once(request, context)
            except errors.PeerError:
                if attempt == ATTEMPTS_MAX:
                    raise
                await self._clock.sleep(PAUSE_SECONDS * attempt)
        raise errors.BugError("a join ended without an answer")

    async def _ask_once(self, request: JoinRequest, context: ssl.SSLContext) -> JoinAnswer:
        body = msgspec.json.encode(msgspec.structs.replace(request, time=self._clock.now()))
        status, _, answer = await self._send("POST", JOIN_PATH, context, body)
        if status not in (200, 201):
            raise self._refusal(status, answer)
        try:
            return msgspec.json.decode(answer, type=JoinAnswer)
        except msgspec.MsgspecError as error:
            raise errors.UnavailableError(f"{self._peer} gave an answer that is none: {error}") from error

    async def _send(
        self, method: str, path: str, context: ssl.SSLContext, body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX, sock_connect=CONNECT_SECONDS_MAX)
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(
                    method, self._base.with_path(path), data=body or None, headers=headers, ssl=context
                ) as response,
            ):
                content = await response.content.read(ANSWER_BYTES_MAX)
                while chunk := await response.content.read(ANSWER_BYTES_MAX - len(content)):
                    content += chunk
                return response.status, response.headers, content
        except aiohttp.ClientConnectorCertificateError as error:
            raise errors.UnauthorizedError(f"{self._peer}: {error.certificate_error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    def _fingerprint(self, authority_pem: str) -> bytes:
        try:
            return authority.authority_sha256(authority_pem)
        except errors.InvalidError as error:
            raise errors.UnavailableError(f"{self._peer} is no swarmlet daemon: its CA is {error}") from error

    def _refusal(self, status: int, body: bytes) -> errors.SwarmletError:
        try:
            told = msgspec.json.decode(body, type=_Status)
        except msgspec.MsgspecError:
            return errors.CallerError(f"{self._peer} is no swarmlet daemon: it answered HTTP {status}")
        return _BY_REASON.get(told.reason, errors.CallerError)(told.message or f"{self._peer}: HTTP {status}")

    def _unreachable(self, error: Exception) -> errors.UnavailableError:
        reason = "no answer in time" if isinstance(error, TimeoutError | asyncio.TimeoutError) else _shortened(error)
        return errors.UnavailableError(
            f"{self._peer} cannot be reached ({reason}); is `swarmlet run` running there, and is the port open?"
        )


def _shortened(error: Exception) -> str:
    system = getattr(error, "os_error", error)
    return (getattr(system, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
