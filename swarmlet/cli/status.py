"""`swarmlet status`: the cluster at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import typer

from swarmlet.api.tables.durations import human
from swarmlet.cli import documents, options, parsing, tables, terminal
from swarmlet.cli.session import Session, connected
from swarmlet.model.singletons import NOBODY_KNOWS

HEADER = ("NODE", "ROLE", "STATUS", "ADDRESS", "WHY")
VOTING = ("leader", "voter")
NETWORK = (("mode", "Pod network:"), ("services", "Services:"), ("dns", "DNS:"), ("policies", "Policies:"))
SILENCE_SECONDS = 3
"""A link on which nothing came for so long is worth a word."""


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("status", cls=parsing.Command)(status)


@connected
async def status(session: Session, output: options.Output = "") -> None:
    """Show the cluster at a glance: machines, their roles and why, leader, quorum, Pods by phase."""
    documents.check_form(output, ("", *documents.WHOLE))
    report = await session.api.raw("/status")
    print(documents.in_form(output, report) if output else "\n".join(lines(report)))


def lines(report: Mapping[str, Any]) -> list[str]:
    """Return what `status` prints of a daemon's report."""
    nodes = report.get("nodes") or []
    fields = [
        ("Cluster:", report.get("cluster_id", "")),
        ("Quorum:", quorum(report)),
        ("Pods:", _pods(report.get("pods") or {})),
        ("Answered by:", f"{report.get('node_name', '')}, {report.get('version', '')}, up {_uptime(report)}"),
    ]
    nodes = sorted(nodes, key=lambda node: (str(node.get("name")), str(node.get("node_id"))))
    rows = [_row(node, healthy=bool(report.get("healthy"))) for node in nodes]
    head = tables.Columns().lines(
        ("", ""), [*fields, *_network(report), *_rebalance(report), *_fencing(report)], headers=False
    )
    return [*head, "", *tables.Columns(terminal.style).lines(HEADER, rows)]


def quorum(report: Mapping[str, Any]) -> str:
    """Say in words whether writes are accepted, and how many machines may be lost."""
    voters = [node for node in report.get("nodes") or () if node.get("role") in VOTING]
    if not report.get("healthy"):
        return f"lost: writes are refused until {len(voters) // 2 + 1} of {len(voters)} voters are in touch"
    leader = report.get("leader_name") or report.get("leader") or "nobody"
    ready = sum(1 for node in voters if node.get("ready"))
    spare = ready - (len(voters) // 2 + 1)
    loss = "no voter may be lost" if spare < 1 else f"{spare} may be lost" if spare > 1 else "one may be lost"
    return f"healthy: {leader} leads {_count(len(voters), 'voter')}, {loss}"


def _network(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Tell what the machine that answers does of the network, and why it does not do more."""
    told = report.get("network") or {}
    if not told:
        return []
    states = {
        "mode": told["mode"],
        "services": told["services"],
        "dns": (told["dns_address"] or "on") if told["dns"] else "off",
        "policies": "enforced" if told["policies"] else "not enforced",
    }
    return [(label, _explained(states[key], told, key)) for key, label in NETWORK]


def _explained(state: str, told: Mapping[str, Any], key: str) -> str:
    fault, why = told["faults"].get(key), told["why"].get(key)
    return f"{state}, failing: {fault}" if fault else f"{state}: {why}" if why else state


def _rebalance(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Tell whether Pods are moved by themselves, and which move."""
    told = report.get("rebalance") or {}
    if not told:
        return []
    by = f", said {told['said_by']}" if told.get("said_by") else ""
    found = [("Rebalance:", "on" if told.get("enabled") else f"off{by}")]
    return found + [
        ("Moving:", f"{each['pod']} from {each['source']} to {each['target']}") for each in told.get("moving") or ()
    ]


def _fencing(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Tell what this node stopped for being cut off, and what is not replaced before another node has surely ended."""
    told = report.get("fencing") or {}
    found = []
    if told.get("cut_off_since"):
        since = datetime.fromisoformat(told["cut_off_since"])
        stopped = ", ".join(told.get("stopped") or ()) or "nothing"
        found.append(("Fenced:", f"cut off from the quorum since {since:%H:%M:%S}, stopped {stopped}"))
    for each in told.get("waiting") or ():
        node, until = each["node"], each["until"]
        if until == NOBODY_KNOWS:
            words = f"waits for {node}, which may still run it (`swarmlet describe pod` says what to do)"
        else:
            words = f"waits until {until[11:19]} because {node} may still run it"
        found.append(("Waiting:", f"{each['pod']} {words}"))
    return found


def _row(node: Mapping[str, Any], *, healthy: bool) -> Sequence[str]:
    return (
        node.get("name") or node.get("node_id") or "",
        node.get("role") or "-",
        _condition(node, healthy=healthy),
        node.get("address") or "",
        node.get("why") or "",
    )


def _condition(node: Mapping[str, Any], *, healthy: bool) -> str:
    """Return what the cluster says of a machine; without quorum nobody looks after that: then what this one sees."""
    silent = int(node.get("silent_seconds") or 0)
    if silent >= SILENCE_SECONDS and not healthy:
        return f"Unreachable for {human(silent)}"
    return ("Ready" if node.get("ready") else "NotReady") + (",SchedulingDisabled" if node.get("cordoned") else "")


def _pods(phases: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {phase.lower()}" for phase, count in phases.items()) or "none"


def _uptime(report: Mapping[str, Any]) -> str:
    return human(int(report.get("uptime_seconds") or 0))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
