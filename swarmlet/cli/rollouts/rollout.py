"""`swarmlet rollout`: how the newest version of a workload comes about, holding it up, and going back to an earlier."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing, spans
from swarmlet.cli.rollouts import judging as rollouts
from swarmlet.cli.rollouts import revisions
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError, NotFoundError

if TYPE_CHECKING:
    from swarmlet.cli.selection import Reference
    from swarmlet.client.discovery import Resource

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
UNLIMITED_SECONDS = 7 * 24 * 3600.0

JUDGES: Mapping[str, Callable[[rollouts.Document], rollouts.Progress]] = {
    "Deployment": rollouts.deployment,
    "StatefulSet": rollouts.stateful_set,
    "DaemonSet": rollouts.daemon_set,
}
VERSIONS = {
    "Deployment": "replicasets.apps",
    "StatefulSet": "controllerrevisions.apps",
    "DaemonSet": "controllerrevisions.apps",
}
"""The kind that holds the versions of each."""


def register(app: typer.Typer) -> None:
    """Add the group to the root app."""
    group = typer.Typer(name="rollout", help="Follow, pause, restart and undo rollouts.")
    for command in (status, history, undo, restart, pause, resume):
        group.command(command.__name__, cls=parsing.Command)(command)
    app.add_typer(group)


@connected
async def status(
    session: Session,
    what: options.What,
    watch: Annotated[bool, typer.Option("--watch/--no-watch", "-w", help="Wait for its end (the default).")] = True,
    within: options.Timeout = "0s",
) -> None:
    """Tell how far the rollout is, until it is done: exit 0; failed: 1; not in time: 6."""
    workload = await _workload(session, what)
    seconds = spans.seconds(within, "--timeout") or UNLIMITED_SECONDS
    try:
        async with asyncio.timeout(seconds):
            await _follow(session, workload, once=not watch)
    except TimeoutError:
        raise exits.TimedOutError(f"{workload}: not rolled out within {seconds:g} s") from None


async def _follow(session: Session, workload: Reference, *, once: bool) -> None:
    from contextlib import aclosing

    from swarmlet.client.client import Scope
    from swarmlet.client.watching import DELETED, Watch

    scope = Scope(namespace=session.namespace, fields=f"metadata.name={workload.name}")
    watch = Watch(session.api, workload.resource, scope)
    found = (await watch.start()).get("items") or ()
    if not found:
        raise NotFoundError(f'{workload.resource.plural}.{workload.resource.group} "{workload.name}" not found')
    judge = JUDGES[workload.resource.kind]
    if workload.resource.kind != "Deployment" and not rollouts.is_rolling(found[0]):
        raise CallerError("rollout status is only available for RollingUpdate strategy type")
    progress = _tell(judge(found[0]), "")
    if progress.done or once:
        return
    async with aclosing(watch.events()) as events:
        async for event in events:
            if event.type == DELETED:
                raise NotFoundError(f"{workload} was deleted")
            progress = _tell(judge(event.object), progress.told)
            if progress.done:
                return


def _tell(progress: rollouts.Progress, last_told: str) -> rollouts.Progress:
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
    workload = await _workload(session, what)
    known = await _revisions(session, workload)
    if not revision:
        print("\n".join(revisions.listing(workload, known)))
        return
    print(f"{workload} with revision #{revision}")
    print("\n".join(revisions.template_lines(revisions.pick(known, revision))))


@connected
async def undo(
    session: Session,
    what: options.What,
    to_revision: Annotated[int, typer.Option("--to-revision", min=0, help="Which one; 0: the one before.")] = 0,
) -> None:
    """Go back to an earlier version."""
    from swarmlet.client.client import JSON_PATCH

    workload = await _workload(session, what)
    known = await _revisions(session, workload)
    document = await session.api.get(workload.resource, workload.name, namespace=session.namespace)
    _refuse_while_paused(workload, document, "roll back")
    target = revisions.pick(known, to_revision) if to_revision else revisions.before_last(known, workload)
    template = revisions.template_of(target)
    if template == revisions.comparable(document["spec"]["template"]):
        print(f"{workload} skipped rollback (current template already matches revision {revisions.number(target)})")
        return
    await session.api.patch(
        workload.resource,
        workload.name,
        [{"op": "replace", "path": "/spec/template", "value": template}],
        namespace=session.namespace,
        content_type=JSON_PATCH,
    )
    print(f"{workload} rolled back")


@connected
async def restart(session: Session, what: options.What) -> None:
    """Replace all Pods, a few at a time."""
    workload = await _workload(session, what)
    document = await session.api.get(workload.resource, workload.name, namespace=session.namespace)
    _refuse_while_paused(workload, document, "restart")
    now = session.clock.now().replace(microsecond=0).isoformat().replace("+00:00", "Z")
    patch = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: now}}}}}
    await session.api.patch(workload.resource, workload.name, patch, namespace=session.namespace)
    print(f"{workload} restarted")


@connected
async def pause(session: Session, what: options.What) -> None:
    """Hold a Deployment's rollout: further changes of its template wait until it is resumed."""
    await _set_paused(session, what, paused=True)


@connected
async def resume(session: Session, what: options.What) -> None:
    """Let a paused Deployment's rollout go on."""
    await _set_paused(session, what, paused=False)


async def _set_paused(session: Session, what: list[str], *, paused: bool) -> None:
    deployment = await _workload(session, what)
    if deployment.resource.kind != "Deployment":
        raise exits.UsageError(f"{deployment}: only a Deployment can be paused")
    document = await session.api.get(deployment.resource, deployment.name, namespace=session.namespace)
    if _is_paused(document) == paused:
        raise CallerError(f"{deployment} is {'already' if paused else 'not'} paused")
    patch = {"spec": {"paused": paused or None}}
    await session.api.patch(deployment.resource, deployment.name, patch, namespace=session.namespace)
    print(f"{deployment} {'paused' if paused else 'resumed'}")


def _is_paused(document: Mapping[str, Any]) -> bool:
    return bool((document.get("spec") or {}).get("paused"))


def _refuse_while_paused(workload: Reference, document: Mapping[str, Any], to_do: str) -> None:
    if _is_paused(document):
        raise CallerError(f"cannot {to_do} {workload}: it is paused; `swarmlet rollout resume {workload}` first")


async def _workload(session: Session, words: list[str]) -> Reference:
    from swarmlet.cli import selection

    reference = selection.one(words, await session.catalogue())
    if reference.resource.kind not in JUDGES:
        raise exits.UsageError(f"{reference}: only a Deployment, a StatefulSet or a DaemonSet is rolled out")
    return reference


async def _revisions(session: Session, workload: Reference) -> list[dict[str, Any]]:
    """Return the objects that hold the versions, oldest revision first."""
    from swarmlet.client.client import Scope

    owner = await session.api.get(workload.resource, workload.name, namespace=session.namespace)
    holder: Resource = (await session.catalogue()).find(VERSIONS[workload.resource.kind])
    listed = await session.api.list(holder, Scope(namespace=session.namespace))
    return revisions.owned(listed.get("items") or (), owner)
