"""`swarmlet events`: what happened, oldest first."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from swarmlet.api.tables.durations import since
from swarmlet.cli import documents, exits, options, parsing, tables, terminal
from swarmlet.cli.session import Session, connected

HEADER = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("events", cls=parsing.Command)(events)


@connected
async def events(
    session: Session,
    for_: Annotated[str, typer.Option("--for", help="Only about this object, as in `pod/web-1`.")] = "",
    types: Annotated[str, typer.Option("--types", help="Only Normal, or only Warning.")] = "",
    all_namespaces: options.AllNamespaces = False,
    watch: options.Watch = False,
    output: options.Output = "",
    no_headers: options.NoHeaders = False,
) -> None:
    """Tell what happened, oldest first.

    `events`, `events --for pod/web-1`, `events --types=Warning -w`
    """
    from contextlib import aclosing

    from swarmlet.cli import selection
    from swarmlet.client.client import Scope
    from swarmlet.client.watching import DELETED, Watch

    documents.check_form(output)
    catalogue = await session.catalogue()
    fields = []
    if for_:
        about = selection.one(for_.split("/", 1) if "/" in for_ else [for_], catalogue)
        fields += [f"involvedObject.kind={about.resource.kind}", f"involvedObject.name={about.name}"]
    fields += [f"type={types}"] if types else []
    namespace = "" if all_namespaces else session.namespace
    following = Watch(session.api, catalogue.find("events"), Scope(namespace=namespace, fields=",".join(fields)))
    listed = sorted((await following.start()).get("items") or (), key=order)
    if output in documents.WHOLE and not watch:
        documents.show(output, documents.as_list(listed))
        return
    columns = tables.Columns(terminal.style)
    _print(session, columns, listed, spaces=all_namespaces, headers=not no_headers)
    if not watch:
        if not listed:
            exits.say(f"No events found in {namespace} namespace." if namespace else "No events found.")
        return
    async with aclosing(following.events()) as changes:
        async for change in changes:
            if change.type != DELETED:
                _print(session, columns, [change.object], spaces=all_namespaces, headers=False)


def _print(
    session: Session, columns: tables.Columns, found: list[dict[str, Any]], *, spaces: bool, headers: bool
) -> None:
    now = session.clock.now()
    rows = [[each["metadata"].get("namespace") or ""] * spaces + row(each, now) for each in found]
    if rows:
        for line in columns.lines(["NAMESPACE"] * spaces + list(HEADER), rows, headers=headers):
            print(line)
        sys.stdout.flush()


def row(event: Mapping[str, Any], now: datetime) -> list[str]:
    """Return the cells of an event."""
    about = event.get("involvedObject") or {}
    return [
        _when(event, now),
        str(event.get("type") or ""),
        str(event.get("reason") or ""),
        f"{about.get('kind', '')}/{about.get('name', '')}",
        " ".join(str(event.get("message") or "").split()),
    ]


def last_seen(event: Mapping[str, Any]) -> str:
    """Return when an event happened last: RFC 3339, so that text sorts as time does."""
    series = event.get("series") or {}
    metadata = event["metadata"]
    return str(
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or metadata.get("creationTimestamp")
        or ""
    )


def order(event: Mapping[str, Any]) -> tuple[str, int]:
    """Return what sorts events as they happened: those of one second by when they were written."""
    return last_seen(event), int(event["metadata"]["resourceVersion"])


def _when(event: Mapping[str, Any], now: datetime) -> str:
    """Return the age, with the number of times and since when, where it happened more than once."""
    last, count = age(last_seen(event), now), int(event.get("count") or 1)
    return f"{last} (x{count} over {age(event.get('firstTimestamp') or '', now)})" if count > 1 else last


def age(text: str, now: datetime) -> str:
    """Return how long ago a time on the wire is; "<unknown>" for none."""
    return since(datetime.fromisoformat(text) if text else None, now)
