"""The few calls that the lab and the demo make of a Docker Engine or a daemon, with the standard library."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

DEFAULT_HOST = "unix:///var/run/docker.sock"
TIMEOUT_SECONDS = 120


def docker_host() -> str:
    """Return where the Engine is expected, as the docker command does."""
    return os.environ.get("DOCKER_HOST") or DEFAULT_HOST


class Door:
    """A plain HTTP server, at "unix://PATH" or "tcp://HOST:PORT"."""

    def __init__(self, host: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.host = host
        self._timeout_seconds = timeout_seconds

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return the status and the body of an answer; raise OSError where nobody answers."""
        connection = self._connect()
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, document: object = None) -> Any:
        """Send and return JSON; raise OSError with the Engine's own message where it refuses."""
        body = None if document is None else json.dumps(document).encode()
        status, answer = self.call(method, path, body, {"Content-Type": "application/json"})
        if status >= http.client.BAD_REQUEST:
            raise OSError(f"{method} {path}: {status} {answer.decode(errors='replace').strip()}")
        return json.loads(answer) if answer.strip() else None

    def _connect(self) -> http.client.HTTPConnection:
        where = urlsplit(self.host)
        if where.scheme == "unix":
            return _UnixConnection(where.path, self._timeout_seconds)
        return http.client.HTTPConnection(where.hostname or "localhost", where.port, timeout=self._timeout_seconds)


class Engine(Door):
    """One Docker Engine."""

    def answers(self) -> bool:
        """Return whether an Engine is there."""
        try:
            return self.call("GET", "/_ping")[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def has_image(self, name: str) -> bool:
        """Return whether an image is there under this name."""
        return self.call("GET", f"/images/{name}/json")[0] == http.client.OK

    def pull(self, name: str) -> bool:
        """Pull an image; return whether it is there afterwards."""
        image, _, tag = name.partition(":")
        self.call("POST", f"/images/create?fromImage={image}&tag={tag or 'latest'}")
        return self.has_image(name)

    def load(self, archive: bytes) -> None:
        """Load a `docker save` archive; raise OSError where it is refused."""
        status, answer = self.call("POST", "/images/load?quiet=1", archive, {"Content-Type": "application/x-tar"})
        if status != http.client.OK or b"error" in answer:
            raise OSError(f"the image did not load: {answer.decode(errors='replace')}")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
