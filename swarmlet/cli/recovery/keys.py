"""Who can open a backup: a passphrase, or age recipients and their identities. Nothing secret comes by an argument."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmlet.cli import exits
from swarmlet.errors import ConfigError

PASSPHRASE_VARIABLE = "SWARMLET_BACKUP_PASSPHRASE"  # noqa: S105  the name of a variable
PASSPHRASE_LENGTH_MIN = 8
SECRET_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Key:
    """What a backup is locked or opened with: a passphrase, or age's recipients or identities."""

    passphrase: str = field(default="", repr=False)
    others: tuple[Any, ...] = field(default=(), repr=False)


def locking(passphrase_file: Path | None, recipients: Sequence[str]) -> Key:
    """Return what a new backup is locked with; raise `UsageError` where nothing, or both, is given."""
    if recipients:
        if passphrase_file:
            raise exits.UsageError("--recipient and --passphrase-file exclude each other: age allows only one of them")
        return Key(others=tuple(_recipient(text) for text in recipients))
    passphrase = _given(passphrase_file)
    if passphrase is None:
        passphrase = _ask("Passphrase for the backup: ")
        if _ask("The same again: ") != passphrase:
            raise exits.UsageError("the two passphrases differ; nothing was written")
    if len(passphrase) < PASSPHRASE_LENGTH_MIN:
        raise exits.UsageError(f"the passphrase is too short; allowed: at least {PASSPHRASE_LENGTH_MIN} characters")
    return Key(passphrase=passphrase)


def opening(passphrase_file: Path | None, identity_file: Path | None) -> Key:
    """Return what a backup is opened with."""
    if identity_file:
        return Key(others=_identities(identity_file))
    passphrase = _given(passphrase_file)
    return Key(passphrase=_ask("Passphrase of the backup: ") if passphrase is None else passphrase)


def _given(file: Path | None) -> str | None:
    """Return the passphrase of the file or the environment; None where the user is to be asked."""
    if file is None:
        return os.environ.get(PASSPHRASE_VARIABLE) or None
    return _read(file, "--passphrase-file").rstrip("\r\n")


def _ask(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise exits.UsageError(
            f"a passphrase is needed: --passphrase-file, {PASSPHRASE_VARIABLE}, or a terminal to ask on"
        )
    return getpass.getpass(prompt)


def _recipient(text: str) -> Any:
    import pyrage

    try:
        return pyrage.x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError as error:
        raise exits.UsageError(f"--recipient: found {text!r}; allowed: age1...: {error}") from None


def _identities(file: Path) -> tuple[Any, ...]:
    """Return the identities in a file as `age-keygen` writes it."""
    import pyrage

    lines = [line.strip() for line in _read(file, "--identity").splitlines()]
    try:
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise ConfigError(f"--identity {file}: no age identity is in it; a line reads AGE-SECRET-KEY-1...")
    return tuple(found)


def _read(file: Path, option: str) -> str:
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
            return stream.read(SECRET_BYTES_MAX).decode(errors="replace")
    except OSError as error:
        raise ConfigError(f"{option} {file}: {error.strerror or error}") from error
