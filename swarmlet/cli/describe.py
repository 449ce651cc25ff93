"""`swarmlet describe`: one object in words, and what happened to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import events as event_lines
from swarmlet.cli import exits, options, parsing, tables
from swarmlet.cli.descriptions import kinds as descriptions
from swarmlet.cli.descriptions import quotas as quota_descriptions
from swarmlet.cli.descriptions import services as service_descriptions
from swarmlet.cli.descriptions import storage as storage_descriptions
from swarmlet.cli.descriptions import workloads as workload_descriptions
from swarmlet.cli.session import Session, connected
from swarmlet.errors import NotFoundError

if TYPE_CHECKING:
    from swarmlet.cli.selection import Reference
    from swarmlet.client.client import Scope
    from swarmlet.client.discovery import Resource

SURROUNDINGS: Mapping[str, Callable[[Session, Mapping[str, Any]], Awaitable[list[tuple[str, Any]]]]] = {
    "PersistentVolumeClaim": storage_descriptions.surroundings,
    "PersistentVolume": storage_descriptions.surroundings,
    "Service": service_descriptions.surroundings,
    "Namespace": quota_descriptions.of_namespace,
    **dict.fromkeys(workload_descriptions.KINDS, workload_descriptions.surroundings),
}
"""What is asked of the cluster besides the object, by its kind."""
EVENTS_HEADER = ("Type", "Reason", "Age", "From", "Message")


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("describe", cls=parsing.Command)(describe)


@connected
async def describe(
    session: Session,
    what: options.WhatIfAny = None,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    all_namespaces: options.AllNamespaces = False,
    show_events: Annotated[bool, typer.Option("--show-events/--no-events", help="What happened (the default).")] = True,
) -> None:
    """Tell all about objects, and what happened to them.

    `describe pod web-1`, `describe deployment/web`, `describe nodes`; `describe pod web`: of those that begin so
    """
    from swarmlet.cli import selection
    from swarmlet.client.client import Scope

    selected = await selection.meant(session, what or (), filename, recursive=recursive)
    if selected.named and (all_namespaces or selector):
        raise exits.UsageError("a name excludes -A and selectors")
    scope = Scope(namespace="" if all_namespaces else session.namespace, labels=selector)
    missing: list[NotFoundError] = []
    found = await _named(session, selected.named, missing)
    if missing and len(selected.named) == 1 and (alike := await _beginning_so(session, selected.named[0])):
        found, missing = alike, []
    for resource in selected.kinds:
        found += await _listed(session, resource, scope)
    if found:
        print(descriptions.joined([await _lines(session, item, events=show_events) for item in found]))
    elif not missing:
        exits.say(f"No resources found in {scope.namespace} namespace." if scope.namespace else "No resources found")
    exits.tell_missing(missing)


async def _named(session: Session, named: Sequence[Reference], missing: list[NotFoundError]) -> list[dict[str, Any]]:
    found = []
    for reference in named:
        namespace = reference.namespace or session.namespace
        try:
            found.append(await session.api.get(reference.resource, reference.name, namespace=namespace))
        except NotFoundError as error:
            missing.append(error)
    return found


async def _beginning_so(session: Session, reference: Reference) -> list[dict[str, Any]]:
    """Return the objects whose names begin with what may be half a name: a Deployment's for its Pods."""
    from swarmlet.client.client import Scope

    listed = await _listed(session, reference.resource, Scope(namespace=reference.namespace or session.namespace))
    return [each for each in listed if each["metadata"]["name"].startswith(reference.name)]


async def _listed(session: Session, resource: Resource, scope: Scope) -> list[dict[str, Any]]:
    listed = await session.api.list(resource, scope)
    return [{"kind": resource.kind, **item} for item in listed.get("items") or ()]


async def _lines(session: Session, item: dict[str, Any], *, events: bool) -> list[str]:
    description = descriptions.describe(item)
    if ask := SURROUNDINGS.get(item.get("kind", "")):
        description += await ask(session, item)
    lines = descriptions.rendered(description)
    if item.get("kind") == "Node":
        lines += await _workload(session, item)
    return lines if item.get("kind") == "Event" or not events else lines + await _events(session, item)


async def _workload(session: Session, node: dict[str, Any]) -> list[str]:
    """Return the lines of a node's conditions, of its Pods, and of what of it they ask for."""
    from swarmlet.cli.descriptions import nodes as node_descriptions
    from swarmlet.client.client import Scope

    pods = (await session.catalogue()).find("pods")
    listed = await session.api.list(pods, Scope(fields=f"spec.nodeName={node['metadata']['name']}"))
    found = [{"kind": "Pod", "apiVersion": "v1", **each} for each in listed.get("items") or ()]
    told = node_descriptions.conditions(node.get("status") or {})
    return told + node_descriptions.workload(node, found, session.clock.now())


async def _events(session: Session, item: dict[str, Any]) -> list[str]:
    """Return the lines of an object's events, oldest first."""
    from swarmlet.client.client import Scope

    metadata = item["metadata"]
    fields = f"involvedObject.kind={item['kind']},involvedObject.name={metadata['name']}"
    if metadata.get("namespace") and metadata.get("uid"):
        fields += f",involvedObject.uid={metadata['uid']}"
    scope = Scope(namespace=metadata.get("namespace") or "", fields=fields)
    listed = await session.api.list((await session.catalogue()).find("events"), scope)
    found = sorted(listed.get("items") or (), key=event_lines.order)
    if not found:
        return [f"Events:  {descriptions.NONE}"]
    now = session.clock.now()
    rows = []
    for event in found:
        when, type_, reason, _, message = event_lines.row(event, now)
        rows.append((type_, reason, when, (event.get("source") or {}).get("component") or "", message))
    return ["Events:", *(f"  {line}" for line in tables.Columns().lines(EVENTS_HEADER, rows))]
