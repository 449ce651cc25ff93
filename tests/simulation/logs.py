"""What the daemons log, as lines of the trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from tests.simulation.kernel import Kernel


@contextmanager
def logs_to(kernel: Kernel | None) -> Iterator[None]:
    """Let what is logged be recorded, or dropped, until the context ends."""

    def take(_logger: Any, _level: str, event: Any) -> Any:
        if kernel:
            words = (f"{key}={value}" for key, value in event.items() if key != "event")
            kernel.record("log", " ".join((str(event.get("event")), *words)))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[take], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)
