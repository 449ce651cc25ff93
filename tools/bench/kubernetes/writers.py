"""Many clients that create objects, in a process of their own: a socket each, and one request under way on each.

    python -m tools.bench.kubernetes.writers KUBECONFIG KIND CLIENTS SECONDS ADDRESS...

The clients are spread over the addresses. Requests are bytes with a number put in, and of an answer only the status
line and the length are read, so that two cores are left to the daemons. Prints a JSON document as of `Writes`.
"""

from __future__ import annotations

import json
import re
import select
import signal
import socket
import ssl
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.bench import client

PORT = 7600
NAMESPACE = "bench-creates"
VALUE_BYTES = 256
READ_BYTES = 64 * 1024
CONNECT_SECONDS_MAX = 30.0
LATE_SECONDS_MAX = 30
"""For connecting at first and the last answers at the end; then the process ends itself."""
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_PATHS = {"configmaps": f"/api/v1/namespaces/{NAMESPACE}/configmaps", "pods": f"/api/v1/namespaces/{NAMESPACE}/pods"}


@dataclass(frozen=True)
class Writes:
    """What was acknowledged a second, in how many milliseconds, and how many requests were refused."""

    per_second: float
    p50_ms: float
    p99_ms: float
    refused: int
    slowest_second: int

    def __str__(self) -> str:
        return f"{self.per_second:,.0f}/s, p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"


def document(kind: str, name: str) -> dict[str, object]:
    """Return a ConfigMap of 256 bytes, or a Pod of the usual shape that no scheduler takes."""
    if kind == "configmaps":
        data = {"v": "x" * VALUE_BYTES}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}
    container = {
        "name": "web",
        "image": "registry.example/web:1.2.3",
        "ports": [{"containerPort": 8080, "name": "http"}],
        "env": [{"name": "MODE", "value": "production"}],
        "resources": resources,
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
    }
    labels = {"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": "bench"}
    spec = {"schedulerName": "nobody", "containers": [container], "terminationGracePeriodSeconds": 5}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


class Writer:
    """One client: its connection, and when its request was sent."""

    def __init__(self, context: ssl.SSLContext, kind: str, address: str, number: int) -> None:
        plain = socket.create_connection((address, PORT), timeout=CONNECT_SECONDS_MAX)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = context.wrap_socket(plain, server_hostname=address)
        self.connection.setblocking(False)
        self.refused = 0
        self._sent = 0.0
        self._count = 0
        self._prefix = f"w{number}-"
        body = json.dumps(document(kind, self._prefix + "%08d")).encode()
        head = f"POST {_PATHS[kind]} HTTP/1.1\r\nHost: {address}:{PORT}\r\nUser-Agent: bench/1\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body % 0)}\r\n\r\n"
        self._request = head.encode() + body
        self._answer = b""

    def send(self) -> None:
        """Send the next request."""
        self._count += 1
        self._sent = time.monotonic()
        self.connection.sendall(self._request % self._count)

    def read(self) -> float | None:
        """Return how many seconds the request took; None while its answer is not whole."""
        while True:
            try:
                data = self.connection.recv(READ_BYTES)
            except (ssl.SSLWantReadError, BlockingIOError):
                break
            if not data:
                raise ConnectionError("a daemon ended a connection")
            self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        if not end or length is None or len(body) < int(length[1]):
            return None
        if not head.startswith(b"HTTP/1.1 201"):
            self.refused += 1
        self._answer = b""
        return time.monotonic() - self._sent


def write(writers: list[Writer], seconds: float) -> Writes:
    """Let each send its next request as soon as the one before is answered."""
    poll, by_number = select.epoll(), {each.connection.fileno(): each for each in writers}
    latencies: list[float] = []
    counts = [0] * (int(seconds) + 1)
    begin = time.monotonic()
    end = begin + seconds
    for each in writers:
        poll.register(each.connection, select.EPOLLIN)
        each.send()
    left = len(writers)
    while left:
        for number, _ in poll.poll():
            writer = by_number[number]
            taken = writer.read()
            if taken is None:
                continue
            now = time.monotonic()
            latencies.append(1000 * taken)
            counts[min(int(now - begin), int(seconds))] += 1
            if now < end:
                writer.send()
            else:
                left -= 1
    ordered = sorted(latencies)
    return Writes(
        per_second=len(latencies) / (time.monotonic() - begin),
        p50_ms=statistics.median(ordered),
        p99_ms=ordered[int(0.99 * len(ordered))],
        refused=sum(each.refused for each in writers),
        slowest_second=min(counts[: int(seconds)]),
    )


def main() -> None:
    kubeconfig, kind, clients, seconds, *addresses = sys.argv[1:]
    signal.alarm(int(float(seconds)) + LATE_SECONDS_MAX)
    context = client.tls_context(Path(kubeconfig))
    writers = [Writer(context, kind, addresses[each % len(addresses)], each) for each in range(int(clients))]
    print(json.dumps(asdict(write(writers, float(seconds)))))


if __name__ == "__main__":
    main()
