"""`swarmlet set resources`: what containers ask for, and what they may have at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from swarmlet.cli import exits, options
from swarmlet.cli.changes import pod_specs
from swarmlet.cli.changes.outcomes import DryRun, Form, Local, Manager, Outcome
from swarmlet.cli.session import Session, connected

if TYPE_CHECKING:
    from swarmlet.cli.changes.targets import Target


@connected
async def resources(
    session: Session,
    what: options.WhatIfAny = None,
    limits: Annotated[str, Option("--limits", help="At most, as in cpu=200m,memory=512Mi.")] = "",
    requests: Annotated[str, Option("--requests", help="At least, as in cpu=100m,memory=256Mi.")] = "",
    containers: Annotated[str, Option("--containers", "-c", help="Only containers named so; `*` is any.")] = "*",
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    all_: options.Every = False,
    local: Local = False,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = "kubectl-set",
) -> None:
    """Set what containers ask for, and what they may have.

    `set resources deploy/web --limits=cpu=200m,memory=512Mi --requests=cpu=100m`
    """
    from swarmlet.cli.changes import targets
    from swarmlet.cli.creating import making

    outcome = Outcome(dry_run, output, field_manager, local)
    outcome.check()
    given = {"limits": making.pairs(limits, "--limits"), "requests": making.pairs(requests, "--requests")}
    wanted = {name: found for name, found in given.items() if found}
    if not wanted:
        raise exits.UsageError("you must specify an update to requests or limits (in the form of --requests/--limits)")
    wish = targets.Wish(files=filename, recursive=recursive, labels=selector, every=all_, local=local)
    found = await targets.find(session, what or (), wish)
    patches = [_patch(target, containers, wanted) for target in found]  # all of them, before the first is sent
    for target, patch in zip(found, patches, strict=True):
        await pod_specs.change(session, target, patch, outcome, "resource requirements updated")


def _patch(target: Target, pattern: str, wanted: dict[str, dict[str, str]]) -> dict[str, Any]:
    found = pod_specs.matching(target, pattern)
    return pod_specs.patch(target, [(key, {"name": each["name"], "resources": wanted}) for key, each in found])
