"""`swarmlet top`: what nodes and Pods use, as the agents sampled it last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing
from swarmlet.cli.session import Session, connected
from swarmlet.errors import UnavailableError

if TYPE_CHECKING:
    from swarmlet.client.client import Scope
    from swarmlet.client.discovery import Resource

GROUP = "metrics.k8s.io"
UNKNOWN = "<unknown>"
MEBIBYTE = 1024 * 1024
SORT_KEYS = ("cpu", "memory")

Document = Mapping[str, Any]
Name = Annotated[str, typer.Argument(metavar="[NAME]", help="Only this one.")]
SortBy = Annotated[str, typer.Option("--sort-by", help="cpu or memory, the largest first.")]


@dataclass(frozen=True, slots=True)
class Usage:
    """In thousandths of a core, and in bytes."""

    cpu_millis: int = 0
    memory_bytes: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.cpu_millis + other.cpu_millis, self.memory_bytes + other.memory_bytes)

    def cells(self) -> list[str]:
        return [f"{self.cpu_millis}m", f"{self.memory_bytes // MEBIBYTE}Mi"]


def register(app: typer.Typer) -> None:
    """Add the group to the root app."""
    group = typer.Typer(name="top", help="What nodes and Pods use.")
    for command, names in ((nodes, ("nodes", "node", "no")), (pods, ("pods", "pod", "po"))):
        for name in names:
            group.command(name, cls=parsing.Command, hidden=name != names[0])(command)
    app.add_typer(group)


@connected
async def nodes(
    session: Session,
    name: Name = "",
    selector: options.Labels = "",
    sort_by: SortBy = "",
    no_headers: options.NoHeaders = False,
    show_capacity: Annotated[
        bool,
        typer.Option("--show-capacity", help="As a share of all that the node has, and not of what Pods may have."),
    ] = False,
) -> None:
    """Show what nodes use, and what share that is of what Pods may have there."""
    from swarmlet.client.client import Scope

    found = await _metrics(session, "nodes", name, Scope(labels=selector))
    known = {each["metadata"]["name"]: each for each in found}
    catalogue = await session.catalogue()
    listed = (await session.api.list(catalogue.find("nodes"), Scope(labels=selector))).get("items") or ()
    wanted = {each["metadata"]["name"]: each for each in listed if name in ("", each["metadata"]["name"])}
    rows = [(node, _usage(known[node]["usage"]), known[node]) for node in sorted(known) if node in wanted]
    offered = "capacity" if show_capacity else "allocatable"
    cells = [
        [node, *_with_shares(usage, wanted[node]["status"].get(offered) or {})]
        for node, usage, _ in _sorted(rows, sort_by)
    ]
    cells += [[node, *[UNKNOWN] * 4] for node in sorted(wanted.keys() - known.keys())]
    if not cells:
        exits.say("No resources found")
        return
    _print(["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"], cells, headers=not no_headers)


@connected
async def pods(
    session: Session,
    name: Name = "",
    all_namespaces: options.AllNamespaces = False,
    selector: options.Labels = "",
    containers: Annotated[bool, typer.Option("--containers", help="A line for each container.")] = False,
    field_selector: options.Fields = "",
    sort_by: SortBy = "",
    total: Annotated[bool, typer.Option("--sum", help="And of all together.")] = False,
    no_headers: options.NoHeaders = False,
) -> None:
    """Show what Pods use, or each of their containers."""
    from swarmlet.client.client import Scope

    if name and (selector or all_namespaces or field_selector):
        raise exits.UsageError("a name excludes -A and selectors")
    namespace = "" if all_namespaces else session.namespace
    scope = Scope(namespace=namespace, labels=selector, fields=field_selector)
    found = await _metrics(session, "pods", name, scope)
    if not found:
        await _explain_nothing(session, scope)
        return
    rows: list[tuple[str, Usage, Document]] = []
    for each in found:
        parts = [(part["name"], _usage(part["usage"]), each) for part in each["containers"]]
        together = sum((usage for _, usage, _ in parts), Usage())
        rows += parts if containers else [("", together, each)]
    cells = [_pod_cells(part, usage, each, all_namespaces) for part, usage, each in _sorted(rows, sort_by)]
    header = ["NAMESPACE"] * all_namespaces + (["POD", "NAME"] if containers else ["NAME"])
    if total:
        whole = sum((usage for _, usage, _ in rows), Usage())
        gaps = [""] * (len(header) - 1)
        cells += [[*gaps, *["________"] * 2], [*gaps, *whole.cells()]]
    _print([*header, "CPU(cores)", "MEMORY(bytes)"], cells, headers=not no_headers)


async def _metrics(session: Session, plural: str, name: str, scope: Scope) -> list[Document]:
    resource: Resource = (await session.catalogue()).find(f"{plural}.{GROUP}")
    if name:
        return [await session.api.get(resource, name, namespace=scope.namespace)]
    return list((await session.api.list(resource, scope)).get("items") or ())


async def _explain_nothing(session: Session, scope: Scope) -> None:
    """Say why nothing is known: there are no Pods, or they are too young. Source: kubectl's verifyEmptyMetrics."""
    listed = await session.api.list((await session.catalogue()).find("pods"), scope)
    young = listed.get("items") or ()
    if not young:
        where = f" in {scope.namespace} namespace." if scope.namespace else ""
        exits.say(f"No resources found{where}")
        return
    metadata = young[0]["metadata"]
    made = datetime.fromisoformat(metadata["creationTimestamp"])
    age = int((session.clock.now() - made).total_seconds())
    raise UnavailableError(f"Metrics not available for pod {metadata['namespace']}/{metadata['name']}, age: {age}s")


def _sorted(rows: Sequence[tuple[str, Usage, Document]], key: str) -> list[tuple[str, Usage, Document]]:
    if key and key not in SORT_KEYS:
        raise exits.UsageError(f"--sort-by: found {key}; allowed: {', '.join(SORT_KEYS)}")
    if not key:
        return list(rows)
    return sorted(rows, key=lambda row: row[1].cpu_millis if key == "cpu" else row[1].memory_bytes, reverse=True)


def _usage(amounts: Mapping[str, str]) -> Usage:
    from swarmlet.model import quantity

    return Usage(quantity.to_milli(amounts.get("cpu", "0")), quantity.to_int(amounts.get("memory", "0")))


def _with_shares(usage: Usage, amounts: Mapping[str, str]) -> list[str]:
    offered = _usage(amounts)
    shares = [
        f"{used * 100 // of}%" if of else UNKNOWN
        for used, of in ((usage.cpu_millis, offered.cpu_millis), (usage.memory_bytes, offered.memory_bytes))
    ]
    cpu, memory = usage.cells()
    return [cpu, shares[0], memory, shares[1]]


def _pod_cells(container: str, usage: Usage, pod: Document, all_namespaces: bool) -> list[str]:
    metadata = pod["metadata"]
    names = [metadata["namespace"]] * all_namespaces + [metadata["name"]] + ([container] if container else [])
    return [*names, *usage.cells()]


def _print(header: Sequence[str], rows: Sequence[Sequence[str]], *, headers: bool) -> None:
    from swarmlet.cli.tables import Columns

    for line in Columns().lines(header, rows, headers=headers):
        print(line)
