"""Made-up uids and names, from randomness that the caller hands in."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Callable

SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' letters for generated names: no vowels and look-alikes, so no words come out."""

NAME_LENGTH_MAX = 63
SUBDOMAIN_LENGTH_MAX = 253
SUFFIX_LENGTH = 5
HASH_LENGTH = 10
DRAWS_MAX = 8


def new_uid(rng: random.Random) -> str:
    """Return a uid: a random UUID in text."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def generated(prefix: str, rng: random.Random, is_taken: Callable[[str], bool] = lambda _: False) -> str:
    """Return `prefix`, cut where it is too long, with a random suffix: what `generateName` asks for.

    A name that is taken is drawn again, as often as Kubernetes does: beside 10,000 others one draw in 1,400 is taken.
    """
    for _ in range(DRAWS_MAX):
        suffix = "".join(rng.choices(SAFE_ALPHABET, k=SUFFIX_LENGTH))
        name = prefix[: NAME_LENGTH_MAX - SUFFIX_LENGTH] + suffix
        if not is_taken(name):
            break
    return name


def numbered(prefix: str, number: int) -> str:
    """Return the name of one of several places; a prefix that is too long ends in a hash, so that no two share one."""
    suffix = f"-{number}"
    room = SUBDOMAIN_LENGTH_MAX - len(suffix)
    if len(prefix) > room:
        prefix = prefix[: room - HASH_LENGTH - 1] + "-" + hashed(prefix.encode())
    return prefix + suffix


def hashed(data: bytes) -> str:
    """Return a stable word for `data` that may stand in a name or label: 47 bits in the safe alphabet."""
    number = int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
    letters = []
    for _ in range(HASH_LENGTH):
        number, digit = divmod(number, len(SAFE_ALPHABET))
        letters.append(SAFE_ALPHABET[digit])
    return "".join(letters)
