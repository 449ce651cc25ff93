"""Run inside a machine: one write over the daemon's unix socket; print its HTTP status and headers."""

from __future__ import annotations

import http.client
import json
import socket
import sys

BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "raw-"}}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def write(path: str, body: dict[str, object], timeout: float = 30) -> tuple[int, str]:
    connection = UnixConnection(path, timeout)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/api/v1/namespaces/default/configmaps", json.dumps(body).encode(), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, str(answer.headers)
    finally:
        connection.close()


if __name__ == "__main__":
    status, headers = write(sys.argv[1], BODY)
    print(f"{status}\n{headers}")
