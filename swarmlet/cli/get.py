"""`swarmlet get`: objects as a table, whole, or by name; once, or as they change."""

from __future__ import annotations

import operator
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import documents, exits, options, parsing, tables, terminal
from swarmlet.cli.session import Session, connected
from swarmlet.errors import NotFoundError

if TYPE_CHECKING:
    from swarmlet.cli.forms.custom_columns import CustomColumns
    from swarmlet.cli.selection import Reference, Selection
    from swarmlet.client.client import Scope
    from swarmlet.client.discovery import Resource

FORMS = (*documents.FORMS, "custom-columns=...", "custom-columns-file=...")
ObjectOutput = Annotated[
    str,
    typer.Option("--output", "-o", help="wide, json, yaml, name, jsonpath=..., or custom-columns=NAME:.metadata.name."),
]
LabelColumns = Annotated[
    list[str] | None, typer.Option("--label-columns", "-L", help="With a column of this label; may be repeated.")
]


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
    label_columns: tuple[str, ...] = ()
    sort_by: str = ""
    subresource: str = ""
    kinds_shown: bool = False
    managed_fields: bool = False
    page_size: int = options.CHUNK_SIZE

    @property
    def columns(self) -> CustomColumns | None:
        """The columns that -o gives; None where it gives none."""
        from swarmlet.cli.forms import custom_columns

        kind, _, text = self.output.partition("=")
        if kind == "custom-columns-file":
            return custom_columns.from_template(documents.file_text(text))
        return custom_columns.parse(text) if kind == "custom-columns" else None

    def check_form(self) -> None:
        """Raise `UsageError` where -o says something that is not known."""
        if self.columns is None:
            documents.check_form(self.output, FORMS)

    def form(self, kind_prefix: str = "", *, namespaced: bool = True) -> tables.Form:
        return tables.Form(
            wide=self.output == "wide",
            headers=self.headers,
            namespaces=self.all_namespaces and namespaced,
            labels=self.labels,
            label_columns=self.label_columns,
            kind_prefix=kind_prefix,
        )


@connected
async def get(
    session: Session,
    what: options.WhatIfAny = None,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    all_namespaces: options.AllNamespaces = False,
    selector: options.Labels = "",
    field_selector: options.Fields = "",
    watch: options.Watch = False,
    watch_only: Annotated[bool, typer.Option("--watch-only", help="Print changes, and not what there is.")] = False,
    output: ObjectOutput = "",
    no_headers: options.NoHeaders = False,
    show_labels: Annotated[bool, typer.Option("--show-labels", help="With a column of labels.")] = False,
    label_columns: LabelColumns = None,
    show_kind: Annotated[bool, typer.Option("--show-kind", help="With its type before each name.")] = False,
    sort_by: Annotated[str, typer.Option("--sort-by", help="In the order of a field: .metadata.name.")] = "",
    subresource: Annotated[str, typer.Option("--subresource", help="A part of named objects: status, scale.")] = "",
    raw: Annotated[str, typer.Option("--raw", help="What the API answers at a path, as it is.")] = "",
    ignore_not_found: options.IgnoreNotFound = False,
    show_managed_fields: Annotated[
        bool, typer.Option("--show-managed-fields", help="With who owns which field, of -o json and yaml.")
    ] = False,
    chunk_size: options.ChunkSize = options.CHUNK_SIZE,
    at: Annotated[str, typer.Option("--at", help="As it was asked for at a revision or time: 1234, 14:05, -10m.")] = "",
) -> None:
    """Show objects: as a table, whole, as they change, or as they were asked for.

    `get pods`, `get deploy/web -o yaml`, `get all -A`, `get pods -w`, `get deploy web --at -10m`
    """
    from swarmlet.cli import selection
    from swarmlet.cli.past import at as past
    from swarmlet.client.client import Scope

    if raw:
        await _print_raw(session, raw)
        return
    wish = _Wish(
        output=output,
        scope=Scope(namespace="" if all_namespaces else session.namespace, labels=selector, fields=field_selector),
        all_namespaces=all_namespaces,
        headers=not no_headers,
        labels=show_labels,
        ignore_not_found=ignore_not_found,
        label_columns=tuple(part for each in label_columns or () for part in each.split(",")),
        sort_by=sort_by,
        subresource=subresource,
        kinds_shown=show_kind,
        managed_fields=show_managed_fields,
        page_size=chunk_size,
    )
    wish.check_form()
    selected = await selection.meant(session, what or (), filename, recursive=recursive)
    _check(selected, wish, watch=watch or watch_only)
    if at:
        _check_past(wish, watch=watch)
        await past.show(session, selected, at, all_namespaces=all_namespaces, output=output)
    elif watch or watch_only:
        await _watch(session, selected, wish, first=not watch_only)
    else:
        await _print(session, selected, wish)


async def _print(session: Session, selected: Selection, wish: _Wish) -> None:
    if wish.output in documents.TABLES:
        await _print_tables(session, selected, wish)
    else:
        await _print_objects(session, selected, wish)


async def _print_raw(session: Session, raw: str) -> None:
    from urllib.parse import parse_qsl

    from swarmlet.client.connection import Request

    path, _, query = raw.partition("?")
    body = await session.api.connection.send(Request(method="GET", path=path, query=dict(parse_qsl(query))))
    sys.stdout.buffer.write(body)
    sys.stdout.flush()


def _check(selected: Selection, wish: _Wish, *, watch: bool) -> None:
    if selected.named and wish.all_namespaces:
        raise exits.UsageError("an object is named within one namespace: leave out -A, or give -n")
    if selected.named and (wish.scope.labels or wish.scope.fields):
        raise exits.UsageError("a name and a selector exclude each other")
    if wish.subresource and (selected.kinds or watch):
        raise exits.UsageError("--subresource shows a part of objects that are named, and goes with no -w")
    if watch and wish.sort_by:
        raise exits.UsageError("--sort-by and --watch exclude each other")
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
    several = wish.kinds_shown or len({resource for resource, _ in found}) > 1 or len(selected.kinds) > 1
    shown = [(resource, table) for resource, table in found if table.get("rows")]
    for position, (resource, table) in enumerate(shown):
        prefix = f"{resource.full_name}/" if several else ""
        if position:
            print()
        printer = tables.TablePrinter(wish.form(prefix, namespaced=resource.namespaced), terminal.style)
        printer.print(_sorted(table, wish))
    if not shown and not missing and not (selected.named and wish.ignore_not_found):
        await _say_nothing_found(session, selected.kinds, wish)
    exits.tell_missing(missing)


def _sorted(table: dict[str, Any], wish: _Wish) -> dict[str, Any]:
    if not wish.sort_by:
        return table
    from swarmlet.cli.forms import sorting

    return {**table, "rows": sorting.ordered(table["rows"], wish.sort_by, operator.itemgetter("object"))}


async def _kind_tables(
    session: Session, kinds: Sequence[Resource], wish: _Wish
) -> list[tuple[Resource, dict[str, Any]]]:
    from swarmlet.client.client import TABLE

    whole = bool(wish.sort_by)
    return [
        (
            resource,
            await session.api.list(resource, wish.scope, accept=TABLE, whole_objects=whole, page_size=wish.page_size),
        )
        for resource in kinds
    ]


async def _named_tables(
    session: Session, named: Sequence[Reference], wish: _Wish, missing: list[NotFoundError]
) -> list[tuple[Resource, dict[str, Any]]]:
    """Return one Table a kind, of the objects that are there."""
    from swarmlet.client.client import TABLE

    found: dict[Resource, dict[str, Any]] = {}
    for reference in named:
        try:
            table = await _one(session, reference, wish, accept=TABLE)
        except NotFoundError as error:
            missing += [] if wish.ignore_not_found else [error]
            continue
        known = found.setdefault(reference.resource, {**table, "rows": []})
        known["rows"] += table["rows"]
    return list(found.items())


async def _say_nothing_found(session: Session, kinds: Sequence[Resource], wish: _Wish) -> None:
    from swarmlet.cli import hints

    if wish.scope.namespace and any(kind.namespaced for kind in kinds):
        exits.say(f"No resources found in {wish.scope.namespace} namespace.")
        await hints.say_if_no_namespace(session)
    else:
        exits.say("No resources found")


# Whole objects and names.


async def _one(session: Session, reference: Reference, wish: _Wish, *, accept: str = "") -> dict[str, Any]:
    """Return one named object, or the part of it that is wished, as JSON where no other form is asked for."""
    from swarmlet.client.connection import JSON

    return await session.api.get(
        reference.resource,
        reference.name,
        namespace=reference.namespace or session.namespace,
        subresource=wish.subresource,
        accept=accept or JSON,
        whole_objects=bool(wish.sort_by),
    )


async def _print_objects(session: Session, selected: Selection, wish: _Wish) -> None:
    missing: list[NotFoundError] = []
    found: list[tuple[Resource, dict[str, Any]]] = []
    for resource in selected.kinds:
        listed = await session.api.list(resource, wish.scope, page_size=wish.page_size)
        header = {"apiVersion": resource.api_version, "kind": resource.kind}
        found += [(resource, {**header, **item}) for item in listed.get("items") or ()]
    for reference in selected.named:
        try:
            found.append((reference.resource, await _one(session, reference, wish)))
        except NotFoundError as error:
            missing += [] if wish.ignore_not_found else [error]
    if wish.sort_by:
        from swarmlet.cli.forms import sorting

        found = sorting.ordered(found, wish.sort_by, operator.itemgetter(1))
    _print_found(found, wish, single=len(selected.named) == 1)
    exits.tell_missing(missing)


def _print_found(found: Sequence[tuple[Resource, dict[str, Any]]], wish: _Wish, *, single: bool) -> None:
    if wish.output == "name":
        for resource, item in found:
            print(f"{resource.full_name}/{item['metadata']['name']}")
    elif columns := wish.columns:
        for line in columns.lines([item for _, item in found], headers=wish.headers):
            print(line)
    elif not single:
        documents.show(wish.output, documents.as_list(item for _, item in found), managed_fields=wish.managed_fields)
    elif found:
        documents.show(wish.output, found[0][1], managed_fields=wish.managed_fields)


# Watching.


async def _watch(session: Session, selected: Selection, wish: _Wish, *, first: bool) -> None:
    from contextlib import aclosing

    from swarmlet.client.client import TABLE, Scope
    from swarmlet.client.connection import JSON
    from swarmlet.client.watching import Watch

    resource = selected.kinds[0] if selected.kinds else selected.named[0].resource
    scope = wish.scope
    if selected.named:
        scope = Scope(
            namespace=selected.named[0].namespace or session.namespace, fields=f"metadata.name={selected.named[0].name}"
        )
    as_table = wish.output in documents.TABLES
    accept = TABLE if as_table else JSON
    following = Watch(session.api, resource, scope, accept=accept, page_size=wish.page_size)
    listed = await following.start()
    if selected.named and not (listed.get("rows") or listed.get("items")) and not wish.ignore_not_found:
        raise NotFoundError(f'{resource.plural} "{selected.named[0].name}" not found')
    printer = tables.TablePrinter(wish.form(namespaced=resource.namespaced), terminal.style)
    if as_table and first:
        printer.print(listed)
    elif first:
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
    elif columns := wish.columns:
        print("\n".join(columns.lines([item], headers=False)), flush=True)
    else:
        documents.show(wish.output, item, between="---\n", managed_fields=wish.managed_fields)
