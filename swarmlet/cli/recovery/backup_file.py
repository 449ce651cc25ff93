"""The file of a backup: encrypted by age while it streams in, written aside, read back whole, and only then there.

With recipients the memory used is bounded. With a passphrase age's library wants all of it at once, so the plain bytes
are held in memory; `PASSPHRASE_BYTES_MAX` bounds them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from swarmlet.cli.recovery.keys import Key
from swarmlet.errors import AlreadyExistsError, ConfigError, InvalidError, SwarmletError, TooLargeError
from swarmlet.store.backup import Manifest, Reader

MODE = 0o600
PASSPHRASE_BYTES_MAX = 1024 * 1024 * 1024
COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A backup that stands: its file's size and SHA-256, and what is in it."""

    manifest: Manifest
    counts: dict[str, int]
    size: int
    sha256: str


async def write(path: Path, pieces: AsyncIterator[bytes], key: Key, *, force: bool) -> Written:
    """Encrypt a backup into `path`, verify what is on the disk, and give it its name.

    Raises `AlreadyExistsError` where the file exists, `InvalidError` where what arrives is not whole, `ConfigError`
    where it cannot be written. Whatever fails, `path` is as it was.
    """
    check_free(path, force=force)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        arrived, key = await _encrypt(aside, pieces, key)
        kept = await asyncio.to_thread(read, aside, key)
        if (kept.sha256, kept.counts) != (arrived.sha256, arrived.counts):
            raise InvalidError(f"{path}: what was read back is not what was written; is the disk sound?")
        size, sha256 = await asyncio.to_thread(_measure, aside)
        await asyncio.to_thread(_publish, aside, path, force=force)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; nothing was written") from error
    finally:
        aside.unlink(missing_ok=True)
    return Written(manifest=kept.finish(), counts=dict(kept.counts), size=size, sha256=sha256)


def check_free(path: Path, *, force: bool) -> None:
    """Raise `AlreadyExistsError` where a backup would replace a file and may not."""
    if path.exists() and not force:
        raise AlreadyExistsError(f"{path} exists; name another file, or replace it with --force")


def read(path: Path, key: Key, *, keeps_chunks: bool = False) -> Reader:
    """Decrypt a backup and verify all of it; raise `InvalidError` where it cannot be opened or is not whole."""
    reader = Reader(keeps_chunks=keeps_chunks)
    try:
        with path.open("rb") as file:
            _decrypt(file, _Sink(reader), key)
        reader.finish()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except InvalidError as error:
        raise InvalidError(f"{path}: {error}") from error
    return reader


# Encrypting.


async def _encrypt(aside: Path, pieces: AsyncIterator[bytes], key: Key) -> tuple[Reader, Key]:
    """Write the file; return what went into it, and what opens it again here and now."""
    import pyrage

    source = _Source(pieces, asyncio.get_running_loop())
    with open(aside, "xb", opener=_private) as file:  # noqa: ASYNC230  it is only opened here
        if key.passphrase:
            await asyncio.to_thread(_encrypt_with_passphrase, source, file, key.passphrase)
        else:
            # One more recipient, whose identity is never written: without it nobody here could read the file back.
            witness = pyrage.x25519.Identity.generate()
            recipients = [*key.others, witness.to_public()]
            key = Key(others=(witness,))
            with _told(source):
                await asyncio.to_thread(pyrage.encrypt_io, source, file, recipients)
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    source.reader.finish()
    return source.reader, key


def _encrypt_with_passphrase(source: _Source, file: BinaryIO, passphrase: str) -> None:
    import pyrage

    content = bytearray()
    while piece := source.read(COPY_BYTES):
        content += piece
        if len(content) > PASSPHRASE_BYTES_MAX:
            raise TooLargeError(
                f"the state is over {PASSPHRASE_BYTES_MAX} bytes, too much for a passphrase; use --recipient"
            )
    file.write(pyrage.passphrase.encrypt(bytes(content), passphrase))


@contextlib.contextmanager
def _told(source: _Source) -> Iterator[None]:
    """Raise what went wrong with the source, of which age's library knows only that something did."""
    import pyrage

    try:
        yield
    except (pyrage.EncryptError, OSError) as error:
        raise source.error or error from error


class _Source(io.RawIOBase):
    """A file to read from in a thread, of pieces that arrive on the event loop; it notes what they add up to."""

    def __init__(self, pieces: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self.reader = Reader()
        self.error: SwarmletError | None = None
        self._pieces = pieces
        self._loop = loop
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        if not self._rest:
            try:
                self._rest = asyncio.run_coroutine_threadsafe(_next(self._pieces), self._loop).result()
                self.reader.feed(self._rest)
            except SwarmletError as error:
                self.error = error
                raise
        end = len(self._rest) if size < 0 else size
        piece, self._rest = self._rest[:end], self._rest[end:]
        return piece


async def _next(pieces: AsyncIterator[bytes]) -> bytes:
    return await anext(pieces, b"")


# Decrypting.


class _Sink(io.RawIOBase):
    """A file to write to that keeps nothing but what a `Reader` makes of it."""

    def __init__(self, reader: Reader) -> None:
        self.error: InvalidError | None = None
        self._reader = reader

    def write(self, content: Any, /) -> int:
        try:
            self._reader.feed(bytes(content))
        except InvalidError as error:
            self.error = error
            raise
        return len(content)


def _decrypt(file: BinaryIO, sink: _Sink, key: Key) -> None:
    import pyrage

    try:
        if key.passphrase:
            content = pyrage.passphrase.decrypt(file.read(), key.passphrase)
            for start in range(0, len(content), COPY_BYTES):
                sink.write(content[start : start + COPY_BYTES])
        else:
            pyrage.decrypt_io(file, sink, list(key.others))
    except (pyrage.DecryptError, OSError) as error:
        if sink.error:
            raise sink.error from error
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InvalidError(_why(file, key, str(error))) from error


def _why(file: BinaryIO, key: Key, told: str) -> str:
    """Return in words why age's library could not decrypt a file."""
    file.seek(0)
    head = file.read(COPY_BYTES)
    if not head.startswith(b"age-encryption.org/"):
        return "it is not an age file, so no backup of swarmlet's"
    by_passphrase = b"\n-> scrypt " in head[:512]
    if by_passphrase and not key.passphrase:
        return "it was locked with a passphrase, not for an identity; leave out --identity"
    if key.passphrase and not by_passphrase:
        return "it was locked for age recipients; open it with --identity"
    if told in {"Decryption failed", "No matching keys found"}:
        return "the passphrase is wrong" if key.passphrase else "none of the identities opens it"
    return f"it is cut off or damaged ({' '.join(told.split())})"


# Files.


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _publish(aside: Path, path: Path, *, force: bool) -> None:
    """Give the file its name, in place of another only where `force`, and wait until the disk has it."""
    if force:
        aside.replace(path)
    else:
        try:
            path.hardlink_to(aside)
        except FileExistsError:
            raise AlreadyExistsError(f"{path} has come to be meanwhile; name another file") from None
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, MODE)
