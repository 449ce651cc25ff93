"""`swarmlet scale`: set how many Pods there shall be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing, spans
from swarmlet.cli.changes.outcomes import DryRun, Form, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import ConflictError

if TYPE_CHECKING:
    from swarmlet.cli.changes.targets import Target


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("scale", cls=parsing.Command)(scale)


@connected
async def scale(
    session: Session,
    replicas: Annotated[int, typer.Option("--replicas", min=0, help="How many there shall be.")],
    what: options.WhatIfAny = None,
    current_replicas: Annotated[
        int | None, typer.Option("--current-replicas", min=-1, help="Only if there are so many now; -1: however many.")
    ] = None,
    resource_version: Annotated[str, typer.Option("--resource-version", help="Only if it is at this revision.")] = "",
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    all_: options.Every = False,
    within: options.Timeout = "0s",
    dry_run: DryRun = "none",
    output: Form = "",
) -> None:
    """Set how many Pods there shall be.

    `scale deployment/web --replicas=5`, `scale deploy --all --replicas=0`, `scale deploy/web --replicas=3 --timeout=1m`
    """
    from swarmlet.cli import selection
    from swarmlet.cli.changes import targets

    outcome = Outcome(dry_run, output, "kubectl-scale")
    outcome.check()
    words = what or ()
    seconds = spans.seconds(within, "--timeout")
    if words:
        selection.scalable(words, await session.catalogue())
    found = await targets.find(
        session, words, targets.Wish(files=filename, recursive=recursive, labels=selector, every=all_)
    )
    if not found:
        exits.say(f"No resources found in {session.namespace} namespace.")
    expected = None if current_replicas == -1 else current_replicas
    for target in found:
        await _scale(session, target, replicas, expected, resource_version, outcome)
    if seconds and outcome.dry_run == "none":
        await _until_scaled(session, found, replicas, seconds)


async def _scale(
    session: Session, target: Target, replicas: int, expected: int | None, revision: str, outcome: Outcome
) -> None:
    patch: dict[str, Any] = {"spec": {"replicas": replicas}}
    if expected is not None:
        now = await session.api.get(target.resource, target.name, namespace=target.namespace, subresource="scale")
        if (found := now["spec"].get("replicas", 0)) != expected:
            raise ConflictError(f"{target}: expected {expected} replicas, found {found}")
        revision = revision or now["metadata"]["resourceVersion"]
    if revision:
        patch["metadata"] = {"resourceVersion": revision}
    after = {**target.document, "spec": {**target.document["spec"], "replicas": replicas}}
    if outcome.is_sent:
        await target.patch(session, patch, outcome, subresource="scale")
    outcome.tell(target, "scaled", after)


async def _until_scaled(session: Session, found: list[Target], replicas: int, seconds: float) -> None:
    """Return when each has so many Pods."""
    from contextlib import aclosing

    from swarmlet.client.client import Scope
    from swarmlet.client.watching import Watch

    try:
        async with asyncio.timeout(seconds):
            for target in found:
                scope = Scope(namespace=target.namespace, fields=f"metadata.name={target.name}")
                watch = Watch(session.api, target.resource, scope)
                listed = (await watch.start()).get("items") or ()
                if any(_is_scaled(each, replicas) for each in listed):
                    continue
                async with aclosing(watch.events()) as events:
                    async for event in events:
                        if _is_scaled(event.object, replicas):
                            break
    except TimeoutError:
        raise exits.TimedOutError(f"not {replicas} replicas within {seconds:g} s") from None


def _is_scaled(document: dict[str, Any], replicas: int) -> bool:
    status, metadata = document.get("status") or {}, document["metadata"]
    observed = int(status.get("observedGeneration") or 0) >= int(metadata.get("generation") or 0)
    return observed and int(status.get("replicas") or 0) == replicas
