"""What `describe` tells of PriorityClasses, and of how Pods stand to the scheduler.

Source: kubectl pkg/describe (PriorityClassDescriber, describePod).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]
Lines = list[tuple[str, Any]]


def priority_class(document: Document) -> Lines:
    """Return the lines of a PriorityClass."""
    return [
        ("Value", str(document.get("value", 0))),
        ("GlobalDefault", str(bool(document.get("globalDefault"))).lower()),
        ("PreemptionPolicy", str(document.get("preemptionPolicy") or "")),
        ("Description", str(document.get("description") or "")),
    ]


def classes(spec: Document) -> Lines:
    """Return the lines of a Pod's priority and runtime."""
    lines: Lines = [("Priority", str(spec["priority"]))] if "priority" in spec else []
    for label, key in (("Priority Class Name", "priorityClassName"), ("Runtime Class Name", "runtimeClassName")):
        lines += [(label, spec[key])] if spec.get(key) else []
    return lines + ([("Overhead", list(spec["overhead"].items()))] if spec.get("overhead") else [])


def waiting(document: Document) -> Lines:
    """Return what a Pod that has no node yet waits for."""
    gates = [each["name"] for each in document["spec"].get("schedulingGates") or ()]
    lines: Lines = [("Scheduling Gates", gates)] if gates else []
    nominated = (document.get("status") or {}).get("nominatedNodeName")
    return lines + ([("NominatedNodeName", nominated)] if nominated else [])
