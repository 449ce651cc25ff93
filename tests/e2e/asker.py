"""Asks many addresses, several at a time, from where one Pod or machine is: a program of its own, for `connectivity`.

It is given the process whose network and files it is to see (0: the machine's own), and the questions, as JSON on its
standard input; it prints one answer for each. Names are resolved by the C library with that Pod's resolv.conf, as by
any program that runs there.
"""

from __future__ import annotations

import ctypes
import encodings.idna  # noqa: F401  what is needed later is loaded while the machine's own files are still seen
import json
import os
import socket
import sys
from concurrent.futures.thread import ThreadPoolExecutor

SECONDS_MAX = 2.0
"""Longer than the second after which the kernel says again what was not heard: the machine may be busy."""
AT_ONCE_MAX = 4
"""Of the questions of one asker: all askers together must not be more than a small server's queue holds."""
RESOLVER_OPTIONS = "timeout:1 attempts:2"
ANSWER_BYTES_MAX = 4096
KINDS = {"net": 0x40000000, "mnt": 0x00020000}


def enter(process: int) -> None:
    """Be in the network, and then in the files, of a process; before there are threads."""
    libc = ctypes.CDLL(None, use_errno=True)
    handles = {kind: os.open(f"/proc/{process}/ns/{kind}", os.O_RDONLY) for kind in KINDS}
    for kind, handle in handles.items():
        if libc.setns(handle, KINDS[kind]):
            raise OSError(ctypes.get_errno(), f"the {kind} namespace of process {process}")


def fetch(host: str, port: int) -> str:
    """Return the first line that an HTTP server says."""
    with socket.create_connection((host, port), SECONDS_MAX) as connection:
        connection.settimeout(SECONDS_MAX)
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        said = b""
        while len(said) < ANSWER_BYTES_MAX and (more := connection.recv(ANSWER_BYTES_MAX)):
            said += more
    return said.partition(b"\r\n\r\n")[2].decode(errors="replace").strip() or "nothing"


def resolve(host: str) -> str:
    """Return the addresses of a name, in order."""
    found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    return " ".join(sorted(str(each[4][0]) for each in found))


def answer(question: tuple[str, int]) -> str:
    """Return what comes of a question: (host, port), port 0: only which addresses the name has."""
    host, port = question
    try:
        return fetch(host, port) if port else resolve(host)
    except OSError as error:
        return f"({error.strerror or error})"


def main() -> None:
    """Ask all."""
    given = json.load(sys.stdin)
    if given["process"]:
        enter(given["process"])
    os.environ["RES_OPTIONS"] = RESOLVER_OPTIONS
    with ThreadPoolExecutor(AT_ONCE_MAX) as pool:
        print(json.dumps(list(pool.map(answer, map(tuple, given["questions"])))))


if __name__ == "__main__":
    main()
