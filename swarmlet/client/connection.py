"""Requests to the API: one try after another, one server after another, and never twice what may have had an effect."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from swarmlet import __version__
from swarmlet.client import statuses
from swarmlet.client.endpoints import Endpoint
from swarmlet.clock import Clock
from swarmlet.errors import CallerError, OutcomeUnknownError, PeerError, UnavailableError
from swarmlet.streams.websockets import MESSAGE_BYTES_MAX

ROUNDS_MAX = 4
RETRY_SECONDS_MAX = 3.0
RETRY_SECONDS = 0.2
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0
ANSWER_BYTES_MAX = 512 * 1024 * 1024
ERROR_BYTES_MAX = 1024 * 1024

JSON = "application/json"
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; `query` leaves out what is empty. A `body` of bytes is sent as it is, anything else as JSON."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = JSON
    accept: str = JSON

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_read(self) -> bool:
        return self.method in ("GET", "HEAD")

    def content(self) -> bytes | None:
        return self.body if self.body is None or isinstance(self.body, bytes) else msgspec.json.encode(self.body)


class _RefusedError(Exception):
    """Nothing was changed: ask another server, or the same after so many seconds (None: that would not help)."""

    def __init__(self, error: Exception, seconds: float | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.seconds = seconds


class Connection:
    """A session with the servers of an endpoint; used as `async with`.

    Args:
        endpoint: where to and as whom.
        clock: waits between tries.
        warn: is told each distinct warning of the server once, without its code.
        request_seconds: how long one try of a request that is no stream may take.
    """

    def __init__(
        self, endpoint: Endpoint, *, clock: Clock, warn: Callable[[str], None], request_seconds: float = REQUEST_SECONDS
    ) -> None:
        self.endpoint = endpoint
        self.clock = clock
        self._warn = warn
        self._warned: set[str] = set()
        self._request_seconds = request_seconds
        self._session: aiohttp.ClientSession | None = None
        self._at = 0  # which of the endpoint's URLs answered last

    async def __aenter__(self) -> Self:
        endpoint = self.endpoint
        headers = [("User-Agent", f"swarmlet/{__version__}"), *endpoint.acting_as.headers()]
        if endpoint.token:
            headers.append(("Authorization", f"Bearer {endpoint.token}"))
        connector: aiohttp.BaseConnector = (
            aiohttp.UnixConnector(str(endpoint.socket))
            if endpoint.socket
            else aiohttp.TCPConnector(ssl=endpoint.tls or True)
        )
        self._session = aiohttp.ClientSession(connector=connector, headers=headers, auto_decompress=True)
        # aiohttp sends a PUT or DELETE again where the connection broke, and may then fail as if it had sent nothing.
        self._session._retry_connection = False  # noqa: SLF001  there is no public way
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, request: Request) -> bytes:
        """Return the body of the answer; raise the error that the server's Status stands for."""
        async with self._answer(request, seconds=self._request_seconds) as answer:
            return await _body(answer, ANSWER_BYTES_MAX, str(request))

    async def json(self, request: Request) -> dict[str, Any]:
        """Return the JSON object that answers the request."""
        body = await self.send(request)
        try:
            document: dict[str, Any] = msgspec.json.decode(body, type=dict)
        except msgspec.DecodeError as error:
            raise PeerError(f"{request}: the answer is not a JSON object: {error}") from error
        return document

    @contextlib.asynccontextmanager
    async def stream(self, request: Request, *, quiet_seconds: float | None) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the pieces of a body as they arrive, for as long as it lasts; `quiet_seconds` may pass between two."""
        async with self._answer(request, seconds=None, quiet_seconds=quiet_seconds) as answer:
            yield _pieces(answer, str(request))

    @contextlib.asynccontextmanager
    async def websocket(
        self, path: str, query: Sequence[tuple[str, str]], protocols: Sequence[str]
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a websocket at the first server that answers; raise the error that its Status stands for."""
        for _ in self.endpoint.urls:
            try:
                websocket = await self._open_websocket(path, query, protocols)
                break
            except _RefusedError as refusal:
                last = refusal.error
                self._at = (self._at + 1) % len(self.endpoint.urls)
        else:
            raise last
        try:
            yield websocket
        finally:
            await websocket.close()

    async def _open_websocket(
        self, path: str, query: Sequence[tuple[str, str]], protocols: Sequence[str]
    ) -> aiohttp.ClientWebSocketResponse:
        assert self._session is not None, "a Connection is used as `async with`"
        url = self.endpoint.urls[self._at] + path
        try:
            return await self._session.ws_connect(
                url,
                params=query,
                protocols=protocols,
                max_msg_size=MESSAGE_BYTES_MAX,
                server_hostname=self.endpoint.tls_server_name or None,
            )
        except aiohttp.ClientConnectorError as error:
            raise _RefusedError(self._unreachable(url, error), None) from error
        except aiohttp.WSServerHandshakeError as error:
            raise await self._refusal(url, query, protocols, error) from error
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError) as error:
            raise UnavailableError(f"{self._server(url)}: {path}: {error or type(error).__name__}") from error

    async def _refusal(
        self,
        url: str,
        query: Sequence[tuple[str, str]],
        protocols: Sequence[str],
        error: aiohttp.WSServerHandshakeError,
    ) -> Exception:
        """Ask again to hear why a websocket was refused: aiohttp drops what the server said."""
        assert self._session is not None, "a Connection is used as `async with`"
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Protocol": ", ".join(protocols)}
        async with self._session.get(url, params=query, headers=headers) as answer:
            if answer.status < 400:
                return UnavailableError(f"{self._server(url)}: {url}: the server did not open a websocket: {error}")
            return statuses.error_of_answer(answer.status, await _body(answer, ERROR_BYTES_MAX, url), url)

    @contextlib.asynccontextmanager
    async def _answer(
        self, request: Request, *, seconds: float | None, quiet_seconds: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        limits = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS, sock_read=quiet_seconds)
        answer = await self._ask_in_turn(request, limits)
        try:
            yield answer
        finally:
            answer.release()

    async def _ask_in_turn(self, request: Request, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Ask each server, beginning with the one that answered last, and all of them again while that may help."""
        for round_ in range(1, ROUNDS_MAX + 1):
            waits: list[float] = []
            for _ in self.endpoint.urls:
                try:
                    return await self._ask(request, limits)
                except _RefusedError as refusal:
                    last = refusal.error
                    waits += [] if refusal.seconds is None else [refusal.seconds]
                    self._at = (self._at + 1) % len(self.endpoint.urls)
            if not waits or round_ == ROUNDS_MAX:
                break
            await self.clock.sleep(min(*waits, RETRY_SECONDS_MAX))
        raise last

    async def _ask(self, request: Request, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Return an answer below 400, or raise: `_RefusedError` where another try may be made."""
        assert self._session is not None, "a Connection is used as `async with`"
        url = self.endpoint.urls[self._at] + request.path
        try:
            answer = await self._session.request(
                request.method,
                url,
                params={key: value for key, value in request.query.items() if value},
                data=request.content(),
                headers={"Accept": request.accept, "Content-Type": request.content_type},
                timeout=limits,
                server_hostname=self.endpoint.tls_server_name or None,
            )
        except aiohttp.ClientConnectorError as error:  # nothing was sent
            raise _RefusedError(self._unreachable(url, error), None) from error
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError) as error:
            raise self._broken(request, url, error) from error
        self._surface_warnings(answer)
        if answer.status < 400:
            return answer
        error_ = statuses.error_of_answer(
            answer.status, await _body(answer, ERROR_BYTES_MAX, str(request)), str(request)
        )
        if answer.status in (429, 503) and (seconds := answer.headers.get("Retry-After", "")).isdigit():
            raise _RefusedError(error_, float(seconds))
        raise error_

    def _broken(self, request: Request, url: str, error: Exception) -> Exception:
        """A connection that broke after it was made: a read may be repeated, of a write the outcome is unknown."""
        what = "timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        if request.is_read:
            return _RefusedError(UnavailableError(f"{self._server(url)}: {request}: {what}"), RETRY_SECONDS)
        return OutcomeUnknownError(
            f"{self._server(url)}: {request}: {what}; it may or may not have taken effect: look before you repeat it"
        )

    def _unreachable(self, url: str, error: aiohttp.ClientConnectorError) -> Exception:
        certificate = isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError)
        cause = getattr(error, "os_error", None) or error.__cause__ or error
        what = getattr(cause, "strerror", None) or str(cause)
        if certificate:
            return UnavailableError(
                f"{self._server(url)}: TLS: {what}; is the kubeconfig, or --certificate-authority, of this cluster?"
            )
        if isinstance(cause, PermissionError) and self.endpoint.socket:
            return CallerError(f"{self.endpoint.socket}: {what}; run as root, or use --kubeconfig")
        if self.endpoint.socket:
            return UnavailableError(
                f"no daemon answers at {self.endpoint.socket} ({what}); start it with `swarmlet run`, "
                "or name another with --socket, --server or --kubeconfig"
            )
        return UnavailableError(f"no daemon answers at {self._server(url)} ({what})")

    def _server(self, url: str) -> str:
        return str(self.endpoint.socket) if self.endpoint.socket else "/".join(url.split("/")[:3])

    def _surface_warnings(self, answer: aiohttp.ClientResponse) -> None:
        for header in answer.headers.getall("Warning", ()):
            for quoted in _WARNING.findall(header):
                text = re.sub(r"\\(.)", r"\1", quoted)
                if text not in self._warned:
                    self._warned.add(text)
                    self._warn(text)


async def _body(answer: aiohttp.ClientResponse, limit: int, request: str) -> bytes:
    chunks, size = [], 0
    async for piece in _pieces(answer, request):
        size += len(piece)
        if size > limit:
            raise PeerError(f"{request}: the answer is over {limit} bytes; ask for less with -l or -n")
        chunks.append(piece)
    return b"".join(chunks)


async def _pieces(answer: aiohttp.ClientResponse, request: str) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.content.iter_any():
            yield piece
    except (aiohttp.ClientError, TimeoutError) as error:
        what = "timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        raise UnavailableError(f"{request}: the answer broke off: {what}") from error
