"""`swarmlet history` and `swarmlet diff`: who changed what, when and from where."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from swarmlet.cli import exits, options, parsing
from swarmlet.cli.applying import apply
from swarmlet.cli.past import moments
from swarmlet.cli.session import Session, connected

if TYPE_CHECKING:
    from collections.abc import Iterable


HISTORY_PATH = "/swarmlet/v1/history"
T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


class MomentsCommand(parsing.Command):
    """A command whose arguments may be a while ago: what begins like -10m is no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [arg.removeprefix("-") if moments.is_while_ago(arg) else arg for arg in args])


def register(app: typer.Typer) -> None:
    """Add the commands to the root app."""
    app.command("history", cls=parsing.Command)(history)
    app.command("diff", cls=MomentsCommand)(diff)


@connected
async def history(
    session: Session,
    what: options.WhatIfAny = None,
    all_namespaces: options.AllNamespaces = False,
    since: Annotated[str, typer.Option("--since", help="Only after this revision or time, as in 1h or 14:05.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most so many, the newest.")] = 50,
    as_json: AsJson = False,
    no_headers: options.NoHeaders = False,
) -> None:
    """Tell who changed what of what is asked for, newest first.

    `history`, `history deploy/web`, `history -A --since 1h`, `history nodes`
    """
    from swarmlet.cli import tables
    from swarmlet.cli.past import history_text
    from swarmlet.model.histories import ChangeList

    now = session.clock.now()
    query = await scope(session, what or (), all_namespaces=all_namespaces)
    query |= {"limit": str(limit), "since": moments.moment(since, now, "--since") if since else ""}
    page = await ask(session, "", query, ChangeList)
    if as_json:
        print_json(page)
        return
    spaces = all_namespaces
    rows = [[each.namespace] * spaces + history_text.row(each, now) for each in page.changes]
    header = ["NAMESPACE"] * spaces + list(history_text.HEADER)
    for line in tables.Columns().lines(header, rows, headers=not no_headers and bool(rows)):
        print(line)
    if not rows:
        exits.say(f"No changes found{_where(query)}.")
    elif page.more:
        exits.say(f"There are earlier ones: --limit {limit * 2}, or --since.")


@connected
async def diff(
    session: Session,
    moments_and_object: Annotated[
        list[str] | None,
        typer.Argument(metavar="REV [REV|TIME] [TYPE/NAME]", help="As in `1234`, `1200 1234 deploy/web`."),
    ] = None,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="With -f: the values of Secrets too.")] = False,
    selector: options.Labels = "",
    server_side: apply.ServerSide = False,
    force_conflicts: apply.ForceConflicts = False,
    field_manager: apply.FieldManager = "",
    all_namespaces: options.AllNamespaces = False,
    as_json: AsJson = False,
) -> None:
    """Show what a change did, what differs between two moments, or what applying files would change.

    `diff 1234`, `diff 1200 1234`, `diff 14:05 14:20 deploy/web`, `diff 1h 0s -A`, `diff -f web.yaml`
    """
    from swarmlet.cli.applying import difference

    words = moments_and_object or []
    if filename:
        if words:
            raise exits.UsageError("-f compares files with what is there: it goes with no moment and no object")
        way = apply.Way("server", "strict", server_side, force_conflicts, field_manager)
        way.check()
        if await difference.show(session, filename, way, selector, recursive=recursive, secrets=show_secrets):
            raise typer.Exit(exits.FAILED)
        return
    if selector or server_side or force_conflicts or field_manager:
        raise exits.UsageError("-l, --server-side, --force-conflicts and --field-manager go with -f")
    objects = [word for word in words if "/" in word]
    ends = [word for word in words if "/" not in word]
    if len(ends) not in (1, 2) or len(objects) > 1:
        raise exits.UsageError(f"name one change or two moments, and at most one object; a moment is {moments.FORMS}")
    if len(ends) == 1:
        await _show_change(session, ends[0], objects, as_json=as_json)
    else:
        query = await scope(session, objects, all_namespaces=all_namespaces)
        await _show_between(session, ends, query, as_json=as_json)


async def _show_change(session: Session, revision: str, objects: Sequence[str], *, as_json: bool) -> None:
    from swarmlet.cli.past import history_text
    from swarmlet.model.histories import ChangeList

    query = await scope(session, objects, all_namespaces=True)
    page = await ask(session, f"/{number(revision)}", query, ChangeList)
    if as_json:
        print_json(page)
    else:
        print_signed(history_text.change_lines(page.changes, session.clock.now()))


async def _show_between(session: Session, ends: Sequence[str], query: dict[str, str], *, as_json: bool) -> None:
    from swarmlet.cli.past import history_text
    from swarmlet.model.histories import MomentDifference

    now = session.clock.now()
    before, after = (moments.moment(each, now) for each in ends)
    page = await ask(session, "/between", query | {"before": before, "after": after}, MomentDifference)
    if as_json:
        print_json(page)
        return
    for note in page.notes:
        exits.say(f"Warning: {note}")
    print_signed(itertools.chain.from_iterable(map(history_text.object_lines, page.objects)))
    if page.more:
        exits.say(f"{page.more} objects more differ: name one, or a namespace.")
    if not page.objects:
        exits.say(f"No differences{_where(query)} between revisions {page.before} and {page.after}.")


# What the commands about the history share.


async def scope(session: Session, what: Sequence[str], *, all_namespaces: bool) -> dict[str, str]:
    """Return, as a query, which objects are meant: one, a kind's, or all; of a namespace or of all."""
    from swarmlet.cli import selection

    namespace = "" if all_namespaces else session.namespace
    if not what:
        return {"namespace": namespace}
    selected = selection.select(what, await session.catalogue())
    if len(selected.kinds) + len(selected.named) != 1:
        raise exits.UsageError(f"name one object or one kind; found: {' '.join(what)}")
    resource = selected.named[0].resource if selected.named else selected.kinds[0]
    query = {"resource": f"{resource.plural}.{resource.group}" if resource.group else resource.plural}
    query["namespace"] = (session.namespace if selected.named else namespace) if resource.namespaced else ""
    return query | ({"name": selected.named[0].name} if selected.named else {})


async def ask(session: Session, path: str, query: dict[str, str], kind: type[T]) -> T:
    """Return the history's answer to a question."""
    import msgspec

    from swarmlet.client.connection import Request

    said = {name: value for name, value in query.items() if value}
    answer = await session.api.connection.json(Request(method="GET", path=HISTORY_PATH + path, query=said))
    return msgspec.convert(answer, kind)


def number(text: str) -> int:
    """Return a revision; raise `UsageError` for what is none."""
    if not (text.isascii() and text.isdigit()):
        raise exits.UsageError(f"found {text!r}; allowed: the revision of a change, as `swarmlet history` tells it")
    return int(text)


def print_json(page: Any) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(page), indent=2).decode())


def print_signed(lines: Iterable[str]) -> None:
    """Print the lines of a diff, in colour where there is a terminal."""
    from swarmlet.cli import terminal

    for line in lines:
        print(terminal.signed(line))


def _where(query: dict[str, str]) -> str:
    return f" in {query['namespace']} namespace" if query.get("namespace") else ""
