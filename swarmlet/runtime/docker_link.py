"""The way to a Docker Engine: one client, its calls bounded in time, and its errors as ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import aiodocker
import aiohttp
from aiodocker.exceptions import DockerError

from swarmlet.errors import EngineError
from swarmlet.runtime.runtime import ContainerGoneError

CALL_SECONDS_MAX = 30.0
MESSAGE_CHARACTERS_MAX = 500
NOT_FOUND = 404
UNREACHABLE = 900  # aiodocker's own


class EngineLink:
    """Calls to the Engine that listens at `host`."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._client: aiodocker.Docker | None = None

    @property
    def is_local(self) -> bool:
        """Whether the Engine sees this machine's files, as far as its address tells."""
        return self.host.startswith("unix://")

    @property
    def docker(self) -> aiodocker.Docker:
        """The client; it opens no connection before it is asked for something."""
        if self._client is None:
            self._client = self._new_client()
        return self._client

    def _new_client(self) -> aiodocker.Docker:
        """Lift the limit of 100 connections where we can: each stop under way and each log followed holds one."""
        if not self.is_local:
            return aiodocker.Docker(self.host)
        connector = aiohttp.UnixConnector(self.host.removeprefix("unix://"), limit=0)
        return aiodocker.Docker("unix://localhost", connector=connector)

    @contextlib.asynccontextmanager
    async def call(
        self,
        what: str,
        failure: type[EngineError] = EngineError,
        *,
        missing: type[EngineError] = ContainerGoneError,
        seconds: float = CALL_SECONDS_MAX,
    ) -> AsyncIterator[None]:
        """Bound a call in time; raise what goes wrong as one of our errors, `missing` where the Engine has no such."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except DockerError as error:
            if error.status == UNREACHABLE:
                raise EngineError(f"the Docker Engine at {self.host} cannot be reached: {shortened(error)}") from error
            raise (missing if error.status == NOT_FOUND else failure)(shortened(error)) from error
        except TimeoutError as error:
            raise EngineError(f"{what}: no answer of the Docker Engine at {self.host} in {seconds:g} s") from error
        except (OSError, aiohttp.ClientError, ValueError) as error:
            raise EngineError(f"{what}: the Docker Engine at {self.host} does not answer: {error}") from error

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str], *, method: str = "GET", data: bytes | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open an answer that has no bounded length; aiodocker's own readers hide its errors and its bytes.

        Raises `EngineError` where the Engine refuses, cannot be reached or breaks off.
        """
        docker = self.docker
        if docker.api_version == "auto":
            async with self.call("version"):
                await docker.version()
        url = f"{docker.docker_host}/{docker.api_version}/{path}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CALL_SECONDS_MAX)
        try:
            async with docker.session.request(method, url, params=params, data=data, timeout=timeout) as response:
                if response.status >= 400:
                    raise EngineError(shortened(await response.text()))
                yield response
        except (OSError, aiohttp.ClientError) as error:
            raise EngineError(f"{path}: the Docker Engine at {self.host} does not answer: {error}") from error

    async def close(self) -> None:
        """Let go of the Engine."""
        if self._client is not None:
            await self._client.close()
            await self._client.connector.close()
            self._client = None


def shortened(error: DockerError | str) -> str:
    """Return an error's message in one line."""
    text = error if isinstance(error, str) else error.message
    return " ".join(text.split())[:MESSAGE_CHARACTERS_MAX]
