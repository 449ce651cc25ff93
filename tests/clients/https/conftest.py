"""What is here runs on machines, after all else."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.spaces import space
from tools.lab.cluster import Cluster

SECONDS_MAX = 30.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    body: Any


@dataclass(frozen=True)
class Https:
    """A program on the box that asks the machines as an administrator, in a namespace of its own."""

    cluster: Cluster
    namespace: str
    context: ssl.SSLContext

    def ask(self, method: str, path: str, body: Any = None, *, node: str = "h1", **headers: str) -> Answer:
        """Send a request and return the decoded answer, whatever its status."""
        with self._opened(method, path, body, node, headers) as answer:
            return Answer(answer.status, answer.headers, json.loads(answer.read()))

    @contextmanager
    def watch(self, path: str, *, node: str = "h2") -> Iterator[Iterator[dict[str, Any]]]:
        """Yield the events of a watch as they come."""
        with self._opened("GET", path, None, node, {}) as answer:
            yield (json.loads(line) for line in answer)

    def _opened(self, method: str, path: str, body: Any, node: str, headers: dict[str, str]) -> Any:
        url = f"https://{self.cluster[node].machine.address}:7600{path.format(namespace=self.namespace)}"
        said = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method, headers=said)
        try:
            return urllib.request.urlopen(request, timeout=SECONDS_MAX, context=self.context)
        except urllib.error.HTTPError as error:
            return error


@pytest.fixture(scope="module")
def https(three_machines: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Https]:
    folder = tmp_path_factory.mktemp("https")
    document = yaml.safe_load(three_machines.kubeconfig.read_text())
    user, server = document["users"][0]["user"], document["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=_decoded(server["certificate-authority-data"]))
    certificate: Path = folder / "certificate"
    certificate.write_text(_decoded(user["client-certificate-data"]) + _decoded(user["client-key-data"]))
    context.load_cert_chain(certificate)
    with space(three_machines, "plain-https") as there:
        yield Https(three_machines, there.name, context)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/clients/https/" in str(item.path):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.slow)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
