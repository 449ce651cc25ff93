"""`swarmlet rollout`: how a Deployment's newest version comes about, which ones there were, and going back to one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing, revisions, rollouts, spans
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError, NotFoundError

if TYPE_CHECKING:
    from swarmlet.cli.selection import Reference
    from swarmlet.client.discovery import Resource

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
UNLIMITED_SECONDS = 7 * 24 * 3600.0


def register(app: typer.Typer) -> None:
    """Add the group to the root app."""
    group = typer.Typer(name="rollout", help="Follow, restart and undo rollouts.")
    for name, command in (("status", status), ("history", history), ("undo", undo), ("restart", restart)):
        group.command(name, cls=parsing.Command)(command)
    app.add_typer(group)


@connected
async def status(
    session: Session,
    what: options.What,
    watch: Annotated[bool, typer.Option("--watch/--no-watch", "-w", help="Wait for its end (the default).")] = True,
    within: options.Timeout = "0s",
) -> None:
    """Tell how far the rollout is, until it is done: exit 0; failed: 1; not in time: 6."""
    deployment = await _deployment(session, what)
    seconds = spans.seconds(within, "--timeout") or UNLIMITED_SECONDS
    try:
        async with asyncio.timeout(seconds):
            await _follow(session, deployment, once=not watch)
    except TimeoutError:
        raise exits.TimedOutError(f"{deployment}: not rolled out within {seconds:g} s") from None


async def _follow(session: Session, deployment: Reference, *, once: bool) -> None:
    from contextlib import aclosing

    from swarmlet.client.client import Scope
    from swarmlet.client.watching import DELETED, Watch

    scope = Scope(namespace=session.namespace, fields=f"metadata.name={deployment.name}")
    watch = Watch(session.api, deployment.resource, scope)
    found = (await watch.start()).get("items") or ()
    if not found:
        raise NotFoundError(f'{deployment.resource.plural}.{deployment.resource.group} "{deployment.name}" not found')
    told = ""
    if _tell(found[0], told).done or once:
        return
    told = rollouts.deployment(found[0]).told
    async with aclosing(watch.events()) as events:
        async for event in events:
            if event.type == DELETED:
                raise NotFoundError(f"{deployment} was deleted")
            progress = _tell(event.object, told)
            told = progress.told
            if progress.done:
                return


def _tell(document: dict[str, Any], last_told: str) -> rollouts.Progress:
    progress = rollouts.deployment(document)
    if progress.failed:
        raise CallerError(progress.told)
    if progress.told != last_told:
        print(progress.told, flush=True)
    return progress


@connected
async def history(
    session: Session,
    what: options.What,
    revision: Annotated[int, typer.Option("--revision", min=0, help="Show the Pods' template of this one.")] = 0,
) -> None:
    """List the versions that can be gone back to."""
    deployment = await _deployment(session, what)
    known = await _revisions(session, deployment)
    if not revision:
        print("\n".join(revisions.listing(deployment, known)))
        return
    print(f"{deployment} with revision #{revision}")
    print("\n".join(revisions.template_lines(revisions.pick(known, revision))))


@connected
async def undo(
    session: Session,
    what: options.What,
    to_revision: Annotated[int, typer.Option("--to-revision", min=0, help="Which one; 0: the one before.")] = 0,
) -> None:
    """Go back to an earlier version."""
    from swarmlet.client.client import JSON_PATCH

    deployment = await _deployment(session, what)
    known = await _revisions(session, deployment)
    document = await session.api.get(deployment.resource, deployment.name, namespace=session.namespace)
    target = revisions.pick(known, to_revision) if to_revision else revisions.before_last(known, deployment)
    template = revisions.template_of(target)
    if template == revisions.comparable(document["spec"]["template"]):
        print(f"{deployment} skipped rollback (current template already matches revision {revisions.number(target)})")
        return
    await session.api.patch(
        deployment.resource,
        deployment.name,
        [{"op": "replace", "path": "/spec/template", "value": template}],
        namespace=session.namespace,
        content_type=JSON_PATCH,
    )
    print(f"{deployment} rolled back")


@connected
async def restart(session: Session, what: options.What) -> None:
    """Replace all Pods, a few at a time."""
    deployment = await _deployment(session, what)
    now = session.clock.now().replace(microsecond=0).isoformat().replace("+00:00", "Z")
    patch = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: now}}}}}
    await session.api.patch(deployment.resource, deployment.name, patch, namespace=session.namespace)
    print(f"{deployment} restarted")


async def _deployment(session: Session, words: list[str]) -> Reference:
    from swarmlet.cli import selection

    reference = selection.one(words, await session.catalogue())
    if reference.resource.kind != "Deployment":
        raise exits.UsageError(f"{reference}: only a Deployment is rolled out")
    return reference


async def _revisions(session: Session, deployment: Reference) -> list[dict[str, Any]]:
    """Return the Deployment's ReplicaSets, oldest revision first."""
    from swarmlet.client.client import Scope

    owner = await session.api.get(deployment.resource, deployment.name, namespace=session.namespace)
    replica_sets: Resource = (await session.catalogue()).find("replicasets.apps")
    listed = await session.api.list(replica_sets, Scope(namespace=session.namespace))
    return revisions.owned(listed.get("items") or (), owner)
