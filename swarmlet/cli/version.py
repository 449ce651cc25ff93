"""`swarmlet version`: of this program, and of the daemon that answers."""

from __future__ import annotations

from typing import Annotated

import typer

import swarmlet
from swarmlet.cli import documents, parsing
from swarmlet.cli.session import Session, connected


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("version", cls=parsing.Command)(version)


@connected
async def version(
    session: Session,
    client: Annotated[bool, typer.Option("--client", help="Only of this program; no daemon is asked.")] = False,
    output: Annotated[str, typer.Option("--output", "-o", help="json or yaml.")] = "",
) -> None:
    """Tell the versions of this program and of the daemon."""
    documents.check_form(output, ("", *documents.WHOLE))
    told: dict[str, object] = {"clientVersion": {"gitVersion": swarmlet.__version__}}
    if not output:
        print(f"Client: swarmlet {swarmlet.__version__}")
    if not client:
        server = await session.api.raw("/version")
        told["serverVersion"] = server
        if not output:
            print(f"Server: {server.get('gitVersion', 'unknown')}")
    if output:
        print(documents.in_form(output, told))
