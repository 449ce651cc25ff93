"""What is in the cluster, asked for in a hurry: a Tab that waits is worse than one that knows nothing.

No more than the standard library is used: what the other commands speak with takes longer to import than to answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import socket
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from swarmlet.client import discovery
from swarmlet.client.discovery import Catalogue, Resource
from swarmlet.client.endpoints import Endpoint
from swarmlet.clock import Clock

SECONDS = 0.2
"""How long a Tab waits for the cluster, in all."""
CACHE_AGE_MAX = timedelta(minutes=10)
ANSWER_BYTES_MAX = 16 * 1024 * 1024
PAGE_SIZE = 1000
NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


class _UnixConnection(http.client.HTTPConnection):
    """HTTP on a unix socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Cluster:
    """The cluster behind an endpoint, until `SECONDS` have passed since it was made."""

    def __init__(self, endpoint: Endpoint, *, namespace: str, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._deadline = clock.now() + timedelta(seconds=SECONDS)
        self.namespace = namespace or endpoint.namespace or "default"

    def catalogue(self) -> Catalogue:
        """Return what kinds there are, as they were at most `CACHE_AGE_MAX` ago."""
        cache = _cache_file(self._endpoint)
        if not _is_young(cache, self._clock.now()):
            documents = [self.ask(path, {}, discovery.AGGREGATED) for path in ("/api", "/apis")]
            _keep(cache, documents)
        else:
            documents = json.loads(cache.read_bytes())
        return Catalogue(resource for each in documents for resource in discovery.from_aggregated(each))

    def names(self, resource: Resource) -> list[str]:
        """Return the names of the objects of a kind, in the namespace that is meant; as many as there is time for."""
        found: list[str] = []
        going_on = ""
        path = resource.path(namespace=self.namespace)
        with contextlib.suppress(OSError, http.client.HTTPException):
            while not found or going_on:
                page = self.ask(path, {"limit": str(PAGE_SIZE), "continue": going_on}, NAMES_ONLY)
                found += [each["metadata"]["name"] for each in page.get("items") or ()]
                going_on = (page.get("metadata") or {}).get("continue") or ""
                if not going_on:
                    break
        return found

    def ask(self, path: str, query: Mapping[str, str], accept: str = "application/json") -> dict[str, Any]:
        """Return the JSON at a path; raise `OSError` where it does not come in time, or is refused."""
        left = (self._deadline - self._clock.now()).total_seconds()
        if left <= 0:
            raise TimeoutError
        connection = self._connection(left)
        with contextlib.closing(connection):
            given = urlencode({key: value for key, value in query.items() if value})
            connection.request("GET", f"{path}?{given}" if given else path, headers=self._headers(accept))
            answer = connection.getresponse()
            if answer.status >= 400:
                raise ConnectionError(answer.reason)
            document: dict[str, Any] = json.loads(answer.read(ANSWER_BYTES_MAX))
            return document

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        if self._endpoint.socket:
            return _UnixConnection(self._endpoint.socket, seconds)
        url = urlsplit(self._endpoint.urls[0])
        if url.scheme == "http":
            return http.client.HTTPConnection(url.netloc, timeout=seconds)
        return http.client.HTTPSConnection(url.netloc, timeout=seconds, context=self._endpoint.tls)

    def _headers(self, accept: str) -> dict[str, str]:
        token = {"Authorization": f"Bearer {self._endpoint.token}"} if self._endpoint.token else {}
        return {"Accept": accept, **token, **dict(self._endpoint.acting_as.headers())}


def _cache_file(endpoint: Endpoint) -> Path:
    """Return where the kinds of an endpoint are kept: by its address, for another cluster has others."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "swarmlet" / f"kinds-{hashlib.sha256(endpoint.name.encode()).hexdigest()[:16]}.json"


def _is_young(path: Path, now: datetime) -> bool:
    with contextlib.suppress(OSError):
        return now - datetime.fromtimestamp(path.stat().st_mtime, UTC) < CACHE_AGE_MAX
    return False


def _keep(path: Path, documents: Sequence[dict[str, Any]]) -> None:
    """Write the cache, all of it at once; where that cannot be, the next Tab asks again."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(documents, file)
        Path(name).replace(path)
