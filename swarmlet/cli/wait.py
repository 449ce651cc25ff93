"""`swarmlet wait`: until objects are as they are waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing, spans
from swarmlet.cli.changes.outcomes import Form, Outcome
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError, NotFoundError

if TYPE_CHECKING:
    from swarmlet.cli.changes.targets import Wish
    from swarmlet.cli.selection import Reference
    from swarmlet.cli.wait_conditions import Goal

UNLIMITED_SECONDS = 7 * 24 * 3600.0
MET = "condition met"
UNLIMITED = "-"
"""A negative time, which kubectl takes for a week."""


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("wait", cls=parsing.Command)(wait)


@connected
async def wait(
    session: Session,
    what: options.WhatIfAny = None,
    for_: Annotated[
        str, typer.Option("--for", help="delete, create, condition=Ready, condition=X=false, jsonpath='{.a}'=value.")
    ] = "",
    filename: options.Files = None,
    recursive: options.Recursive = False,
    selector: options.Labels = "",
    field_selector: options.Fields = "",
    all_: options.Every = False,
    all_namespaces: options.AllNamespaces = False,
    within: options.Timeout = "30s",
    output: Form = "",
) -> None:
    """Wait until objects are as told.

    `wait --for=condition=Ready pod -l app=web`, `wait --for=delete pod/web-1`, `wait --for=jsonpath='{.spec.a}'=1 ...`
    """
    from swarmlet.cli import wait_conditions
    from swarmlet.cli.changes.targets import Wish

    if not for_:
        raise exits.UsageError("say what to wait for, as in --for=condition=Ready")
    goal = wait_conditions.parse(for_)
    outcome = Outcome(output=output)
    outcome.check()
    seconds = UNLIMITED_SECONDS if within.startswith(UNLIMITED) else spans.seconds(within, "--timeout")
    wish = Wish(
        files=filename,
        recursive=recursive,
        labels=selector,
        fields=field_selector,
        every=all_,
        all_namespaces=all_namespaces,
    )
    await _until_all(session, await _meant(session, what or (), wish, goal), goal, seconds, outcome)


async def _meant(session: Session, words: Sequence[str], wish: Wish, goal: Goal) -> list[Reference]:
    """Return which objects are waited for; those of a selector are the ones that are there."""
    from swarmlet.cli import selection, wait_conditions
    from swarmlet.cli.changes import targets

    if not wish.files:
        named = selection.select(words, await session.catalogue()).named
        if named and not (wish.labels or wish.fields or wish.every or wish.all_namespaces):
            return list(named)
    elif not words:
        return list(selection.of_files(wish.files, await session.catalogue(), recursive=wish.recursive).named)
    found = await targets.find(session, words, wish)
    if not found and goal.kind != wait_conditions.DELETE:
        raise CallerError("no matching resources found")
    return [selection.Reference(each.resource, each.name, each.namespace) for each in found]


async def _until_all(
    session: Session, meant: Sequence[Reference], goal: Goal, seconds: float, outcome: Outcome
) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    late: list[Reference] = []
    for reference in meant:
        try:
            async with asyncio.timeout_at(deadline if seconds else None):
                met = await _until_met(session, reference, goal, outcome, once=not seconds)
        except TimeoutError:
            met = False
        if not met:
            late.append(reference)
    for each in late[:-1]:
        exits.say(f"error: {_late(each, seconds)}")
    if late:
        raise exits.TimedOutError(_late(late[-1], seconds))


def _late(reference: Reference, seconds: float) -> str:
    named = f"{reference.resource.plural}/{reference.name}"
    return f"timed out waiting for the condition on {named}" if seconds else f"condition not met for {named}"


async def _until_met(session: Session, reference: Reference, goal: Goal, outcome: Outcome, *, once: bool) -> bool:
    """Return whether the goal is met: when it is, or at once where `once` is asked for.

    Tells so, but for what is to be gone and was not there: kubectl is silent then.
    """
    from contextlib import aclosing

    from swarmlet.cli.wait_conditions import CREATE, DELETE
    from swarmlet.client.client import Scope
    from swarmlet.client.watching import DELETED, Watch

    namespace = reference.namespace or session.namespace
    scope = Scope(namespace=namespace, fields=f"metadata.name={reference.name}")
    watch = Watch(session.api, reference.resource, scope)
    header: dict[str, Any] = {"apiVersion": reference.resource.api_version, "kind": reference.resource.kind}
    found = [{**header, **each} for each in (await watch.start()).get("items") or ()]
    if not found and goal.kind not in (CREATE, DELETE):
        raise NotFoundError(f'{reference.resource.full_plural} "{reference.name}" not found')
    uid = found[0]["metadata"].get("uid") if found else ""
    if goal.kind == DELETE and not found:
        return True
    if any(map(goal.is_met, found)):
        outcome.tell(reference, MET, found[0])
        return True
    if once:
        return False
    async with aclosing(watch.events()) as events:
        async for event in events:
            gone = event.type == DELETED or (uid and event.object["metadata"].get("uid") != uid)
            met = gone if goal.kind == DELETE else event.type != DELETED and goal.is_met(event.object)
            if met:
                outcome.tell(reference, MET, found[0] if goal.kind == DELETE else event.object)
                return True
    return False
