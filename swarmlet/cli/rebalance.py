"""`swarmlet rebalance`: see what would be moved to even out the nodes, ask for it, switch it off and on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from swarmlet.cli import exits, parsing, tables, terminal
from swarmlet.cli.session import Session, connected

PATH = "/swarmlet/v1/rebalance"
HEADER = ("POD", "FROM", "TO", "GAIN", "WHY")
STAYING_HEADER = ("STAYS", "NODE", "WHY")
SWITCH = {"on": True, "off": False}


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("rebalance", cls=parsing.Command)(rebalance)


@connected
async def rebalance(
    session: Session,
    switch: Annotated[
        str, typer.Argument(metavar="[on|off]", help="Whether Pods are moved by themselves; says nothing: move now.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be moved, and what not and why.")] = (
        False
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print what the API answers.")] = False,
) -> None:
    """Move running Pods to where they lie better: start-first, a few at a time, within their budgets.

    The cluster does so by itself when a node joins, returns or is uncordoned, or when the load drifts; asked for, it
    does so for half the gain. `swarmlet.io/rebalance: "never"` on a Pod, its owner or its namespace keeps Pods.
    """
    if switch not in ("", *SWITCH):
        raise exits.UsageError(f"rebalance {switch}: unknown; allowed: on, off")
    if switch and dry_run:
        raise exits.UsageError("--dry-run shows what would be moved; it goes with neither on nor off")
    told = await _ask(session, switch, dry_run=dry_run)
    if as_json:
        print(json.dumps(told, indent=2))
    elif switch:
        print(f"rebalance {switch}")
    else:
        print("\n".join(lines(told, dry_run=dry_run)))


async def _ask(session: Session, switch: str, *, dry_run: bool) -> dict[str, Any]:
    from swarmlet.client.connection import Request

    if dry_run:
        return await session.api.raw(PATH)
    body: dict[str, Any] = {"enabled": SWITCH[switch]} if switch else {"now": True}
    return await session.api.connection.json(Request(method="POST", path=PATH, body=body))


def lines(told: Mapping[str, Any], *, dry_run: bool) -> list[str]:
    """Return what is printed of the API's answer."""
    found = [] if told.get("enabled") else ["Rebalancing is off: Pods move only when asked for."]
    moving, planned = told.get("moving") or (), told.get("planned") or ()
    if moving:
        found += [_count(len(moving), "Pod", "moving:"), *_table(HEADER, map(_under_way, moving)), ""]
    if planned:
        would = "would be moved:" if dry_run else "will be moved:"
        found += [_count(len(planned), "Pod", would), *_table(HEADER, map(_planned, planned))]
    else:
        found.append("Nothing is worth a move." if not moving else "Nothing else is worth a move.")
    settling = [f"{each['node']} (in {each['seconds']:.0f}s)" for each in told.get("settling") or ()]
    if settling and planned:
        found.append(f"Nodes that were not ready for long enough get none yet: {', '.join(settling)}")
    staying = told.get("staying") or ()
    if dry_run and staying:
        found += ["", *_table(STAYING_HEADER, ((each["pod"], each["node"], each["why"]) for each in staying))]
    return found


def _table(header: Sequence[str], rows: Any) -> list[str]:
    return tables.Columns(terminal.style).lines(header, list(rows))


def _under_way(each: Mapping[str, Any]) -> Sequence[str]:
    return each["pod"], each["source"], each["target"], "", f"{each['replacement']} takes its place: {each['why']}"


def _planned(each: Mapping[str, Any]) -> Sequence[str]:
    source, target = each["source"], each["target"]
    return each["pod"], source["node"], target["node"], f"{each['gain_percent']:.0f}%", each["why"]


def _count(number: int, noun: str, rest: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'} {rest}"
