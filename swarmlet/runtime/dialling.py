"""Connecting to a port of a Pod as its own processes would: from within its network namespace, where that is here."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from swarmlet.errors import EngineError
from swarmlet.runtime.sessions import DIAL_SECONDS_MAX, READ_BYTES, Pipe

LOOPBACK = ("127.0.0.1", "::1")
CLONE_NEWNET = 0x4000_0000

OpenSocket = Callable[[socket.AddressFamily], socket.socket]
"""Makes a socket in the namespace that is meant."""


async def dial(port: int, hosts: Sequence[str], open_socket: OpenSocket = socket.socket) -> Pipe:
    """Connect to the first of `hosts` that listens at `port`; raise `EngineError` in words where none does."""
    why = []
    for host in hosts:
        try:
            async with asyncio.timeout(DIAL_SECONDS_MAX):
                return await _connect(host, port, open_socket)
        except TimeoutError:
            why.append(f"connect to {host}: no answer in {DIAL_SECONDS_MAX:g} s")
        except OSError as error:
            why.append(f"connect to {host}: {os.strerror(error.errno).lower() if error.errno else error}")
    raise EngineError(f"failed to connect to localhost:{port} inside the pod: {'; '.join(why) or 'it has no address'}")


async def _connect(host: str, port: int, open_socket: OpenSocket) -> Pipe:
    made = await _in_a_thread(open_socket, socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, (host, port))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return await asyncio.open_connection(sock=made, limit=READ_BYTES)
    except BaseException:
        made.close()
        raise


async def _in_a_thread(open_socket: OpenSocket, family: socket.AddressFamily) -> socket.socket:
    """Make a socket in a thread that ends with it: who enters a namespace never finds back into another thread's."""
    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, open_socket, family)


def within(pid: int) -> OpenSocket:
    """Return what makes sockets in the network namespace of a process of this machine; it needs root."""

    def open_socket(family: socket.AddressFamily) -> socket.socket:
        descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(descriptor, CLONE_NEWNET):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        finally:
            os.close(descriptor)
        return socket.socket(family)

    return open_socket


def is_enterable(pid: int, container_id: str) -> bool:
    """Whether this process is the container's, on this machine, and its namespace may be entered."""
    if os.geteuid() or pid <= 1:
        return False
    try:
        return container_id in Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii")
    except OSError:
        return False
