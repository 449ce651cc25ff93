"""`swarmlet apply`: make the cluster as the manifests say, and watch it come about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from swarmlet.cli import exits, options, parsing, spans
from swarmlet.cli.applying import pruning as pruning_
from swarmlet.cli.applying.pruning import Pruning
from swarmlet.cli.changes.outcomes import Form, Outcome
from swarmlet.cli.plans import plan
from swarmlet.cli.session import Session, connected
from swarmlet.errors import PeerError, SwarmletError

if TYPE_CHECKING:
    from swarmlet.cli.applying.objects import Applied, Applier
    from swarmlet.cli.files import Found
    from swarmlet.client.client import Document
    from swarmlet.client.discovery import Catalogue
    from swarmlet.manifests.documents import Manifest

ServerSide = Annotated[bool, typer.Option("--server-side", help="Let the server merge, by who owns what.")]
ForceConflicts = Annotated[bool, typer.Option("--force-conflicts", help="With --server-side: take what others own.")]
FieldManager = Annotated[
    str, typer.Option("--field-manager", help="With --server-side: who owns it then (default: kubectl).")
]
Force = Annotated[bool, typer.Option("--force", help="Delete and make anew what the server does not let change.")]
GracePeriod = Annotated[
    int, typer.Option("--grace-period", min=-1, help="With --force and --prune: seconds that a Pod has to end.")
]
VALIDATION = {"strict": "Strict", "true": "Strict", "warn": "Warn", "ignore": "Ignore", "false": "Ignore"}


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("apply", cls=parsing.Command)(apply)


@dataclass(frozen=True, slots=True)
class Way:
    """How objects are applied, as the flags say."""

    dry_run: str
    validate: str
    server_side: bool
    force_conflicts: bool
    field_manager: str
    replacing: Document | None = None
    """The DeleteOptions for what the server does not let change; None: it is left and told."""

    def check(self) -> None:
        """Raise `UsageError` for flags that are unknown or do not go together."""
        if self.validate not in VALIDATION:
            raise exits.UsageError(f"--validate={self.validate}: unknown; allowed: strict, warn, ignore")
        if not self.server_side and (self.force_conflicts or self.field_manager):
            raise exits.UsageError("--force-conflicts and --field-manager go with --server-side")
        if self.replacing is not None and (self.server_side or self.dry_run != "none"):
            raise exits.UsageError("--force cannot be used with --server-side, and with no --dry-run")
        if self.server_side and self.dry_run == "client":
            raise exits.UsageError("--dry-run=client does not go with --server-side (did you mean --dry-run=server?)")

    def applier(self, session: Session, catalogue: Catalogue) -> Applier:
        """Return what applies so."""
        from swarmlet.cli.applying import forcing, server_side
        from swarmlet.cli.applying import objects as applying

        validation = VALIDATION[self.validate]
        if self.replacing is not None:
            return forcing.ForcingApplier(session, catalogue, validation=validation, deleting=self.replacing)
        if not self.server_side:
            return applying.Applier(session, catalogue, dry_run=self.dry_run, validation=validation)
        return server_side.ServerSideApplier(
            session,
            catalogue,
            dry_run=self.dry_run,
            validation=validation,
            field_manager=self.field_manager or server_side.FIELD_MANAGER,
            force=self.force_conflicts,
        )


@connected
async def apply(
    session: Session,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until what was applied is ready.")] = False,
    within: options.Timeout = "5m",
    dry_run: Annotated[str, typer.Option("--dry-run", help="none, client or server: only say what would be.")] = "none",
    validate: Annotated[str, typer.Option("--validate", help="Unknown fields: strict, warn or ignore.")] = "strict",
    server_side: ServerSide = False,
    force_conflicts: ForceConflicts = False,
    field_manager: FieldManager = "",
    selector: options.Labels = "",
    output: Form = "",
    planned: Annotated[str, typer.Option("--plan", help="Do what `swarmlet plan` showed, or nothing.")] = "",
    project_name: options.ProjectName = "",
    profile: options.Profiles = None,
    env_file: options.EnvFiles = None,
    remove_orphans: options.RemoveOrphans = False,
    prune: pruning_.Prune = False,
    all_: pruning_.All = False,
    prune_allowlist: pruning_.Allowlist = None,
    force: Force = False,
    cascade: options.Cascade = "background",
    grace_period: GracePeriod = -1,
) -> None:
    """Create or change objects as manifests or Compose files say.

    `apply -f web.yaml`, `apply -f compose.yaml`, `apply -f folder/ -R`, `apply --wait -f -`, `apply --plan ID`
    """
    from swarmlet.cli import delete, files
    from swarmlet.cli.applying import waiting
    from swarmlet.cli.compose.manifests import Choice

    outcome = Outcome(dry_run, output, as_list=True)
    outcome.check()
    deleting = delete.delete_options(cascade, grace_period, force=force)
    way = Way(dry_run, validate, server_side, force_conflicts, field_manager, deleting if force else None)
    way.check()
    pruning = Pruning.of(prune=prune, every=all_, labels=selector, kinds=prune_allowlist or ())
    seconds = spans.seconds(within, "--timeout")
    if planned:
        if filename or dry_run != "none" or selector or output or pruning or force:
            raise exits.UsageError("--plan says all: -f, -l, -o, --prune, --force and --dry-run exclude it")
        applied = await plan.apply(session, planned)
    else:
        found = files.find(filename, recursive=recursive, choice=Choice.of(project_name, profile, env_file))
        if found.project and pruning:
            raise exits.UsageError("of a Compose file, --remove-orphans deletes what left it, and not --prune")
        applied = await _apply_found(session, found, way, outcome, selector, remove_orphans=remove_orphans)
    if pruning:
        await pruning_.prune(session, pruning, applied, deleting, outcome)
    if wait and dry_run == "none":
        await waiting.until_ready(session, await session.catalogue(), applied, seconds)


async def _apply_found(
    session: Session, found: Found, way: Way, outcome: Outcome, labels: str, *, remove_orphans: bool
) -> list[Applied]:
    """Apply what files hold and -l selects; keep the project of Compose files together."""
    from swarmlet.cli.applying import objects as applying
    from swarmlet.cli.compose import projects as compose_projects
    from swarmlet.manifests import documents

    manifests = applying.selected(found.manifests, labels)
    catalogue = await session.catalogue()
    documents.check_kinds(manifests, [(each.api_version, each.kind) for each in catalogue.resources])
    if found.project:
        replaced = await compose_projects.check_owner(session, catalogue, found.project, manifests)
        await compose_projects.remove(session, replaced if way.dry_run == "none" else ())
        manifests = await compose_projects.with_namespace(session, catalogue, manifests)
    applied = await _apply_all(way.applier(session, catalogue), documents.in_apply_order(manifests), outcome)
    if found.project and way.dry_run == "none":
        await compose_projects.tidy(session, catalogue, found, manifests, remove_orphans=remove_orphans)
    return applied


async def _apply_all(applier: Applier, manifests: list[Manifest], outcome: Outcome) -> list[Applied]:
    """Apply each, going on past what is refused; raise the first refusal in the end."""
    applied: list[Applied] = []
    refused: list[tuple[Manifest, SwarmletError]] = []
    for manifest in manifests:
        try:
            done = await applier.apply(manifest)
        except PeerError:  # the others would fare no better
            raise
        except SwarmletError as error:
            refused.append((manifest, error))
            continue
        applied.append(done)
        outcome.tell(done, done.verb, done.document)
    outcome.end()
    for position, (manifest, refusal) in enumerate(refused):
        refusal.args = (f"{manifest.place}: {refusal}",)
        if position:
            exits.say(f"error: {refusal}")
    if refused:
        raise refused[0][1]
    return applied
