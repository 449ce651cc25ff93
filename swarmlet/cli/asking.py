"""A question that a person answers before anything is changed."""

from __future__ import annotations

import signal
import sys


def agreed(question: str) -> bool:
    """Ask on stderr, and return whether the answer on stdin is yes; its end is a no."""
    print(f"{question} [y/N]: ", end="", file=sys.stderr, flush=True)
    waiting = signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio's waits for the loop, which waits here
    try:
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    finally:
        signal.signal(signal.SIGINT, waiting)
