"""Whom to be when a registry is asked for an image: the credentials that fit it, from Secrets and from the machine.

    keyring = Keyring([*entries_of_secret(secret), *entries_of_file(text)])
    keyring.lookup("registry.example.com/team/web:1")   # (Entry(...), ...), the longest location first

Pure. Source: kubernetes pkg/credentialprovider/keyring.go and config.go.
"""

from __future__ import annotations

import base64
import fnmatch
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from swarmlet.errors import SwarmletError
from swarmlet.model import core
from swarmlet.runtime.credentials import Credentials

DOCKER_CONFIG_JSON = "kubernetes.io/dockerconfigjson"
DOCKER_CONFIG = "kubernetes.io/dockercfg"
DEFAULT_REGISTRY = "index.docker.io"
DEFAULT_REGISTRY_NAMES = ("docker.io", DEFAULT_REGISTRY)
ENTRIES_MAX = 1_000
LOOKED_UP_MAX = 20
"""How many credentials are tried for one image."""

_PREFIXES = ("/v1/", "/v2/")


class KeyringError(SwarmletError):
    """Credentials that cannot be read. It never tells what they hold."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Credentials and what they are for: "host[:port][/path]", where a part of the host may be "*".

    `is_machines`: whoever runs here may use them, and not only the Pods that name their Secret.
    """

    location: str
    credentials: Credentials
    is_machines: bool = False


class Keyring:
    """Credentials in the order of their owners: those of the Pod's Secrets, then those of the machine."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        found = sorted(itertools.islice(entries, ENTRIES_MAX), key=_location_of, reverse=True)
        self._groups = [[each for each in found if each.is_machines is machines] for machines in (False, True)]

    def lookup(self, image: str) -> tuple[Entry, ...]:
        """Return the credentials to try for an image, best first; none where it is asked for without."""
        found: dict[Credentials, Entry] = {}
        for group in self._groups:
            fitting = [each for each in group if _fits(each.location, image)]
            if not fitting and _is_of_default_registry(image):
                fitting = [each for each in group if each.location == DEFAULT_REGISTRY]
            for each in fitting:
                found.setdefault(each.credentials, each)
        return tuple(found.values())[:LOOKED_UP_MAX]


def entries_of_secret(secret: core.Secret) -> list[Entry]:
    """Return what a pull secret holds; nothing of a Secret of another type. Raises `KeyringError`."""
    if secret.type == DOCKER_CONFIG_JSON:
        return _entries(_auths(_decoded(secret, ".dockerconfigjson")), is_machines=False)
    if secret.type == DOCKER_CONFIG:
        return _entries(_decoded(secret, ".dockercfg"), is_machines=False)
    return []


def entries_of_file(text: bytes) -> list[Entry]:
    """Return what Docker's configuration file holds. Raises `KeyringError`."""
    return _entries(_auths(_object(text)), is_machines=True)


def _location_of(entry: Entry) -> str:
    return entry.location


def _decoded(secret: core.Secret, key: str) -> Mapping[str, Any]:
    try:
        return _object(base64.b64decode(secret.data.get(key, ""), validate=True))
    except ValueError:
        raise KeyringError(f"secret {secret.metadata.name}: {key} is not base64") from None


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise KeyringError("the credentials are no JSON object")
    return found


def _auths(document: Mapping[str, Any]) -> Mapping[str, Any]:
    auths = document.get("auths") or {}
    if not isinstance(auths, dict):
        raise KeyringError("the credentials have no object `auths`")
    return auths


def _entries(auths: Mapping[str, Any], *, is_machines: bool) -> list[Entry]:
    found = ((_location(name), _credentials(given)) for name, given in auths.items() if isinstance(given, dict))
    return [Entry(location, each, is_machines) for location, each in found if each is not None]


def _location(name: str) -> str:
    """Return "host[:port][/path]" of a location such as "https://index.docker.io/v1/"."""
    text = name.removeprefix("https://").removeprefix("http://")
    host, slash, path = text.partition("/")
    path = slash + path
    for prefix in _PREFIXES:
        if path.startswith(prefix):
            path = path[len(prefix) - 1 :]
    return host + (path if path != "/" else "")


def _credentials(given: Mapping[str, Any]) -> Credentials | None:
    """Read one entry; `auth`, which is base64 of "name:password", counts before the two by themselves."""
    username, password = str(given.get("username") or ""), str(given.get("password") or "")
    if given.get("auth"):
        try:
            text = base64.b64decode(str(given["auth"]) + "==").decode()
        except ValueError:  # no base64, no ASCII, or no UTF-8
            raise KeyringError("an entry of the credentials has an `auth` that is not base64") from None
        username, colon, password = text.rstrip("\0").partition(":")
        if not colon:
            raise KeyringError('an entry of the credentials has an `auth` that is not "name:password"')
    token = str(given.get("identitytoken") or "")
    return Credentials(username=username, password=password, identity_token=token) if username or token else None


def _fits(location: str, image: str) -> bool:
    """Whether credentials are for an image: equal ports, matching parts of the host, its path below theirs."""
    host, _, path = location.partition("/")
    target, _, target_path = image.partition("/")
    (name, _, port), (target_name, _, target_port) = host.partition(":"), target.partition(":")
    parts, target_parts = name.split("."), target_name.split(".")
    if port != target_port or len(parts) != len(target_parts) or not target_path.startswith(path):
        return False
    return all(fnmatch.fnmatchcase(each, part) for part, each in zip(parts, target_parts, strict=True))


def _is_of_default_registry(image: str) -> bool:
    host, slash, _ = image.partition("/")
    return not slash or host in DEFAULT_REGISTRY_NAMES or not set(host) & {".", ":"}
