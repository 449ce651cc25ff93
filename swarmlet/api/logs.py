"""The `/log` of a Pod: from this machine's agent, or through the daemon on the Pod's node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus
from typing import Any, Protocol

import structlog
from aiohttp import web

from swarmlet.api import log_options, queries
from swarmlet.api.reading.reads import Reader
from swarmlet.api.targets import Target
from swarmlet.clock import Clock
from swarmlet.errors import CallerError, NotFoundError, SwarmletError
from swarmlet.model.pod import Pod
from swarmlet.model.pods import container_names
from swarmlet.runtime.runtime import LogOptions

WRITE_SECONDS_MAX = 30.0
PASSED_ON = "X-Swarmlet-Passed-On"
"""Set on a request that one daemon makes for another: it is answered here or not at all."""

log = structlog.get_logger()


class PodStreams(Protocol):
    """What the agent shows of the Pods on this node."""

    def logs(
        self, namespace: str, name: str, container: str, options: LogOptions, *, previous: bool = False
    ) -> AsyncIterator[bytes]:
        """Yield a container's log, stdout and stderr as they came; with `follow` until the container ends.

        Raises, before the first chunk, `NotFoundError` or `CallerError` in the words that kubectl shows.
        """


class NodeDoor(Protocol):
    """The way to the API of another daemon."""

    def stream(self, node_name: str, path: str) -> AsyncIterator[bytes]:
        """Yield the body that the daemon on `node_name` answers to a GET of `path`, with the header `PASSED_ON`.

        Raises what the other daemon answers as an error, or `UnavailableError` where it cannot be reached.
        """


class LogApi:
    """Answers GET of `pods/x/log`."""

    def __init__(self, *, node_name: str, reader: Reader, streams: PodStreams, door: NodeDoor, clock: Clock) -> None:
        self._node_name = node_name
        self._reader = reader
        self._streams = streams
        self._door = door
        self._clock = clock
        self._open: set[asyncio.Task[Any]] = set()

    async def get(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer with the log as plain text."""
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        self._open.add(task)
        try:
            return await self._get(request, target)
        finally:
            self._open.discard(task)

    def close(self) -> None:
        """End those that are followed: the daemon stops."""
        for task in self._open:
            task.cancel()

    async def _get(self, request: web.Request, target: Target) -> web.StreamResponse:
        await self._reader.catch_up(None)
        stored = await self._reader.find(target)
        pod = stored.object
        assert isinstance(pod, Pod), "the path names a Pod"
        container = container_of(pod, request.query.get("container", ""))
        options = log_options.read(request.query, pod.metadata.name, self._clock.now())
        previous = queries.flag(request.query, "previous")
        if not pod.spec.node_name:
            return web.Response(status=HTTPStatus.NO_CONTENT)  # as Kubernetes answers: nothing is logged yet
        if pod.spec.node_name == self._node_name or PASSED_ON in request.headers:
            chunks = self._streams.logs(target.namespace, target.name, container, options, previous=previous)
        else:
            chunks = self._door.stream(pod.spec.node_name, request.rel_url.raw_path_qs)
        return await _answer(request, chunks)


async def _answer(request: web.Request, chunks: AsyncIterator[bytes]) -> web.StreamResponse:
    """Send the chunks as they come. An error before the first one is a Status; a later one ends the stream."""
    first = await anext(chunks, b"")
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    whole = False
    try:
        await _write(response, first)
        async for chunk in chunks:
            await _write(response, chunk)
        await response.write_eof()
        whole = True
    except (ConnectionError, SwarmletError) as error:
        log.info("log_cut", path=request.path, reason=str(error))
    finally:
        if not whole and request.transport is not None:
            request.transport.abort()  # its reader must not take it for the end
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()  # a reader that is gone must not leave its log open
    return response


async def _write(response: web.StreamResponse, data: bytes) -> None:
    try:
        async with asyncio.timeout(WRITE_SECONDS_MAX):
            await response.write(data)
    except TimeoutError as error:
        raise ConnectionResetError("the reader of a log takes nothing") from error


def container_of(pod: Pod, name: str) -> str:
    """Return which container is meant; raise where that is open, or there is none of the name."""
    known = list(container_names(pod.spec))
    if name in known:
        return name
    if name:
        raise CallerError(f"container {name} is not valid for pod {pod.metadata.name}")
    if len(pod.spec.containers) == 1:
        return pod.spec.containers[0].name
    if not known:
        raise NotFoundError(f'pod "{pod.metadata.name}" has no containers')
    raise CallerError(
        f"a container name must be specified for pod {pod.metadata.name}, choose one of: [{' '.join(known)}]"
    )
