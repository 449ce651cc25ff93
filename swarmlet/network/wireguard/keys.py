"""This node's WireGuard key: made here, kept in the daemon's folder, and never told to anybody; the public one is.

It is renewed from time to time, so that one that was copied is not good for ever.
"""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

FILE = "wireguard.key"
LIFETIME = timedelta(days=30)
"""How long one key is used."""
KEY_BYTES = 32


def current(folder: Path, now: datetime) -> str:
    """Return the private key (base64), a new one where there is none yet, or it is old. Raises `OSError`."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            made = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
            kept = file.read(KEY_BYTES + 1)
    except FileNotFoundError:
        return _encoded(_renew(path))
    if len(kept) != KEY_BYTES or now - made >= LIFETIME:
        kept = _renew(path)
    return _encoded(kept)


def forget(folder: Path) -> None:
    """Take the key away: this machine is in no such network any more."""
    (folder / FILE).unlink(missing_ok=True)


def public(private_key: str) -> str:
    """Return the public key that goes with a private one, both in base64."""
    return _encoded(X25519PrivateKey.from_private_bytes(base64.b64decode(private_key)).public_key().public_bytes_raw())


def _renew(path: Path) -> bytes:
    """Make a key, and have it whole on the disk before it is used; nobody else may ever read it."""
    key = _clamped(X25519PrivateKey.generate().private_bytes_raw())
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return key


def _clamped(key: bytes) -> bytes:
    """Return a key as a kernel tells it that was given it. Source: RFC 7748, section 5 (decodeScalar25519)."""
    return bytes([key[0] & 248, *key[1:31], key[31] & 127 | 64])


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()
