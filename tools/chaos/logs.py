"""Reads what the daemons logged: nothing of it may be a traceback, nor an error that no fault explains."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tools.lab.cluster import Cluster

TOLD_MAX = 10
LINE_LENGTH_MAX = 400


def complaints(cluster: Cluster) -> list[str]:
    """Return the lines of all logs that should not be there, the first few of each daemon."""
    found = []
    for daemon in cluster:
        text = daemon.log.read_text(encoding="utf-8", errors="replace") if daemon.log.exists() else ""
        lines = list(guilty(text))
        found += [f"{daemon.name} logged: {line[:LINE_LENGTH_MAX]}" for line in lines[:TOLD_MAX]]
        if len(lines) > TOLD_MAX:
            found.append(f"{daemon.name} logged {len(lines) - TOLD_MAX} more of these")
    return found


def guilty(text: str) -> Iterator[str]:
    """Yield the lines of a log that no fault excuses."""
    for line in text.splitlines():
        if "Traceback" in line or _level(line) in ("error", "critical"):
            yield line


def _level(line: str) -> str:
    try:
        document = json.loads(line)
    except ValueError:
        return ""
    return str(document.get("level", "")) if isinstance(document, dict) else ""
