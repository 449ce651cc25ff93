"""A client of a program that sends back what it is sent, through a port that kubectl or swarmlet forwards."""

from __future__ import annotations

import contextlib
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

MANY = 100
SECONDS_MAX = 30


def port_of(printed: IO[Any]) -> int:
    """Return the port of this machine in the line `Forwarding from 127.0.0.1:12345 -> 8080`."""
    line = printed.readline()
    text = line.decode() if isinstance(line, bytes) else line
    return int(text.split(" -> ")[0].rpartition(":")[2])


def talk(data: bytes, port: int, host: str = "127.0.0.1") -> bytes:
    """Send, say that this is all, and return what came back until the end."""
    with socket.create_connection((host, port), SECONDS_MAX) as connection:
        return _talk_on(connection, data)


def many_talk(port: int, host: str = "127.0.0.1") -> int:
    """Let many talk at once, on connections that are made one by one; return how many heard what they said.

    What listens is busybox's nc, which lets few wait.
    """
    given = [os.urandom(20_000) for _ in range(MANY)]
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(MANY) as pool:
        connections = [_opened(stack, port, host) for _ in given]
        heard = pool.map(_talk_on, connections, given)
        return sum(one == other for one, other in zip(heard, given, strict=True))


def many_call(port: int, host: str = "127.0.0.1") -> int:
    """Let many connect and talk at once; return how many heard what they said."""
    given = [os.urandom(20_000) for _ in range(MANY)]
    with ThreadPoolExecutor(MANY) as pool:
        heard = pool.map(lambda data: talk(data, port, host), given)
        return sum(one == other for one, other in zip(heard, given, strict=True))


def _opened(stack: contextlib.ExitStack, port: int, host: str) -> socket.socket:
    connection = stack.enter_context(socket.create_connection((host, port), SECONDS_MAX))
    connection.sendall(b"?")
    assert connection.recv(1) == b"?"
    return connection


def _talk_on(connection: socket.socket, data: bytes) -> bytes:
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(lambda: (connection.sendall(data), connection.shutdown(socket.SHUT_WR)))
        found = b"".join(iter(lambda: connection.recv(65_536), b""))
        sent.result()
    return found
