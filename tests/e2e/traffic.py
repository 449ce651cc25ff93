"""Clients of a Service on the box: each request on a connection of its own, and what became of it."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

TIMEOUT_SECONDS = 10.0


def fetch(url: str, data: bytes | None = None) -> str:
    """Return the body of an answer; raise OSError where there is none, or a refusal."""
    with urllib.request.urlopen(url, data, timeout=TIMEOUT_SECONDS) as answer:
        body: bytes = answer.read()
        return body.decode()


@dataclass
class Traffic:
    """What clients were told."""

    answers: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)


@contextlib.contextmanager
def flowing(urls: Sequence[str], *, clients: int = 3, pause_seconds: float = 0.03) -> Iterator[Traffic]:
    """Ask for the URLs in turn, over and over, until the block ends."""
    traffic, over = Traffic(), threading.Event()

    def ask(mine: Iterator[str]) -> None:
        while not over.is_set():
            url = next(mine)
            try:
                traffic.answers[fetch(url)] += 1
            except OSError as error:
                traffic.lost.append(f"{time.strftime('%T')} {url}: {error}")
            over.wait(pause_seconds)

    starts = [itertools.islice(itertools.cycle(urls), first, None) for first in range(clients)]
    threads = [threading.Thread(target=ask, args=(start,), daemon=True) for start in starts]
    for thread in threads:
        thread.start()
    try:
        yield traffic
    finally:
        over.set()
        for thread in threads:
            thread.join()
