"""Who may use an image that is on this machine: it was fetched with somebody's credentials, or by anybody.

An image that nobody's credentials were needed for, or that was here before, is everybody's. What is remembered of
credentials is a salted hash, in a file that outlives the daemon.
Source: KEP-2535 (Ensure secret pulled images), kubernetes pkg/kubelet/images/pullmanager.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path

import msgspec
import structlog

from swarmlet.agent.images.keyring import Entry
from swarmlet.runtime.credentials import Credentials

REPOSITORIES_MAX = 10_000
KEYS_MAX = 100
"""How many credentials are remembered for one repository; whose are forgotten has to fetch it once more."""
SALT_BYTES = 16

log = structlog.get_logger()


class Access(msgspec.Struct):
    """Of one repository: hashes of the credentials that it was fetched with, and the images that came of it."""

    keys: list[str] = []
    images: list[str] = []


class Book(msgspec.Struct):
    """The file: repositories that are not everybody's."""

    salt: str = ""
    repositories: dict[str, Access] = {}


class ImageAccess:
    """What is remembered of this machine's images; `path` is read once, and written as it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._book = _load(path)
        self._lock = asyncio.Lock()

    def may_use(self, image: str, image_id: str, entries: Iterable[Entry]) -> bool:
        """Whether a Pod with these credentials may use an image that is here."""
        book = self._book
        private = [each for each in (book.repositories.get(repository(image)), *_with_image(book, image_id)) if each]
        if not private:
            return True
        keys = {self._key(book, entry.credentials) for entry in entries}
        return any(keys & set(each.keys) for each in private)

    async def begin(self, image: str) -> None:
        """Note, before it is fetched with credentials, that an image is not everybody's."""
        book = self._book
        if repository(image) not in book.repositories:
            while len(book.repositories) >= REPOSITORIES_MAX:
                del book.repositories[next(iter(book.repositories))]
            book.repositories[repository(image)] = Access()
            await self._write()

    async def fetched(self, image: str, image_id: str, entry: Entry | None, *, was_here: bool) -> None:
        """Note with whose credentials an image was fetched; with nobody's or the machine's it is everybody's.

        `was_here`: the very image was on the machine before, and stays everybody's if it was.
        """
        book, name = self._book, repository(image)
        if was_here and name not in book.repositories:
            return
        if entry is None or entry.is_machines:
            if book.repositories.pop(name, None) is not None:
                await self._write()
            return
        access, key = book.repositories.setdefault(name, Access()), self._key(book, entry.credentials)
        if key in access.keys and image_id in access.images:
            return
        access.keys = [*(each for each in access.keys if each != key), key][-KEYS_MAX:]
        access.images = [*(each for each in access.images if each != image_id), image_id][-KEYS_MAX:]
        await self._write()

    def _key(self, book: Book, credentials: Credentials) -> str:
        parts = (book.salt, credentials.username, credentials.password, credentials.identity_token)
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()

    async def _write(self) -> None:
        async with self._lock:
            try:
                await asyncio.to_thread(_save, self._path, msgspec.json.encode(self._book))
            except OSError as error:  # it holds all the same until this daemon ends
                log.warning("image_access_not_saved", file=str(self._path), error=str(error))


def repository(image: str) -> str:
    """Return an image's name without tag and digest."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(":")[0]


def _with_image(book: Book, image_id: str) -> list[Access]:
    """Return the repositories that an image came of: it may be asked for by its id."""
    return [access for access in book.repositories.values() if image_id in access.images]


def _load(path: Path) -> Book:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Book)
    except FileNotFoundError:
        return Book(salt=secrets.token_hex(SALT_BYTES))
    except (OSError, msgspec.DecodeError) as error:
        log.warning("image_access_forgotten", file=str(path), error=str(error))
        return Book(salt=secrets.token_hex(SALT_BYTES))


def _save(path: Path, text: bytes) -> None:
    swap = path.with_suffix(".swap")
    swap.touch(mode=0o600)
    swap.write_bytes(text)
    swap.replace(path)
