"""`swarmlet plan`: what an apply or a delete would do, before it does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from swarmlet.cli import exits, options, parsing
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError

if TYPE_CHECKING:
    from swarmlet.cli.applying.objects import Applied
    from swarmlet.cli.files import Found
    from swarmlet.client.discovery import Resource
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
    project_name: options.ProjectName = "",
    profile: options.Profiles = None,
    env_file: options.EnvFiles = None,
    remove_orphans: options.RemoveOrphans = False,
    volumes: options.Volumes = False,
) -> None:
    """Show what applying manifests or Compose files would change, which Pods would stop and start, and where.

    Ends with 0 where nothing would change, with 2 where something would. `plan -f web.yaml`, then `apply --plan ID`
    """
    from swarmlet.cli import delete as deleting
    from swarmlet.cli import files
    from swarmlet.cli.compose.manifests import Choice

    if bool(selector) != prune:
        raise CallerError("--prune and -l belong together: --prune -l app=shop")
    if prune and delete:
        raise CallerError("--prune and --delete exclude each other")
    if validate not in VALIDATION:
        raise CallerError(f"--validate={validate}: unknown; allowed: strict, warn, ignore")
    if not filename:
        raise CallerError("name what to plan with -f: a file, a folder, or - for stdin")
    choice = Choice.of(project_name, profile, env_file)
    if delete:
        gone = await deleting.of_files(session, filename, choice, recursive=recursive, volumes=volumes)
        body = {"delete": [_reference(each.resource, each.name, each.namespace) for each in gone]}
    else:
        found = files.find(filename, recursive=recursive, choice=choice)
        body = await _application(session, found, remove_orphans=remove_orphans)
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

    from swarmlet.cli import terminal
    from swarmlet.cli.plans import text as plan_text

    if as_json:
        print(msgspec.json.format(msgspec.json.encode(made), indent=2).decode())
        return
    for warning in made.warnings:
        exits.say(f"Warning: {warning}")
    for line in plan_text.lines(made, full=full):
        print(terminal.signed(line))


async def apply(session: Session, plan_id: str) -> list[Applied]:
    """Do what was planned, print what was done, and return what is there now."""
    from swarmlet.cli.applying.objects import Applied
    from swarmlet.cli.plans import text as plan_text
    from swarmlet.client.connection import Request
    from swarmlet.model import plans

    path = f"{PLANS_PATH}/{plan_id}/apply"
    answer = await session.api.connection.json(Request(method="POST", path=path, body={}))
    changes = answer.get("changes") or ()
    for each in changes:
        print(plan_text.done(each["action"], each["resource"], each["name"]), flush=True)
    catalogue = await session.catalogue()
    return [
        Applied(
            catalogue.find(each["resource"]), each.get("namespace", ""), each["name"], plan_text.DONE[each["action"]]
        )
        for each in changes
        if each["action"] != plans.DELETE
    ]


async def _application(session: Session, found: Found, *, remove_orphans: bool) -> dict[str, Any]:
    """Return what applying the manifests asks for, and the removal of what a Compose project leaves behind."""
    from swarmlet.cli.applying.objects import Applier
    from swarmlet.cli.compose import projects as compose_projects
    from swarmlet.manifests import documents

    catalogue = await session.catalogue()
    documents.check_kinds(found.manifests, [(each.api_version, each.kind) for each in catalogue.resources])
    gone: list[compose_projects.Member] = []
    manifests = found.manifests
    if found.project:
        manifests = await compose_projects.with_namespace(session, catalogue, manifests)
        await compose_projects.check_owner(session, catalogue, found.project, found.manifests)
        orphans, gone = await compose_projects.left_over(session, catalogue, found, found.manifests)
        if remove_orphans:
            gone += orphans
        elif orphans:
            exits.say(compose_projects.warning_of(orphans))
    applier = Applier(session, catalogue, dry_run="none", validation="Strict")
    return {
        "apply": [applier.placed(each)[1] for each in documents.in_apply_order(manifests)],
        "delete": [_reference(each.resource, each.name, session.namespace) for each in gone],
    }


def _reference(resource: Resource, name: str, namespace: str) -> dict[str, str]:
    return {"apiVersion": resource.api_version, "kind": resource.kind, "name": name, "namespace": namespace}
