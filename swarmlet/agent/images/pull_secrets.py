"""The keyring of a Pod: its `imagePullSecrets`, as the store has them now, and the credentials of the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from swarmlet.agent.images import keyring
from swarmlet.agent.images.keyring import Entry, Keyring, KeyringError
from swarmlet.model import core, events, kinds
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key

FILE_BYTES_MAX = 1024 * 1024

Find = Callable[[Key], Object | None]
Tell = Callable[[events.Note], None]

log = structlog.get_logger()


class PullSecrets:
    """One for a node. `file` is Docker's configuration file with the machine's own credentials, None without."""

    def __init__(self, find: Find, tell: Tell, file: Path | None) -> None:
        self._find = find
        self._tell = tell
        self._file = file

    async def keyring(self, pod: Pod) -> Keyring:
        """Return the Pod's keyring; what is missing or unreadable is told, and the pull goes on without it."""
        found: list[Entry] = []
        missing: list[str] = []
        for reference in pod.spec.image_pull_secrets:
            secret = self._find(Key(kinds.SECRET.resource, pod.metadata.namespace, reference.name))
            try:
                if isinstance(secret, core.Secret):
                    found += keyring.entries_of_secret(secret)
                else:
                    missing.append(reference.name)
            except KeyringError as error:
                log.warning(
                    "pull_secret_unreadable", secret=f"{pod.metadata.namespace}/{reference.name}", error=str(error)
                )
                missing.append(reference.name)
        if missing:
            told = (
                f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
                "attempting to pull the image may not succeed."
            )
            self._tell(events.Note(pod, events.WARNING, "FailedToRetrieveImagePullSecret", told))
        return Keyring([*found, *await self._of_machine()])

    async def _of_machine(self) -> list[Entry]:
        if self._file is None:
            return []
        try:
            return keyring.entries_of_file(await asyncio.to_thread(_read, self._file))
        except (OSError, KeyringError) as error:
            log.warning("machine_credentials_unreadable", file=str(self._file), error=str(error))
            return []


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        text = file.read(FILE_BYTES_MAX + 1)
    if len(text) > FILE_BYTES_MAX:
        raise KeyringError(f"over {FILE_BYTES_MAX} bytes")
    return text
