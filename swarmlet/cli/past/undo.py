"""`swarmlet undo`: the inverse of a change, on top of what is now."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from swarmlet.cli import asking, exits, parsing
from swarmlet.cli.past import history
from swarmlet.cli.plans import plan
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError

if TYPE_CHECKING:
    from swarmlet.model.plans import Plan


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("undo", cls=parsing.Command)(undo)


@connected
async def undo(
    session: Session,
    revision: Annotated[str, typer.Argument(metavar="REV", help="The change, as `swarmlet history` tells it.")],
    force: Annotated[
        bool, typer.Option("--force", help="Though later changes touched the same fields: they are undone, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Every field of what is created.")] = False,
) -> None:
    """Undo a change, on top of what is now: show what that does, ask, and do it.

    `undo 1234`, `undo 1234 --yes`
    """
    number = history.number(revision)
    if not yes and not dry_run and not sys.stdin.isatty():
        raise exits.UsageError("undo asks before it changes anything; where nobody can answer, give --yes or --dry-run")
    made = await _plan(session, number, force=force)
    plan.show(made, full=full)
    if not made.changes or dry_run:
        return
    if not made.id:
        raise CallerError("the plan is too large to be applied as a whole; undo its objects one by one")
    if yes or asking.agreed(f"\nUndo revision {number}?"):
        await plan.apply(session, made.id)
    else:
        exits.say("Nothing was changed.")


async def _plan(session: Session, revision: int, *, force: bool) -> Plan:
    import msgspec

    from swarmlet.client.connection import Request
    from swarmlet.model.plans import Plan

    path = f"{history.HISTORY_PATH}/{revision}/undo"
    answer = await session.api.connection.json(Request(method="POST", path=path, body={"force": force}))
    return msgspec.convert(answer, Plan)
