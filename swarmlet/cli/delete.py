"""`swarmlet delete`: ask for deletion, and wait until what was deleted is gone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import asking, documents, exits, options, parsing, spans
from swarmlet.cli.changes.outcomes import SUFFIXES, DryRun, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import NotFoundError

if TYPE_CHECKING:
    from swarmlet.cli.compose.manifests import Choice
    from swarmlet.client.client import Scope
    from swarmlet.client.discovery import Resource

PROPAGATION = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}
UNLIMITED_SECONDS = 7 * 24 * 3600.0


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("delete", cls=parsing.Command)(delete)


@dataclass(frozen=True, slots=True)
class Target:
    """One object that is to go."""

    resource: Resource
    namespace: str
    name: str
    uid: str = ""


@connected
async def delete(
    session: Session,
    what: options.WhatIfAny = None,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    field_selector: options.Fields = "",
    all_: options.Every = False,
    all_namespaces: options.AllNamespaces = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until they are gone (the default).")] = True,
    within: options.Timeout = "0s",
    grace_period: Annotated[
        int, typer.Option("--grace-period", min=-1, help="Seconds a Pod has to end; -1: its own.")
    ] = -1,
    now: Annotated[bool, typer.Option("--now", help="The same as --grace-period=1.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Forget a Pod at once, whether it ended or not.")] = False,
    cascade: options.Cascade = "background",
    ignore_not_found: options.IgnoreNotFound = False,
    interactive: Annotated[bool, typer.Option("--interactive", "-i", help="Ask before deleting anything.")] = False,
    raw: Annotated[str, typer.Option("--raw", help="Send DELETE to this path.")] = "",
    dry_run: DryRun = "none",
    output: Annotated[str, typer.Option("--output", "-o", help="name: only the names.")] = "",
    project_name: options.ProjectName = "",
    profile: options.Profiles = None,
    env_file: options.EnvFiles = None,
    volumes: options.Volumes = False,
) -> None:
    """Delete objects, and wait until they are gone.

    `delete pod web-1`, `delete deploy/web`, `delete -f web.yaml`, `delete pods -l app=web`
    """
    from swarmlet.cli.compose.manifests import Choice
    from swarmlet.client.client import Scope
    from swarmlet.client.connection import Request

    body = delete_options(cascade, 1 if now else grace_period, force=force)
    if now and grace_period >= 0:
        raise exits.UsageError("--now and --grace-period exclude each other")
    outcome = Outcome(dry_run, output)
    outcome.check()
    documents.check_form(output, ("", "name"))
    if raw:
        sys.stdout.write((await session.api.connection.send(Request(method="DELETE", path=raw))).decode())
        return
    seconds = spans.seconds(within, "--timeout") or UNLIMITED_SECONDS
    if filename:
        choice = Choice.of(project_name, profile, env_file)
        targets = await of_files(session, filename, choice, recursive=recursive, volumes=volumes)
    else:
        scope = Scope(namespace="" if all_namespaces else session.namespace, labels=selector, fields=field_selector)
        targets = await _of_words(session, what or [], scope, every=all_)
    if not targets:
        exits.say("No resources found")
    if interactive and targets and not _agreed(targets):
        exits.say("deletion is cancelled")
        return
    ignore_missing = ignore_not_found or bool(selector or field_selector) or all_
    deleted = await delete_all(session, targets, body, ignore_missing=ignore_missing, outcome=outcome)
    if wait and dry_run == "none":
        await until_gone(session, deleted, seconds)


def delete_options(cascade: str, grace_period: int, *, force: bool) -> dict[str, Any]:
    """Return the DeleteOptions."""
    if cascade not in PROPAGATION:
        raise exits.UsageError(f"--cascade={cascade}: unknown; allowed: {', '.join(PROPAGATION)}")
    seconds = {"gracePeriodSeconds": max(grace_period, 0)} if force or grace_period >= 0 else {}
    return {"propagationPolicy": PROPAGATION[cascade], **seconds}


async def of_files(
    session: Session, names: Sequence[str], choice: Choice, *, recursive: bool, volumes: bool
) -> list[Target]:
    """Return what deleting files deletes: what they name, and what else is of a Compose project, but for its data."""
    from swarmlet.cli import files
    from swarmlet.cli.compose import projects as compose_projects
    from swarmlet.manifests import documents

    found = files.find(names, recursive=recursive, choice=choice)
    manifests = found.manifests
    catalogue = await session.catalogue()
    of_project: list[compose_projects.Member] = []
    if found.project:
        await compose_projects.check_owner(session, catalogue, found.project, manifests)
        of_project = await compose_projects.whole(session, catalogue, found, volumes=volumes)
        manifests = [each for each in manifests if not compose_projects.is_converted(each)]
    documents.check_kinds(manifests, [(each.api_version, each.kind) for each in catalogue.resources])
    targets = []
    for manifest in documents.in_delete_order(manifests):
        if resource := catalogue.of_kind(manifest.api_version, manifest.kind):
            namespace = (manifest.namespace or session.namespace) if resource.namespaced else ""
            targets.append(Target(resource, namespace, manifest.name))
    return targets + [_target(each.resource, session.namespace, each.name) for each in of_project]


def _agreed(targets: Sequence[Target]) -> bool:
    print(f"You are about to delete the following {len(targets)} resource(s):")
    for each in targets:
        print(f"{each.resource.full_name}/{each.name}")
    sys.stdout.flush()
    return asking.agreed("Do you want to continue?")


async def _of_words(session: Session, words: Sequence[str], scope: Scope, *, every: bool) -> list[Target]:
    from swarmlet.cli import selection

    selected = selection.select(words, await session.catalogue())
    if selected.named:
        if scope.labels or scope.fields or every or not scope.namespace:
            raise exits.UsageError("a name excludes --all, -A and selectors")
        return [_target(each.resource, session.namespace, each.name) for each in selected.named]
    if not scope.labels and not scope.fields and not every:
        raise exits.UsageError("name what to delete, or select it with -l, or say --all")
    targets: list[Target] = []
    for resource in selected.kinds:
        listed = await session.api.list(resource, scope)
        found = [each["metadata"] for each in listed.get("items") or ()]
        targets += [_target(resource, each.get("namespace") or "", each["name"]) for each in found]
    return targets


def _target(resource: Resource, namespace: str, name: str) -> Target:
    return Target(resource, namespace if resource.namespaced else "", name)


async def delete_all(
    session: Session, targets: Sequence[Target], body: dict[str, Any], *, ignore_missing: bool, outcome: Outcome
) -> list[Target]:
    """Ask for each deletion; tell what was missing when all were asked for."""
    deleted: list[Target] = []
    missing: list[NotFoundError] = []
    for target in targets:
        try:
            answer = await _delete(session, target, body, outcome)
        except NotFoundError as error:
            missing += [] if ignore_missing else [error]
            continue
        where = f" from {target.namespace} namespace" if target.namespace else ""
        how = " force" if body.get("gracePeriodSeconds") == 0 else ""
        told = f'{target.resource.full_name} "{target.name}"{how} deleted{where}{SUFFIXES[outcome.dry_run]}'
        print(f"{target.resource.full_name}/{target.name}" if outcome.output == "name" else told, flush=True)
        deleted.append(Target(target.resource, target.namespace, target.name, _uid(answer)))
    exits.tell_missing(missing)
    return deleted


async def _delete(session: Session, target: Target, body: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    """Ask for a deletion, or only whether it could be."""
    if not outcome.is_sent:
        return await session.api.get(target.resource, target.name, namespace=target.namespace)
    trying = {"dryRun": ["All"]} if outcome.dry_run == "server" else {}
    options_ = {**body, **trying, "kind": "DeleteOptions"}
    return await session.api.delete(target.resource, target.name, namespace=target.namespace, options=options_)


def _uid(answer: dict[str, Any]) -> str:
    """Return the uid of what was deleted: of the object itself, or told by the Status."""
    source = answer.get("details") if answer.get("kind") == "Status" else answer.get("metadata")
    return str((source or {}).get("uid") or "")


async def until_gone(session: Session, targets: Sequence[Target], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            for target in targets:
                await _gone(session, target)
    except TimeoutError:
        raise exits.TimedOutError(f"not gone within {seconds:g} s; `swarmlet get` shows what is left") from None


async def _gone(session: Session, target: Target) -> None:
    """Return when the object is gone, or another one has its name."""
    from contextlib import aclosing

    from swarmlet.client.client import Scope
    from swarmlet.client.watching import DELETED, Watch

    watch = Watch(
        session.api, target.resource, Scope(namespace=target.namespace, fields=f"metadata.name={target.name}")
    )
    listed = await watch.start()
    if not any(_is_it(item, target) for item in listed.get("items") or ()):
        return
    async with aclosing(watch.events()) as events:
        async for event in events:
            if event.type == DELETED or not _is_it(event.object, target):
                return


def _is_it(item: dict[str, Any], target: Target) -> bool:
    return not target.uid or item["metadata"].get("uid") == target.uid
