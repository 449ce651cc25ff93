"""What `describe` tells of probes. Source: kubectl pkg/describe (DescribeProbe)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]

_LABELS = (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe"))


def probes(container: Document) -> list[tuple[str, str]]:
    """Return a line for each probe of a container."""
    return [(label, probe(container[key])) for label, key in _LABELS if container.get(key)]


def probe(document: Document) -> str:
    """Return a probe in one line: "http-get http://:80/ delay=0s timeout=1s period=10s #success=1 #failure=3"."""
    seconds = {name: document.get(f"{name}Seconds", 0) for name in ("initialDelay", "timeout", "period")}
    times = "delay={initialDelay}s timeout={timeout}s period={period}s".format(**seconds)
    counts = f"#success={document.get('successThreshold', 0)} #failure={document.get('failureThreshold', 0)}"
    return f"{_action(document)} {times} {counts}"


def _action(document: Document) -> str:
    if action := document.get("exec"):
        return f"exec [{' '.join(action.get('command') or ())}]"
    if action := document.get("httpGet"):
        path = str(action.get("path") or "")
        where = f"{action.get('host', '')}:{action['port']}/{path.removeprefix('/')}"
        return f"http-get {str(action.get('scheme') or 'http').lower()}://{where}"
    if action := document.get("tcpSocket"):
        return f"tcp-socket {action.get('host', '')}:{action['port']}"
    if action := document.get("grpc"):
        return f"grpc <pod>:{action['port']} {action.get('service', '')}"
    return "unknown"
