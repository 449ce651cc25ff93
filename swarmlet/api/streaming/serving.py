"""`exec`, `attach` and `portforward` of a Pod: who asks for what, in which protocol, and which node answers.

Source: k8s.io/kubernetes/pkg/kubelet/server, core/v1 PodExecOptions, PodAttachOptions and PodPortForwardOptions.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import structlog
from aiohttp import web

from swarmlet.api import logs, middleware, queries
from swarmlet.api.reading.reads import Reader
from swarmlet.api.streaming import conversations, forwards, relay, upgrades
from swarmlet.api.streaming.remotes import SpdyRemote, Wanted, WebsocketRemote
from swarmlet.api.targets import Target
from swarmlet.clock import Clock
from swarmlet.errors import BusyError, CallerError
from swarmlet.model.pod import Pod
from swarmlet.runtime.sessions import Pipe, Session
from swarmlet.streams import channels, websockets

STREAMS_MAX = 512
"""Open at once on one daemon, those that it carries for others too."""
PORTS_MAX = 100
COMMAND_WORDS_MAX = 10_000

log = structlog.get_logger()


class PodSessions(Protocol):
    """What the agent lets others do with the Pods on this node. All raise errors in the words that kubectl shows."""

    def check(self, namespace: str, name: str, container: str) -> None:
        """Raise `NotFoundError` where the container does not run; "" stands for any of the Pod's."""

    async def exec(
        self, namespace: str, name: str, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> Session:
        """Run a command in a container."""

    async def attach(self, namespace: str, name: str, container: str, *, stdin: bool) -> Session:
        """Join the streams of a container."""

    async def dial(self, namespace: str, name: str, port: int) -> Pipe:
        """Connect to a port of a Pod."""


class StreamApi:
    """Answers `pods/x/exec`, `pods/x/attach` and `pods/x/portforward`."""

    def __init__(
        self, *, node_name: str, reader: Reader, sessions: PodSessions, connector: relay.NodeConnector, clock: Clock
    ) -> None:
        self._node_name = node_name
        self._reader = reader
        self._sessions = sessions
        self._connector = connector
        self._clock = clock
        self._open: set[asyncio.Task[Any]] = set()

    async def exec(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Run a command in a container."""
        return await self._serve(request, target, self._exec)

    async def attach(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Join the streams of a container."""
        return await self._serve(request, target, self._attach)

    async def port_forward(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Connect to ports of a Pod."""
        return await self._serve(request, target, self._port_forward)

    def close(self) -> None:
        """End all that are open: the daemon stops."""
        for task in self._open:
            task.cancel()

    async def _serve(
        self, request: web.Request, target: Target, serve: Callable[[web.Request, Pod], Coroutine[Any, Any, None]]
    ) -> web.StreamResponse:
        """Serve a request here or carry it to where the Pod is; return once the stream has ended."""
        upgrade = request.headers.get("Upgrade", "").lower()
        if upgrade not in ("websocket", channels.SPDY.lower()):
            raise CallerError("Upgrade request required")
        pod = await self._pod(target)
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        if len(self._open) >= STREAMS_MAX:
            raise BusyError("too many streams to Pods at once, try again later")
        what = {"pod": target.name, "namespace": target.namespace, "what": target.subresource}
        log.info("stream_opened", **what, user=request[middleware.USER].name, node=pod.spec.node_name)
        self._open.add(task)
        try:
            if pod.spec.node_name == self._node_name or logs.PASSED_ON in request.headers:
                await serve(request, pod)
            else:
                await relay.carry(request, pod.spec.node_name, self._connector, self._clock)
        except ConnectionError as error:
            log.info("stream_broken", **what, reason=str(error))
        finally:
            self._open.discard(task)
        return web.Response()  # nobody is there to read it

    async def _pod(self, target: Target) -> Pod:
        await self._reader.catch_up(None)
        pod = (await self._reader.find(target)).object
        assert isinstance(pod, Pod), "the path names a Pod"
        if not pod.spec.node_name:
            raise CallerError(f"pod {pod.metadata.name} does not have a host assigned")
        return pod

    async def _exec(self, request: web.Request, pod: Pod) -> None:
        where = self._where(request, pod)
        command = request.query.getall("command", [])
        if not 0 < len(command) <= COMMAND_WORDS_MAX:
            raise CallerError("you must specify at least one command for the container")
        wanted = _wanted(request, tty=queries.flag(request.query, "tty"))
        begin = functools.partial(self._sessions.exec, *where, command, stdin=wanted.stdin, tty=wanted.tty)
        await self._converse(request, wanted, begin, "executing command in")

    async def _attach(self, request: web.Request, pod: Pod) -> None:
        where = self._where(request, pod)
        known = (*pod.spec.init_containers, *pod.spec.containers)
        container = next(each for each in known if each.name == where[-1])
        wanted = _wanted(request, tty=container.tty)
        begin = functools.partial(self._sessions.attach, *where, stdin=wanted.stdin and container.stdin)
        await self._converse(request, wanted, begin, "attaching to")

    async def _converse(self, request: web.Request, wanted: Wanted, begin: conversations.Begin, what: str) -> None:
        """Join a command's streams with the channels of whichever protocol the client speaks."""
        if _is_websocket(request):
            protocol = _protocol(request, "Sec-WebSocket-Protocol", channels.EXEC_PROTOCOLS)
            async with self._websocket(request, protocol) as websocket:
                await conversations.hold(WebsocketRemote(websocket, wanted, protocol), begin, wanted, what)
            return
        protocol = _protocol(request, channels.PROTOCOL_HEADER, channels.SPDY_EXEC_PROTOCOLS)
        async with upgrades.raw(request, _spdy_head(protocol), self._clock) as duplex:
            await conversations.hold(SpdyRemote(duplex, wanted, protocol), begin, wanted, what)

    async def _port_forward(self, request: web.Request, pod: Pod) -> None:
        namespace, name = pod.metadata.namespace, pod.metadata.name
        self._sessions.check(namespace, name, "")
        dial = functools.partial(self._sessions.dial, namespace, name)
        if not _is_websocket(request):
            protocol = _protocol(request, channels.PROTOCOL_HEADER, (channels.PORT_FORWARD,))
            async with upgrades.raw(request, _spdy_head(protocol), self._clock) as duplex:
                await forwards.serve_streams(duplex, dial, name)
            return
        protocol = channels.V4  # of who names none, as kr8s does: pkg/kubelet/cri-streaming/portforward/websocket.go
        if "Sec-WebSocket-Protocol" in request.headers:
            protocol = _protocol(request, "Sec-WebSocket-Protocol", (channels.TUNNEL, channels.V4))
        ports = _ports(request) if protocol == channels.V4 else []
        async with self._websocket(request, protocol) as websocket:
            if protocol == channels.TUNNEL:
                await forwards.serve_streams(websockets.WebsocketDuplex(websocket), dial, name)
            else:
                await forwards.serve_channels(websocket, ports, dial, name)

    def _websocket(
        self, request: web.Request, protocol: str
    ) -> contextlib.AbstractAsyncContextManager[web.WebSocketResponse]:
        most = websockets.message_bytes_max(len(self._open))
        return upgrades.websocket(request, protocol, self._clock, message_bytes_max=most)

    def _where(self, request: web.Request, pod: Pod) -> tuple[str, str, str]:
        """Return namespace, Pod and container that a request is about, which runs."""
        container = logs.container_of(pod, request.query.get("container", ""))
        where = (pod.metadata.namespace, pod.metadata.name, container)
        self._sessions.check(*where)
        return where


def _is_websocket(request: web.Request) -> bool:
    return request.headers["Upgrade"].lower() == "websocket"


def _protocol(request: web.Request, header: str, supported: Sequence[str]) -> str:
    """Return the best of the protocols that both sides speak."""
    asked = [each.strip() for line in request.headers.getall(header, ()) for each in line.split(",")]
    chosen = channels.chosen(supported, asked)
    if not chosen:
        told = ", ".join(asked)[:200]
        raise CallerError(f"unable to upgrade: {header}: none of [{told}] is supported; supported: {supported}")
    return chosen


def _spdy_head(protocol: str) -> bytes:
    return upgrades.head({"Connection": "Upgrade", "Upgrade": channels.SPDY, channels.PROTOCOL_HEADER: protocol})


def _wanted(request: web.Request, *, tty: bool) -> Wanted:
    streams = {name: queries.flag(request.query, name) for name in ("stdin", "stdout", "stderr")}
    if not any(streams.values()):
        raise CallerError("you must specify at least 1 of stdin, stdout, stderr")
    return Wanted(stdin=streams["stdin"], stdout=streams["stdout"], stderr=streams["stderr"] and not tty, tty=tty)


def _ports(request: web.Request) -> list[int]:
    """Read the ports that the v4 protocol names in the query: several to a parameter, and several of them."""
    texts = [text for value in request.query.getall("ports", []) for text in value.split(",")]
    ports = [port for text in texts if (port := forwards.port_of(text))]
    if not 0 < len(texts) <= PORTS_MAX or len(ports) < len(texts):
        raise CallerError('query parameter "ports" is required, and must name ports from 1 to 65535')
    return ports
