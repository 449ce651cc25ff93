"""`swarmlet api-resources` and `api-versions`: which kinds the server has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from swarmlet.cli import exits, options, parsing, tables
from swarmlet.cli.session import Session, connected

if TYPE_CHECKING:
    from swarmlet.client.discovery import Resource

HEADER = ("NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND")
SORT_KEYS = ("", "name", "kind")
WIDE = (*HEADER, "VERBS", "CATEGORIES")


def register(app: typer.Typer) -> None:
    """Add the commands to the root app."""
    app.command("api-resources", cls=parsing.Command)(api_resources)
    app.command("api-versions", cls=parsing.Command)(api_versions)


@connected
async def api_resources(
    session: Session,
    namespaced: Annotated[bool | None, typer.Option("--namespaced/--cluster-wide", help="Only those.")] = None,
    api_group: Annotated[str | None, typer.Option("--api-group", help='Only of this group; "" is the core.')] = None,
    verbs: Annotated[str, typer.Option("--verbs", help="Only those that have these verbs: list,watch.")] = "",
    categories: Annotated[str, typer.Option("--categories", help="Only of these categories: all.")] = "",
    sort_by: Annotated[str, typer.Option("--sort-by", help="name or kind.")] = "",
    output: Annotated[str, typer.Option("--output", "-o", help="wide or name.")] = "",
    no_headers: options.NoHeaders = False,
) -> None:
    """List the kinds that the server has."""
    from swarmlet.cli import documents

    documents.check_form(output, ("", "wide", "name"))
    if sort_by not in SORT_KEYS:
        raise exits.UsageError(f"--sort-by={sort_by}: unknown; allowed: name, kind")
    found = [
        each
        for each in (await session.catalogue()).preferred
        if each.verbs and namespaced in (None, each.namespaced) and api_group in (None, each.group)
        if each.verbs.issuperset(filter(None, verbs.split(",")))
        if set(each.categories).issuperset(filter(None, categories.split(",")))
    ]
    found.sort(key=lambda each: (each.kind if sort_by == "kind" else each.group if not sort_by else "", each.plural))
    if output == "name":
        print("\n".join(each.full_plural for each in found))
        return
    wide = output == "wide"
    rows = [_row(each, wide=wide) for each in found]
    for line in tables.Columns().lines(WIDE if wide else HEADER, rows, headers=not no_headers):
        print(line)


def _row(resource: Resource, *, wide: bool) -> list[str]:
    row = [
        resource.plural,
        ",".join(resource.short_names),
        resource.api_version,
        str(resource.namespaced).lower(),
        resource.kind,
    ]
    return row + ([",".join(sorted(resource.verbs)), ",".join(resource.categories)] if wide else [])


@connected
async def api_versions(session: Session) -> None:
    """List the versions of the API's groups."""
    print("\n".join(sorted({each.api_version for each in (await session.catalogue()).resources})))
