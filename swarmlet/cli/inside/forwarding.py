"""`swarmlet port-forward`: ports of this machine that lead to a Pod's."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing
from swarmlet.cli.inside import pods_of
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError, UnavailableError

if TYPE_CHECKING:
    from swarmlet.client.discovery import Catalogue
    from swarmlet.streams.multiplexer import Multiplexer, Stream

READ_BYTES = 64 * 1024
BACKLOG = 128
PORT_MAX = 65_535
LOCALHOST = ("127.0.0.1", "::1")

Document = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("port-forward", cls=parsing.Command)(port_forward)


@dataclass(frozen=True, slots=True)
class Port:
    """`local` 0 is any that is free."""

    local: int
    remote: int


@connected
async def port_forward(
    session: Session,
    what: Annotated[
        list[str], typer.Argument(metavar="POD|TYPE/NAME [LOCAL:]REMOTE...", help="As in `svc/web 8080:80`.")
    ],
    address: Annotated[
        list[str] | None, typer.Option("--address", help="Where to listen on this machine; may be repeated.")
    ] = None,
    pod_running_timeout: options.PodRunning = options.POD_RUNNING,
) -> None:
    """Let ports of this machine lead to a Pod's, until Ctrl-C.

    `port-forward web-1 8080:80`, `port-forward service/web :http`
    """
    if len(what) < 2:
        raise exits.UsageError("TYPE/NAME and list of ports are required for port-forward, as in `web-1 8080:80`")
    catalogue = await session.catalogue()
    pod = (await pods_of.find(session, what[0], pod_running_timeout))[0]
    if (phase := pod["status"].get("phase")) != "Running":
        raise CallerError(f"unable to forward port because pod is not running. Current status={phase}")
    service = await _service(session, catalogue, what[0])
    ports = [_port(word, pod, service) for word in what[1:]]
    await _forward(session, catalogue, pod, ports, _addresses(address or ["localhost"]))


async def _service(session: Session, catalogue: Catalogue, word: str) -> Document | None:
    """Return the Service that the word names, where it does: its ports are others than its Pods'."""
    from swarmlet.cli import selection

    if "/" not in word:
        return None
    reference = selection.one([word], catalogue)
    if reference.resource != catalogue.find("services"):
        return None
    return await session.api.get(reference.resource, reference.name, namespace=session.namespace)


def _port(word: str, pod: Document, service: Document | None) -> Port:
    """Read `8080:80`, `80`, `:80`, `:http`; of a Service, return the port that its own leads to."""
    local, colon, remote = word.rpartition(":")
    number = _service_port(remote, pod, service) if service else _pod_port(remote, pod)
    if not colon:
        wanted = int(remote) if remote.isdigit() else number
    elif local and not (local.isdigit() and int(local) <= PORT_MAX):
        raise exits.UsageError(f"{word}: {local} is no port")
    else:
        wanted = int(local or 0)
    return Port(wanted, number)


def _pod_port(text: str, pod: Document) -> int:
    if text.isdigit():
        if not 0 < int(text) <= PORT_MAX:
            raise exits.UsageError(f"{text}: remote port must be > 0 and at most {PORT_MAX}")
        return int(text)
    named = itertools.chain.from_iterable(each.get("ports") or () for each in pods_of.containers(pod))
    for port in named:
        if port.get("name") == text:
            return int(port["containerPort"])
    raise CallerError(f"Pod '{pod['metadata']['name']}' does not have a named port '{text}'")


def _service_port(text: str, pod: Document, service: Document) -> int:
    spec = service["spec"]
    for port in spec.get("ports") or ():
        if text in (port.get("name"), str(port["port"])):
            if spec.get("clusterIP") == "None":
                return int(port["port"])
            return _pod_port(str(port.get("targetPort") or port["port"]), pod)
    raise CallerError(f"Service {service['metadata']['name']} does not have a service port {text}")


def _addresses(given: Sequence[str]) -> list[str]:
    texts = [text for each in given for text in each.split(",")]
    return [address for text in texts for address in (LOCALHOST if text == "localhost" else (text,))]


async def _forward(
    session: Session, catalogue: Catalogue, pod: Document, ports: Sequence[Port], addresses: Sequence[str]
) -> None:
    from swarmlet.streams import channels, liveness
    from swarmlet.streams.multiplexer import Multiplexer
    from swarmlet.streams.websockets import WebsocketDuplex

    path = catalogue.find("pods").path(
        namespace=session.namespace, name=pod["metadata"]["name"], subresource="portforward"
    )
    async with (
        session.api.connection.websocket(path, (), (channels.TUNNEL,)) as websocket,
        contextlib.AsyncExitStack() as listening,
    ):
        multiplexer = Multiplexer(WebsocketDuplex(websocket), client=True)
        connections = _Connections(multiplexer)
        for port in ports:
            await _listen(listening, port, addresses, connections)
        sock = websocket.get_extra_info("socket")
        ends = {
            asyncio.create_task(multiplexer.run()),
            asyncio.create_task(liveness.until_lost(sock, session.clock)),
        }
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in ends:
            task.cancel()
    raise UnavailableError("lost connection to pod")


async def _listen(
    listening: contextlib.AsyncExitStack, port: Port, addresses: Sequence[str], connections: _Connections
) -> None:
    """Listen on each address that there is, all of them at one port; raise `CallerError` where there is none."""
    local, opened, failures = port.local, 0, []
    for address in addresses:
        try:
            server = await asyncio.start_server(
                connections.to(port.remote), address, local, backlog=BACKLOG, limit=READ_BYTES
            )
        except OSError as error:
            failures.append(f"unable to listen on {address}:{local}: {error.strerror or error}")
            continue
        await listening.enter_async_context(server)
        opened += 1
        local = server.sockets[0].getsockname()[1]
        shown = f"[{address}]" if ":" in address else address
        print(f"Forwarding from {shown}:{local} -> {port.remote}", flush=True)
    if not opened:
        raise CallerError("; ".join(failures))


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class _Connections:
    """The connections that are made to this machine's ports, each a pair of streams."""

    def __init__(self, multiplexer: Multiplexer) -> None:
        self._multiplexer = multiplexer
        self._numbers = itertools.count()

    def to(self, port: int) -> Handler:
        """Return what carries a connection to a port of the Pod."""

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            print(f"Handling connection for {writer.get_extra_info('sockname')[1]}", flush=True)
            try:
                await self._carry(port, reader, writer)
            except* OSError:
                writer.transport.abort()
            finally:
                writer.close()

        return carry

    async def _carry(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        headers = {"port": str(port), "requestid": str(next(self._numbers))}
        error = await self._multiplexer.open({"streamtype": "error", **headers})
        await error.end()
        data = await self._multiplexer.open({"streamtype": "data", **headers})
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_up(reader, data))
                both.create_task(_down(data, writer))
                both.create_task(_tell(error))
        finally:
            await data.give_up()


async def _up(reader: asyncio.StreamReader, data: Stream) -> None:
    while piece := await reader.read(READ_BYTES):
        await data.write(piece)
    await data.end()


async def _down(data: Stream, writer: asyncio.StreamWriter) -> None:
    while piece := await data.read():
        writer.write(piece)
        await writer.drain()
    writer.write_eof()


async def _tell(error: Stream) -> None:
    while text := await error.read():
        exits.say(f"error: {text.decode(errors='replace')}")
