"""`swarmlet patch`: change a part of an object, by a patch of any of the three kinds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import documents, exits, options, parsing
from swarmlet.cli.changes.outcomes import DryRun, Form, Local, Manager, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import BugError, CallerError

if TYPE_CHECKING:
    from swarmlet.cli.changes.targets import Target

KINDS = ("strategic", "merge", "json")


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("patch", cls=parsing.Command)(patch)


@connected
async def patch(
    session: Session,
    what: options.WhatIfAny = None,
    patch_text: Annotated[str, typer.Option("--patch", "-p", help="The patch, as JSON or YAML.")] = "",
    patch_file: Annotated[Path | None, typer.Option("--patch-file", help="The file that the patch is in.")] = None,
    type_: Annotated[str, typer.Option("--type", help="strategic, merge or json.")] = "strategic",
    subresource: Annotated[str, typer.Option("--subresource", help="The part to patch: status, scale.")] = "",
    filename: options.Files = None,
    recursive: options.Recursive = False,
    local: Local = False,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = "kubectl-patch",
) -> None:
    """Change a part of objects.

    `patch deploy web -p '{"spec": {"replicas": 3}}'`, `patch -f web.yaml --type=json --patch-file=p.yaml`
    """
    from swarmlet.cli.changes import targets

    outcome = Outcome(dry_run, output, field_manager, local)
    outcome.check()
    if type_ not in KINDS:
        raise exits.UsageError(f"--type={type_}: unknown; allowed: {', '.join(KINDS)}")
    wanted = _read(patch_text, patch_file, is_list=type_ == "json")
    wish = targets.Wish(files=filename, recursive=recursive, local=local)
    for target in await targets.find(session, what or (), wish):
        await _patch(session, target, wanted, type_, outcome, subresource)


def _read(text: str, file: Path | None, *, is_list: bool) -> Any:
    from swarmlet.manifests import reading

    if bool(text) == (file is not None):
        raise exits.UsageError("give the patch with -p, or a file of it with --patch-file")
    if file is not None:
        text = documents.file_text(str(file))
    found = [value for _, value in reading.read(str(file or "--patch"), text) if value is not None]
    expected = list if is_list else dict
    if len(found) != 1 or not isinstance(found[0], expected):
        raise CallerError(f"the patch must be one {'list' if is_list else 'object'}")
    return found[0]


async def _patch(session: Session, target: Target, wanted: Any, type_: str, outcome: Outcome, subresource: str) -> None:
    from swarmlet.client import client

    content_types = {
        "strategic": client.STRATEGIC_MERGE_PATCH,
        "merge": client.MERGE_PATCH,
        "json": client.JSON_PATCH,
    }
    if outcome.is_sent:
        after = await target.patch(session, wanted, outcome, content_type=content_types[type_], subresource=subresource)
    else:
        after = _patched(target, wanted, type_)
    same = _bare(after) == _bare(target.document)
    outcome.tell(target, "patched (no change)" if same else "patched", after)


def _bare(document: dict[str, Any]) -> dict[str, Any]:
    """Return an object without what a write stamps though nothing changed."""
    stamps = ("managedFields", "resourceVersion")
    return {**document, "metadata": {k: v for k, v in document["metadata"].items() if k not in stamps}}


def _patched(target: Target, wanted: Any, type_: str) -> dict[str, Any]:
    """Return what a patch makes of an object, without asking the server."""
    from swarmlet.model import json_patch, schema
    from swarmlet.model import patch as patches

    before = target.document
    if type_ == "merge":
        return dict(patches.merge(before, wanted))
    if type_ == "json":
        return dict(json_patch.apply(before, wanted))
    try:
        definition = schema.definition_of(before["apiVersion"], before["kind"])
    except BugError:
        raise CallerError(f"{target}: a strategic patch needs a kind that is known here; say --type=merge") from None
    return dict(patches.strategic_merge(before, wanted, definition))
