"""`swarmlet rollout`: how the newest version of a workload comes about, holding it up, and going back to an earlier."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import documents, exits, options, parsing, spans
from swarmlet.cli.changes.outcomes import DryRun, Form, Manager, Outcome
from swarmlet.cli.rollouts import judging as rollouts
from swarmlet.cli.rollouts import revisions
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarmlet.cli.changes.targets import Target
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
MANAGER = "kubectl-rollout"


def register(app: typer.Typer) -> None:
    """Add the group to the root app."""
    group = typer.Typer(name="rollout", help="Follow, pause, restart and undo rollouts.")
    for command in (status, history, undo, restart, pause, resume):
        group.command(command.__name__, cls=parsing.Command)(command)
    app.add_typer(group)


@connected
async def status(
    session: Session,
    what: options.WhatIfAny = None,
    watch: Annotated[bool, typer.Option("--watch/--no-watch", "-w", help="Wait for its end (the default).")] = True,
    revision: Annotated[int, typer.Option("--revision", min=0, help="Only while this one is the newest.")] = 0,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    within: options.Timeout = "0s",
) -> None:
    """Tell how far rollouts are, until they are done: exit 0; failed: 1; not in time: 6."""
    seconds = spans.seconds(within, "--timeout") or UNLIMITED_SECONDS
    for workload in await _workloads(session, what, filename, selector, recursive=recursive):
        try:
            async with asyncio.timeout(seconds):
                await _follow(session, workload, revision, once=not watch)
        except TimeoutError:
            raise exits.TimedOutError(f"{workload}: not rolled out within {seconds:g} s") from None


async def _follow(session: Session, workload: Target, revision: int, *, once: bool) -> None:
    from contextlib import aclosing

    from swarmlet.client.client import Scope
    from swarmlet.client.watching import DELETED, Watch

    scope = Scope(namespace=workload.namespace, fields=f"metadata.name={workload.name}")
    watch = Watch(session.api, workload.resource, scope)
    found = (await watch.start()).get("items") or ()
    if not found:
        raise NotFoundError(f'{workload.resource.full_plural} "{workload.name}" not found')
    if workload.resource.kind != "Deployment" and not rollouts.is_rolling(found[0]):
        raise CallerError("rollout status is only available for RollingUpdate strategy type")
    progress = _tell(_judged(workload, found[0], revision), "")
    if progress.done or once:
        return
    async with aclosing(watch.events()) as events:
        async for event in events:
            if event.type == DELETED:
                raise NotFoundError(f"{workload} was deleted")
            progress = _tell(_judged(workload, event.object, revision), progress.told)
            if progress.done:
                return


def _judged(workload: Target, document: Mapping[str, Any], revision: int) -> rollouts.Progress:
    """Return how far it is; raise `CallerError` where a Deployment has another revision than the one that is meant."""
    found = revisions.number(document) if workload.resource.kind == "Deployment" else 0
    if revision and found and found != revision:
        raise CallerError(f"desired revision ({revision}) is different from the running revision ({found})")
    return JUDGES[workload.resource.kind](document)


def _tell(progress: rollouts.Progress, last_told: str) -> rollouts.Progress:
    if progress.failed:
        raise CallerError(progress.told)
    if progress.told != last_told:
        print(progress.told, flush=True)
    return progress


@connected
async def history(
    session: Session,
    what: options.WhatIfAny = None,
    revision: Annotated[int, typer.Option("--revision", min=0, help="Show the Pods' template of this one.")] = 0,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    output: Annotated[str, typer.Option("--output", "-o", help="With --revision: json or yaml.")] = "",
) -> None:
    """List the versions that can be gone back to."""
    documents.check_form(output, ("", *documents.WHOLE))
    if output and not revision:
        raise exits.UsageError("-o prints one version: say which with --revision")
    for workload in await _workloads(session, what, filename, selector, recursive=recursive):
        known = await _revisions(session, workload)
        if output:
            documents.show(output, revisions.pick(known, revision))
        elif revision:
            print(f"{workload} with revision #{revision}")
            print("\n".join(revisions.template_lines(revisions.pick(known, revision))))
        else:
            print("\n".join(revisions.listing(workload, known)))


@connected
async def undo(
    session: Session,
    what: options.WhatIfAny = None,
    to_revision: Annotated[int, typer.Option("--to-revision", min=0, help="Which one; 0: the one before.")] = 0,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    dry_run: DryRun = "none",
    output: Form = "",
) -> None:
    """Go back to an earlier version."""
    outcome = Outcome(dry_run, output, MANAGER)
    outcome.check()
    for workload in await _workloads(session, what, filename, selector, recursive=recursive):
        await _undo(session, workload, to_revision, outcome)


async def _undo(session: Session, workload: Target, to_revision: int, outcome: Outcome) -> None:
    from swarmlet.client.client import JSON_PATCH

    known = await _revisions(session, workload)
    document = workload.document
    _refuse_while_paused(workload, "roll back")
    wanted = revisions.pick(known, to_revision) if to_revision else revisions.before_last(known, workload)
    template = revisions.template_of(wanted)
    if template == revisions.comparable(document["spec"]["template"]):
        print(f"{workload} skipped rollback (current template already matches revision {revisions.number(wanted)})")
        return
    after = {**document, "spec": {**document["spec"], "template": template}}
    if outcome.is_sent:
        patch = [{"op": "replace", "path": "/spec/template", "value": template}]
        after = await workload.patch(session, patch, outcome, content_type=JSON_PATCH)
    outcome.tell(workload, "rolled back", after)


@connected
async def restart(
    session: Session,
    what: options.WhatIfAny = None,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Replace all Pods, a few at a time; `rollout restart deployment` does so of every Deployment."""
    outcome = Outcome("none", output, field_manager)
    outcome.check()
    now = session.clock.now().replace(microsecond=0).isoformat().replace("+00:00", "Z")
    patch = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: now}}}}}
    for workload in await _workloads(session, what, filename, selector, recursive=recursive):
        _refuse_while_paused(workload, "restart")
        notes = (workload.document["spec"]["template"].get("metadata") or {}).get("annotations") or {}
        if notes.get(RESTARTED_AT) == now:  # it would change nothing
            raise CallerError(f"{workload}: a restart was triggered within the past second already; wait for one")
        outcome.tell(workload, "restarted", await workload.patch(session, patch, outcome))


@connected
async def pause(
    session: Session,
    what: options.WhatIfAny = None,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Hold a Deployment's rollout: further changes of its template wait until it is resumed."""
    workloads = await _workloads(session, what, filename, selector, recursive=recursive)
    await _set_paused(session, workloads, Outcome("none", output, field_manager), paused=True)


@connected
async def resume(
    session: Session,
    what: options.WhatIfAny = None,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Let a paused Deployment's rollout go on."""
    workloads = await _workloads(session, what, filename, selector, recursive=recursive)
    await _set_paused(session, workloads, Outcome("none", output, field_manager), paused=False)


async def _set_paused(session: Session, workloads: Sequence[Target], outcome: Outcome, *, paused: bool) -> None:
    outcome.check()
    for each in workloads:
        if each.resource.kind != "Deployment":
            raise exits.UsageError(f"{each}: only a Deployment can be paused")
        if _is_paused(each.document) == paused:
            raise CallerError(f"{each} is {'already' if paused else 'not'} paused")
        after = await each.patch(session, {"spec": {"paused": paused or None}}, outcome)
        outcome.tell(each, "paused" if paused else "resumed", after)


def _is_paused(document: Mapping[str, Any]) -> bool:
    return bool((document.get("spec") or {}).get("paused"))


def _refuse_while_paused(workload: Target, to_do: str) -> None:
    if _is_paused(workload.document):
        raise CallerError(f"cannot {to_do} {workload}: it is paused; `swarmlet rollout resume {workload}` first")


async def _workloads(
    session: Session, what: Sequence[str] | None, files: Sequence[str] | None, labels: str, *, recursive: bool
) -> list[Target]:
    """Return the workloads that are meant: named, selected, of files, or all of a type that stands alone."""
    from swarmlet.cli import selection
    from swarmlet.cli.changes import targets

    words = what or ()
    if words:
        selected = selection.select(words, await session.catalogue())
        _check_kinds([(str(each), each.resource) for each in selected.named])
        _check_kinds([(each.plural, each) for each in selected.kinds])
    of_type = len(words) == 1 and "/" not in words[0] and not labels and not files
    wish = targets.Wish(files=files, recursive=recursive, labels=labels, every=of_type)
    found = await targets.find(session, words, wish)
    _check_kinds([(str(each), each.resource) for each in found])
    if not found:
        exits.say(f"No resources found in {session.namespace} namespace.")
    return found


def _check_kinds(meant: Sequence[tuple[str, Resource]]) -> None:
    for told, resource in meant:
        if resource.kind not in JUDGES:
            raise exits.UsageError(f"{told}: only a Deployment, a StatefulSet or a DaemonSet is rolled out")


async def _revisions(session: Session, workload: Target) -> list[dict[str, Any]]:
    """Return the objects that hold the versions, oldest revision first."""
    from swarmlet.client.client import Scope

    holder: Resource = (await session.catalogue()).find(VERSIONS[workload.resource.kind])
    listed = await session.api.list(holder, Scope(namespace=workload.namespace))
    return revisions.owned(listed.get("items") or (), workload.document)
