"""`swarmlet exec` and `swarmlet attach`: a command beside a container's own, or that one itself, on this terminal."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from swarmlet.cli import exits, options, parsing
from swarmlet.cli.inside import pods_of
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError

ENDED = ("Succeeded", "Failed")

Container = Annotated[str, typer.Option("--container", "-c", help="Which container.")]
Stdin = Annotated[bool, typer.Option("--stdin", "-i", help="Give it what this command reads.")]
Tty = Annotated[bool, typer.Option("--tty", "-t", help="On a terminal: this one.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only what it prints.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root app."""
    app.command("exec", cls=parsing.Command)(execute)
    app.command("attach", cls=parsing.Command)(attach)


@connected
async def execute(
    session: Session,
    what: Annotated[list[str], typer.Argument(metavar="POD|TYPE/NAME -- COMMAND...", help="As in `web-1 -- date`.")],
    stdin: Stdin = False,
    tty: Tty = False,
    container: Container = "",
    quiet: Quiet = False,
    filename: options.Files = None,
    pod_running_timeout: options.PodRunning = options.POD_RUNNING,
) -> None:
    """Run a command in a container, and end with its exit code.

    `exec web-1 -- date`, `exec -it deployment/web -- sh`, `exec -f web.yaml -- date`
    """
    command = what if filename else what[1:]
    if not command:
        raise exits.UsageError("you must specify at least one command for the container, as in `exec web-1 -- date`")
    if filename:
        found = await pods_of.of_file(session, filename, pod_running_timeout)
    else:
        found = await pods_of.find(session, what[0], pod_running_timeout)
    pod = _alive(found[0], "exec into")
    tty = tty and _can_have_terminal(stdin=stdin)
    query = [("container", pods_of.container(pod, container)), ("stdout", "true"), ("stderr", _flag(on=not tty))]
    query += [("stdin", _flag(on=stdin)), ("tty", _flag(on=tty)), *(("command", word) for word in command)]
    await _hold(session, pod, "exec", query, stdin=stdin, tty=tty, quiet=quiet)


@connected
async def attach(
    session: Session,
    what: Annotated[str, typer.Argument(metavar="POD|TYPE/NAME", help="As in `web-1`.")],
    stdin: Stdin = False,
    tty: Tty = False,
    container: Container = "",
    quiet: Quiet = False,
    pod_running_timeout: options.PodRunning = options.POD_RUNNING,
) -> None:
    """See what a container prints from now on, and with -i type into it."""
    pod = _alive((await pods_of.find(session, what, pod_running_timeout))[0], "attach to")
    await attach_to(session, pod, pods_of.container(pod, container), stdin=stdin, tty=tty, quiet=quiet)


async def attach_to(session: Session, pod: dict[str, Any], name: str, *, stdin: bool, tty: bool, quiet: bool) -> None:
    """Be attached to a container of a Pod until it ends; end with its code where the server tells one."""
    spec = next(each for each in pods_of.containers(pod) if each["name"] == name)
    if tty and not spec.get("tty"):
        exits.say(f"error: Unable to use a TTY - container {name} did not allocate one")
        tty = False
    tty = tty and _can_have_terminal(stdin=stdin)
    if stdin and not quiet:
        exits.say("If you don't see a command prompt, try pressing enter.")
    query = [("container", name), ("stdout", "true"), ("stderr", _flag(on=not spec.get("tty")))]
    query += [("stdin", _flag(on=stdin)), ("tty", _flag(on=tty))]
    await _hold(session, pod, "attach", query, stdin=stdin, tty=tty, quiet=quiet)


def _alive(pod: dict[str, Any], what: str) -> dict[str, Any]:
    """Return a Pod; raise `CallerError` where it has ended."""
    if (phase := pod["status"].get("phase")) in ENDED:
        raise CallerError(f"cannot {what} a container in a completed pod; current phase is {phase}")
    return pod


async def _hold(
    session: Session,
    pod: dict[str, Any],
    subresource: str,
    query: list[tuple[str, str]],
    *,
    stdin: bool,
    tty: bool,
    quiet: bool,
) -> None:
    from swarmlet.cli.inside import conversation

    pods = (await session.catalogue()).find("pods")
    path = pods.path(namespace=pod["metadata"]["namespace"], name=pod["metadata"]["name"], subresource=subresource)
    read = conversation.stdin if stdin else None
    code = await conversation.hold(session, path, query, read=read, write=conversation.show, on_terminal=tty)
    if code:
        if not quiet:
            exits.say(f"command terminated with exit code {code}")
        raise typer.Exit(code)


def _can_have_terminal(*, stdin: bool) -> bool:
    from swarmlet.cli.inside import conversation

    if stdin and not conversation.has_terminal():
        exits.say("Unable to use a TTY - input is not a terminal or the right kind of file")
        return False
    return stdin


def _flag(*, on: bool) -> str:
    return "true" if on else "false"
