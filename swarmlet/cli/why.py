"""`swarmlet why`: why an object is as it is, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import parsing, terminal
from swarmlet.cli.session import Session, connected

if TYPE_CHECKING:
    from swarmlet.client.discovery import Catalogue

WHY_PATH = "/swarmlet/v1/why"
INDENT = "  "
MARKS = {"error": "✗", "warning": "!"}
"""What stands before a sentence that tells of trouble, so that it is found without colour."""
SECONDS_EXACT = 120
Document = Mapping[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("why", cls=parsing.Command)(why)


@connected
async def why(
    session: Session,
    what: Annotated[
        list[str],
        typer.Argument(metavar="TYPE/NAME | TYPE NAME | NAME", help="As in `pod/web-1`, `deploy web`, `web`."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
) -> None:
    """Tell why an object is as it is: where it runs, what it waits for, why it was restarted or moved.

    `why pod/web-1`, `why deploy/web`, `why node/h2`, `why web`
    """
    resource, name = _named(what, await session.catalogue() if _has_type(what) else None)
    from swarmlet.client.connection import Request

    query = {"name": name, "namespace": session.namespace, "resource": resource}
    answer = await session.api.connection.json(Request(method="GET", path=WHY_PATH, query=query))
    if as_json:
        from swarmlet.cli import documents

        print(documents.in_form("json", answer))
        return
    for position, each in enumerate(answer["items"]):
        if position:
            print()
        for line in lines(each):
            print(terminal.marked(line))


def lines(explanation: Document) -> Iterator[str]:
    """Yield what is printed of one explanation."""
    now = _time(explanation["now"])
    for finding in explanation.get("findings") or ():
        yield from _told(finding, now, 0)
    omitted = explanation.get("omitted") or 0
    if omitted:
        yield f"({omitted} more left out)"


def _told(finding: Document, now: datetime, depth: int) -> Iterator[str]:
    mark = MARKS.get(finding.get("severity", ""), "")
    lead = f"{INDENT * depth}{mark} " if mark else f"{INDENT * depth}{'- ' if depth else ''}"
    yield f"{lead}{finding['text']}{_when(finding, now)}"
    if finding.get("advice"):
        yield f"{INDENT * (depth + 1)}-> {finding['advice']}"
    for cause in finding.get("causes") or ():
        yield from _told(cause, now, depth + 1)


def _when(finding: Document, now: datetime) -> str:
    if finding.get("since"):
        return f", since {moment(_time(finding['since']), now)}"
    return f", {moment(_time(finding['at']), now)}" if finding.get("at") else ""


def moment(at: datetime, now: datetime) -> str:
    """Return a time as people read it, in their own zone: "14:03:11 (4 min ago)"."""
    local, today = at.astimezone(), now.astimezone()
    day = "" if local.date() == today.date() else f"{local:%b} {local.day} "
    seconds = (now - at).total_seconds()
    span = f"{_span(seconds)} ago" if seconds >= 0 else f"in {_span(-seconds)}"
    return f"{day}{local:%H:%M:%S} ({span})"


def _span(seconds: float) -> str:
    if seconds < SECONDS_EXACT:
        return f"{seconds:.0f} s"
    if seconds < 120 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _has_type(words: list[str]) -> bool:
    return len(words) > 1 or "/" in words[0]


def _named(words: list[str], catalogue: Catalogue | None) -> tuple[str, str]:
    """Return the resource, "" for any, and the name that the words refer to."""
    if catalogue is None:
        return "", words[0]
    from swarmlet.cli import selection

    about = selection.one(words, catalogue)
    resource = about.resource
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural, about.name
