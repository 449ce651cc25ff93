"""`swarmlet cp`: files and folders to a container and back, through the tar that it has."""

from __future__ import annotations

import itertools
import os
import queue
import tarfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Annotated, cast

import typer

from swarmlet.cli import exits, parsing
from swarmlet.cli.inside import pods_of
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from swarmlet.client.discovery import Catalogue

PIECES_MAX = 8
RESUMED = 'tar cf - -C "$0" "$1" | tail -c +"$2"'
"""The same archive as before, from a byte on that is counted from 1."""


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("cp", cls=parsing.Command)(copy)


@dataclass(frozen=True, slots=True)
class Place:
    """A path, in a Pod's container where `pod` is not ""."""

    path: str
    pod: str = ""
    namespace: str = ""


@connected
async def copy(
    session: Session,
    source: Annotated[str, typer.Argument(help="PATH, or [NAMESPACE/]POD:PATH.")],
    target: Annotated[str, typer.Argument(help="The other of the two.")],
    container: Annotated[str, typer.Option("--container", "-c", help="Which container.")] = "",
    no_preserve: Annotated[
        bool, typer.Option("--no-preserve", help="To a container: owners and modes are those of new files there.")
    ] = False,
    retries: Annotated[
        int, typer.Option("--retries", help="From a container: go on so often after a break; negative: always.")
    ] = 0,
) -> None:
    """Copy files and folders to a container or from it; it must have tar.

    `cp site web-1:/srv`, `cp web-1:/var/log/app.log .`
    """
    from_, to = _place(source), _place(target)
    if bool(from_.pod) == bool(to.pod):
        raise exits.UsageError("one of the two must be in a Pod, as in `web-1:/tmp`, and the other on this machine")
    if not from_.path or not to.path:
        raise exits.UsageError("filepath can not be empty")
    remote = await _Remote.find(session, from_ if from_.pod else to, container)
    if to.pod:
        await remote.upload(Path(from_.path), to.path, preserve=not no_preserve)
    else:
        await remote.download(from_.path, Path(to.path), retries)


def _place(text: str) -> Place:
    """Read POD:PATH; what begins like a path, or has no colon, is on this machine."""
    who, colon, path = text.partition(":")
    if not colon or who.startswith((".", "/")):
        return Place(text)
    namespace, _, pod = who.rpartition("/")
    return Place(path, pod, namespace)


class _Remote:
    """The container that files go to or come from."""

    def __init__(self, session: Session, path: str, container: str) -> None:
        self._session = session
        self._path = path
        self._container = container

    @classmethod
    async def find(cls, session: Session, place: Place, container: str) -> _Remote:
        catalogue: Catalogue = await session.catalogue()
        pods, namespace = catalogue.find("pods"), place.namespace or session.namespace
        pod = await session.api.get(pods, place.pod, namespace=namespace)
        path = pods.path(namespace=namespace, name=place.pod, subresource="exec")
        return cls(session, path, pods_of.container(pod, container))

    async def upload(self, source: Path, target: str, *, preserve: bool) -> None:
        """Pack what is here, and unpack it there; a folder that is there takes it under its own name."""
        own_name = _own_name(source)
        if await self._run(["test", "-d", target]) == 0:
            target = str(PurePosixPath(target) / own_name)
        folder, name = str(PurePosixPath(target).parent), PurePosixPath(target).name
        pieces = _Pieces()
        pieces.spawn(lambda: _pack(source, name, pieces))
        plain = [] if preserve else ["--no-same-permissions", "--no-same-owner"]
        code = await self._run(["tar", *plain, "-xmf", "-", "-C", folder], read=pieces.next)
        pieces.check()
        if code:
            raise CallerError(f"tar in the container ended with exit code {code}")

    async def download(self, source: str, target: Path, retries: int) -> None:
        """Pack what is there, and unpack it here; a folder that is here takes it under its own name."""
        name = PurePosixPath(source).name
        target = _landing(target, name)
        folder = str(PurePosixPath(source).parent)
        pieces = _Pieces()
        unpacking = pieces.spawn(lambda: _unpack(pieces, name or ".", target))
        try:
            code = await self._packed(folder, name or ".", pieces, retries)
        finally:
            pieces.write(b"")
            unpacking.join()
        pieces.check()
        if code:
            raise CallerError(f"tar in the container ended with exit code {code}")

    async def _packed(self, folder: str, name: str, pieces: _Pieces, retries: int) -> int:
        """Pack what is there into the pieces, from where it broke off if it does; return tar's exit code."""
        from swarmlet.client.connection import RETRY_SECONDS

        command = ["tar", "cf", "-", "-C", folder, name]
        for retry in itertools.count(1):
            try:
                return await self._run(command, write=pieces.write)
            except UnavailableError:
                if 0 <= retries < retry:
                    if retries:
                        exits.say(f"Dropping out copy after {retries} retries")
                    raise
            exits.say(f"Resuming copy at {pieces.written} bytes, retry {retry}/{retries}")
            command = ["sh", "-c", RESUMED, folder, name, str(pieces.written + 1)]
            await self._session.clock.sleep(RETRY_SECONDS)
        raise AssertionError("the retries end by themselves")

    async def _run(
        self,
        command: list[str],
        *,
        read: Callable[[], bytes] | None = None,
        write: Callable[[bytes], int] | None = None,
    ) -> int:
        """Run a command in the container and return its exit code; what it says of errors is shown."""
        from swarmlet.cli.inside import conversation
        from swarmlet.streams import channels

        def take(channel: int, data: bytes) -> None:
            if channel == channels.STDERR:
                conversation.show(channel, data)
            elif write is not None:
                write(data)

        query = [("container", self._container), ("stdout", "true"), ("stderr", "true")]
        query += [("stdin", "true")] if read else []
        query += [("command", word) for word in command]
        return await conversation.hold(self._session, self._path, query, read=read, write=take)


class _Pieces:
    """An archive under way between a thread that packs or unpacks and the connection: bounded, and b"" ends it."""

    def __init__(self) -> None:
        self._queue: queue.Queue[bytes] = queue.Queue(PIECES_MAX)
        self._rest = b""
        self._ended = False
        self._error: Exception | None = None
        self.written = 0

    def spawn(self, work: Callable[[], None]) -> threading.Thread:
        """Begin to pack or unpack, in a thread."""

        def run() -> None:
            try:
                work()
            except (OSError, tarfile.TarError) as error:
                self._error = error

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def check(self) -> None:
        """Raise what went wrong on this machine."""
        if self._error is not None:
            raise CallerError(f"{self._error}") from self._error

    def write(self, data: bytes) -> int:
        """Add a piece, once there is room."""
        self._queue.put(bytes(data))
        self.written += len(data)
        return len(data)

    def next(self) -> bytes:
        """Return the next piece, b"" at the end."""
        piece = self._queue.get()
        self._ended = not piece
        return piece

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer only at the end: what tarfile reads."""
        found = bytearray(self._rest)
        while len(found) < size and not self._ended:
            piece = self.next()
            found += piece
        self._rest = bytes(found[size:])
        return bytes(found[:size])

    def drain(self) -> None:
        """Take what is still to come, so that nobody waits for room."""
        while not self._ended:
            self.next()


def _own_name(source: Path) -> str:
    """Return what a file or folder of this machine is called; raise `NotFoundError` where there is none."""
    if not os.path.lexists(source):
        raise NotFoundError(f"{source} doesn't exist in local filesystem")
    return source.resolve().name


def _landing(target: Path, name: str) -> Path:
    """Return where what is called `name` lands: within a folder that is there, else in its place."""
    return target / name if target.is_dir() and name else target


def _pack(source: Path, name: str, pieces: _Pieces) -> None:
    def owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    try:
        with tarfile.open(fileobj=cast("IO[bytes]", pieces), mode="w|") as tar:
            tar.add(source, arcname=name, filter=owned_by_root)
    finally:
        pieces.write(b"")


def _unpack(pieces: _Pieces, name: str, target: Path) -> None:
    """Unpack what is called `name` as `target`; nothing of it lands anywhere else, nor by way of a link in it."""
    is_link = False
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", pieces), mode="r|") as tar:
            for member in tar:
                inner = _inner(member.name, name)
                if not inner:
                    is_link = member.issym() or member.islnk()
                    tar.extract(member.replace(name=target.name or "."), target.parent, filter="data")
                    continue
                if is_link:
                    raise tarfile.ReadError(f"{member.name} is within a link: not unpacked")
                leads_to = _inner(member.linkname, name) if member.islnk() else member.linkname
                tar.extract(member.replace(name=inner, linkname=leads_to), target, filter="data")
    finally:
        pieces.drain()


def _inner(path: str, name: str) -> str:
    """Return a path of the archive as it is within what is called `name`; "" for that itself."""
    inner = path.removeprefix(name)
    if not path.startswith(name) or inner[:1] not in ("", "/"):
        raise tarfile.ReadError(f"{path} is not of {name}: not unpacked")
    return inner.lstrip("/")
