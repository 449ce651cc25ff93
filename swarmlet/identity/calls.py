"""One HTTPS request to a member of the cluster, and its refusal turned back into the error that it was."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import msgspec

from swarmlet import errors
from swarmlet.addresses import join_address, split_address

ANSWER_BYTES_MAX = 1024 * 1024
CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a member said. `date` is its clock, where it told."""

    body: bytes
    date: datetime | None


class _Status(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a Kubernetes Status that says what went wrong."""

    reason: str = ""
    message: str = ""


_BY_REASON: dict[str, type[errors.SwarmletError]] = {
    error.reason: error
    for error in (
        errors.CallerError,
        errors.InvalidError,
        errors.UnauthorizedError,
        errors.ForbiddenError,
        errors.NotFoundError,
        errors.AlreadyExistsError,
        errors.ConflictError,
        errors.BusyError,
        errors.UnavailableError,
        errors.OutcomeUnknownError,
    )
}


async def call(member: str, method: str, path: str, context: ssl.SSLContext, body: bytes = b"") -> Answer:
    """Send one request to `member` ("host" or "host:port") and return its answer.

    Raises what the member refused with, `UnavailableError` where it cannot be reached, `OutcomeUnknownError` where it
    was reached and did not answer, and `UnauthorizedError` for a certificate that `context` does not trust.
    """
    url = f"https://{join_address(*split_address(member))}{path}"
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX, sock_connect=CONNECT_SECONDS_MAX)
    headers = {"Content-Type": "application/json"} if body else {}
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            session._retry_connection = False  # noqa: SLF001  else aiohttp sends a DELETE again, and hides that it did
            async with session.request(method, url, data=body or None, headers=headers, ssl=context) as response:
                content = await _read(response)
    except aiohttp.ClientConnectorCertificateError as error:
        raise errors.UnauthorizedError(f"{member}: {error.certificate_error}") from error
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise errors.UnavailableError(
            f"{member} cannot be reached ({_reason(error)}); is swarmlet running there, and is the port open?"
        ) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise errors.OutcomeUnknownError(f"{member} was asked and did not answer ({_reason(error)})") from error
    if response.status >= 400:
        raise _refusal(member, response.status, content)
    date = response.headers.get("Date")
    return Answer(content, parsedate_to_datetime(date).astimezone(UTC) if date else None)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = b""
    while chunk := await response.content.read(ANSWER_BYTES_MAX - len(content)):
        content += chunk
    return content


def _refusal(member: str, status: int, body: bytes) -> errors.SwarmletError:
    try:
        told = msgspec.json.decode(body, type=_Status)
    except msgspec.MsgspecError:
        told = _Status()
    if not told.message:
        return errors.CallerError(f"{member} is no swarmlet daemon: it answered HTTP {status}")
    return _BY_REASON.get(told.reason, errors.CallerError)(told.message)


def _reason(error: Exception) -> str:
    system = getattr(error, "os_error", error)
    if isinstance(system, TimeoutError):
        return "no answer in time"
    number = system.errno if isinstance(system, OSError) and not isinstance(system, ssl.SSLError) else None
    if number is not None and number > 0:
        return os.strerror(number)  # asyncio's own text hides it: "Connect call failed"
    return (str(system) or type(system).__name__).splitlines()[0]
