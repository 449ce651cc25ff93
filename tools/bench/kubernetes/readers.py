"""Many watches in a process of their own, so that reading them costs the daemons nothing.

    python -m tools.bench.kubernetes.readers KUBECONFIG PATH COUNT CERTIFICATES ADDRESS...

Each watch is a TLS socket of its own, and they are spread over the addresses; without a PATH nothing is asked. It shows
the client's certificate "alone", as kubectl does, or as a "chain" with its CA's, as OpenSSL does by itself. An event is
known by the stamp that its writer put into it: `SENT` and nanoseconds of the monotonic clock, which all processes of a
machine share. Nothing is parsed beyond that. Prints "open" once all watches have their headers; on each line of the
standard input prints what came since the line before: a JSON document as of `Seen`; the line may tell when which event
was acknowledged to its writer (`{stamp: nanoseconds}`). Ends with the standard input, or when its time is over.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.bench import client

SENT = "sent-at-"
PORT = 7600
READ_BYTES = 64 * 1024
CONNECT_SECONDS_MAX = 60.0
LIFE_SECONDS_MAX = 150
"""After which a process of readers ends itself, whatever it waits for."""
_STAMP = re.compile(SENT.encode() + rb"(\d+)")
_END = b"initial-events-end"


@dataclass(frozen=True)
class Seen:
    """How many events came, after how many milliseconds, and how many watches were told all that there was before.

    `answered_p99_ms` counts from the moment that the writer had its answer, 0 where the line was sooner.
    """

    events: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    answered_p99_ms: float
    begun: int

    def __str__(self) -> str:
        return f"p50 {self.p50_ms:.0f} ms, p99 {self.p99_ms:.0f} ms, slowest {self.max_ms:.0f} ms"


class Readers:
    """A running process of watches."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def seen(self, answered: Mapping[int, int] | None = None) -> Seen:
        """Return what came since this was asked last; `answered` has when each stamp's writer had its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(answered or {}) + "\n")
        self._process.stdin.flush()
        told = self._process.stdout.readline()
        if not told:
            raise ConnectionError("the watches were ended")
        return Seen(**json.loads(told))


@contextlib.contextmanager
def reading(
    kubeconfig: Path, path: str, count: int, addresses: Sequence[str], *, chain: bool = False
) -> Iterator[Readers]:
    """Hold so many watches open until the end of the block."""
    argv = [str(kubeconfig), path, str(count), "chain" if chain else "alone", *addresses]
    program = [sys.executable, "-m", "tools.bench.kubernetes.readers"]
    with subprocess.Popen([*program, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "open\n":
            raise ConnectionError(f"{count} watches of {path} could not be opened")
        yield Readers(process)


class Watch:
    """One open connection; bytes of an unfinished line are kept until the rest comes."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self.connection = connection
        self.begun = False
        self._rest = b""

    def read(self) -> list[int]:
        """Return the stamps of the lines that are here, whole."""
        data = [self._rest]
        while True:
            try:
                data.append(self.connection.recv(READ_BYTES))
            except (ssl.SSLWantReadError, BlockingIOError):
                break
            if not data[-1]:
                raise ConnectionError("a watch was ended")
        lines, newline, rest = b"".join(data).rpartition(b"\n")
        self._rest = rest
        self.begun = self.begun or _END in lines
        return [int(stamp) for stamp in _STAMP.findall(lines)] if newline else []


def connect(context: ssl.SSLContext, address: str, path: str) -> Watch:
    """Open a watch and read its headers."""
    plain = socket.create_connection((address, PORT), timeout=CONNECT_SECONDS_MAX)
    connection = context.wrap_socket(plain, server_hostname=address)
    if path:
        request = f"GET {path} HTTP/1.1\r\nHost: {address}:{PORT}\r\nAccept: application/json\r\n\r\n"
        connection.sendall(request.encode())
        head = connection.recv(READ_BYTES)
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise ConnectionError(f"no watch: {head!r}")
    connection.setblocking(False)
    return Watch(connection)


def main() -> None:
    signal.alarm(LIFE_SECONDS_MAX)
    kubeconfig, path, count, certificates, *addresses = sys.argv[1:]
    context = client.tls_context(Path(kubeconfig), trusts=certificates == "chain")
    poll, watches = select.epoll(), dict[int, Watch]()
    for number in range(int(count)):
        watch = connect(context, addresses[number % len(addresses)], path)
        watches[watch.connection.fileno()] = watch
        poll.register(watch.connection, select.EPOLLIN)
    print("open", flush=True)
    poll.register(sys.stdin, select.EPOLLIN)
    arrivals: list[tuple[int, int]] = []
    while True:
        for number, _ in poll.poll():
            if number == sys.stdin.fileno():
                line = sys.stdin.readline()
                if not line:
                    return
                answered = {int(stamp): moment for stamp, moment in json.loads(line).items()}
                begun = sum(watch.begun for watch in watches.values())
                print(json.dumps(asdict(seen(arrivals, answered, begun))), flush=True)
                arrivals.clear()
            elif stamps := watches[number].read():
                now = time.monotonic_ns()
                arrivals += [(stamp, now) for stamp in stamps]


def seen(arrivals: Sequence[tuple[int, int]], answered: Mapping[int, int], begun: int) -> Seen:
    """Sum up events, each as its stamp and when its line was read (nanoseconds)."""
    ordered = sorted((now - stamp) / 1e6 for stamp, now in arrivals) or [0.0]
    since_answer = sorted(max(0, now - answered.get(stamp, now)) / 1e6 for stamp, now in arrivals) or [0.0]
    return Seen(
        events=len(arrivals),
        p50_ms=_at(0.5, ordered),
        p99_ms=_at(0.99, ordered),
        max_ms=ordered[-1],
        answered_p99_ms=_at(0.99, since_answer),
        begun=begun,
    )


def _at(part: float, ordered: Sequence[float]) -> float:
    return ordered[int(part * (len(ordered) - 1))]


if __name__ == "__main__":
    main()
