"""What `describe node` says beside what stands in the Node: its Pods, and what of it they ask for.

Source: kubectl pkg/describe/describe.go (describeNode).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from swarmlet.cli import tables
from swarmlet.cli.events import age
from swarmlet.model import amounts, kinds, objects, quantity, usage
from swarmlet.model.pod import Pod
from swarmlet.model.quantity import Quantity

Document = Mapping[str, Any]
Amounts = dict[str, Quantity]

CONDITIONS_HEADER = ("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message")
PODS_HEADER = (
    "Namespace",
    "Name",
    "CPU Requests",
    "CPU Limits",
    "Memory Requests",
    "Memory Limits",
    "Age",
)
ALLOCATED_HEADER = ("Resource", "Requests", "Limits")
ALWAYS_SHOWN = ("cpu", "memory", "ephemeral-storage")
NOT_ALLOCATED = frozenset({"pods"})
NONE = quantity.parse("0")


def conditions(status: Document) -> list[str]:
    """Return the lines of a node's conditions, with their times."""
    rows = [
        [
            each["type"],
            each["status"],
            str(each.get("lastHeartbeatTime") or "<unknown>"),
            str(each.get("lastTransitionTime") or "<unknown>"),
            str(each.get("reason") or ""),
            str(each.get("message") or ""),
        ]
        for each in status.get("conditions") or ()
    ]
    return _table("Conditions:", CONDITIONS_HEADER, rows)


def workload(node: Document, pods: Sequence[Document], now: datetime) -> list[str]:
    """Return the lines of a node's Pods that have not ended, and of what they ask for in all."""
    allocatable = amounts.parsed((node.get("status") or {}).get("allocatable") or {})
    running = [each for each in pods if (each.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    rows = []
    requests: Amounts = {}
    limits: Amounts = {}
    for each in running:
        asked, limited = usage.pod_resources(_pod(each).spec)
        requests, limits = amounts.added(requests, asked), amounts.added(limits, limited)
        cells = [_share(name, found, allocatable) for name in ("cpu", "memory") for found in (asked, limited)]
        metadata = each["metadata"]
        rows.append([metadata["namespace"], metadata["name"], *cells, age(metadata.get("creationTimestamp", ""), now)])
    told = _table(f"Non-terminated Pods:  ({len(running)} in total)", PODS_HEADER, rows)
    return told + _allocated(requests, limits, allocatable)


def _allocated(requests: Amounts, limits: Amounts, allocatable: Mapping[str, Quantity]) -> list[str]:
    names = [*ALWAYS_SHOWN, *sorted(set(allocatable) - set(ALWAYS_SHOWN) - NOT_ALLOCATED)]
    rows = [[name, _share(name, requests, allocatable), _share(name, limits, allocatable)] for name in names]
    title = ["Allocated resources:", "  (Total limits may be over 100 percent, i.e., overcommitted.)"]
    return [*title, *_table("", ALLOCATED_HEADER, rows)]


def _share(name: str, asked: Mapping[str, Quantity], allocatable: Mapping[str, Quantity]) -> str:
    """Return an amount and what share of the node's it is."""
    amount, whole = asked.get(name, NONE), allocatable.get(name, NONE)
    percent = amount.nano * 100 // whole.nano if whole.nano else 0
    return f"{amount} ({percent}%)"


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    ruler = ["-" * len(each) for each in header]
    lines = tables.Columns().lines(header, [ruler, *rows])
    return [*([title] if title else []), *(f"  {line}".rstrip() for line in lines)]


def _pod(document: Document) -> Pod:
    pod = objects.from_json(kinds.POD, msgspec.json.encode(document))
    assert isinstance(pod, Pod)
    return pod
