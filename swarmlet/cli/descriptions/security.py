"""What `describe` tells of how Pods and containers are kept apart, and what they ask of their network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]
Lines = list[tuple[str, Any]]

_NAMESPACES = (
    ("hostNetwork", "the machine's network"),
    ("hostPID", "the machine's processes"),
    ("hostIPC", "the machine's shared memory"),
    ("shareProcessNamespace", "one another's processes"),
)


def pod(spec: Document) -> Lines:
    """Return the lines of what a Pod asks for all its containers; nothing of what it leaves as it is."""
    lines: Lines = []
    if context := list(_flattened(spec.get("securityContext") or {})):
        lines.append(("Security Context", context))
    if seen := [told for name, told in _NAMESPACES if spec.get(name)]:
        lines.append(("Containers See", seen))
    if aliases := [f"{each['ip']} {' '.join(each.get('hostnames') or ())}" for each in spec.get("hostAliases") or ()]:
        lines.append(("Host Aliases", aliases))
    if spec.get("dnsConfig") or spec.get("dnsPolicy") not in (None, "ClusterFirst"):
        lines.append(("DNS Policy", str(spec.get("dnsPolicy"))))
    if config := list(_flattened(spec.get("dnsConfig") or {})):
        lines.append(("DNS Config", config))
    if secrets := [str(each.get("name")) for each in spec.get("imagePullSecrets") or ()]:
        lines.append(("Image Pull Secrets", ", ".join(secrets)))
    return lines


def account(spec: Document) -> Lines:
    """Return the line of the ServiceAccount that Pods run as."""
    return [("Service Account", str(spec["serviceAccountName"]))] if spec.get("serviceAccountName") else []


def container(document: Document) -> Lines:
    """Return the line of what a container asks for itself."""
    context = list(_flattened(document.get("securityContext") or {}))
    return [("Security Context", context)] if context else []


def _flattened(value: Document, prefix: str = "") -> Iterator[str]:
    """Yield "path=value" for all that a document holds; a list's items with a name go by it."""
    for key, each in value.items():
        path = f"{prefix}{key}"
        if isinstance(each, dict):
            yield from _flattened(each, f"{path}.")
        elif isinstance(each, list) and each and isinstance(each[0], dict):
            yield from (_named(path, item) for item in each)
        else:
            yield f"{path}={_text(each)}"


def _named(path: str, item: Document) -> str:
    name = f"{path}[{item.get('name', '')}]"
    return f"{name}={_text(item['value'])}" if "value" in item else name


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
