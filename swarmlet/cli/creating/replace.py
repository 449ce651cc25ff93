"""`swarmlet replace`: objects wholly as files say, in place of what is there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import documents, exits, options, parsing, spans
from swarmlet.cli.changes.outcomes import DryRun, Form, Manager, Outcome
from swarmlet.cli.session import Session, connected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarmlet.cli.selection import Reference


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("replace", cls=parsing.Command)(replace)


@connected
async def replace(
    session: Session,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    force: Annotated[bool, typer.Option("--force", help="Delete and create it anew.")] = False,
    grace_period: Annotated[int, typer.Option("--grace-period", min=-1, help="With --force: seconds to end.")] = -1,
    cascade: options.Cascade = "background",
    within: options.Timeout = "0s",
    subresource: Annotated[str, typer.Option("--subresource", help="The part to replace: status, scale.")] = "",
    raw: Annotated[str, typer.Option("--raw", help="Send the one file there by PUT, as it is.")] = "",
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = "kubectl-replace",
) -> None:
    """Put objects of files in place of those that are there.

    `replace -f web.yaml`, `get deploy web -o yaml | sed s/:1/:2/ | swarmlet replace -f -`
    """
    from swarmlet.cli import files
    from swarmlet.cli.applying import objects as applying
    from swarmlet.cli.delete import PROPAGATION
    from swarmlet.cli.selection import Reference
    from swarmlet.manifests import documents as manifest_documents

    outcome = Outcome(dry_run, output, field_manager)
    outcome.check()
    if raw:
        await _put(session, raw, filename or [])
        return
    if cascade not in PROPAGATION:
        raise exits.UsageError(f"--cascade={cascade}: unknown; allowed: {', '.join(PROPAGATION)}")
    if force and (subresource or dry_run != "none"):
        raise exits.UsageError("--force deletes: it goes with no --subresource and no --dry-run")
    manifests = files.manifests(filename, recursive=recursive)
    catalogue = await session.catalogue()
    manifest_documents.check_kinds(manifests, [(each.api_version, each.kind) for each in catalogue.resources])
    placing = applying.Applier(session, catalogue, dry_run=dry_run, validation="")
    for manifest in manifest_documents.in_apply_order(manifests):
        applying.check_named(manifest)
        resource, document = placing.placed(manifest)
        reference = Reference(resource, manifest.name, document["metadata"].get("namespace") or "")
        if force:
            await _remove(session, reference, PROPAGATION[cascade], grace_period, within)
            after = await session.api.create(resource, document, namespace=reference.namespace)
        else:
            after = await _update(session, reference, document, outcome, subresource)
        outcome.tell(reference, "replaced", after)


async def _update(
    session: Session, reference: Reference, document: dict[str, Any], outcome: Outcome, subresource: str
) -> dict[str, Any]:
    """Send an object: on top of the revision that it names, or else of the one that is there."""
    if not document["metadata"].get("resourceVersion"):
        there = await session.api.get(reference.resource, reference.name, namespace=reference.namespace)
        revision = there["metadata"]["resourceVersion"]
        document = {**document, "metadata": {**document["metadata"], "resourceVersion": revision}}
    if not outcome.is_sent:
        return document
    return await session.api.update(
        reference.resource,
        document,
        namespace=reference.namespace,
        subresource=subresource,
        options=outcome.write_options(),
    )


async def _remove(session: Session, reference: Reference, propagation: str, grace_period: int, within: str) -> None:
    """Delete an object that is there, and return when it is gone."""
    from swarmlet.cli import delete

    target = delete.Target(reference.resource, reference.namespace, reference.name)
    body: dict[str, Any] = {"propagationPolicy": propagation}
    body |= {"gracePeriodSeconds": grace_period} if grace_period >= 0 else {}
    deleted = await delete.delete_all(session, [target], body, ignore_missing=True, outcome=Outcome())
    await delete.until_gone(session, deleted, spans.seconds(within, "--timeout") or delete.UNLIMITED_SECONDS)


async def _put(session: Session, path: str, names: Sequence[str]) -> None:
    """Send one file by PUT, and print the answer."""
    from swarmlet.client.connection import Request

    if len(names) != 1:
        raise exits.UsageError("--raw sends one file: name it with -f")
    text = sys.stdin.read() if names[0] == "-" else documents.file_text(names[0])
    print((await session.api.connection.send(Request(method="PUT", path=path, body=text.encode()))).decode())
