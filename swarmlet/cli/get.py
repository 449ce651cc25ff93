"""`swarmlet get`: objects as a table, whole, or by name; once, or as they change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import documents, exits, options, parsing, tables, terminal
from swarmlet.cli.session import Session, connected
from swarmlet.errors import NotFoundError

if TYPE_CHECKING:
    from swarmlet.cli.selection import Reference, Selection
    from swarmlet.client.client import Scope
    from swarmlet.client.discovery import Resource


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("get", cls=parsing.Command)(get)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What `get` was asked for, but for the objects themselves."""

    output: str
    scope: Scope
    all_namespaces: bool
    headers: bool
    labels: bool
    ignore_not_found: bool

    def form(self, kind_prefix: str = "", *, namespaced: bool = True) -> tables.Form:
        return tables.Form(
            wide=self.output == "wide",
            headers=self.headers,
            namespaces=self.all_namespaces and namespaced,
            labels=self.labels,
            kind_prefix=kind_prefix,
        )


@connected
async def get(
    session: Session,
    what: options.What,
    all_namespaces: options.AllNamespaces = False,
    selector: options.Labels = "",
    field_selector: options.Fields = "",
    watch: options.Watch = False,
    output: options.Output = "",
    no_headers: options.NoHeaders = False,
    show_labels: Annotated[bool, typer.Option("--show-labels", help="With a column of labels.")] = False,
    ignore_not_found: options.IgnoreNotFound = False,
    at: Annotated[str, typer.Option("--at", help="As it was asked for at a revision or time: 1234, 14:05, -10m.")] = "",
) -> None:
    """Show objects: as a table, whole, as they change, or as they were asked for.

    `get pods`, `get deploy/web -o yaml`, `get all -A`, `get pods -w`, `get deploy web --at -10m`
    """
    from swarmlet.cli import past, selection
    from swarmlet.client.client import Scope

    documents.check_form(output)
    namespace = "" if all_namespaces else session.namespace
    wish = _Wish(
        output=output,
        scope=Scope(namespace=namespace, labels=selector, fields=field_selector),
        all_namespaces=all_namespaces,
        headers=not no_headers,
        labels=show_labels,
        ignore_not_found=ignore_not_found,
    )
    selected = selection.select(what, await session.catalogue())
    _check(selected, wish, watch=watch)
    if at:
        _check_past(wish, watch=watch)
        await past.show(session, selected, at, all_namespaces=all_namespaces, output=output)
        return
    if watch:
        await _watch(session, selected, wish)
    elif output in documents.TABLES:
        await _print_tables(session, selected, wish)
    else:
        await _print_objects(session, selected, wish, single=len(selected.named) == 1)


def _check(selected: Selection, wish: _Wish, *, watch: bool) -> None:
    if selected.named and wish.all_namespaces:
        raise exits.UsageError("an object is named within one namespace: leave out -A, or give -n")
    if selected.named and (wish.scope.labels or wish.scope.fields):
        raise exits.UsageError("a name and a selector exclude each other")
    if watch and len(selected.kinds) + len(selected.named) != 1:
        raise exits.UsageError("-w watches one kind, or one object")


def _check_past(wish: _Wish, *, watch: bool) -> None:
    if watch or wish.scope.labels or wish.scope.fields:
        raise exits.UsageError("--at shows a moment: it goes with no selector and no -w")


# Tables.


async def _print_tables(session: Session, selected: Selection, wish: _Wish) -> None:
    missing: list[NotFoundError] = []
    found = await _kind_tables(session, selected.kinds, wish)
    found += await _named_tables(session, selected.named, wish, missing)
    several = len({resource for resource, _ in found}) > 1 or len(selected.kinds) > 1
    shown = [(resource, table) for resource, table in found if table.get("rows")]
    for position, (resource, table) in enumerate(shown):
        prefix = f"{resource.full_name}/" if several else ""
        if position:
            print()
        printer = tables.TablePrinter(wish.form(prefix, namespaced=resource.namespaced), terminal.style)
        printer.print(table)
    if not shown and not missing and not (selected.named and wish.ignore_not_found):
        _say_nothing_found(selected.kinds, wish)
    _tell_missing(missing)


async def _kind_tables(
    session: Session, kinds: Sequence[Resource], wish: _Wish
) -> list[tuple[Resource, dict[str, Any]]]:
    from swarmlet.client.client import TABLE

    return [(resource, await session.api.list(resource, wish.scope, accept=TABLE)) for resource in kinds]


async def _named_tables(
    session: Session, named: Sequence[Reference], wish: _Wish, missing: list[NotFoundError]
) -> list[tuple[Resource, dict[str, Any]]]:
    """Return one Table a kind, of the objects that are there."""
    from swarmlet.client.client import TABLE

    found: dict[Resource, dict[str, Any]] = {}
    for reference in named:
        try:
            table = await session.api.get(reference.resource, reference.name, namespace=session.namespace, accept=TABLE)
        except NotFoundError as error:
            missing += [] if wish.ignore_not_found else [error]
            continue
        known = found.setdefault(reference.resource, {**table, "rows": []})
        known["rows"] += table["rows"]
    return list(found.items())


def _say_nothing_found(kinds: Sequence[Resource], wish: _Wish) -> None:
    if wish.scope.namespace and any(kind.namespaced for kind in kinds):
        exits.say(f"No resources found in {wish.scope.namespace} namespace.")
    else:
        exits.say("No resources found")


def _tell_missing(missing: Sequence[NotFoundError]) -> None:
    """Name every object that is not there; the last one ends the command."""
    for error in missing[:-1]:
        exits.say(f"error: {error}")
    if missing:
        raise missing[-1]


# Whole objects and names.


async def _print_objects(session: Session, selected: Selection, wish: _Wish, *, single: bool) -> None:
    missing: list[NotFoundError] = []
    found: list[tuple[Resource, dict[str, Any]]] = []
    for resource in selected.kinds:
        listed = await session.api.list(resource, wish.scope)
        header = {"apiVersion": resource.api_version, "kind": resource.kind}
        found += [(resource, {**header, **item}) for item in listed.get("items") or ()]
    for reference in selected.named:
        try:
            whole = await session.api.get(reference.resource, reference.name, namespace=session.namespace)
        except NotFoundError as error:
            missing += [] if wish.ignore_not_found else [error]
        else:
            found.append((reference.resource, whole))
    if wish.output == "name":
        for resource, item in found:
            print(f"{resource.full_name}/{item['metadata']['name']}")
    elif not single:
        print(documents.in_form(wish.output, documents.as_list(item for _, item in found)))
    elif found:
        print(documents.in_form(wish.output, found[0][1]))
    _tell_missing(missing)


# Watching.


async def _watch(session: Session, selected: Selection, wish: _Wish) -> None:
    from contextlib import aclosing

    from swarmlet.client.client import TABLE, Scope
    from swarmlet.client.connection import JSON
    from swarmlet.client.watching import Watch

    resource = selected.kinds[0] if selected.kinds else selected.named[0].resource
    scope = wish.scope
    if selected.named:
        scope = Scope(namespace=session.namespace, fields=f"metadata.name={selected.named[0].name}")
    as_table = wish.output in documents.TABLES
    following = Watch(session.api, resource, scope, accept=TABLE if as_table else JSON)
    listed = await following.start()
    if selected.named and not (listed.get("rows") or listed.get("items")) and not wish.ignore_not_found:
        raise NotFoundError(f'{resource.plural} "{selected.named[0].name}" not found')
    printer = tables.TablePrinter(wish.form(namespaced=resource.namespaced), terminal.style)
    if as_table:
        printer.print(listed)
    else:
        for item in listed.get("items") or ():
            _print_one(resource, {"apiVersion": resource.api_version, "kind": resource.kind, **item}, wish)
    async with aclosing(following.events()) as events:
        async for event in events:
            if as_table:
                printer.print(event.object)
            else:
                _print_one(resource, event.object, wish)


def _print_one(resource: Resource, item: dict[str, Any], wish: _Wish) -> None:
    if wish.output == "name":
        print(f"{resource.full_name}/{item['metadata']['name']}", flush=True)
    else:
        print("---\n" * (wish.output == "yaml") + documents.in_form(wish.output, item), flush=True)
