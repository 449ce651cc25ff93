"""`swarmlet plan`: what an apply or a delete would do, before it does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from swarmlet.cli import exits, options, parsing
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError

if TYPE_CHECKING:
    from swarmlet.manifests.documents import Manifest
    from swarmlet.model.plans import Plan

PLANS_PATH = "/swarmlet/v1/plans"
CHANGES = 2
"""The exit code where something would change: none of the errors has it here."""
VALIDATION = {"strict": "Strict", "true": "Strict", "warn": "Warn", "ignore": "Ignore", "false": "Ignore"}


class Command(parsing.Command):
    """A command for which 2 is no error: a command line that means nothing ends with 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except exits.UsageError as error:
            raise CallerError(str(error)) from error

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            error.exit_code = exits.FAILED
            raise


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("plan", cls=Command)(plan)


@connected
async def plan(
    session: Session,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    delete: Annotated[bool, typer.Option("--delete", help="Plan the deletion of what the manifests name.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also delete what was applied, matches -l and is not named.")
    ] = False,
    selector: options.Labels = "",
    validate: Annotated[str, typer.Option("--validate", help="Unknown fields: strict, warn or ignore.")] = "strict",
    full: Annotated[bool, typer.Option("--full", help="Every field of what is created.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False,
) -> None:
    """Show what applying manifests would change, which Pods would stop and start, and where.

    Ends with 0 where nothing would change, with 2 where something would. `plan -f web.yaml`, then `apply --plan ID`
    """
    if bool(selector) != prune:
        raise CallerError("--prune and -l belong together: --prune -l app=shop")
    if prune and delete:
        raise CallerError("--prune and --delete exclude each other")
    if validate not in VALIDATION:
        raise CallerError(f"--validate={validate}: unknown; allowed: strict, warn, ignore")
    body = await _request(session, filename, recursive=recursive, delete=delete)
    made = await ask(session, body | {"prune": selector, "fieldValidation": VALIDATION[validate]})
    show(made, as_json=as_json, full=full)
    if made.changes:
        raise typer.Exit(CHANGES)


async def ask(session: Session, request: dict[str, Any]) -> Plan:
    """Have a daemon plan a `PlanRequest`."""
    import msgspec

    from swarmlet.client.connection import Request
    from swarmlet.model.plans import Plan

    answer = await session.api.connection.json(Request(method="POST", path=PLANS_PATH, body=request))
    return msgspec.convert(answer, Plan)


def show(made: Plan, *, as_json: bool = False, full: bool = False) -> None:
    """Print a plan; its warnings go to stderr."""
    import msgspec

    from swarmlet.cli import plan_text, terminal

    if as_json:
        print(msgspec.json.format(msgspec.json.encode(made), indent=2).decode())
        return
    for warning in made.warnings:
        exits.say(f"Warning: {warning}")
    for line in plan_text.lines(made, full=full):
        print(terminal.signed(line))


async def apply(session: Session, plan_id: str) -> None:
    """Do what was planned and print what was done."""
    from swarmlet.cli import plan_text
    from swarmlet.client.connection import Request

    path = f"{PLANS_PATH}/{plan_id}/apply"
    answer = await session.api.connection.json(Request(method="POST", path=path, body={}))
    for each in answer.get("changes") or ():
        print(plan_text.done(each["action"], each["resource"], each["name"]))


async def _request(session: Session, names: Sequence[str] | None, *, recursive: bool, delete: bool) -> dict[str, Any]:
    from swarmlet.cli import files
    from swarmlet.cli.applying import Applier
    from swarmlet.manifests import documents

    if not names:
        raise CallerError("name what to plan with -f: a file, a folder, or - for stdin")
    manifests = files.manifests(names, recursive=recursive)
    catalogue = await session.catalogue()
    documents.check_kinds(manifests, [(each.api_version, each.kind) for each in catalogue.resources])
    applier = Applier(session, catalogue, dry_run="none", validation="Strict")
    in_order = documents.in_delete_order(manifests) if delete else documents.in_apply_order(manifests)
    placed = [applier.placed(each)[1] for each in in_order]
    return (
        {"delete": [_reference(each, placed_as) for each, placed_as in zip(in_order, placed, strict=True)]}
        if delete
        else {"apply": placed}
    )


def _reference(manifest: Manifest, placed: dict[str, Any]) -> dict[str, str]:
    return {
        "apiVersion": manifest.api_version,
        "kind": manifest.kind,
        "name": manifest.name,
        "namespace": placed["metadata"].get("namespace") or "",
    }
