"""Keeps one connection from where a Pod or machine is, and says something on it again and again: for `connectivity`.

python talker.py PROCESS HOST PORT: whose network it is to see (0: the machine's own), and an echo server. It prints who
answers, as that one says, a line "." for each echo, and what went wrong once it goes on no longer. It ends when nobody
reads that any more.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import time

NEW_NETWORK_NAMESPACE = 0x40000000
NAME_BYTES_MAX = 64
PAUSE_SECONDS = 0.1
SILENCE_SECONDS_MAX = 15.0
"""A connection on which nothing comes for so long hangs."""


def enter(process: int) -> None:
    """Be in the network of a process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(os.open(f"/proc/{process}/ns/net", os.O_RDONLY), NEW_NETWORK_NAMESPACE):
        raise OSError(ctypes.get_errno(), f"the network of process {process}")


def talk(host: str, port: int) -> str:
    """Talk until it ends; return how."""
    with socket.create_connection((host, port), SILENCE_SECONDS_MAX) as connection:
        connection.settimeout(SILENCE_SECONDS_MAX)
        print(connection.recv(NAME_BYTES_MAX).decode().strip(), flush=True)
        while True:
            connection.sendall(b"?")
            if not connection.recv(1):
                return "closed"
            print(".", flush=True)
            time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Talk, and tell."""
    process, host, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    if process:
        enter(process)
    try:
        print(talk(host, port))
    except BrokenPipeError:
        os._exit(0)  # nobody reads it
    except OSError as error:
        print(error.strerror or str(error))


if __name__ == "__main__":
    main()
