"""Free ports of loopback."""

from __future__ import annotations

import contextlib
import socket


def free(count: int) -> list[int]:
    """Return so many different ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        doors = [stack.enter_context(socket.socket()) for _ in range(count)]
        for door in doors:
            door.bind(("127.0.0.1", 0))
        return [door.getsockname()[1] for door in doors]
