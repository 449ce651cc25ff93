"""Log lines: structlog for ours and for the standard library's, as JSON or for the eye, never with a secret."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

HIDDEN = "[hidden]"
_SECRET_KEY = re.compile(
    r"token(?!_id)|secret|password|passphrase|private|authorization|credential|ca_key|cookie", re.IGNORECASE
)
_SECRET_VALUE = re.compile(
    r"(swarmlet_(?:join_1_[a-z2-7]+|api)_[a-z2-7]+_)[a-z2-7]+|(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END|$)",
    re.DOTALL,
)


def configure(
    *,
    level: str = "info",
    format: str = "auto",  # noqa: A002  the key
    stream: TextIO | None = None,
    cached: bool = True,
) -> None:
    """Send all log lines of `level` and above to `stream` (stderr), as "json", "console", or by what the stream is.

    `cached`: a logger goes on as it was first used, which is quicker; not for a process that is configured anew.
    """
    target = stream or sys.stderr
    console = format == "console" or (format == "auto" and target.isatty())
    renderer: Processor = _console(colors=target.isatty()) if console else structlog.processors.JSONRenderer()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=cached,
    )
    _route_standard_library(target, level, shared, [] if console else [structlog.processors.format_exc_info], renderer)


def _console(*, colors: bool) -> Processor:
    """Return what writes lines for the eye. A traceback tells no local variables: there the secrets are."""
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)


def _route_standard_library(
    target: TextIO, level: str, shared: list[Processor], exceptions: list[Processor], renderer: Processor
) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *exceptions, renderer],
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def hide_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Hide what is bound to a key that sounds like a secret, and what looks like one of ours in any text."""
    return {key: HIDDEN if _SECRET_KEY.search(key) else _cleaned(value) for key, value in event.items()}


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRET_VALUE.sub(lambda match: (match[1] or match[2]) + HIDDEN, value)
    if isinstance(value, dict):
        return {key: HIDDEN if _SECRET_KEY.search(str(key)) else _cleaned(item) for key, item in value.items()}
    return value
